"""A call to a bank or charging system as a value, and what an account paid from its phone bill. Pure.

    SENT ──approved──► APPROVED    ──declined──► DECLINED    ──no answer──► IN_DOUBT ──asked again──► APPROVED, DECLINED

Invariants: (1) a request is on disk before it is sent, with the ids the other side knows a repeat by; (2) an answer is
recorded once; (3) what is insisted upon (commit, release, refund) ends APPROVED and no other way.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from mpss.config import Policy
from mpss.kernel.errors import ErrorCode

CHARGING = "charging"
"""The counterpart's name of the charging system; a bank's is its code."""


class FundingState(StrEnum):
    SENT = "SENT"
    APPROVED = "APPROVED"
    DECLINED = "DECLINED"
    IN_DOUBT = "IN_DOUBT"


class FundingRow(NamedTuple):
    """One request. `session` and `number` are what the counterpart knows a repeat by; `subject` is whose money it is.

    Until it is answered it is asked about again at `due_at`; at first that is when the call's own time is over.
    """

    transaction_id: UUID
    counterpart: str
    operation: str
    session: str
    number: int
    subject: str
    amount_fen: int
    original_session: str | None
    state: FundingState
    attempts: int
    due_at: datetime
    created_at: datetime
    answered_at: datetime | None = None
    reason: str = ""
    foreign_reference: str = ""

    @property
    def settled(self) -> bool:
        return self.state in (FundingState.APPROVED, FundingState.DECLINED)


class BillUsageRow(NamedTuple):
    """What an account paid from its phone bill in the month that begins on `month`."""

    month: date
    spent_fen: int


def spend_from_bill(
    usage: BillUsageRow | None, total_fen: int, today: date, policy: Policy
) -> tuple[ErrorCode | None, BillUsageRow]:
    """Count amount and fee against the caps of the phone bill, of one purchase and of the month. Spec: CT 5.1."""
    month = today.replace(day=1)
    spent_fen = usage.spent_fen if usage is not None and usage.month == month else 0
    if total_fen > policy.phone_bill_single_limit_fen:
        return ErrorCode.SINGLE_LIMIT_EXCEEDED, BillUsageRow(month, spent_fen)
    if spent_fen + total_fen > policy.phone_bill_monthly_limit_fen:
        return ErrorCode.MONTHLY_LIMIT_EXCEEDED, BillUsageRow(month, spent_fen)
    return None, BillUsageRow(month, spent_fen + total_fen)


def give_back_to_bill(usage: BillUsageRow, total_fen: int, day: date) -> BillUsageRow:
    """Give the month's cap back; only the month of the sale's business date holds it."""
    if usage.month != day.replace(day=1):
        return usage
    return BillUsageRow(usage.month, max(usage.spent_fen - total_fen, 0))
