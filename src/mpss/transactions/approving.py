"""The head of a command that approves somebody's proposal and posts it. Pure."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from mpss.desk.model import TransactionKind, digest_of
from mpss.kernel.ids import ApprovalId, TransactionId
from mpss.staff.model import StaffMember
from mpss.transactions.model import Asked

_CHANNEL = "staff"


def approval_asked(kind: TransactionKind, approval_id: UUID, *, by: StaffMember, at: datetime) -> Asked:
    """Asked again by the same member of staff, it is the same transaction."""
    key = f"approve:{ApprovalId.outside(approval_id)}"
    return Asked(TransactionId.new(at), by.caller, key, digest_of(kind, approval_id.hex), at, _CHANNEL)
