"""The SQL of staff: members, approvals, the audit record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.db.rows import InsertSet, RowSet
from mpss.kernel.ids import StaffId
from mpss.staff.model import ApprovalRow, ApprovalState, StaffMember
from mpss.staff.permissions import Permission

AUDIT = InsertSet(
    name="audit_record",
    copy="COPY audit_record (at, actor, action, subject, detail) FROM STDIN (FORMAT BINARY)",
    types=("timestamptz", "text", "text", "text", "text"),
)


def _make_approval(record: Sequence[Any]) -> tuple[UUID, ApprovalRow]:
    row = ApprovalRow._make((*record[:7], ApprovalState(record[7])))
    return row.id, row


def _approval_columns(rows: Sequence[tuple[UUID, ApprovalRow]]) -> dict[str, list[Any]]:
    return {
        "ids": [key for key, _ in rows],
        "deciders": [row.decided_by for _, row in rows],
        "times": [row.decided_at for _, row in rows],
        "states": [row.state.value for _, row in rows],
    }


APPROVALS: RowSet[UUID, ApprovalRow] = RowSet(
    name="approval",
    order=8,
    load="""
        SELECT id, kind, payload, proposed_by, proposed_at, decided_by, decided_at, state
          FROM approval WHERE id = ANY(%(keys)b::uuid[]) ORDER BY id FOR UPDATE
    """,
    make=_make_approval,
    save="""
        UPDATE approval AS a SET decided_by = n.decided_by, decided_at = n.decided_at, state = n.state
          FROM unnest(%(ids)b::uuid[], %(deciders)b::uuid[], %(times)b::timestamptz[], %(states)b::text[])
               AS n (id, decided_by, decided_at, state)
         WHERE a.id = n.id
    """,
    columns=_approval_columns,
)
"""For a command that is approved and carried out at once."""

_INSERT_APPROVAL: LiteralString = """
    INSERT INTO approval (id, kind, payload, proposed_by, proposed_at, state)
    VALUES (%(id)s, %(kind)s, %(payload)s, %(by)s, %(now)s, 'proposed')
"""
_GET_APPROVAL: LiteralString = """
    SELECT id, kind, payload, proposed_by, proposed_at, decided_by, decided_at, state FROM approval WHERE id = %(id)s
"""
_OPEN_APPROVALS: LiteralString = """
    SELECT id, kind, payload, proposed_by, proposed_at, decided_by, decided_at, state
      FROM approval WHERE kind = %(kind)s AND state = 'proposed' ORDER BY id
"""
_INSERT_MEMBER: LiteralString = """
    INSERT INTO staff_member (id, name, api_key_digest, permissions, hall, clerk, created_at)
    VALUES (%(id)s, %(name)s, %(digest)s, %(permissions)s, %(hall)s, %(clerk)s, %(now)s)
    ON CONFLICT DO NOTHING
"""
_MEMBER_OF_KEY: LiteralString = """
    SELECT id, name, permissions, hall, clerk, active FROM staff_member WHERE api_key_digest = %(digest)s AND active
"""
_MEMBERS: LiteralString = "SELECT id, name, permissions, hall, clerk, active FROM staff_member ORDER BY id"
_MEMBER: LiteralString = "SELECT id, name, permissions, hall, clerk, active FROM staff_member WHERE id = %(id)s"
_SET_KEY: LiteralString = "UPDATE staff_member SET api_key_digest = %(digest)s WHERE id = %(id)s AND active"
_STOP: LiteralString = "UPDATE staff_member SET active = false WHERE id = %(id)s AND active"


@dataclass(frozen=True, slots=True)
class _MemberRecord:
    id: UUID
    name: str
    permissions: list[str]
    hall: str | None
    clerk: str | None
    active: bool

    def member(self) -> StaffMember:
        return StaffMember(
            StaffId.from_uuid(self.id),
            self.name,
            frozenset(Permission(name) for name in self.permissions),
            self.hall,
            self.clerk,
            self.active,
        )


async def insert_approval(
    uow: UnitOfWork, approval_id: UUID, *, kind: str, payload: str, by: UUID, now: datetime
) -> None:
    await uow.execute(_INSERT_APPROVAL, {"id": approval_id, "kind": kind, "payload": payload, "by": by, "now": now})


async def get_approval(uow: UnitOfWork, approval_id: UUID) -> ApprovalRow | None:
    """The approval as it stands, not locked."""
    found = await _approvals(uow, _GET_APPROVAL, {"id": approval_id})
    return found[0] if found else None


async def lock_approval(uow: UnitOfWork, approval_id: UUID) -> ApprovalRow | None:
    found = await _approvals(uow, APPROVALS.load, {"keys": [approval_id]})
    return found[0] if found else None


async def open_approvals(uow: UnitOfWork, *, kind: str) -> list[ApprovalRow]:
    """What waits for a second person, oldest first."""
    return await _approvals(uow, _OPEN_APPROVALS, {"kind": kind})


async def save_approval(uow: UnitOfWork, approval: ApprovalRow) -> None:
    """Write the decision of an approval that is locked."""
    assert APPROVALS.save is not None
    await uow.execute(APPROVALS.save, _approval_columns([(approval.id, approval)]))


async def _approvals(uow: UnitOfWork, sql: LiteralString, params: dict[str, Any]) -> list[ApprovalRow]:
    cursor = await uow.connection.execute(sql, params)
    return [_make_approval(record)[1] for record in await cursor.fetchall()]


async def insert_member(uow: UnitOfWork, member: StaffMember, *, digest: bytes, now: datetime) -> bool:
    """Write a new member; False where the name, or the hall and clerk, are taken."""
    values = {**member._asdict(), "permissions": sorted(member.permissions), "digest": digest, "now": now}
    return bool(await uow.execute(_INSERT_MEMBER, values))


async def member_of_key(uow: UnitOfWork, digest: bytes) -> StaffMember | None:
    found = await uow.row(_MemberRecord, _MEMBER_OF_KEY, {"digest": digest})
    return None if found is None else found.member()


async def get_member(uow: UnitOfWork, member_id: UUID) -> StaffMember | None:
    found = await uow.row(_MemberRecord, _MEMBER, {"id": member_id})
    return None if found is None else found.member()


async def list_members(uow: UnitOfWork) -> list[StaffMember]:
    """Every member, those stopped too, in the order they came."""
    return [record.member() for record in await uow.rows(_MemberRecord, _MEMBERS)]


async def set_key(uow: UnitOfWork, member_id: UUID, digest: bytes) -> bool:
    return bool(await uow.execute(_SET_KEY, {"id": member_id, "digest": digest}))


async def stop(uow: UnitOfWork, member_id: UUID) -> bool:
    return bool(await uow.execute(_STOP, {"id": member_id}))
