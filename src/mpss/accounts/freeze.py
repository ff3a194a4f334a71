"""Freezes of an account (冻结): the holder's own until a date, ours for a risk, a court's or authority's.

    the holder   frozen at once by portal or SMS ──the date at 00:00, or the holder with password and code──► released
    risk, law    one member of staff proposes ──another approves──► frozen; released the same way, by two

A frozen account takes no part in trading (CT 5.2). Freezes stand beside each other: releasing one leaves the others.
Spec: CT 5.2, 6.1.3. Decision: ADR-0021.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any
from uuid import UUID

from mpss.accounts.change import SUBSCRIBER, changed, changed_by_clock, changed_by_staff, lock_by_phone
from mpss.accounts.checks import check_state
from mpss.accounts.codes import Purpose
from mpss.accounts.model import AccountRow, FreezeKind
from mpss.accounts.proven import Proofs, proven
from mpss.accounts.state import Operation
from mpss.accounts.state_store import Freeze, end_user_freezes, freezes_of, insert_freeze, release_freezes
from mpss.accounts.store import lock_account
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import AccountId, ApprovalId, FreezeId
from mpss.runtime import Runtime
from mpss.staff.approvals import decide, propose, waiting
from mpss.staff.model import ApprovalRow, StaffMember
from mpss.staff.permissions import Permission

_LONGEST = 200


class Proposed(StrEnum):
    """The kinds of proposal that a second member of staff decides."""

    FREEZE = "account_freeze"
    RELEASE = "account_release"


async def freeze_by_user(runtime: Runtime, *, account_id: UUID, until: date | None, channel: str) -> datetime | None:
    """Freeze one's own account, until 00:00 in Shanghai of `until` or until one unfreezes it; when it ends.

    Freezing a frozen account sets the date anew.

    Raises:
        MalformedField: `until` is not after today, or further than `policy.user_freeze_days`.
        Refused: UNKNOWN_ACCOUNT, what the state refuses with.

    Spec: CT 5.2, 6.1.3.
    """
    now = runtime.clock.now()
    ends_at = None
    if until is not None:
        days = (until - now.astimezone(SHANGHAI).date()).days
        if not 1 <= days <= runtime.policy.user_freeze_days:
            raise MalformedField(field="until", problem=f"must be 1 to {runtime.policy.user_freeze_days} days from now")
        ends_at = datetime.combine(until, time(0, 0), SHANGHAI).astimezone(UTC)
    async with runtime.database.transaction() as uow:
        locked = await lock_account(uow, account_id)
        refusal = check_state(None if locked is None else locked[0], Operation.FREEZE, at=now)
        if locked is None or refusal is not None:
            raise Refused(refusal or ErrorCode.UNKNOWN_ACCOUNT)
        account = locked[0]
        await release_freezes(uow, account.id, FreezeKind.USER, by=SUBSCRIBER, now=now)
        made = Freeze(FreezeId.new(now), FreezeKind.USER, channel, "", ends_at, SUBSCRIBER, now, None, None)
        await insert_freeze(uow, account.id, made)
        detail = {"channel": channel, "until": None if until is None else until.isoformat()}
        params = {"until": "" if until is None else until.isoformat()}
        await changed(uow, account, "frozen", actor=SUBSCRIBER, now=now, detail=detail, params=params)
    return ends_at


async def unfreeze_by_user(runtime: Runtime, *, account_id: UUID, proofs: Proofs) -> None:
    """Release one's own freeze.

    Raises:
        MalformedField: the proofs' form.
        Refused: as `proven`; ILLEGAL_STATE, one's own freeze does not stand.

    Spec: CT 5.2, 6.1.3.
    """
    now = runtime.clock.now()

    async def check(uow: UnitOfWork, account: AccountRow) -> None:
        if FreezeKind.USER not in account.freezes:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="you have not frozen the account")

    async def release(uow: UnitOfWork, account: AccountRow, _: None) -> None:
        await release_freezes(uow, account.id, FreezeKind.USER, by=SUBSCRIBER, now=now)
        await changed(uow, account, "unfrozen", actor=SUBSCRIBER, now=now)

    await proven(
        runtime, account_id=account_id, proofs=proofs, purpose=Purpose.ACCOUNT, operation=Operation.UNFREEZE, now=now,
        check=check, carry_out=release,
    )  # fmt: skip


async def propose_freeze(
    runtime: Runtime, *, staff: StaffMember, phone: str, kind: FreezeKind, reason: str, document: str
) -> ApprovalId:
    """Propose to freeze an account for a risk or by law; `document` is the court's or authority's, of a law freeze.

    Raises:
        MalformedField: `phone`, `kind` is the user's, `reason`, or `document` is missing of a freeze by law.
        Refused: FORBIDDEN; UNKNOWN_ACCOUNT, what the state refuses with.

    Spec: CM 7.6.
    """
    staff.require(Permission.ACCOUNT_FREEZE)
    if kind is FreezeKind.USER:
        raise MalformedField(field="kind", problem="must be risk or law: the holder's own freeze is the holder's")
    _check_line(reason, field="reason")
    if kind is FreezeKind.LAW or document:
        _check_line(document, field="document")
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account = await lock_by_phone(uow, phone)
        refusal = check_state(account, Operation.FREEZE, at=now)
        if refusal is not None:
            raise Refused(refusal)
        payload = {
            "account_id": AccountId.outside(account.id), "kind": kind.value, "reason": reason, "document": document,
        }  # fmt: skip
        return await propose(uow, kind=Proposed.FREEZE, payload=payload, by=staff, now=now)


async def propose_release(
    runtime: Runtime, *, staff: StaffMember, freeze_id: UUID, phone: str, reason: str
) -> ApprovalId:
    """Propose to release a freeze for a risk or by law.

    Raises:
        MalformedField: `phone` or `reason`.
        Refused: FORBIDDEN; UNKNOWN_ACCOUNT; NOT_FOUND, the account has no such freeze; ILLEGAL_STATE, it has ended, or
            is the holder's own.

    Spec: CM 7.6.
    """
    staff.require(Permission.ACCOUNT_FREEZE)
    _check_line(reason, field="reason")
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account = await lock_by_phone(uow, phone)
        found = next((freeze for freeze in await freezes_of(uow, account.id) if freeze.id == freeze_id), None)
        if found is None:
            raise Refused(ErrorCode.NOT_FOUND, detail="the account has no such freeze")
        if found.released_at is not None or found.kind is FreezeKind.USER:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="the freeze has ended, or is the holder's own")
        payload = {
            "account_id": AccountId.outside(account.id), "freeze_id": FreezeId.outside(freeze_id),
            "kind": found.kind.value, "reason": reason,
        }  # fmt: skip
        return await propose(uow, kind=Proposed.RELEASE, payload=payload, by=staff, now=now)


async def decide_freeze(
    runtime: Runtime, *, staff: StaffMember, approval_id: UUID, kind: Proposed, approve: bool
) -> None:
    """Approve or refuse what another member proposed; what is approved holds at once.

    Raises:
        Refused: FORBIDDEN; NOT_FOUND; ILLEGAL_STATE, decided already, or the freeze has ended; SAME_PERSON;
            what the account's state refuses with.

    Spec: CM 7.6.
    """
    staff.require(Permission.ACCOUNT_FREEZE)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        payload = await decide(uow, approval_id=approval_id, kind=kind, by=staff, approve=approve, now=now)
        if not approve:
            return
        locked = await lock_account(uow, AccountId.parse(payload["account_id"], field="account_id"))
        operation = Operation.FREEZE if kind is Proposed.FREEZE else Operation.UNFREEZE
        refusal = check_state(None if locked is None else locked[0], operation, at=now)
        if locked is None or refusal is not None:
            raise Refused(refusal or ErrorCode.UNKNOWN_ACCOUNT)
        if kind is Proposed.FREEZE:
            await _freeze(uow, locked[0], payload, staff, now)
        else:
            await _release(uow, locked[0], payload, staff, now)


async def _freeze(
    uow: UnitOfWork, account: AccountRow, payload: Mapping[str, Any], staff: StaffMember, now: datetime
) -> None:
    kind = FreezeKind(payload["kind"])
    made = Freeze(FreezeId.new(now), kind, payload["reason"], payload["document"], None, str(staff.id), now, None, None)
    await insert_freeze(uow, account.id, made)
    detail = {"freeze_id": FreezeId.outside(made.id), "kind": kind.value, "reason": payload["reason"]}
    await changed_by_staff(uow, account, f"frozen_{kind.value}", staff=staff, now=now, detail=detail)


async def _release(
    uow: UnitOfWork, account: AccountRow, payload: Mapping[str, Any], staff: StaffMember, now: datetime
) -> None:
    kind = FreezeKind(payload["kind"])
    freeze_id = FreezeId.parse(payload["freeze_id"], field="freeze_id")
    if not await release_freezes(uow, account.id, kind, by=str(staff.id), now=now, freeze_id=freeze_id):
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="the freeze has ended")
    detail = {"freeze_id": str(freeze_id), "kind": kind.value, "reason": payload["reason"]}
    await changed_by_staff(uow, account, "unfrozen", staff=staff, now=now, detail=detail)


async def open_proposals(runtime: Runtime, *, kind: Proposed) -> list[ApprovalRow]:
    """What waits for a second member, oldest first."""
    async with runtime.database.read() as uow:
        return await waiting(uow, kind=kind)


async def end_dated_freezes(runtime: Runtime) -> int:
    """Release the users' freezes whose date has come, and tell; how many. For a job."""
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        owners = await end_user_freezes(uow, now=now)
        await changed_by_clock(uow, owners, "unfrozen", now=now)
    return len(owners)


def _check_line(text: str, *, field: str) -> None:
    if not text.strip() or len(text) > _LONGEST or not text.isprintable():
        raise MalformedField(field=field, problem=f"must be one line of 1 to {_LONGEST} characters")
