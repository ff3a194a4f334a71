"""Cash top-up at a hall and its undoing (CM 6.4.1)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from mpss.accounts.open import open_by_sms
from mpss.accounts.queries import overview, overview_by_phone
from mpss.desk.model import TransactionState
from mpss.kernel.clock import FixedClock
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import TransactionId
from mpss.ledger.chart import CASH_IN_TRANSIT
from mpss.ledger.model import Part, Posting
from mpss.runtime import Runtime
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission
from mpss.transactions.adjustment import approve_adjustment, propose_adjustment
from mpss.transactions.queries import get_transaction
from mpss.transactions.topups.cash import top_up_cash, undo_cash_topup
from tests.support.clauses import clause
from tests.support.house import assert_books_balance, employee, notices, subscriber
from tests.support.instants import NOON

PHONE = "18912340001"


async def clerk_of(runtime: Runtime, clerk: str = "C01") -> StaffMember:
    return await employee(runtime, f"clerk {clerk}", Permission.CASH_TOPUP, hall="H01", clerk=clerk)


@clause("CM 5.3.1.1")
@clause("CT 5.2", "CM 6.4.1")
class TestTopUp:
    async def test_puts_cash_into_the_withdrawable_part_and_tells_the_phone(self, runtime: Runtime) -> None:
        opened = await subscriber(runtime, PHONE)
        answer = await top_up_cash(runtime, staff=await clerk_of(runtime), key="k", phone=PHONE, amount_fen=12_345)
        assert (answer.transaction.state, answer.transaction.caller) == (TransactionState.SUCCEEDED, "hall:H01/C01")
        seen = await overview(runtime, account_id=opened.account_id)
        assert (seen.balance_fen, seen.withdrawable_fen) == (12_345, 12_345)
        assert (await notices(runtime, PHONE))[-1] == (
            "topped_up",
            {"amount_fen": 12_345, "balance_fen": 12_345, "source": "cash"},
        )
        await assert_books_balance(runtime)

    async def test_moves_the_money_once_when_the_request_is_repeated(self, runtime: Runtime) -> None:
        await subscriber(runtime, PHONE)
        clerk = await clerk_of(runtime)
        answers = await asyncio.gather(
            *(top_up_cash(runtime, staff=clerk, key="k", phone=PHONE, amount_fen=100) for _ in range(20))
        )
        assert len({answer.transaction.id for answer in answers}) == 1
        assert [answer.repeated for answer in answers].count(False) == 1
        other = await top_up_cash(runtime, staff=clerk, key="k", phone=PHONE, amount_fen=101)
        assert other.transaction.refusal is ErrorCode.KEY_REUSED
        assert (await overview_by_phone(runtime, phone=PHONE)).balance_fen == 100

    async def test_keys_of_two_clerks_are_their_own(self, runtime: Runtime) -> None:
        await subscriber(runtime, PHONE)
        for name in ("C01", "C02"):
            await top_up_cash(runtime, staff=await clerk_of(runtime, name), key="k", phone=PHONE, amount_fen=100)
        assert (await overview_by_phone(runtime, phone=PHONE)).balance_fen == 200

    async def test_refuses_and_records_why(self, runtime: Runtime) -> None:
        clerk = await clerk_of(runtime)
        await subscriber(runtime, PHONE)
        await open_by_sms(runtime, phone="18912340003")
        policy = runtime.policy
        cases = [
            ("18912340002", 100, ErrorCode.UNKNOWN_ACCOUNT),
            ("18912340003", 100, ErrorCode.ACCOUNT_NOT_ACTIVE),
            (PHONE, policy.topup_single_limit_fen + 1, ErrorCode.SINGLE_LIMIT_EXCEEDED),
        ]
        for phone, amount_fen, refusal in cases:
            answer = await top_up_cash(runtime, staff=clerk, key=refusal, phone=phone, amount_fen=amount_fen)
            assert (answer.transaction.state, answer.transaction.refusal) == (TransactionState.DECLINED, refusal)
            async with runtime.database.read() as uow:
                assert await get_transaction(uow, answer.transaction.id) == answer.transaction
        full = policy.balance_limit_fen // policy.topup_single_limit_fen
        for n in range(full):
            await top_up_cash(
                runtime, staff=clerk, key=f"fill {n}", phone=PHONE, amount_fen=policy.topup_single_limit_fen
            )
        answer = await top_up_cash(runtime, staff=clerk, key="over", phone=PHONE, amount_fen=1)
        assert answer.transaction.refusal is ErrorCode.BALANCE_LIMIT_EXCEEDED
        await assert_books_balance(runtime)

    @pytest.mark.parametrize("amount_fen", [0, -1])
    async def test_takes_an_amount_above_zero(self, runtime: Runtime, amount_fen: int) -> None:
        with pytest.raises(MalformedField) as malformed:
            await top_up_cash(runtime, staff=await clerk_of(runtime), key="k", phone=PHONE, amount_fen=amount_fen)
        assert malformed.value.field == "amount_fen"

    async def test_is_for_clerks_of_a_hall(self, runtime: Runtime) -> None:
        office = await employee(runtime, "zhao", Permission.CASH_TOPUP)
        reviewer = await employee(runtime, "sun", Permission.PRODUCT_REVIEW, hall="H01", clerk="C09")
        for staff in (office, reviewer):
            with pytest.raises(Refused) as refused:
                await top_up_cash(runtime, staff=staff, key="k", phone=PHONE, amount_fen=1)
            assert refused.value.code is ErrorCode.FORBIDDEN


@clause("CM 6.4.1", "CM 9.3")
class TestUndo:
    async def test_takes_the_money_back_once(self, runtime: Runtime) -> None:
        await subscriber(runtime, PHONE)
        clerk = await clerk_of(runtime)
        original = (await top_up_cash(runtime, staff=clerk, key="k", phone=PHONE, amount_fen=700)).transaction
        answers = await asyncio.gather(
            *(undo_cash_topup(runtime, staff=clerk, key=f"u{n}", original_id=original.id) for n in range(5))
        )
        refusals = [answer.transaction.refusal for answer in answers]
        assert refusals.count(None) == 1
        assert refusals.count(ErrorCode.ILLEGAL_STATE) == 4
        assert (await overview_by_phone(runtime, phone=PHONE)).balance_fen == 0
        async with runtime.database.read() as uow:
            now = await get_transaction(uow, original.id)
        assert now is not None
        assert now.state is TransactionState.REVERSED
        assert (await notices(runtime, PHONE))[-1] == ("topup_undone", {"amount_fen": 700, "balance_fen": 0})
        await assert_books_balance(runtime)

    async def test_is_answered_again_alike(self, runtime: Runtime) -> None:
        await subscriber(runtime, PHONE)
        clerk = await clerk_of(runtime)
        original = (await top_up_cash(runtime, staff=clerk, key="k", phone=PHONE, amount_fen=700)).transaction
        first = await undo_cash_topup(runtime, staff=clerk, key="u", original_id=original.id)
        again = await undo_cash_topup(runtime, staff=clerk, key="u", original_id=original.id)
        assert (again.repeated, again.transaction) == (True, first.transaction)
        # The top-up's own repeat is still its first answer.
        repeat = await top_up_cash(runtime, staff=clerk, key="k", phone=PHONE, amount_fen=700)
        assert (repeat.repeated, repeat.transaction.state) == (True, TransactionState.SUCCEEDED)

    async def test_is_for_the_same_clerk_and_soon(self, runtime: Runtime, clock: FixedClock) -> None:
        await subscriber(runtime, PHONE)
        clerk, other = await clerk_of(runtime), await clerk_of(runtime, "C02")
        original = (await top_up_cash(runtime, staff=clerk, key="k", phone=PHONE, amount_fen=700)).transaction
        answer = await undo_cash_topup(runtime, staff=other, key="u", original_id=original.id)
        assert answer.transaction.refusal is ErrorCode.UNKNOWN_TRANSACTION
        answer = await undo_cash_topup(runtime, staff=clerk, key="u0", original_id=TransactionId.new(NOON))
        assert answer.transaction.refusal is ErrorCode.UNKNOWN_TRANSACTION
        clock.advance(timedelta(seconds=runtime.policy.topup_undo_seconds + 1))
        answer = await undo_cash_topup(runtime, staff=clerk, key="u1", original_id=original.id)
        assert answer.transaction.refusal is ErrorCode.ILLEGAL_STATE
        assert (await overview_by_phone(runtime, phone=PHONE)).balance_fen == 700

    async def test_needs_the_money_still_there(self, runtime: Runtime) -> None:
        wallet = (await overview(runtime, account_id=(await subscriber(runtime, PHONE)).account_id)).ledger_account_id
        clerk = await clerk_of(runtime)
        original = (await top_up_cash(runtime, staff=clerk, key="k", phone=PHONE, amount_fen=700)).transaction
        proposer = await employee(runtime, "zhao", Permission.LEDGER_ADJUST)
        approver = await employee(runtime, "qian", Permission.LEDGER_ADJUST)
        legs = [Posting(wallet, 1, Part.WITHDRAWABLE), Posting(CASH_IN_TRANSIT, -1)]
        approval_id = await propose_adjustment(runtime, staff=proposer, legs=legs, memo="one fen was counted twice")
        await approve_adjustment(runtime, staff=approver, approval_id=approval_id)
        answer = await undo_cash_topup(runtime, staff=clerk, key="u", original_id=original.id)
        assert answer.transaction.refusal is ErrorCode.INSUFFICIENT_FUNDS
        await assert_books_balance(runtime)
