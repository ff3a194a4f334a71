"""Freezes of an account (冻结): the holder's own until a date, ours for a risk, a court's or authority's.

    the holder   frozen at once by portal or SMS ──the date at 00:00, password and code, or a hall──► released
    risk, law    one member of staff proposes ──another approves──► frozen ──the date, or two people──► released
                 the whole account or an amount; extended, and released in part, by two as well

A frozen account takes no part in trading (CT 5.2); of an amount that is frozen, only what is beyond it may leave.
Freezes stand beside each other: releasing one leaves the others. What an approval does is in freeze_change.py.
Spec: CT 5.2, 6.1.3. Decisions: ADR-0021, ADR-0028.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from enum import StrEnum
from uuid import UUID

from mpss.accounts.change import SUBSCRIBER, changed, changed_by_clock, changed_by_staff
from mpss.accounts.checks import check_state
from mpss.accounts.codes import Purpose
from mpss.accounts.counter_check import Shown, look_at, not_the_holder
from mpss.accounts.freeze_change import CARRIED_OUT, OPERATIONS, Proposed, check_part, require_standing
from mpss.accounts.freeze_store import end_due_freezes, freezes_of, insert_freeze, release_of_user
from mpss.accounts.locks import lock_allowed, lock_by_phone, wallet_of
from mpss.accounts.model import AccountRow, Freeze, FreezeKind
from mpss.accounts.proven import Proofs, proven
from mpss.accounts.state import Operation
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import AccountId, ApprovalId, FreezeId
from mpss.kernel.money import MAX_FEN
from mpss.kernel.text import check_line
from mpss.runtime import Runtime
from mpss.staff.approvals import decide, propose, waiting
from mpss.staff.model import ApprovalRow, StaffMember
from mpss.staff.permissions import Permission


async def freeze_by_user(runtime: Runtime, *, account_id: UUID, until: date | None, channel: str) -> datetime | None:
    """Freeze one's own account, until 00:00 in Shanghai of `until` or until one unfreezes it; when it ends.

    Freezing a frozen account puts the date off. To have it end earlier is to unfreeze it, which takes the password.

    Raises:
        MalformedField: `until` is not after today, or further than `policy.user_freeze_days`.
        Refused: UNKNOWN_ACCOUNT, what the state refuses with; ILLEGAL_STATE, it is frozen for longer already.

    Spec: CT 5.2, 6.1.3.
    """
    now = runtime.clock.now()
    ends_at = _ends_at(until, now, within_days=runtime.policy.user_freeze_days)
    async with runtime.database.transaction() as uow:
        account, _ = await lock_allowed(uow, account_id, Operation.FREEZE, at=now)
        if _ends_earlier(ends_at, account, now):
            raise Refused(
                ErrorCode.ILLEGAL_STATE, detail="it is frozen for longer already; unfreeze it first", field="until"
            )
        await release_of_user(uow, account.id, by=SUBSCRIBER, now=now)
        made = Freeze(FreezeId.new(now), account.id, FreezeKind.USER, None, None, channel, "", ends_at, SUBSCRIBER, now)
        await insert_freeze(uow, made)
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
        await release_of_user(uow, account.id, by=SUBSCRIBER, now=now)
        await changed(uow, account, "unfrozen", actor=SUBSCRIBER, now=now)

    await proven(
        runtime, account_id=account_id, proofs=proofs, purpose=Purpose.ACCOUNT, operation=Operation.UNFREEZE, now=now,
        check=check, carry_out=release,
    )  # fmt: skip


async def unfreeze_at_counter(runtime: Runtime, *, staff: StaffMember, phone: str, shown: Shown) -> None:
    """Release the holder's own freeze at a hall: who has forgotten the payment password cannot unfreeze, and is given
    none while the account is frozen.

    Raises:
        MalformedField: `phone`; as `look_at` and `not_the_holder`.
        Refused: FORBIDDEN, needs loss_written and a hall; UNKNOWN_ACCOUNT, what the state refuses with; ILLEGAL_STATE,
            the holder's own freeze does not stand; IDENTITY_MISMATCH, RATE_LIMITED, WRONG_CODE, CODE_EXPIRED,
            SIM_COOLING.

    Spec: CT 5.2, 6.1.3; CM 8.2.
    """
    staff.require_at_hall(Permission.LOSS_WRITTEN)
    checked = await look_at(runtime, shown, phone=phone)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account = await lock_by_phone(uow, phone)
        refusal = check_state(account, Operation.UNFREEZE, at=now)
        if refusal is not None:
            raise Refused(refusal)
        if FreezeKind.USER not in account.freezes:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="the holder has not frozen the account")
        refusal = await not_the_holder(uow, runtime, account, checked, staff=staff, now=now, by_phone=True)
        if refusal is None:
            await release_of_user(uow, account.id, by=str(staff.id), now=now)
            detail = {"document": checked.document}
            await changed_by_staff(uow, account, "unfrozen", staff=staff, now=now, detail=detail)
    if refusal is not None:
        raise Refused(refusal)


async def propose_freeze(
    runtime: Runtime,
    *,
    staff: StaffMember,
    phone: str,
    kind: FreezeKind,
    reason: str,
    document: str,
    amount_fen: int | None = None,
    until: date | None = None,
) -> ApprovalId:
    """Propose to freeze an account for a risk or by law; `document` is the court's or authority's, of a law freeze.

    `amount_fen` None: the whole account; else so much must not leave, whether it is there yet or comes in later.
    `until` None: until it is released; else it ends at 00:00 in Shanghai of that day.

    Raises:
        MalformedField: `phone`, `kind` is the user's, `reason`, `amount_fen`, or `document` is missing of a freeze by
            law; `until` is not after today, or further than `policy.staff_freeze_days`.
        Refused: FORBIDDEN; UNKNOWN_ACCOUNT, what the state refuses with.

    Spec: CM 7.6.
    """
    staff.require(Permission.ACCOUNT_FREEZE)
    if kind is FreezeKind.USER:
        raise MalformedField(field="kind", problem="must be risk or law: the holder's own freeze is the holder's")
    check_line(reason, field="reason")
    if kind is FreezeKind.LAW or document:
        check_line(document, field="document")
    if amount_fen is not None and not 0 < amount_fen <= MAX_FEN:
        raise MalformedField(field="amount_fen", problem="must be above zero")
    now = runtime.clock.now()
    _ends_at(until, now, within_days=runtime.policy.staff_freeze_days)
    async with runtime.database.transaction() as uow:
        account = await lock_by_phone(uow, phone)
        refusal = check_state(account, Operation.FREEZE, at=now)
        if refusal is not None:
            raise Refused(refusal)
        payload = {
            "account_id": AccountId.outside(account.id), "kind": kind.value, "reason": reason, "document": document,
            "amount_fen": amount_fen, "until": None if until is None else until.isoformat(),
        }  # fmt: skip
        return await propose(uow, kind=Proposed.FREEZE, payload=payload, by=staff, now=now)


async def propose_release(
    runtime: Runtime, *, staff: StaffMember, freeze_id: UUID, phone: str, reason: str, amount_fen: int | None = None
) -> ApprovalId:
    """Propose to release a freeze for a risk or by law; `amount_fen` of a freeze of an amount: only so much of it.

    Raises:
        MalformedField: `phone` or `reason`; `amount_fen` is more than still stands, or the freeze is of the whole.
        Refused: FORBIDDEN; UNKNOWN_ACCOUNT; NOT_FOUND, the account has no such freeze; ILLEGAL_STATE, it has ended, or
            is the holder's own.

    Spec: CM 7.6.
    """
    staff.require(Permission.ACCOUNT_FREEZE)
    check_line(reason, field="reason")
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account = await lock_by_phone(uow, phone)
        found = await require_standing(uow, account, freeze_id)
        if amount_fen is not None:
            check_part(found, amount_fen)
        payload = {
            "account_id": AccountId.outside(account.id), "freeze_id": FreezeId.outside(freeze_id),
            "kind": found.kind.value, "reason": reason, "amount_fen": amount_fen,
        }  # fmt: skip
        return await propose(uow, kind=Proposed.RELEASE, payload=payload, by=staff, now=now)


async def propose_extension(
    runtime: Runtime, *, staff: StaffMember, freeze_id: UUID, phone: str, until: date, reason: str, document: str
) -> ApprovalId:
    """Propose that a freeze with a date ends later (续冻); `document` as of the freeze.

    Raises:
        MalformedField: `phone`, `reason`, `document`; `until` is not after the present end, or further off than
            `policy.staff_freeze_days`.
        Refused: FORBIDDEN; UNKNOWN_ACCOUNT; NOT_FOUND; ILLEGAL_STATE, it has ended, has no date, or is the holder's.

    Spec: CM 7.6.
    """
    staff.require(Permission.ACCOUNT_FREEZE)
    check_line(reason, field="reason")
    now = runtime.clock.now()
    ends_at = _ends_at(until, now, within_days=runtime.policy.staff_freeze_days)
    async with runtime.database.transaction() as uow:
        account = await lock_by_phone(uow, phone)
        found = await require_standing(uow, account, freeze_id)
        if found.kind is FreezeKind.LAW or document:
            check_line(document, field="document")
        if found.until is None:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="the freeze has no date to extend")
        if ends_at is None or ends_at <= found.until:
            raise MalformedField(field="until", problem="must be after the day on which the freeze ends now")
        payload = {
            "account_id": AccountId.outside(account.id), "freeze_id": FreezeId.outside(freeze_id),
            "kind": found.kind.value, "reason": reason, "document": document, "until": until.isoformat(),
        }  # fmt: skip
        return await propose(uow, kind=Proposed.EXTENSION, payload=payload, by=staff, now=now)


async def decide_freeze(
    runtime: Runtime, *, staff: StaffMember, approval_id: UUID, kind: Proposed, approve: bool
) -> None:
    """Approve or refuse what another member proposed; what is approved holds at once.

    Raises:
        Refused: FORBIDDEN; NOT_FOUND; ILLEGAL_STATE, decided already, or the freeze or its date has ended;
            SAME_PERSON; what the account's state refuses with.

    Spec: CM 7.6.
    """
    staff.require(Permission.ACCOUNT_FREEZE)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        payload = await decide(uow, approval_id=approval_id, kind=kind, by=staff, approve=approve, now=now)
        if not approve:
            return
        account_id = AccountId.parse(payload["account_id"], field="account_id")
        account, _ = await lock_allowed(uow, account_id, OPERATIONS[kind], at=now)
        await CARRIED_OUT[kind](uow, account, payload, staff, now)


async def open_proposals(runtime: Runtime, *, kind: StrEnum) -> list[ApprovalRow]:
    """What waits for a second member, oldest first."""
    async with runtime.database.read() as uow:
        return await waiting(uow, kind=kind)


async def freezes_by_phone(runtime: Runtime, *, staff: StaffMember, phone: str) -> list[Freeze]:
    """The newest hundred freezes of the number's account, standing and ended.

    Raises:
        MalformedField: `phone`.
        Refused: FORBIDDEN; UNKNOWN_ACCOUNT.
    """
    staff.require(Permission.ACCOUNT_FREEZE)
    async with runtime.database.read() as uow:
        return await freezes_of(uow, await wallet_of(uow, phone))


async def end_dated_freezes(runtime: Runtime) -> int:
    """Release the freezes whose date has come, and tell; of how many accounts. For a job."""
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        owners = await end_due_freezes(uow, now=now)
        await changed_by_clock(uow, owners, "unfrozen", now=now)
    return len(owners)


def _ends_earlier(ends_at: datetime | None, account: AccountRow, now: datetime) -> bool:
    """Whether one's own freeze stands, and beyond that instant."""
    if FreezeKind.USER not in account.freezes or ends_at is None:
        return False
    standing = account.user_freeze_until
    return standing is None or (now < standing and ends_at < standing)


def _ends_at(until: date | None, now: datetime, *, within_days: int) -> datetime | None:
    """00:00 in Shanghai of the day."""
    if until is None:
        return None
    days = (until - now.astimezone(SHANGHAI).date()).days
    if not 1 <= days <= within_days:
        raise MalformedField(field="until", problem=f"must be 1 to {within_days} days from now")
    return datetime.combine(until, time(0, 0), SHANGHAI).astimezone(UTC)
