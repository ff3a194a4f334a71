"""Members of staff (业务操作员) and two-person approvals (双人复核) as values."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import StaffId
from mpss.staff.permissions import Permission


class StaffMember(NamedTuple):
    """Who acts. A clerk (营业员) has the hall where the cash is and a number there; others have neither."""

    id: StaffId
    name: str
    permissions: frozenset[Permission]
    hall: str | None
    clerk: str | None
    active: bool

    @property
    def caller(self) -> str:
        """Whose idempotency keys this member's are: "hall:H01/C02" of a clerk, "staff:stf_…" of others."""
        return f"staff:{self.id}" if self.clerk is None else f"hall:{self.hall}/{self.clerk}"

    @property
    def place(self) -> dict[str, str | None]:
        """Where the member serves, for the audit record."""
        return {"hall": self.hall, "clerk": self.clerk}

    def require(self, permission: Permission) -> None:
        """
        Raises:
            Refused: FORBIDDEN, the member has no such permission or was stopped.
        """
        if not self.active or permission not in self.permissions:
            raise Refused(ErrorCode.FORBIDDEN, detail=f"needs the permission {permission}")

    def require_at_hall(self, permission: Permission) -> None:
        """As `require`, of a clerk.

        Raises:
            Refused: FORBIDDEN, also of a member without a hall.
        """
        self.require(permission)
        if self.clerk is None:
            raise Refused(ErrorCode.FORBIDDEN, detail="customers are served by the clerk of a hall")


class ApprovalState(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"


class ApprovalRow(NamedTuple):
    """Something one person proposed and another decides. `payload` is JSON: what will be done."""

    id: UUID
    kind: str
    payload: str
    proposed_by: UUID
    proposed_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    state: ApprovalState


def check_decider(approval: ApprovalRow | None, kind: str, decider: UUID) -> ErrorCode | None:
    """Whether `decider` may decide it now: it is there, of this kind, still open, and somebody else's proposal."""
    if approval is None or approval.kind != kind:
        return ErrorCode.NOT_FOUND
    if approval.state is not ApprovalState.PROPOSED:
        return ErrorCode.ILLEGAL_STATE
    return ErrorCode.SAME_PERSON if approval.proposed_by == decider else None


def decided(approval: ApprovalRow, *, by: UUID, at: datetime, approve: bool) -> ApprovalRow:
    """The approval, decided."""
    state = ApprovalState.APPROVED if approve else ApprovalState.REFUSED
    return approval._replace(decided_by=by, decided_at=at, state=state)
