"""Putting on the grey and the black list, and releasing. Black takes two people each way (双人复核); grey takes one.

    black   enter ──► PROPOSED ──another approves──► LISTED ──ask──► LEAVING ──another approves──► RELEASED
    grey    enter ──────────────────────────────────► LISTED ──release, or its time is over──────► RELEASED

Spec: CM 9.6, 9.7, 9.8, 9.9. Decision: ADR-0022.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import RiskEntryId
from mpss.kernel.text import check_line
from mpss.notices.model import Event
from mpss.ports.key_store import KeyStore
from mpss.risk import store
from mpss.risk.machine import ENTRY, EntryEvent
from mpss.risk.model import SECRET, Colour, Entry, EntryState, Scope, read_value
from mpss.risk.tell_grey import tell_grey
from mpss.runtime import Runtime
from mpss.staff.approvals import decide, propose
from mpss.staff.audit import record
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission

LISTING = "risk_listing"
RELEASE = "risk_release"
_KEY = "card"


def digests(key_store: KeyStore, scope: Scope, text: str) -> list[str]:
    """The digests of a secret value under every version of the key, the oldest first; a card's are those it is bound
    by, and no two scopes share one."""
    data = text if scope is Scope.BANK_CARD else f"{scope}:{text}"
    versions = range(1, key_store.current(_KEY) + 1)
    return [key_store.mac(_KEY, data.encode(), version=version).hex() for version in versions]


def person_digest(key_store: KeyStore, number: str) -> str:
    """What an entry of a person keeps of the document's number, whatever version the key has now."""
    return digests(key_store, Scope.PERSON, number)[0]


async def enter(
    runtime: Runtime,
    *,
    by: StaffMember,
    colour: Colour,
    scope: Scope,
    value: str,
    reason: str,
    evidence: str = "",
    until: datetime | None = None,
) -> Entry:
    """Put a value on a list: on the grey list at once, on the black one when somebody else has approved.

    Raises:
        MalformedField: `value` is not of the scope's form; `reason` is no line; `until` is over.
        Refused: FORBIDDEN; ILLEGAL_STATE, it is on that list already, or proposed for it.
    """
    by.require(Permission.RISK_MANAGE)
    check_line(reason, field="reason")
    named, now = read_value(scope, value), runtime.clock.now()
    if until is not None and until <= now:
        raise MalformedField(field="until", problem="must be later than now")
    aliases = digests(runtime.ports.key_store, scope, named.text) if scope in SECRET else []
    entry_id, black = RiskEntryId.new(now), colour is Colour.BLACK
    detail = {"entry": str(entry_id), "colour": colour, "scope": scope, "value": named.shown, "reason": reason}
    async with runtime.database.transaction() as uow:
        approval_id = await propose(uow, kind=LISTING, payload=detail, by=by, now=now) if black else None
        entry = Entry(
            entry_id, colour, scope, aliases[0] if aliases else named.text, named.subject_id, named.shown,
            EntryState.PROPOSED if black else ENTRY.move(EntryState.PROPOSED, EntryEvent.APPROVE), reason, evidence,
            str(by.id), now, None if black else now, until, approval_id, None, None, "",
        )  # fmt: skip
        if not await store.insert_entry(uow, entry, aliases=aliases):
            raise Refused(ErrorCode.ILLEGAL_STATE, detail=f"it is on the {colour} list, or proposed for it")
        await record(uow, at=now, actor=str(by.id), action="risk.enter", subject=str(entry_id), detail=detail)
        if not black:
            await tell_grey(uow, runtime.policy, Event.GREY_LISTED, [entry_id], now)
    return entry


async def release(runtime: Runtime, *, by: StaffMember, entry_id: UUID, reason: str) -> Entry:
    """Take an entry off the grey list, or ask somebody else to take it off the black one.

    Raises:
        MalformedField: `reason` is no line.
        Refused: FORBIDDEN; NOT_FOUND; ILLEGAL_STATE, it is not in force, or its release was asked for.
    """
    by.require(Permission.RISK_MANAGE)
    check_line(reason, field="reason")
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        entry = await _locked(uow, entry_id)
        if entry.state is not EntryState.LISTED:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail=f"the entry is {entry.state}")
        detail = {"entry": RiskEntryId.outside(entry.id), "value": entry.shown, "reason": reason}
        if entry.colour is Colour.BLACK:
            approval_id = await propose(uow, kind=RELEASE, payload=detail, by=by, now=now)
            state = ENTRY.move(entry.state, EntryEvent.ASK_RELEASE)
            entry = entry._replace(state=state, approval_id=approval_id, release_reason=reason)
        else:
            entry = _released(entry, EntryEvent.RELEASE, by=str(by.id), at=now)._replace(release_reason=reason)
        await store.save_entry(uow, entry)
        await _say(uow, "risk.release", entry, by, now)
        if entry.colour is Colour.GREY:
            await tell_grey(uow, runtime.policy, Event.GREY_RELEASED, [entry.id], now)
    return entry


async def decide_entry(runtime: Runtime, *, by: StaffMember, entry_id: UUID, approve: bool) -> Entry:
    """Approve or refuse what waits for a second person: an entry of the black list, or its release.

    Raises:
        Refused: FORBIDDEN; NOT_FOUND; ILLEGAL_STATE, nothing waits; SAME_PERSON.
    """
    by.require(Permission.RISK_APPROVE)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        entry = await _locked(uow, entry_id)
        if entry.state not in (EntryState.PROPOSED, EntryState.LEAVING) or entry.approval_id is None:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="nothing waits for a second person")
        kind = LISTING if entry.state is EntryState.PROPOSED else RELEASE
        await decide(uow, approval_id=entry.approval_id, kind=kind, by=by, approve=approve, now=now)
        if not approve:
            entry = entry._replace(state=ENTRY.move(entry.state, EntryEvent.REFUSE), release_reason="")
        elif kind == LISTING:
            entry = entry._replace(state=ENTRY.move(entry.state, EntryEvent.APPROVE), listed_at=now)
        else:
            entry = _released(entry, EntryEvent.APPROVE, by=str(by.id), at=now)
        await store.save_entry(uow, entry)
        await _say(uow, "risk.approve" if approve else "risk.refuse", entry, by, now)
    return entry


async def lapse_entries(runtime: Runtime) -> int:
    """Release every entry whose time is over; how many. For a job."""
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        over = await store.lapse(uow, now=now)
        for entry_id in over:
            await record(uow, at=now, actor="platform", action="risk.lapse", subject=RiskEntryId.outside(entry_id))
        await tell_grey(uow, runtime.policy, Event.GREY_RELEASED, over, now)
    return len(over)


async def refuse_black(uow: UnitOfWork, scope: Scope, value: str) -> None:
    """
    Raises:
        Refused: BLACKLISTED, the value (a number in E.164, a secret one's oldest digest) is on the black list.
    """
    if await store.is_black(uow, scope, value):
        raise Refused(ErrorCode.BLACKLISTED)


async def listed_values(runtime: Runtime, *scopes: Scope) -> list[tuple[str, str, str]]:
    """List, scope and value of every entry of these scopes in force: for a channel, which keeps them for a moment."""
    async with runtime.database.read() as uow:
        return await store.listed_values(uow, scopes)


async def _locked(uow: UnitOfWork, entry_id: UUID) -> Entry:
    entry = await store.lock_entry(uow, entry_id)
    if entry is None:
        raise Refused(ErrorCode.NOT_FOUND)
    return entry


def _released(entry: Entry, event: EntryEvent, *, by: str, at: datetime) -> Entry:
    return entry._replace(state=ENTRY.move(entry.state, event), released_by=by, released_at=at)


async def _say(uow: UnitOfWork, action: str, entry: Entry, by: StaffMember, now: datetime) -> None:
    detail = {"colour": entry.colour, "scope": entry.scope, "value": entry.shown, "state": entry.state}
    subject = RiskEntryId.outside(entry.id)
    await record(uow, at=now, actor=str(by.id), action=action, subject=subject, detail=detail)
