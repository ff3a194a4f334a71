"""Transfers between wallets: money conserved, both phones told, held for a payee without a wallet (CM 5.3.2, 6.5)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mpss.accounts.codes import Purpose
from mpss.accounts.open import open_by_sms
from mpss.accounts.password import set_by_code
from mpss.accounts.payees import add_payee, change_payee, dissolve_payee
from mpss.accounts.proven import Proofs
from mpss.accounts.queries import overview_by_phone
from mpss.config import Policy
from mpss.db.database import Database
from mpss.desk.model import Answer, TransactionKind, TransactionState
from mpss.kernel.clock import FixedClock
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission
from mpss.transactions.confirm import cancel, confirm, lapse_waiting
from mpss.transactions.queries import get_transaction
from mpss.transactions.statements.model import Search
from mpss.transactions.statements.queries import search_lines
from mpss.transactions.topups.cash import top_up_cash
from mpss.transactions.transfers.end import cancel_transfer, claim_transfers, end_transfer, return_transfers
from mpss.transactions.transfers.queries import get_transfer, transfers_of
from mpss.transactions.transfers.transfer import request_transfer, transfer
from tests.support.clauses import clause
from tests.support.house import PASSWORD, employee, events, house, notices, sms_code, subscriber
from tests.support.instants import NOON

LI, WANG, NOBODY = "18912340001", "18912340002", "18912340009"
POLICY = Policy()

pytestmark = pytest.mark.usefixtures("sound")


async def wallet(runtime: Runtime, clerk: StaffMember, phone: str, fen: int = 0) -> None:
    await subscriber(runtime, phone)
    if fen:
        await top_up_cash(runtime, staff=clerk, key=f"open {phone}", phone=phone, amount_fen=fen)


async def send(runtime: Runtime, phone: str, to: str, fen: int, *, key: str = "k", password: str = PASSWORD) -> Answer:
    seen = await overview_by_phone(runtime, phone=phone)
    return await transfer(
        runtime, caller=f"account:{seen.id}", key=key, channel="http", account_id=seen.id, phone=seen.phone,
        payee_phone=to, amount_fen=fen, password=password, source="http:192.0.2.1",
    )  # fmt: skip


async def ask(runtime: Runtime, phone: str, to: str, fen: int, *, key: str = "s") -> tuple[Answer, str]:
    """Ask for a transfer by SMS; the answer, and the code to reply with."""
    seen = await overview_by_phone(runtime, phone=phone)
    answer = await request_transfer(
        runtime, caller=f"sms:{phone}", key=key, channel="sms", account_id=seen.id, phone=seen.phone, payee_phone=to,
        amount_fen=fen,
    )  # fmt: skip
    asked = [params["code"] for event, params in await notices(runtime, phone) if event == "confirm_transfer"]
    return answer, asked[-1] if asked else ""


async def balance(runtime: Runtime, phone: str) -> int:
    return (await overview_by_phone(runtime, phone=phone)).balance_fen


async def relate(runtime: Runtime, phone: str, to: str, *, single: int = 300_000, daily: int = 400_000) -> Any:
    seen = await overview_by_phone(runtime, phone=phone)
    code = await sms_code(runtime, phone, Purpose.PAYEE)
    return await add_payee(
        runtime, account_id=seen.id, payee_phone=to, single_limit_fen=single, daily_limit_fen=daily,
        proofs=Proofs(PASSWORD, code, "http:192.0.2.1"),
    )  # fmt: skip


@clause("CM 5.3.2", "CM 6.5")
class TestTransfer:
    async def test_moves_the_money_and_tells_both_phones(self, runtime: Runtime, clerk: StaffMember) -> None:
        await wallet(runtime, clerk, LI, 10_000)
        await wallet(runtime, clerk, WANG)
        answer = await send(runtime, LI, WANG, 2_500)
        assert (answer.transaction.state, answer.transaction.refusal) == (TransactionState.SUCCEEDED, None)
        assert (await balance(runtime, LI), await balance(runtime, WANG)) == (7_500, 2_500)
        assert (await overview_by_phone(runtime, phone=WANG)).withdrawable_fen == 2_500
        assert (await notices(runtime, LI))[-1] == (
            "transfer_sent",
            {"amount_fen": 2_500, "counterpart": "+86189****0002", "balance_fen": 7_500},
        )
        assert (await notices(runtime, WANG))[-1] == (
            "transfer_received",
            {"amount_fen": 2_500, "counterpart": "+86189****0001", "balance_fen": 2_500},
        )

    async def test_moves_it_once_when_the_request_is_repeated(self, runtime: Runtime, clerk: StaffMember) -> None:
        await wallet(runtime, clerk, LI, 10_000)
        await wallet(runtime, clerk, WANG)
        answers = await asyncio.gather(*(send(runtime, LI, WANG, 100) for _ in range(20)))
        assert len({answer.transaction.id for answer in answers}) == 1
        assert [answer.repeated for answer in answers].count(False) == 1
        other = await send(runtime, LI, WANG, 101)
        assert other.transaction.refusal is ErrorCode.KEY_REUSED
        assert await balance(runtime, WANG) == 100

    async def test_conserves_money_when_transfers_cross(
        self, runtime: Runtime, clerk: StaffMember, database: Database, tmp_path: Path, clock: FixedClock
    ) -> None:
        await wallet(runtime, clerk, LI, 50_000)
        await wallet(runtime, clerk, WANG, 50_000)
        async with house(database, tmp_path, clock) as other:
            pairs = [(runtime, LI, WANG), (other, WANG, LI)]
            answers = await asyncio.gather(
                *(send(at, payer, to, 100, key=f"{payer}{n}") for n in range(60) for at, payer, to in pairs)
            )
        assert {answer.transaction.state for answer in answers} == {TransactionState.SUCCEEDED}
        assert (await balance(runtime, LI), await balance(runtime, WANG)) == (50_000, 50_000)

    async def test_refuses_and_moves_nothing(self, runtime: Runtime, clerk: StaffMember) -> None:
        await wallet(runtime, clerk, LI, 10_000)
        await wallet(runtime, clerk, WANG, POLICY.topup_single_limit_fen)
        for n in range(POLICY.balance_limit_fen // POLICY.topup_single_limit_fen - 1):
            await top_up_cash(
                runtime, staff=clerk, key=f"fill {n}", phone=WANG, amount_fen=POLICY.topup_single_limit_fen
            )
        cases = [
            (LI, 1, ErrorCode.SELF_TRANSFER),
            (NOBODY, 10_001, ErrorCode.INSUFFICIENT_FUNDS),
            (NOBODY, POLICY.free_transfer_single_limit_fen + 1, ErrorCode.SINGLE_LIMIT_EXCEEDED),
            (WANG, 1, ErrorCode.BALANCE_LIMIT_EXCEEDED),
        ]
        for to, fen, refusal in cases:
            answer = await send(runtime, LI, to, fen, key=f"{to} {fen}")
            assert (answer.transaction.state, answer.transaction.refusal) == (TransactionState.DECLINED, refusal)
        assert await balance(runtime, LI) == 10_000
        with pytest.raises(MalformedField):
            await send(runtime, LI, "12345", 1)
        with pytest.raises(MalformedField):
            await send(runtime, LI, WANG, 0)

    async def test_counts_a_wrong_password_and_leaves_the_key_free(self, runtime: Runtime, clerk: StaffMember) -> None:
        await wallet(runtime, clerk, LI, 10_000)
        await wallet(runtime, clerk, WANG)
        wrong = await send(runtime, LI, WANG, 100, password="820164")
        assert (wrong.transaction.refusal, wrong.recorded) == (ErrorCode.WRONG_PASSWORD, False)
        assert (await send(runtime, LI, WANG, 100)).transaction.refusal is None
        for _ in range(POLICY.password_tries_per_day):
            await send(runtime, LI, WANG, 100, key="k2", password="820164")
        assert (await send(runtime, LI, WANG, 100, key="k2")).transaction.refusal is ErrorCode.PASSWORD_LOCKED
        assert (await events(runtime, LI))[-1] == "password_locked"

    async def test_counts_what_goes_freely_in_a_day(
        self, runtime: Runtime, clerk: StaffMember, clock: FixedClock
    ) -> None:
        await wallet(runtime, clerk, LI, 400_000)
        await wallet(runtime, clerk, WANG)
        portion = POLICY.free_transfer_single_limit_fen
        times = POLICY.free_transfer_daily_limit_fen // portion
        answers = [await send(runtime, LI, WANG, portion, key=f"k{n}") for n in range(times + 1)]
        assert [answer.transaction.refusal for answer in answers] == [None] * times + [ErrorCode.DAILY_LIMIT_EXCEEDED]

    async def test_shows_in_both_statements_and_lists(
        self, runtime: Runtime, clerk: StaffMember, clock: FixedClock
    ) -> None:
        await wallet(runtime, clerk, LI, 10_000)
        clock.advance(timedelta(seconds=1))
        await wallet(runtime, clerk, WANG)
        sent = (await send(runtime, LI, WANG, 2_500)).transaction
        for phone, change_fen in ((LI, -2_500), (WANG, 2_500)):
            seen = await overview_by_phone(runtime, phone=phone)
            async with runtime.database.read() as uow:
                lines = await search_lines(
                    uow, ledger_account_id=seen.ledger_account_id, account_id=seen.id, search=Search(), after=None,
                    limit=1,
                )  # fmt: skip
                listed = await transfers_of(uow, account_id=seen.id, before=None, limit=10)
            other = "+86189****0002" if phone == LI else "+86189****0001"
            assert [(line.transaction.id, line.change_fen, line.counterpart) for line in lines] == [
                (sent.id, change_fen, other)
            ]
            assert [found.id for found in listed] == [sent.id]


@clause("CM 5.3.2")
class TestHeld:
    async def test_waits_outside_the_payers_wallet_and_both_are_told(
        self, runtime: Runtime, clerk: StaffMember
    ) -> None:
        await wallet(runtime, clerk, LI, 10_000)
        answer = await send(runtime, LI, NOBODY, 2_500)
        assert answer.transaction.state is TransactionState.WAITING
        assert await balance(runtime, LI) == 7_500
        assert (await events(runtime, LI))[-1] == "transfer_held"
        assert await events(runtime, NOBODY) == ["transfer_waiting"]
        assert (await send(runtime, LI, NOBODY, 2_500)).repeated
        # Before anything ends, a look at what waits finds nothing to do.
        assert (await claim_transfers(runtime), await return_transfers(runtime)) == (0, 0)

    async def test_is_claimed_when_the_number_opens_a_wallet(self, runtime: Runtime, clerk: StaffMember) -> None:
        await wallet(runtime, clerk, LI, 10_000)
        held = (await send(runtime, LI, NOBODY, 2_500)).transaction
        await open_by_sms(runtime, phone=NOBODY)
        assert await claim_transfers(runtime) == 0
        second = (await send(runtime, LI, NOBODY, 100, key="k2")).transaction
        assert second.state is TransactionState.WAITING
        code = await sms_code(runtime, NOBODY, Purpose.SET_PASSWORD)
        await set_by_code(runtime, phone=NOBODY, code=code, password=PASSWORD)
        assert await claim_transfers(runtime) == 2
        assert (await balance(runtime, LI), await balance(runtime, NOBODY)) == (7_400, 2_600)
        async with runtime.database.read() as uow:
            found = await get_transaction(uow, held.id)
        assert found is not None
        assert found.state is TransactionState.SUCCEEDED
        assert (await events(runtime, LI))[-2:] == ["transfer_claimed", "transfer_claimed"]
        assert (await events(runtime, NOBODY))[-2:] == ["transfer_received", "transfer_received"]
        # The key's first answer stays what it was.
        assert (await send(runtime, LI, NOBODY, 2_500)).transaction.state is TransactionState.WAITING

    async def test_goes_back_after_the_days_of_the_policy(
        self, runtime: Runtime, clerk: StaffMember, clock: FixedClock
    ) -> None:
        await wallet(runtime, clerk, LI, 10_000)
        held = (await send(runtime, LI, NOBODY, 2_500)).transaction
        clock.advance(timedelta(days=POLICY.transfer_hold_days) - timedelta(seconds=1))
        assert await return_transfers(runtime) == 0
        clock.advance(timedelta(seconds=1))
        assert (await return_transfers(runtime), await return_transfers(runtime)) == (1, 0)
        assert await balance(runtime, LI) == 10_000
        async with runtime.database.read() as uow:
            found = await get_transfer(uow, held.id)
        assert found is not None
        assert (found.state, found.payee_id) == ("RETURNED", None)
        assert (await events(runtime, LI))[-1] == "transfer_returned"
        assert (await events(runtime, NOBODY))[-1] == "transfer_lapsed"

    async def test_ends_once_where_opening_and_returning_meet(
        self, runtime: Runtime, clerk: StaffMember, clock: FixedClock, database: Database, tmp_path: Path
    ) -> None:
        await wallet(runtime, clerk, LI, 10_000)
        held = [(await send(runtime, LI, NOBODY, 100, key=f"k{n}")).transaction.id for n in range(10)]
        opened = await subscriber(runtime, NOBODY)
        late = FixedClock(NOON + timedelta(days=POLICY.transfer_hold_days))
        async with house(database, tmp_path, late) as other:
            answers = await asyncio.gather(
                *(
                    end_transfer(at, kind, transfer_id=transfer_id, account_id=account_id)
                    for transfer_id in held
                    for at, kind, account_id in (
                        (runtime, TransactionKind.TRANSFER_CLAIM, opened.account_id),
                        (other, TransactionKind.TRANSFER_RETURN, None),
                        (runtime, TransactionKind.TRANSFER_CLAIM, opened.account_id),
                    )
                )
            )
        ended = [answer for answer in answers if answer.transaction.refusal is None and not answer.repeated]
        assert len(ended) == len(held)
        assert await balance(runtime, LI) + await balance(runtime, NOBODY) == 10_000

    async def test_is_taken_back_by_its_payer_alone(self, runtime: Runtime, clerk: StaffMember) -> None:
        await wallet(runtime, clerk, LI, 10_000)
        await wallet(runtime, clerk, WANG)
        payer, other = [(await overview_by_phone(runtime, phone=phone)).id for phone in (LI, WANG)]
        held = (await send(runtime, LI, NOBODY, 2_500)).transaction
        paid = (await send(runtime, LI, WANG, 500, key="paid")).transaction
        for account_id, transfer_id, code in (
            (other, held.id, ErrorCode.UNKNOWN_TRANSACTION),
            (payer, paid.id, ErrorCode.ILLEGAL_STATE),
        ):
            with pytest.raises(Refused) as refused:
                await cancel_transfer(runtime, account_id=account_id, transfer_id=transfer_id)
            assert refused.value.code is code
        for _ in range(2):
            await cancel_transfer(runtime, account_id=payer, transfer_id=held.id)
        assert await balance(runtime, LI) == 9_500
        assert (await events(runtime, LI))[-1] == "transfer_cancelled"
        assert (await events(runtime, NOBODY))[-1] == "transfer_withdrawn"

    async def test_ends_once_where_claim_return_and_cancel_meet(
        self, runtime: Runtime, clerk: StaffMember, database: Database, tmp_path: Path
    ) -> None:
        await wallet(runtime, clerk, LI, 10_000)
        payer = (await overview_by_phone(runtime, phone=LI)).id
        held = [(await send(runtime, LI, NOBODY, 100, key=f"k{n}")).transaction.id for n in range(10)]
        opened = await subscriber(runtime, NOBODY)
        late = FixedClock(NOON + timedelta(days=POLICY.transfer_hold_days))
        async with house(database, tmp_path, late) as other:
            done: list[Any] = []
            for id_ in held:
                done += [
                    cancel_transfer(runtime, account_id=payer, transfer_id=id_),
                    end_transfer(
                        runtime, TransactionKind.TRANSFER_CLAIM, transfer_id=id_, account_id=opened.account_id
                    ),
                    end_transfer(other, TransactionKind.TRANSFER_RETURN, transfer_id=id_),
                    cancel_transfer(runtime, account_id=payer, transfer_id=id_),
                ]
            results = await asyncio.gather(*done, return_exceptions=True)
        wrong = [one for one in results if isinstance(one, BaseException)]
        assert all(isinstance(one, Refused) and one.code is ErrorCode.ILLEGAL_STATE for one in wrong)
        async with runtime.database.read() as uow:
            states = [found.state for id_ in held if (found := await get_transfer(uow, id_)) is not None]
        assert len(states) == len(held)
        assert set(states) <= {"SUCCEEDED", "RETURNED"}
        assert await balance(runtime, NOBODY) == 100 * states.count("SUCCEEDED")
        assert await balance(runtime, LI) == 10_000 - 100 * states.count("SUCCEEDED")

    async def test_waits_on_where_the_payees_wallet_is_full(
        self, database: Database, tmp_path: Path, clock: FixedClock
    ) -> None:
        async with house(database, tmp_path, clock, policy=replace(POLICY, balance_limit_fen=10_000)) as small:
            clerk = await employee(small, "clerk", Permission.CASH_TOPUP, hall="H01", clerk="C01")
            await wallet(small, clerk, LI, 10_000)
            held = (await send(small, LI, NOBODY, 2_500)).transaction
            await wallet(small, clerk, NOBODY, 9_000)
            opened = await overview_by_phone(small, phone=NOBODY)
            assert await claim_transfers(small) == 0
            tried = await end_transfer(small, TransactionKind.TRANSFER_CLAIM, transfer_id=held.id, account_id=opened.id)
            assert (tried.transaction.refusal, tried.recorded) == (ErrorCode.BALANCE_LIMIT_EXCEEDED, False)
            await send(small, NOBODY, LI, 2_500, key="away")
            assert await claim_transfers(small) == 1
            assert (await balance(small, LI), await balance(small, NOBODY)) == (10_000, 9_000)


@clause("CM 5.3.2.1", "CM 5.3.2.2")
class TestDirected:
    async def test_counts_after_its_cooling_period_and_up_to_its_limits(
        self, runtime: Runtime, clerk: StaffMember, clock: FixedClock
    ) -> None:
        await wallet(runtime, clerk, LI, 500_000)
        await wallet(runtime, clerk, WANG)
        await relate(runtime, LI, WANG, single=200_000, daily=250_000)
        assert (await events(runtime, LI))[-1] == "payee_added"
        cooling = await send(runtime, LI, WANG, 200_000, key="k0")
        assert cooling.transaction.refusal is ErrorCode.SINGLE_LIMIT_EXCEEDED
        clock.advance(timedelta(hours=POLICY.payee_cooling_hours))
        sent = [await send(runtime, LI, WANG, fen, key=f"k{fen}") for fen in (200_001, 200_000, 50_001, 50_000)]
        assert [answer.transaction.refusal for answer in sent] == [
            ErrorCode.SINGLE_LIMIT_EXCEEDED, None, ErrorCode.DAILY_LIMIT_EXCEEDED, None,
        ]  # fmt: skip
        assert await balance(runtime, WANG) == 250_000

    async def test_is_needed_where_nothing_goes_freely(
        self, database: Database, tmp_path: Path, clock: FixedClock
    ) -> None:
        async with house(database, tmp_path, clock, policy=replace(POLICY, free_transfer_single_limit_fen=0)) as strict:
            clerk = await employee(strict, "clerk", Permission.CASH_TOPUP, hall="H01", clerk="C01")
            await wallet(strict, clerk, LI, 10_000)
            await wallet(strict, clerk, WANG)
            refusals = [(await send(strict, LI, WANG, 1, key="a")).transaction.refusal]
            made = await relate(strict, LI, WANG)
            refusals.append((await send(strict, LI, WANG, 1, key="b")).transaction.refusal)
            clock.advance(timedelta(hours=POLICY.payee_cooling_hours))
            refusals.append((await send(strict, LI, WANG, 1, key="c")).transaction.refusal)
            # The other way there is no relation.
            refusals.append((await send(strict, WANG, LI, 1, key="d")).transaction.refusal)
            await dissolve_payee(strict, account_id=(await overview_by_phone(strict, phone=LI)).id, payee_id=made.id)
            refusals.append((await send(strict, LI, WANG, 1, key="e")).transaction.refusal)
        required, cooling = ErrorCode.PAYEE_REQUIRED, ErrorCode.PAYEE_COOLING
        assert refusals == [required, cooling, None, required, required]

    async def test_is_set_up_by_password_and_code_alone(self, runtime: Runtime, clerk: StaffMember) -> None:
        await wallet(runtime, clerk, LI)
        seen = await overview_by_phone(runtime, phone=LI)
        code = await sms_code(runtime, LI, Purpose.PAYEE)
        cases = [
            (WANG, "820164", code, ErrorCode.WRONG_PASSWORD),
            (WANG, PASSWORD, f"{(int(code) + 1) % 10**6:06d}", ErrorCode.WRONG_CODE),
            (LI, PASSWORD, code, ErrorCode.SELF_TRANSFER),
            (WANG, PASSWORD, code, None),
            (WANG, PASSWORD, code, ErrorCode.CODE_EXPIRED),
        ]
        for to, password, given, refusal in cases:
            change = add_payee(
                runtime, account_id=seen.id, payee_phone=to, single_limit_fen=1, daily_limit_fen=1,
                proofs=Proofs(password, given, "http:192.0.2.1"),
            )  # fmt: skip
            if refusal is None:
                assert (await change).phone == parse_phone(WANG)
                continue
            with pytest.raises(Refused) as refused:
                await change
            assert refused.value.code is refusal
        with pytest.raises(Refused) as exists:
            await relate(runtime, LI, WANG)
        assert exists.value.code is ErrorCode.PAYEE_EXISTS

    async def test_has_limits_within_the_policys_and_a_number_of_relations(
        self, database: Database, tmp_path: Path, clock: FixedClock
    ) -> None:
        async with house(database, tmp_path, clock, policy=replace(POLICY, payees_per_account=1)) as small:
            await subscriber(small, LI)
            with pytest.raises(Refused) as refused:
                await relate(small, LI, WANG, single=POLICY.transfer_single_limit_fen + 1)
            assert refused.value.code is ErrorCode.AMOUNT_OUT_OF_RANGE
            made = await relate(small, LI, WANG)
            with pytest.raises(Refused) as refused:
                await relate(small, LI, NOBODY)
            assert refused.value.code is ErrorCode.TOO_MANY_PAYEES
            account_id = (await overview_by_phone(small, phone=LI)).id
            proofs = Proofs(PASSWORD, await sms_code(small, LI, Purpose.PAYEE), "http:192.0.2.1")
            changed = await change_payee(
                small, account_id=account_id, payee_id=made.id, single_limit_fen=5, daily_limit_fen=6, proofs=proofs
            )
            assert (changed.single_limit_fen, changed.daily_limit_fen) == (5, 6)
            await dissolve_payee(small, account_id=account_id, payee_id=made.id)
            with pytest.raises(Refused) as refused:
                await dissolve_payee(small, account_id=account_id, payee_id=made.id)
            assert refused.value.code is ErrorCode.UNKNOWN_PAYEE
            assert (await events(small, LI))[-2:] == ["payee_changed", "payee_dissolved"]


@clause("CM 5.3.2")
class TestBySms:
    async def test_is_paid_by_the_reply_once(self, runtime: Runtime, clerk: StaffMember) -> None:
        await wallet(runtime, clerk, LI, 10_000)
        await wallet(runtime, clerk, WANG)
        answer, code = await ask(runtime, LI, WANG, 2_500)
        assert answer.transaction.state is TransactionState.CONFIRMING
        assert await balance(runtime, LI) == 10_000
        answers = await asyncio.gather(*(confirm(runtime, phone=parse_phone(LI), code=code) for _ in range(5)))
        assert {found.state for found in answers} == {TransactionState.SUCCEEDED}
        assert (await balance(runtime, LI), await balance(runtime, WANG)) == (7_500, 2_500)

    async def test_is_held_cancelled_or_lapses_as_the_reply_is(
        self, runtime: Runtime, clerk: StaffMember, clock: FixedClock
    ) -> None:
        await wallet(runtime, clerk, LI, 10_000)
        phone = parse_phone(LI)
        _, code = await ask(runtime, LI, NOBODY, 100, key="a")
        assert (await confirm(runtime, phone=phone, code=code)).state is TransactionState.WAITING
        _, code = await ask(runtime, LI, NOBODY, 100, key="b")
        assert (await cancel(runtime, phone=phone, code=code)).state is TransactionState.CANCELLED
        _, code = await ask(runtime, LI, NOBODY, 100, key="c")
        clock.advance(timedelta(seconds=POLICY.confirmation_ttl_seconds))
        assert await lapse_waiting(runtime) == 1
        assert (await confirm(runtime, phone=phone, code=code)).state is TransactionState.EXPIRED
        assert await balance(runtime, LI) == 9_900

    async def test_is_decided_anew_on_the_reply(self, runtime: Runtime, clerk: StaffMember) -> None:
        await wallet(runtime, clerk, LI, 10_000)
        await wallet(runtime, clerk, WANG)
        _, code = await ask(runtime, LI, WANG, 8_000)
        await send(runtime, LI, WANG, 5_000)
        found = await confirm(runtime, phone=parse_phone(LI), code=code)
        assert (found.state, found.refusal) == (TransactionState.DECLINED, ErrorCode.INSUFFICIENT_FUNDS)
        assert await balance(runtime, LI) == 5_000
