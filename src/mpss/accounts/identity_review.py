"""Staff look at what subscribers submitted, in clear, and approve or refuse it (弱实名升级审核).

Invariant: every look at a name or an image in clear leaves a line in the audit record. Spec: CM 5.2.2, 8.2.1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple
from uuid import UUID

from mpss.accounts import customer_store as store
from mpss.accounts.customer_model import ImageKind, SubmissionRow, SubmissionState, Verification
from mpss.accounts.customers import ShownCustomer, give_account, shown, verify_customer
from mpss.accounts.identity import Image
from mpss.accounts.notify import tell_holder
from mpss.accounts.state_store import insert_event
from mpss.accounts.store import lock_account, phone_of
from mpss.accounts.upgrade import account_to_upgrade, tell_upgraded
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import SubmissionId
from mpss.runtime import Runtime
from mpss.staff.audit import NO_DETAIL, record
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission

_LONGEST_REASON = 40


class Reviewed(NamedTuple):
    """A submission with who it says its sender is, and which images came with it."""

    submission: SubmissionRow
    phone: str
    customer: ShownCustomer
    images: tuple[ImageKind, ...]


async def list_for_review(
    runtime: Runtime, *, staff: StaffMember, state: SubmissionState | None, phone: str | None, before: UUID | None,
    limit: int,
) -> list[Reviewed]:  # fmt: skip
    """Submissions, newest first, masked; `phone` is E.164.

    Raises:
        Refused: FORBIDDEN.
    """
    staff.require(Permission.IDENTITY_REVIEW)
    async with runtime.database.read() as uow:
        found = await store.list_submissions(uow, state=state, phone=phone, before=before, limit=limit)
        customers = await store.find_customers(uow, [each.submission.customer_id for each in found])
    key_store = runtime.ports.key_store
    return [
        Reviewed(each.submission, each.phone, shown(key_store, customers[each.submission.customer_id]), ())
        for each in found
    ]


async def look_at(runtime: Runtime, *, staff: StaffMember, submission_id: UUID) -> Reviewed:
    """One submission, in clear.

    Raises:
        Refused: FORBIDDEN, NOT_FOUND.
    """
    staff.require(Permission.IDENTITY_REVIEW)
    async with runtime.database.transaction() as uow:
        submission = await _found(uow, submission_id)
        await _record(uow, runtime, staff, "identity.look", submission_id)
        return await _reviewed(uow, runtime, submission)


async def look_at_image(runtime: Runtime, *, staff: StaffMember, submission_id: UUID, kind: ImageKind) -> Image:
    """An image that came with a submission.

    Raises:
        Refused: FORBIDDEN, NOT_FOUND.
    """
    staff.require(Permission.IDENTITY_REVIEW)
    async with runtime.database.transaction() as uow:
        submission = await _found(uow, submission_id)
        image = await store.find_image(uow, submission.customer_id, kind)
        if image is None:
            raise Refused(ErrorCode.NOT_FOUND)
        await _record(uow, runtime, staff, "identity.look_at_image", submission_id, {"kind": kind})
    content_sealed, media_type = image
    return Image(kind, media_type, runtime.ports.key_store.unseal(content_sealed))


async def approve(
    runtime: Runtime, *, staff: StaffMember, submission_id: UUID, verifications: Collection[Verification]
) -> Reviewed:
    """Make the submitter's account real-name, of the class that `verifications` earn.

    Raises:
        MalformedField: `verifications`, none.
        Refused: FORBIDDEN, NOT_FOUND; ILLEGAL_STATE, decided already; IDENTITY_MISMATCH; or what the account's state
            refuses an upgrade with.

    Spec: CM 5.2.2.
    """
    staff.require(Permission.IDENTITY_REVIEW)
    if not verifications:
        raise MalformedField(field="verifications", problem="must name at least one channel that confirmed the name")
    now, key_store = runtime.clock.now(), runtime.ports.key_store
    async with runtime.database.transaction() as uow:
        submission = await _found(uow, submission_id)
        account = await account_to_upgrade(uow, submission.account_id, at=now)
        await _decide(uow, runtime, staff, submission_id, SubmissionState.APPROVED, "")
        told = (await store.find_customers(uow, [submission.customer_id]))[submission.customer_id]
        customer = await verify_customer(
            uow, key_store, told, holder_id=account.customer_id, face_to_face=False, channels=verifications, now=now
        )
        account_class = await give_account(uow, account, customer)
        await tell_upgraded(uow, account, account_class, actor=str(staff.id), now=now)
        detail = {"class": account_class, "verifications": sorted(verifications)}
        await _record(uow, runtime, staff, "identity.approve", submission_id, detail)
        return await _reviewed(uow, runtime, await _found(uow, submission_id))


async def refuse(runtime: Runtime, *, staff: StaffMember, submission_id: UUID, reason: str) -> Reviewed:
    """Refuse a submission; the submitter is told `reason`.

    Raises:
        MalformedField: `reason`.
        Refused: FORBIDDEN, NOT_FOUND; ILLEGAL_STATE, decided already.

    Spec: CM 5.2.2.
    """
    staff.require(Permission.IDENTITY_REVIEW)
    told = reason.strip()
    if not 0 < len(told) <= _LONGEST_REASON or not told.isprintable():
        raise MalformedField(field="reason", problem=f"must be 1 to {_LONGEST_REASON} printable characters")
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        submission = await _found(uow, submission_id)
        locked = await lock_account(uow, submission.account_id)
        assert locked is not None
        account = locked[0]
        await _decide(uow, runtime, staff, submission_id, SubmissionState.REFUSED, told)
        await insert_event(uow, account.id, "identity_refused", detail={"reason": told}, actor=str(staff.id), now=now)
        await tell_holder(uow, account, "identity_refused", now=now, params={"reason": told})
        await _record(uow, runtime, staff, "identity.refuse", submission_id, {"reason": told})
        return await _reviewed(uow, runtime, await _found(uow, submission_id))


async def _found(uow: UnitOfWork, submission_id: UUID) -> SubmissionRow:
    submission = await store.find_submission(uow, submission_id)
    if submission is None:
        raise Refused(ErrorCode.NOT_FOUND)
    return submission


async def _reviewed(uow: UnitOfWork, runtime: Runtime, submission: SubmissionRow) -> Reviewed:
    customer = (await store.find_customers(uow, [submission.customer_id]))[submission.customer_id]
    phone = await phone_of(uow, submission.account_id)
    images = tuple(await store.image_kinds(uow, submission.customer_id))
    return Reviewed(submission, phone or "", shown(runtime.ports.key_store, customer, clear=True), images)


async def _decide(
    uow: UnitOfWork, runtime: Runtime, staff: StaffMember, submission_id: UUID, state: SubmissionState, reason: str
) -> None:
    now = runtime.clock.now()
    if not await store.decide_submission(uow, submission_id, state=state, by=staff.id, reason=reason, now=now):
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="it was decided before")


async def _record(
    uow: UnitOfWork, runtime: Runtime, staff: StaffMember, action: str, submission_id: UUID,
    detail: Mapping[str, object] = NO_DETAIL,
) -> None:  # fmt: skip
    subject = SubmissionId.outside(submission_id)
    await record(uow, at=runtime.clock.now(), actor=str(staff.id), action=action, subject=subject, detail=detail)
