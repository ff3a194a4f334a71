"""Two-person approval (双人复核): one member proposes, another approves or refuses.

    proposed ──approve──► approved        proposed ──refuse──► refused

Invariants: (1) who proposed never decides; (2) an approval is decided once; (3) what is approved is carried out in
the unit of work that approves it: a money command puts the decided row through the desk (APPROVALS), anything else
calls `decide` beside its own writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import ApprovalId
from mpss.staff import store
from mpss.staff.audit import record
from mpss.staff.model import ApprovalRow, StaffMember, check_decider, decided


async def propose(
    uow: UnitOfWork, *, kind: str, payload: Mapping[str, Any], by: StaffMember, now: datetime
) -> ApprovalId:
    """Write down what shall be done, as plain JSON; somebody else decides."""
    approval_id = ApprovalId.new(now)
    text = json.dumps(dict(payload), ensure_ascii=False, sort_keys=True)
    await store.insert_approval(uow, approval_id, kind=kind, payload=text, by=by.id, now=now)
    await record(
        uow, at=now, actor=str(by.id), action=f"{kind}.propose", subject=str(approval_id), detail=dict(payload)
    )
    return approval_id


async def decide(
    uow: UnitOfWork, *, approval_id: UUID, kind: str, by: StaffMember, approve: bool, now: datetime
) -> dict[str, Any]:
    """Approve or refuse a proposal of `kind`; its payload, for the caller to carry out in the same unit of work.

    Raises:
        Refused: NOT_FOUND; ILLEGAL_STATE, decided already; SAME_PERSON.
    """
    approval = await store.lock_approval(uow, approval_id)
    refusal = check_decider(approval, kind, by.id)
    if approval is None or refusal is not None:
        assert refusal is not None
        raise Refused(refusal)
    await store.save_approval(uow, decided(approval, by=by.id, at=now, approve=approve))
    action = f"{kind}.{'approve' if approve else 'refuse'}"
    await record(uow, at=now, actor=str(by.id), action=action, subject=str(ApprovalId.from_uuid(approval_id)))
    payload: dict[str, Any] = json.loads(approval.payload)
    return payload


async def find(uow: UnitOfWork, *, approval_id: UUID, kind: str) -> ApprovalRow:
    """A proposal of `kind`, decided or not.

    Raises:
        Refused: NOT_FOUND.
    """
    approval = await store.get_approval(uow, approval_id)
    if approval is None or approval.kind != kind:
        raise Refused(ErrorCode.NOT_FOUND)
    return approval


async def waiting(uow: UnitOfWork, *, kind: str) -> list[ApprovalRow]:
    """What waits for a second person, oldest first."""
    return await store.open_approvals(uow, kind=kind)
