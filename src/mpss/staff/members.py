"""Members of staff: added with an API key that is shown once, proven by it, stopped for good.

Spec: CT 9.1.1; CM 8.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import StaffId
from mpss.runtime import Runtime
from mpss.security.tokens import new_token, token_digest
from mpss.staff import store
from mpss.staff.audit import record
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission

PLATFORM = "platform"
"""The actor where nobody is asked: the command line of whoever runs the platform."""
_NAME = re.compile(r"\S(?:.{0,62}\S)?")
_PLACE = re.compile(r"[A-Za-z0-9-]{1,16}", re.ASCII)


class CreatedMember(NamedTuple):
    """A new member, and the API key, which is shown this once."""

    member: StaffMember
    api_key: str


async def create_member(
    runtime: Runtime,
    *,
    name: str,
    permissions: Iterable[Permission],
    hall: str | None = None,
    clerk: str | None = None,
    by: StaffMember | None = None,
) -> CreatedMember:
    """Add a member of staff; `hall` and `clerk` together for a clerk of a service hall.

    `by` None is the platform's own command line, which makes the first member.

    Raises:
        MalformedField: `name`, `hall` or `clerk` is out of form or taken; a clerk without a hall or a hall without one.
        Refused: FORBIDDEN, `by` may not manage staff, or would give what they do not have.
    """
    granted = frozenset(permissions)
    if by is not None:
        by.require(Permission.STAFF_MANAGE)
        if not granted <= by.permissions:
            raise Refused(ErrorCode.FORBIDDEN, detail="nobody gives a permission they do not have", field="permissions")
    if _NAME.fullmatch(name) is None:
        raise MalformedField(field="name", problem="must be 1 to 64 characters without space at the ends")
    if (hall is None) != (clerk is None):
        raise MalformedField(field="clerk" if clerk is None else "hall", problem="must be given with the other")
    for field, text in (("hall", hall), ("clerk", clerk)):
        if text is not None and _PLACE.fullmatch(text) is None:
            raise MalformedField(field=field, problem="must be 1 to 16 letters, digits or hyphens")
    now = runtime.clock.now()
    api_key = new_token("sk")
    member = StaffMember(StaffId.new(now), name, granted, hall, clerk, active=True)
    async with runtime.database.transaction() as uow:
        if not await store.insert_member(uow, member, digest=token_digest(api_key), now=now):
            raise MalformedField(field="name", problem="is taken, or the hall has this clerk already")
        detail = {"name": name, "permissions": sorted(granted), "hall": hall, "clerk": clerk}
        await record(uow, at=now, actor=_actor(by), action="staff.create", subject=str(member.id), detail=detail)
    return CreatedMember(member, api_key)


async def authenticate_member(runtime: Runtime, api_key: str) -> StaffMember:
    """Who the API key says is asking.

    Raises:
        Refused: UNAUTHENTICATED, there is no such key, or its owner was stopped.
    """
    async with runtime.database.read() as uow:
        member = await store.member_of_key(uow, token_digest(api_key))
    if member is None:
        raise Refused(ErrorCode.UNAUTHENTICATED, detail="no such staff API key")
    return member


async def renew_key(runtime: Runtime, *, member_id: UUID, by: StaffMember | None = None) -> str:
    """A new API key, shown this once; the old one ends.

    Raises:
        Refused: FORBIDDEN, `by` may not manage staff, or would act with permissions they do not have;
            NOT_FOUND, no such active member.
    """
    if by is not None:
        by.require(Permission.STAFF_MANAGE)
    now, api_key = runtime.clock.now(), new_token("sk")
    async with runtime.database.transaction() as uow:
        member = await store.get_member(uow, member_id)
        # Whoever renews a key sees it.
        if by is not None and member is not None and not member.permissions <= by.permissions:
            raise Refused(ErrorCode.FORBIDDEN, detail="nobody renews the key of a member with more permissions")
        if not await store.set_key(uow, member_id, token_digest(api_key)):
            raise Refused(ErrorCode.NOT_FOUND)
        await record(uow, at=now, actor=_actor(by), action="staff.renew_key", subject=_subject(member_id))
    return api_key


async def stop_member(runtime: Runtime, *, member_id: UUID, by: StaffMember | None = None) -> None:
    """End a member's access for good.

    Raises:
        Refused: FORBIDDEN; NOT_FOUND, no such active member.
    """
    if by is not None:
        by.require(Permission.STAFF_MANAGE)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        if not await store.stop(uow, member_id):
            raise Refused(ErrorCode.NOT_FOUND)
        await record(uow, at=now, actor=_actor(by), action="staff.stop", subject=_subject(member_id))


async def list_members(runtime: Runtime) -> list[StaffMember]:
    """Every member, those stopped too, in the order they came."""
    async with runtime.database.read() as uow:
        return await store.list_members(uow)


def _actor(by: StaffMember | None) -> str:
    return PLATFORM if by is None else str(by.id)


def _subject(member_id: UUID) -> str:
    return str(StaffId.from_uuid(member_id))
