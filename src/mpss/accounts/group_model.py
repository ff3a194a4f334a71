"""Members of corporate accounts (集团成员) as values: their quotas of the company's money, and what they used. Pure.

Invariants: (1) what is refused is not counted; (2) what is given back never exceeds what was counted, and only in the
month it was counted in. Spec: CM 5.2.1.2.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from mpss.kernel.errors import ErrorCode


class QuotaRow(NamedTuple):
    """A membership as the desk sees it; `used_fen` is of the month of business dates that begins on `used_month`."""

    master_account_id: UUID
    member_account_id: UUID
    quota_month_fen: int
    quota_single_fen: int
    used_month: date
    used_fen: int
    removed_at: datetime | None

    def used_in(self, day: date) -> int:
        """What was used in the month of `day`."""
        return self.used_fen if self.used_month == day.replace(day=1) else 0


class GroupSource(NamedTuple):
    """Whose money a member pays with; None where the payer was no member when asked."""

    member_id: UUID | None
    master_account_id: UUID | None


class Membership(NamedTuple):
    """A member as shown; amounts in fen. `company_sealed` is the company's name."""

    id: UUID
    phone: str
    quota_month_fen: int
    quota_single_fen: int
    used_month: date
    used_fen: int
    added_at: datetime
    company_sealed: bytes

    def used_in(self, day: date) -> int:
        """What was used in the month of `day`."""
        return self.used_fen if self.used_month == day.replace(day=1) else 0


def count_quota(row: QuotaRow, total_fen: int, today: date) -> QuotaRow | None:
    """The row with a purchase of `total_fen`, amount and fee, on business date `today`; None where it is too much."""
    used_fen = row.used_in(today) + total_fen
    if total_fen > row.quota_single_fen or used_fen > row.quota_month_fen:
        return None
    return row._replace(used_month=today.replace(day=1), used_fen=used_fen)


def uncount_quota(row: QuotaRow, total_fen: int, day: date) -> QuotaRow:
    """The row without a purchase of business date `day` that was reversed."""
    return row if row.used_month != day.replace(day=1) else row._replace(used_fen=max(row.used_fen - total_fen, 0))


def check_member(row: QuotaRow | None, source: GroupSource, account_id: UUID) -> ErrorCode | None:
    """Whether the payer is a member of the group still."""
    if row is None or row.removed_at is not None or row.member_account_id != account_id:
        return ErrorCode.NOT_GROUP_MEMBER
    return None if row.master_account_id == source.master_account_id else ErrorCode.NOT_GROUP_MEMBER
