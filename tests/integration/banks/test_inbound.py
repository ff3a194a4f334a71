"""What a bank asks us, over its line: top-ups and their reversals, bindings; both books agree line by line."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from mpss.accounts.bank_binding import bind_by_bank, unbind_by_bank
from mpss.accounts.cards import list_cards
from mpss.config import Policy
from mpss.db.database import Database
from mpss.kernel.errors import ErrorCode, Refused
from mpss.observability import OUTSIDE_CALLS
from mpss.simulators.bank_faults import FaultKind
from mpss.wire.iso8583.fields import ProfileName
from mpss.wire.iso8583.messages import BankMessage, Original, Service
from tests.support.clauses import clause
from tests.support.house import events, notices, subscriber
from tests.support.inbound import CARD, HOLDER, OTHER_CARD, Inbound, inbound
from tests.support.market import PHONE

STORM = (
    FaultKind.LOSE_REQUEST, FaultKind.LOSE_REPLY, FaultKind.DELAY_REQUEST, FaultKind.TWICE, FaultKind.CLOSE,
    FaultKind.BAD_MAC,
)  # fmt: skip
POLICY = Policy(topup_single_limit_fen=100_000, balance_limit_fen=150_000)


@pytest.fixture(params=list(ProfileName))
async def line(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> AsyncIterator[Inbound]:
    async with inbound(database, tmp_path, request.param, policy=POLICY) as made:
        yield made


async def balance_fen(line: Inbound) -> int:
    async with line.runtime.database.read() as uow:
        return int(
            await uow.value(
                "SELECT b.balance_fen FROM ledger_balance AS b JOIN account AS a ON a.ledger_account_id ="
                " b.ledger_account_id WHERE a.id = %(id)s",
                {"id": line.market.payer.account_id},
            )
        )


@clause("CM 5.3.1.2")
class TestAStorm:
    @pytest.mark.parametrize("profile", list(ProfileName))
    async def test_leaves_both_books_agreeing_line_by_line(
        self, database: Database, tmp_path: Path, profile: ProfileName
    ) -> None:
        dice = random.Random(7)
        async with inbound(database, tmp_path, profile, processes=2) as line:
            for batch in range(5):
                for kind in dice.choices(STORM, k=5):
                    line.fault(kind, None, seconds=0.3)
                counter = line.bank.counter
                sent = [counter.top_up(CARD, dice.randint(1, 900)) for _ in range(10)]
                work = asyncio.gather(*sent, return_exceptions=True)
                if batch % 2:
                    await asyncio.sleep(dice.random() / 5)
                    await line.restart_bank()
                await work
                if batch == 2:
                    await line.ports[1].stop()
                    await line.ports[1].start()  # A process of ours that carries nothing out.
                    await line.signed_on()
            line.bank.faults.clear()
            await line.settled()
            await asyncio.sleep(0.5)  # What was sent late and what a dead bank had on the line.
            gained = await line.agrees()
            assert gained > 0
            assert await balance_fen(line) == 100_000 + gained
            states = {order.state for order in line.bank.counter.orders.all()}
            assert states == {"done", "returned"}


@clause("CM 5.3.1.2")
class TestATopUpThatABankSends:
    async def test_moves_the_money_once_and_is_told(self, line: Inbound) -> None:
        calls = OUTSIDE_CALLS.labels("bank:ICBC", "inbound_top_up", "approved")
        before = calls._value.get()
        sent = await line.bank.counter.top_up(CARD, 2500)
        assert (sent.state, sent.response) == ("done", "00")
        line.fault(FaultKind.TWICE)
        assert (await line.bank.counter.top_up(CARD, 2500)).state == "done"
        assert await line.agrees() == 5000
        told = (await notices(line.runtime, PHONE))[-1]
        assert told == ("topped_up", {"amount_fen": 2500, "balance_fen": 105_000, "source": "bank_transfer"})
        assert calls._value.get() >= before + 2
        assert await line.bank.counter.inquire(sent.reference) == "00"

    async def test_is_refused_with_a_code_and_comes_back(self, line: Inbound) -> None:
        counter = line.bank.counter
        assert (await counter.top_up(CARD, 100, "+8618912349999")).response == "42"
        assert (await counter.top_up(CARD, 100_001)).response == "61"
        assert (await counter.top_up(CARD, 50_000)).response == "00"
        last = await counter.top_up(CARD, 1)
        assert (last.state, last.response) == ("returned", "61")
        assert await counter.inquire(last.reference) == "61"
        assert (await counter.top_up(CARD, 100, "no phone")).response == "30"
        assert await line.agrees() == 50_000

    async def test_whose_answer_is_lost_is_taken_back_once(self, line: Inbound) -> None:
        line.fault(FaultKind.LOSE_REPLY)
        line.fault(FaultKind.LOSE_REPLY, Service.REVERSE, 2)
        line.fault(FaultKind.TWICE, Service.REVERSE)
        sent = await line.bank.counter.top_up(CARD, 2500)
        await line.settled()
        assert line.bank.counter.orders.get(sent.id).state == "returned"
        assert (await events(line.runtime, PHONE))[-2:] == ["topped_up", "bank_topup_reversed"]
        assert await line.agrees() == 0
        assert await balance_fen(line) == 100_000
        assert await line.bank.counter.inquire(sent.reference) == "22"

    async def test_that_comes_after_its_reversal_finds_its_tombstone(self, line: Inbound) -> None:
        line.fault(FaultKind.DELAY_REQUEST, seconds=0.4)
        sent = await line.bank.counter.top_up(CARD, 2500)
        await line.settled()
        await asyncio.sleep(0.3)
        assert line.bank.counter.orders.get(sent.id).response == "25"
        assert await line.bank.counter.inquire(sent.reference) == "22"
        assert await line.agrees() == 0

    async def test_that_is_spent_meanwhile_stays(self, line: Inbound) -> None:
        line.fault(FaultKind.LOSE_REPLY)
        line.fault(FaultKind.LOSE_REQUEST, Service.REVERSE, 20)
        sent = await line.bank.counter.top_up(CARD, 2500)
        await line.market.buy(amount_fen=101_000)
        line.bank.faults.clear()
        await line.settled()
        order = line.bank.counter.orders.get(sent.id)
        assert (order.state, order.response) == ("done", "51")
        assert await line.agrees() == 2500

    async def test_is_reversed_by_a_bank_that_died_before_the_answer(self, line: Inbound) -> None:
        line.fault(FaultKind.LOSE_REPLY)
        line.fault(FaultKind.LOSE_REQUEST, Service.REVERSE, 99)
        sent = await line.bank.counter.top_up(CARD, 2500)
        await line.restart_bank()
        await line.settled()
        assert line.bank.counter.orders.get(sent.id).state == "returned"
        assert await line.agrees() == 0

    async def test_keeps_its_first_facts(self, line: Inbound) -> None:
        first = topup("T00000000501", 700)
        assert await line.ask(first) == "00"
        assert await line.ask(topup("T00000000501", 700, trace="000502")) == "00"
        assert await line.ask(topup("T00000000501", 701)) == "94"
        assert await line.ask(topup("T00000000501", 700, phone="+8618912340009")) == "94"
        assert await line.ask(reversal("R00000000501", "T00000000501", 701)) == "64"
        assert await line.ask(reversal("R00000000501", "T00000000501", 700)) == "00"
        assert await line.ask(reversal("R00000000501", "T00000000501", 700)) == "00"
        assert await line.ask(reversal("R00000000502", "T00000000501", 700)) == "12"
        assert await line.ask(reversal("R00000000501", "T00000000999", 700)) == "25"
        assert await line.ask(first) == "22"
        assert await line.ask(topup("T00000000503", 0)) == "13"
        assert await line.ask(topup("", 5)) == "30"
        assert await balance_fen(line) == 100_000


def topup(reference: str, amount_fen: int, *, phone: str = PHONE, trace: str = "000501") -> BankMessage:
    return BankMessage(Service.TOP_UP, trace, "0701120000", reference, amount_fen=amount_fen, phone=phone)


def reversal(reference: str, of: str, amount_fen: int) -> BankMessage:
    original = Original(of, "000501", "0701120000")
    return BankMessage(Service.REVERSE, "000501", "0701120000", reference, amount_fen=amount_fen, original=original)


@clause("CM 6.4.6.1", "CM 6.4.6.2")
@clause("CM 5.3.1.3", "CM 5.3.1.4", "CM 5.3.3.1", "CM 5.3.3.2")
class TestABindingThatABankAsksFor:
    async def test_binds_once_tells_and_unbinds(self, line: Inbound) -> None:
        counter, account_id = line.bank.counter, line.market.payer.account_id
        assert [await counter.bind(CARD) for _ in range(2)] == ["00", "00"]
        (card,) = await list_cards(line.runtime, account_id=account_id)
        assert (card.masked, card.bank, card.state) == ("************0015", "ICBC", "bound")
        assert (await events(line.runtime, PHONE))[-1] == "card_bound"
        assert (await events(line.runtime, PHONE)).count("card_bound") == 1
        assert [await counter.unbind(CARD) for _ in range(2)] == ["00", "00"]
        assert await list_cards(line.runtime, account_id=account_id) == []
        assert (await events(line.runtime, PHONE)).count("card_unbound") == 1
        assert await counter.bind(CARD) == "00"

    async def test_is_refused_for_another_name_and_for_who_has_no_wallet(self, line: Inbound) -> None:
        counter = line.bank.counter
        line.bank.store.open_card(OTHER_CARD, holder_name="王芳", phone=PHONE, balance_fen=0)
        assert await counter.unbind(OTHER_CARD) == "14"
        assert await counter.bind(CARD) == "00"
        assert await counter.bind(OTHER_CARD) == "63"
        assert await counter.bind(OTHER_CARD, "+8618912349999") == "42"
        assert HOLDER != "王芳"
        await subscriber(line.runtime, "18912340007")
        assert await counter.bind(OTHER_CARD, "+8618912340007") == "00"

    async def test_over_the_control_door_too(self, line: Inbound) -> None:
        async with httpx.AsyncClient(base_url=line.bank.control_url) as door:
            assert (await door.post("/bindings", json={"card": CARD})).json() == {"response": "00"}
            sent = await door.post("/topups", json={"card": CARD, "amount_fen": 300})
            assert (sent.status_code, sent.json()["state"]) == (201, "done")
            asked = await door.post("/inquiries", json={"reference": sent.json()["reference"]})
            assert asked.json() == {"response": "00"}
            assert (await door.post("/unbindings", json={"card": CARD})).json() == {"response": "00"}
            assert (await door.post("/topups", json={"card": CARD, "amount_fen": 10**9})).status_code == 400
            assert len((await door.get("/topups")).json()["topups"]) == 1

    async def test_of_a_card_that_is_bound_as_another_banks_is_refused(self, line: Inbound) -> None:
        assert await line.bank.counter.bind(CARD) == "00"
        with pytest.raises(Refused) as refused:
            await bind_by_bank(line.runtime, bank="OTHER", phone=PHONE, card_number=CARD, holder_name=HOLDER)
        assert refused.value.code is ErrorCode.CARD_REFUSED
        with pytest.raises(Refused) as refused:
            await unbind_by_bank(line.runtime, bank="OTHER", phone=PHONE, card_number=CARD)
        assert refused.value.code is ErrorCode.UNKNOWN_CARD
