"""The banks' port against a real ISO 8583 server: what it moves, and every way in which an answer can go wrong."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from mpss.kernel.outcome import Approved, Declined, InDoubt
from mpss.observability import OUTSIDE_CALLS
from mpss.ports.bank import BankOperation
from mpss.simulators.bank_faults import Fault, FaultKind
from mpss.wire.iso8583.messages import Service
from tests.integration.banks.conftest import CARD, HOLDER, Connected, again
from tests.support.clauses import clause
from tests.support.eventually import eventually

SOON = 0.4
"""How long a call waits where no answer is expected."""


class TestBank:
    async def test_debits_and_credits_once_for_a_reference(self, connected: Connected) -> None:
        debit = connected.request(BankOperation.DEBIT, 2500)
        first = await connected.port.ask(debit, timeout_seconds=5)
        assert isinstance(first, Approved)
        assert await connected.port.ask(again(debit), timeout_seconds=5) == first
        assert connected.card().balance_fen == 97_500
        credit = connected.request(BankOperation.CREDIT, 500)
        assert isinstance(await connected.port.ask(credit, timeout_seconds=5), Approved)
        assert connected.card().balance_fen == 98_000

    async def test_refuses_with_the_banks_code_and_its_meaning(self, connected: Connected) -> None:
        debit = connected.request(BankOperation.DEBIT, 100_001)
        assert await connected.port.ask(debit, timeout_seconds=5) == Declined("51 insufficient funds")
        assert connected.card().balance_fen == 100_000

    async def test_freezes_then_collects_a_part_and_frees_the_rest(self, connected: Connected) -> None:
        freeze = connected.request(BankOperation.FREEZE, 3000)
        frozen = await connected.port.ask(freeze, timeout_seconds=5)
        assert isinstance(frozen, Approved)
        assert len(frozen.reference) == 6
        assert connected.card().available_fen == 97_000
        collect = connected.request(BankOperation.COLLECT, 2000, freeze)
        assert isinstance(await connected.port.ask(collect, timeout_seconds=5), Approved)
        assert (connected.card().balance_fen, connected.card().frozen_fen) == (98_000, 0)

    async def test_unfreezes(self, connected: Connected) -> None:
        freeze = connected.request(BankOperation.FREEZE, 3000)
        await connected.port.ask(freeze, timeout_seconds=5)
        unfreeze = connected.request(BankOperation.UNFREEZE, 3000, freeze)
        assert isinstance(await connected.port.ask(unfreeze, timeout_seconds=5), Approved)
        assert (connected.card().balance_fen, connected.card().frozen_fen) == (100_000, 0)

    @pytest.mark.parametrize("operation", [BankOperation.DEBIT, BankOperation.FREEZE])
    async def test_reverses_once(self, connected: Connected, operation: BankOperation) -> None:
        asked = connected.request(operation, 3000)
        await connected.port.ask(asked, timeout_seconds=5)
        for _ in range(2):
            reverse = connected.request(BankOperation.REVERSE, 3000, asked)
            assert isinstance(await connected.port.ask(reverse, timeout_seconds=5), Approved)
        assert (connected.card().balance_fen, connected.card().frozen_fen) == (100_000, 0)
        assert await connected.port.inquire(asked, timeout_seconds=5) == Declined("22 reversed")

    async def test_a_reversal_is_the_tombstone_of_a_late_debit(self, connected: Connected) -> None:
        debit = connected.request(BankOperation.DEBIT, 3000)
        connected.bank.faults.add(Fault(FaultKind.DELAY_REQUEST, 1, seconds=SOON + 0.2))
        assert isinstance(await connected.port.ask(debit, timeout_seconds=SOON), InDoubt)
        reverse = connected.request(BankOperation.REVERSE, 3000, debit)
        assert isinstance(await connected.port.ask(reverse, timeout_seconds=5), Approved)
        await asyncio.sleep(0.4)
        assert connected.card().balance_fen == 100_000
        assert await connected.port.inquire(debit, timeout_seconds=5) == Declined("22 reversed")

    async def test_says_the_balance_and_whether_a_name_is_right(self, connected: Connected) -> None:
        assert await connected.port.balance("ICBC", CARD, timeout_seconds=5) == Approved("", content="100000")
        verify = connected.request(BankOperation.VERIFY)
        assert isinstance(await connected.port.ask(verify, timeout_seconds=5), Approved)
        connected.bank.store.open_card("6222020000000025", holder_name="别人", phone="+8618912340002", balance_fen=0)
        other = connected.request(BankOperation.CREDIT, 100)
        object.__setattr__(other, "card_number", "6222020000000025")
        assert await connected.port.ask(other, timeout_seconds=5) == Declined("63 name or phone is another")
        assert HOLDER != "别人"

    async def test_answers_an_inquiry_and_carries_nothing_out(self, connected: Connected) -> None:
        debit = connected.request(BankOperation.DEBIT, 3000)
        assert await connected.port.inquire(debit, timeout_seconds=5) == Declined("25 the bank never had it")
        assert connected.card().balance_fen == 100_000
        done = await connected.port.ask(debit, timeout_seconds=5)
        assert await connected.port.inquire(debit, timeout_seconds=5) == done

    async def test_counts_its_calls_by_counterpart_operation_and_outcome(self, connected: Connected) -> None:
        counter = OUTSIDE_CALLS.labels("bank:ICBC", "debit", "declined")
        before = counter._value.get()
        await connected.port.ask(connected.request(BankOperation.DEBIT, 10**9), timeout_seconds=5)
        assert counter._value.get() == before + 1


@clause("CT 12.2")
class TestTrouble:
    @pytest.mark.parametrize(
        ("fault", "moved"),
        [
            (Fault(FaultKind.LOSE_REQUEST, 1), False),
            (Fault(FaultKind.LOSE_REPLY, 1), True),
            (Fault(FaultKind.DELAY, 1, seconds=SOON + 0.2), True),
            (Fault(FaultKind.CLOSE, 1), True),
            (Fault(FaultKind.BAD_MAC, 1), True),
            (Fault(FaultKind.NONSENSE, 1), True),
            (Fault(FaultKind.BAD_LENGTH, 1), True),
            (Fault(FaultKind.UNKNOWN_FIELD, 1), True),
            (Fault(FaultKind.UNMATCHED, 1), True),
            (Fault(FaultKind.DECLINE, 1, code="96"), False),
            (Fault(FaultKind.DECLINE, 1, code="Z9"), False),
        ],
        ids=lambda value: value.kind if isinstance(value, Fault) else "",
    )
    async def test_leaves_a_debit_in_doubt_and_the_inquiry_settles_it(
        self, connected: Connected, fault: Fault, moved: bool
    ) -> None:
        connected.bank.faults.add(Fault(fault.kind, 1, fault.seconds, fault.code))
        debit = connected.request(BankOperation.DEBIT, 3000)
        assert isinstance(await connected.port.ask(debit, timeout_seconds=SOON), InDoubt)
        assert connected.card().balance_fen == (97_000 if moved else 100_000)
        found = await connected.port.inquire(debit, timeout_seconds=5)
        if fault.kind is FaultKind.DECLINE:
            assert isinstance(found, InDoubt)
        else:
            assert isinstance(found, Approved if moved else Declined)

    async def test_a_refusal_by_fault_is_a_refusal(self, connected: Connected) -> None:
        connected.bank.faults.add(Fault(FaultKind.DECLINE, 1, code="62", service=Service.DEBIT))
        debit = connected.request(BankOperation.DEBIT, 3000)
        assert await connected.port.ask(debit, timeout_seconds=5) == Declined("62 card restricted")

    async def test_a_second_and_a_late_answer_are_dropped(self, connected: Connected) -> None:
        session = connected.port.session("ICBC")
        connected.bank.faults.add(Fault(FaultKind.TWICE, 1))
        twice = connected.request(BankOperation.DEBIT, 100)
        assert isinstance(await connected.port.ask(twice, timeout_seconds=5), Approved)
        connected.bank.faults.add(Fault(FaultKind.DELAY, 1, seconds=0.3))
        late = connected.request(BankOperation.DEBIT, 100)
        assert isinstance(await connected.port.ask(late, timeout_seconds=0.1), InDoubt)

        async def dropped() -> bool:
            return session.dropped == 2

        await eventually(dropped)
        assert session.waiting == 0
        assert connected.card().balance_fen == 99_800

    async def test_signs_on_again_after_the_bank_was_away(self, connected: Connected) -> None:
        port = connected.bank.port
        await connected.bank.hang_up()
        debit = connected.request(BankOperation.DEBIT, 3000)
        assert isinstance(await connected.port.ask(debit, timeout_seconds=SOON), InDoubt)
        await connected.bank.listen(port)
        assert isinstance(await connected.port.ask(again(debit), timeout_seconds=10), Approved)
        assert connected.card().balance_fen == 97_000

    async def test_is_not_up_while_the_sign_on_is_refused(self, connected: Connected) -> None:
        connected.bank.faults.add(Fault(FaultKind.REFUSE_SIGN_ON))
        port = connected.bank.port
        await connected.bank.hang_up()
        await connected.bank.listen(port)
        assert not await connected.port.session("ICBC").wait_up(timeout_seconds=SOON)
        connected.bank.faults.clear()
        assert await connected.port.session("ICBC").wait_up(timeout_seconds=10)

    async def test_keeps_a_quiet_line_alive_by_echo(self, connected: Connected) -> None:
        async def echoed() -> bool:
            return connected.bank.echoes >= 2

        await eventually(echoed)
        assert connected.port.session("ICBC").up


class TestMany:
    async def test_two_thousand_calls_wait_at_once_on_one_connection(self, connected: Connected) -> None:
        connected.bank.faults.add(Fault(FaultKind.DELAY, seconds=1.0))
        asked = [connected.request(BankOperation.DEBIT, 1) for _ in range(2000)]
        begun = time.monotonic()
        calls = asyncio.gather(*(connected.port.ask(request, timeout_seconds=30) for request in asked))
        answers = await calls
        assert all(isinstance(answer, Approved) for answer in answers)
        assert time.monotonic() - begun < 20
        assert connected.card().balance_fen == 98_000
        assert connected.bank.signed_on == 1


class TestControl:
    async def test_shows_the_books_and_takes_faults(self, connected: Connected) -> None:
        await connected.port.ask(connected.request(BankOperation.DEBIT, 2500), timeout_seconds=5)
        async with httpx.AsyncClient(base_url=connected.bank.control_url) as control:
            lines: list[dict[str, Any]] = (await control.get("/lines")).json()["lines"]
            assert [line["amount_fen"] for line in lines] == [100_000, -2500]
            made = await control.post("/faults", json={"kind": "decline", "count": 1, "code": "41"})
            assert made.status_code == 201
            debit = connected.request(BankOperation.DEBIT, 1)
            assert await connected.port.ask(debit, timeout_seconds=5) == Declined("41 card lost")
            assert (await control.post("/faults", json={"kind": "no such"})).status_code == 400
            assert (await control.get("/lines", headers={"host": "example.com:1"})).status_code == 403
