"""Correcting entries by two people (CT 5.2)."""

from __future__ import annotations

import asyncio
import json

import pytest

from mpss.accounts.queries import overview
from mpss.desk.model import TransactionState
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import ApprovalId
from mpss.ledger.chart import CASH_IN_TRANSIT, VOUCHERS_SOLD
from mpss.ledger.model import Part, Posting
from mpss.runtime import Runtime
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission
from mpss.transactions.adjustment import (
    approve_adjustment,
    propose_adjustment,
    refuse_adjustment,
    waiting_adjustments,
)
from tests.support.clauses import clause
from tests.support.house import assert_books_balance, employee, notices, one, subscriber
from tests.support.instants import NOON

PHONE = "18912340001"


async def two_people(runtime: Runtime) -> tuple[StaffMember, StaffMember]:
    return (
        await employee(runtime, "zhao", Permission.LEDGER_ADJUST),
        await employee(runtime, "qian", Permission.LEDGER_ADJUST),
    )


async def wallet_of(runtime: Runtime) -> int:
    opened = await subscriber(runtime, PHONE)
    return (await overview(runtime, account_id=opened.account_id)).ledger_account_id


@clause("CT 5.2")
class TestAdjustment:
    async def test_is_posted_when_another_approves_and_the_owner_is_told(self, runtime: Runtime) -> None:
        wallet = await wallet_of(runtime)
        zhao, qian = await two_people(runtime)
        legs = [Posting(CASH_IN_TRANSIT, 900), Posting(wallet, -900, Part.RESTRICTED)]
        approval_id = await propose_adjustment(runtime, staff=zhao, legs=legs, memo="cash found in the till")
        ((approval, proposal),) = await waiting_adjustments(runtime)
        assert (approval.id, list(proposal.legs), proposal.memo) == (approval_id, legs, "cash found in the till")
        answer = await approve_adjustment(runtime, staff=qian, approval_id=approval_id)
        assert (answer.transaction.state, answer.transaction.amount_fen) == (TransactionState.SUCCEEDED, 900)
        assert json.loads(answer.transaction.metadata or "")["approval"] == str(approval_id)
        again = await approve_adjustment(runtime, staff=qian, approval_id=approval_id)
        assert (again.repeated, again.transaction) == (True, answer.transaction)
        assert (await notices(runtime, PHONE))[-1] == ("adjusted", {"amount_fen": 900, "balance_fen": 900})
        assert await waiting_adjustments(runtime) == []
        row = await one(runtime, "approval", approval_id)
        assert (row["state"], row["decided_by"], row["decided_at"]) == ("approved", qian.id, NOON)
        async with runtime.database.read() as uow:
            acts = await uow.dicts("SELECT action, actor FROM audit_record WHERE action LIKE 'adjustment%' ORDER BY id")
        assert [tuple(act.values()) for act in acts] == [
            ("adjustment.propose", str(zhao.id)),
            ("adjustment.approve", str(qian.id)),
        ]
        await assert_books_balance(runtime)

    async def test_is_not_for_one_person(self, runtime: Runtime) -> None:
        zhao, qian = await two_people(runtime)
        legs = [Posting(CASH_IN_TRANSIT, 900), Posting(VOUCHERS_SOLD, -900)]
        approval_id = await propose_adjustment(runtime, staff=zhao, legs=legs, memo="m")
        answer = await approve_adjustment(runtime, staff=zhao, approval_id=approval_id)
        assert answer.transaction.refusal is ErrorCode.SAME_PERSON
        assert (await approve_adjustment(runtime, staff=qian, approval_id=approval_id)).transaction.refusal is None
        with pytest.raises(Refused) as refused:
            await approve_adjustment(
                runtime, staff=await employee(runtime, "sun", Permission.CASH_TOPUP), approval_id=approval_id
            )
        assert refused.value.code is ErrorCode.FORBIDDEN

    async def test_is_decided_once(self, runtime: Runtime) -> None:
        zhao, qian = await two_people(runtime)
        sun = await employee(runtime, "sun", Permission.LEDGER_ADJUST)
        legs = [Posting(CASH_IN_TRANSIT, 900), Posting(VOUCHERS_SOLD, -900)]
        approval_id = await propose_adjustment(runtime, staff=zhao, legs=legs, memo="m")
        answers = await asyncio.gather(
            *(approve_adjustment(runtime, staff=staff, approval_id=approval_id) for staff in (qian, sun))
        )
        assert {answer.transaction.refusal for answer in answers} == {None, ErrorCode.ILLEGAL_STATE}
        with pytest.raises(Refused) as refused:
            await refuse_adjustment(runtime, staff=qian, approval_id=approval_id)
        assert refused.value.code is ErrorCode.ILLEGAL_STATE
        await assert_books_balance(runtime)

    async def test_refused_is_never_posted(self, runtime: Runtime) -> None:
        zhao, qian = await two_people(runtime)
        legs = [Posting(CASH_IN_TRANSIT, 900), Posting(VOUCHERS_SOLD, -900)]
        approval_id = await propose_adjustment(runtime, staff=zhao, legs=legs, memo="m")
        with pytest.raises(Refused) as refused:
            await refuse_adjustment(runtime, staff=zhao, approval_id=approval_id)
        assert refused.value.code is ErrorCode.SAME_PERSON
        await refuse_adjustment(runtime, staff=qian, approval_id=approval_id)
        answer = await approve_adjustment(runtime, staff=qian, approval_id=approval_id)
        assert answer.transaction.refusal is ErrorCode.ILLEGAL_STATE

    async def test_never_takes_a_wallet_below_its_floor_and_may_be_approved_later(self, runtime: Runtime) -> None:
        wallet = await wallet_of(runtime)
        zhao, qian = await two_people(runtime)
        take = [Posting(wallet, 900, Part.WITHDRAWABLE), Posting(CASH_IN_TRANSIT, -900)]
        give = [Posting(wallet, -900, Part.WITHDRAWABLE), Posting(CASH_IN_TRANSIT, 900)]
        taking = await propose_adjustment(runtime, staff=zhao, legs=take, memo="m")
        giving = await propose_adjustment(runtime, staff=zhao, legs=give, memo="m")
        answer = await approve_adjustment(runtime, staff=qian, approval_id=taking)
        assert answer.transaction.refusal is ErrorCode.INSUFFICIENT_FUNDS
        await approve_adjustment(runtime, staff=qian, approval_id=giving)
        assert (await approve_adjustment(runtime, staff=qian, approval_id=taking)).transaction.refusal is None
        await assert_books_balance(runtime)

    async def test_must_be_an_entry(self, runtime: Runtime) -> None:
        wallet = await wallet_of(runtime)
        zhao, _ = await two_people(runtime)
        for legs, problem in [
            ([Posting(CASH_IN_TRANSIT, 1)], "2 to 20"),
            ([Posting(CASH_IN_TRANSIT, 1), Posting(VOUCHERS_SOLD, -2)], "sum to zero"),
            ([Posting(CASH_IN_TRANSIT, 0), Posting(VOUCHERS_SOLD, 0)], "above or below zero"),
            ([Posting(CASH_IN_TRANSIT, 1), Posting(wallet, -1)], "name a part on a wallet"),
            ([Posting(CASH_IN_TRANSIT, 1, Part.RESTRICTED), Posting(VOUCHERS_SOLD, -1)], "and nowhere else"),
            ([Posting(CASH_IN_TRANSIT, 1), Posting(999_999_999, -1)], "which is not there"),
        ]:
            with pytest.raises(MalformedField, match=problem):
                await propose_adjustment(runtime, staff=zhao, legs=legs, memo="m")
        with pytest.raises(MalformedField, match="memo"):
            await propose_adjustment(
                runtime, staff=zhao, legs=[Posting(CASH_IN_TRANSIT, 1), Posting(VOUCHERS_SOLD, -1)], memo=" "
            )

    async def test_must_have_been_proposed(self, runtime: Runtime) -> None:
        _, qian = await two_people(runtime)
        with pytest.raises(Refused) as refused:
            await approve_adjustment(runtime, staff=qian, approval_id=ApprovalId.new(NOON))
        assert refused.value.code is ErrorCode.NOT_FOUND
