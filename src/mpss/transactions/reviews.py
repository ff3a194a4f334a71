"""Somebody's word on what a risk rule held, and the end of its time. Spec: CM 9.2, 9.4. Decision: ADR-0034."""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID

from mpss.desk.model import Transaction, TransactionKind
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.text import check_line
from mpss.observability import RISK_REVIEWS_OPEN
from mpss.risk.machine import REVIEW, ReviewEvent
from mpss.risk.model import ReviewState
from mpss.risk.review_store import Review, due_reviews, get_review, open_review_count
from mpss.runtime import Runtime
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission
from mpss.transactions.queries import get_transaction
from mpss.transactions.review import Reviewing
from mpss.transactions.transfers.answer import review_of_transfer
from mpss.transactions.withdrawals.answer import ReviewOfWithdrawal, after_reply, review_of_withdrawal

_PLATFORM = "platform"


async def decide_review(
    runtime: Runtime, *, by: StaffMember, transaction_id: UUID, event: ReviewEvent, reason: str
) -> Review:
    """Release what was held, or refuse it. What is released is decided anew and may be declined for another reason;
    one's own word again changes nothing.

    Raises:
        MalformedField: `reason` is no line.
        Refused: FORBIDDEN; NOT_FOUND, nothing of that id was held; ILLEGAL_STATE, it was decided otherwise, or expired.
    """
    by.require(Permission.RISK_REVIEW)
    check_line(reason, field="reason")
    review = await _get(runtime, transaction_id)
    if review is None:
        raise Refused(ErrorCode.NOT_FOUND)
    if review.row.state is ReviewState.OPEN:
        await _decide(runtime, review, event, by=str(by.id), reason=reason, at=runtime.clock.now())
        review = await _get(runtime, transaction_id)
        assert review is not None
    if (review.row.state, review.row.decided_by) != (REVIEW.move(ReviewState.OPEN, event), str(by.id)):
        raise Refused(ErrorCode.ILLEGAL_STATE, detail=f"the review is {review.row.state}")
    return review


async def expire_reviews(runtime: Runtime, *, limit: int = 500) -> int:
    """Refuse what nobody released in time; how many were looked at. For a job."""
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        due = [await get_review(uow, transaction_id) for transaction_id in await due_reviews(uow, now=now, limit=limit)]
    # Together, so that the desk takes them as one batch.
    await asyncio.gather(
        *(_decide(runtime, review, ReviewEvent.EXPIRE, by=_PLATFORM, reason="", at=now) for review in due if review)
    )
    return len(due)


async def measure_reviews(runtime: Runtime) -> None:
    """Set the gauge of transactions that are held for review."""
    async with runtime.database.read() as uow:
        RISK_REVIEWS_OPEN.set(await open_review_count(uow))


async def _get(runtime: Runtime, transaction_id: UUID) -> Review | None:
    async with runtime.database.read() as uow:
        return await get_review(uow, transaction_id)


async def _decide(
    runtime: Runtime, review: Review, event: ReviewEvent, *, by: str, reason: str, at: datetime
) -> Transaction:
    async with runtime.database.read() as uow:
        waiting = await get_transaction(uow, review.transaction_id)
    assert waiting is not None, f"{review.transaction_id} is no transaction"
    command: Reviewing
    if waiting.kind is TransactionKind.TRANSFER:
        command = await review_of_transfer(runtime, waiting, event, review.row, by=by, reason=reason, at=at)
    else:
        command = await review_of_withdrawal(runtime, waiting, event, review.row, by=by, reason=reason, at=at)
    told = (await runtime.desk.submit(command)).transaction
    return await after_reply(runtime, command, told) if isinstance(command, ReviewOfWithdrawal) else told
