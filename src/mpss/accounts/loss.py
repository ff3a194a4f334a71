"""Loss of the phone reported (挂失) and the report lifted (解挂).

    none ──oral, by portal, SMS, voice or call center──► oral until a date ──the date, or lifted──► none
    none, oral ──in writing, at a hall with the document──► written ──lifted at a hall──► none

A report ends every session and link of the account, but for the session that reports. Spec: CM 5.2.9, 5.2.10, 6.7, 6.8.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from mpss.accounts import token_store
from mpss.accounts.change import SUBSCRIBER, changed, changed_by_clock, changed_by_staff
from mpss.accounts.checks import check_state
from mpss.accounts.codes import Purpose
from mpss.accounts.counter_check import Shown, look_at, not_the_holder
from mpss.accounts.holder_proof import is_real_name, prove_holder
from mpss.accounts.locks import lock_by_phone, lock_known
from mpss.accounts.model import AccountRow, Loss
from mpss.accounts.password_rules import candidate_digests, check_form, fingerprint
from mpss.accounts.password_tries import count_try
from mpss.accounts.proven import Proofs, proven
from mpss.accounts.spray import hot, noticed
from mpss.accounts.state import Operation
from mpss.accounts.state_store import end_losses, set_loss
from mpss.accounts.store import find_wallet, lock_account
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, MpssError, Refused
from mpss.kernel.phone import parse_phone
from mpss.kernel.text import check_line
from mpss.runtime import Runtime
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission


async def report_loss(runtime: Runtime, *, account_id: UUID, channel: str, kept: bytes = b"") -> datetime:
    """Report loss orally, as the portal and an SMS do; until when it holds. `kept` is the reporting session's digest.

    Raises:
        Refused: UNKNOWN_ACCOUNT, what the state refuses with; ILLEGAL_STATE, loss is reported already.

    Spec: CM 6.7.2.
    """
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account, _ = await lock_known(uow, account_id)
        until = await _oral(uow, runtime, account, now, kept=kept)
        await changed(
            uow, account, "loss_reported", actor=SUBSCRIBER, now=now, detail={"loss": "oral", "channel": channel},
            params={"days": runtime.policy.loss_oral_days},
        )  # fmt: skip
    return until


async def report_loss_by_voice(runtime: Runtime, *, staff: StaffMember, phone: str, note: str) -> datetime:
    """Report loss for a caller whom the call center (10086) has identified; `note` says how. Until when it holds.

    Raises:
        MalformedField: `phone` or `note`.
        Refused: FORBIDDEN; as `report_loss`.

    Spec: CM 6.7.1.
    """
    staff.require(Permission.LOSS_REPORT)
    check_line(note, field="note")
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account = await lock_by_phone(uow, phone)
        until = await _oral(uow, runtime, account, now)
        await changed_by_staff(
            uow, account, "loss_reported", staff=staff, now=now, detail={"loss": "oral", "note": note},
            params={"days": runtime.policy.loss_oral_days},
        )  # fmt: skip
    return until


async def report_loss_from_another_phone(
    runtime: Runtime, *, phone: str, proof: str, channel: str, source: str
) -> datetime:
    """Report loss orally for a holder who calls from another phone. Until when it holds.

    `proof` is the end of the document's number where the account is real-name, else the payment password; a wrong one
    is counted. Who is wrong, was wrong too often or names a number without an account hears the same, and learns
    nothing about the number.

    Raises:
        MalformedField: `phone`.
        Refused: IDENTITY_MISMATCH; once proven, as `report_loss`.

    Spec: CM 6.7.1.
    """
    async with runtime.database.read() as uow:
        account_id = await find_wallet(uow, phone=parse_phone(phone))
    if account_id is None:
        raise Refused(ErrorCode.IDENTITY_MISMATCH)
    key_store, now = runtime.ports.key_store, runtime.clock.now()
    by_password = not await is_real_name(runtime, account_id=account_id)
    try:
        if by_password:
            check_form(proof)
        else:
            await prove_holder(runtime, account_id=account_id, tail=proof)
    except MpssError:
        raise Refused(ErrorCode.IDENTITY_MISMATCH) from None
    candidates, tried = candidate_digests(key_store, account_id, proof), fingerprint(key_store, proof)
    challenged = by_password and await hot(runtime, tried, source)
    async with runtime.database.transaction() as uow:
        locked = await lock_account(uow, account_id)
        if locked is None:
            raise Refused(ErrorCode.IDENTITY_MISMATCH)
        wrong = None
        if by_password:
            wrong = await count_try(
                uow, runtime, *locked, candidate_digests=candidates, tried=tried, challenged=challenged, source=source,
                now=now,
            )  # fmt: skip
        if wrong is None:
            until = await _oral(uow, runtime, locked[0], now)
            detail = {"loss": "oral", "channel": channel, "from": "another phone"}
            await changed(
                uow, locked[0], "loss_reported", actor=SUBSCRIBER, now=now, detail=detail,
                params={"days": runtime.policy.loss_oral_days},
            )  # fmt: skip
            return until
    # The counted try stays.
    noticed(runtime)
    raise Refused(ErrorCode.IDENTITY_MISMATCH)


async def report_loss_in_writing(runtime: Runtime, *, staff: StaffMember, phone: str, shown: Shown) -> None:
    """Report loss in writing at a hall. It never expires.

    Raises:
        MalformedField: `phone`; as `look_at` and `not_the_holder`.
        Refused: FORBIDDEN, needs loss_written and a hall; UNKNOWN_ACCOUNT, what the state refuses with; ILLEGAL_STATE,
            it is reported in writing already; IDENTITY_MISMATCH, RATE_LIMITED.

    Spec: CM 6.7.3.
    """
    staff.require_at_hall(Permission.LOSS_WRITTEN)
    checked = await look_at(runtime, shown, phone=phone)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account = await lock_by_phone(uow, phone)
        _refuse(check_state(account, Operation.REPORT_LOSS, at=now))
        if account.loss is Loss.WRITTEN:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="loss is reported in writing already")
        # It only stops, and the phone is gone: without a document on record the clerk's word does.
        refusal = await not_the_holder(uow, runtime, account, checked, staff=staff, now=now, by_phone=False)
        if refusal is None:
            await set_loss(uow, account.id, Loss.WRITTEN, until=None)
            await _end_access(uow, account, now)
            detail = {"loss": "written", "document": checked.document}
            await changed_by_staff(uow, account, "loss_written", staff=staff, now=now, detail=detail)
    _refuse(refusal)


async def lift_loss(runtime: Runtime, *, account_id: UUID, proofs: Proofs) -> None:
    """Lift an oral report over the portal.

    Raises:
        MalformedField: the proofs' form.
        Refused: as `proven`; ILLEGAL_STATE, none stands; LOSS_WRITTEN, one in writing is lifted at a hall.

    Spec: CM 5.2.10, 6.8.
    """
    now = runtime.clock.now()

    async def check(uow: UnitOfWork, account: AccountRow) -> None:
        if account.loss is Loss.WRITTEN:
            raise Refused(ErrorCode.LOSS_WRITTEN, detail="a report in writing is lifted at a service hall")

    async def lift(uow: UnitOfWork, account: AccountRow, _: None) -> None:
        await set_loss(uow, account.id, Loss.NONE, until=None)
        await changed(uow, account, "loss_lifted", actor=SUBSCRIBER, now=now)

    await proven(
        runtime, account_id=account_id, proofs=proofs, purpose=Purpose.ACCOUNT, operation=Operation.LIFT_LOSS, now=now,
        check=check, carry_out=lift,
    )  # fmt: skip


async def lift_loss_at_counter(runtime: Runtime, *, staff: StaffMember, phone: str, shown: Shown) -> None:
    """Lift a report of either kind at a hall.

    Raises:
        MalformedField: `phone`; as `look_at` and `not_the_holder`.
        Refused: FORBIDDEN, needs loss_written and a hall; UNKNOWN_ACCOUNT; ILLEGAL_STATE, none stands;
            IDENTITY_MISMATCH, RATE_LIMITED, WRONG_CODE, CODE_EXPIRED.

    Spec: CM 6.8.
    """
    staff.require_at_hall(Permission.LOSS_WRITTEN)
    checked = await look_at(runtime, shown, phone=phone)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account = await lock_by_phone(uow, phone)
        _refuse(check_state(account, Operation.LIFT_LOSS, at=now))
        if account.loss is Loss.NONE:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="no loss is reported")
        refusal = await not_the_holder(uow, runtime, account, checked, staff=staff, now=now, by_phone=True)
        if refusal is None:
            await set_loss(uow, account.id, Loss.NONE, until=None)
            detail = {"document": checked.document}
            await changed_by_staff(uow, account, "loss_lifted", staff=staff, now=now, detail=detail)
    _refuse(refusal)


async def end_oral_losses(runtime: Runtime) -> int:
    """End the oral reports that ran out, and tell; how many. For a job: what has run out stops nobody before."""
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        owners = await end_losses(uow, now=now)
        await changed_by_clock(uow, owners, "loss_expired", now=now)
    return len(owners)


async def _oral(
    uow: UnitOfWork, runtime: Runtime, account: AccountRow, now: datetime, *, kept: bytes = b""
) -> datetime:
    _refuse(check_state(account, Operation.REPORT_LOSS, at=now))
    standing = account.loss is Loss.ORAL and account.loss_until is not None and now < account.loss_until
    if standing or account.loss is Loss.WRITTEN:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="loss is reported already")
    until = now + timedelta(days=runtime.policy.loss_oral_days)
    await set_loss(uow, account.id, Loss.ORAL, until=until)
    await _end_access(uow, account, now, kept=kept)
    return until


async def _end_access(uow: UnitOfWork, account: AccountRow, now: datetime, *, kept: bytes = b"") -> None:
    await token_store.end_sessions(uow, account.id, kept=kept)
    await token_store.void_links(uow, account.id, now=now)


def _refuse(refusal: ErrorCode | None) -> None:
    if refusal is not None:
        raise Refused(refusal)
