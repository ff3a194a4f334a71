"""From weak real-name (弱实名) to real-name (实名): at a counter, or submitted by the subscriber and reviewed.

    subscriber ──document, images──► submitted ──staff: channels──► approved ──► class I, II or III
                                              └──staff: reason──► refused, may be submitted again
    counter    ──document, images, channels──► class II or III at once

Spec: CM 5.2.2, 7.2.1. Decision: ADR-0025.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from mpss.accounts import customer_store as store
from mpss.accounts.change import SUBSCRIBER, changed
from mpss.accounts.customer_model import CustomerKind, SubmissionRow, SubmissionState, Verification
from mpss.accounts.customers import (
    ShownCustomer,
    checked_images,
    clerk_of,
    give_account,
    place_of,
    shown,
    verify_customer,
    write_customer,
)
from mpss.accounts.identity import IdentityClaim, Image, parse_identity
from mpss.accounts.locks import lock_allowed, lock_known, wallet_of
from mpss.accounts.model import AccountClass, AccountRow
from mpss.accounts.notify import tell_holder
from mpss.accounts.state import Operation
from mpss.accounts.state_store import insert_event
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import AccountId, SubmissionId
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission

_ROMAN = {AccountClass.CLASS_1: "I", AccountClass.CLASS_2: "II", AccountClass.CLASS_3: "III"}
_DAY = timedelta(days=1)
_MOST_WARNED = 500


class AccountIdentity(NamedTuple):
    """What an account's holder is known as, masked; `submission` is the last that was submitted."""

    account_class: AccountClass
    customer: ShownCustomer | None
    submission: SubmissionRow | None


async def submit_identity(
    runtime: Runtime, *, account_id: UUID, claim: IdentityClaim, images: Sequence[Image]
) -> SubmissionRow:
    """The subscriber's own document and its images, for staff to review; their phone is told.

    Raises:
        MalformedField: as `parse_identity`; `images`.
        Refused: UNKNOWN_ACCOUNT, or what the state refuses an upgrade with; ILLEGAL_STATE, one waits already;
            RATE_LIMITED, as many as may be in a day.

    Spec: CM 5.2.2.
    """
    now = runtime.clock.now()
    identity = parse_identity(claim, today=now.astimezone(SHANGHAI).date())
    _refuse_company(identity.kind)
    checked_images(identity, images)
    async with runtime.database.transaction() as uow:
        account = await account_to_upgrade(uow, account_id, at=now)
        latest = await store.latest_submission(uow, account_id)
        if latest is not None and latest.state is SubmissionState.SUBMITTED:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="what was submitted before waits for its review")
        if await store.count_submissions(uow, account_id, since=now - _DAY) >= runtime.policy.identity_tries_per_day:
            raise Refused(ErrorCode.RATE_LIMITED, detail="submitted too often; wait a day or visit a service hall")
        customer = await write_customer(
            uow, runtime.ports.key_store, identity, images, by=AccountId.outside(account_id), now=now
        )
        submission_id = SubmissionId.new(now)
        await store.insert_submission(uow, submission_id, account_id=account_id, customer_id=customer.id, now=now)
        told = {"submission": SubmissionId.outside(submission_id)}
        await insert_event(uow, account.id, "identity_submitted", detail=told, actor=SUBSCRIBER, now=now)
        await tell_holder(uow, account, "identity_submitted", now=now)
    return SubmissionRow(submission_id, account_id, customer.id, SubmissionState.SUBMITTED, now, None, None, "")


async def upgrade_at_counter(
    runtime: Runtime,
    *,
    by: StaffMember | None,
    phone: str,
    claim: IdentityClaim,
    images: Sequence[Image],
    verifications: Collection[Verification] = (),
) -> AccountIdentity:
    """Make the wallet of `phone` real-name at once: the clerk has the customer and the document before them.

    Asked again with more channels, or with the document renewed, it brings the customer up to date; a company's licence
    is renewed so too. `by` None is the platform's own command line.

    Raises:
        MalformedField: `phone`, `images`, `former_number`, or as `parse_identity`.
        Refused: FORBIDDEN, needs identity_manage and a hall; UNKNOWN_ACCOUNT, or what the state refuses an upgrade
            with; IDENTITY_MISMATCH; ILLEGAL_STATE, a company's licence for a person's account, or the other way round.

    Spec: CM 5.2.2.
    """
    actor = clerk_of(by, Permission.IDENTITY_MANAGE)
    number, now = parse_phone(phone), runtime.clock.now()
    identity = parse_identity(claim, today=now.astimezone(SHANGHAI).date())
    checked_images(identity, images)
    key_store = runtime.ports.key_store
    async with runtime.database.transaction() as uow:
        account_id = await wallet_of(uow, number)
        account = await account_to_upgrade(uow, account_id, at=now)
        if (identity.kind is CustomerKind.CORPORATE) != (account.account_class is AccountClass.CORPORATE):
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="a company's licence is of a company's account alone")
        told = await write_customer(uow, key_store, identity, images, by=actor, now=now)
        customer = await verify_customer(
            uow, key_store, told, holder_id=account.customer_id, face_to_face=True, channels=verifications, now=now,
            former_number=claim.former_number,
        )  # fmt: skip
        account_class = await give_account(uow, account, customer)
        await tell_upgraded(uow, account, account_class, actor=actor, now=now)
        replaced = {} if claim.former_number is None else {"replaced": True}
        detail = {"class": account_class, "verifications": sorted(verifications), **replaced, **place_of(by)}
        await record(
            uow, at=now, actor=actor, action="identity.upgrade", subject=AccountId.outside(account_id), detail=detail
        )
        latest = await store.latest_submission(uow, account_id)
    return AccountIdentity(account_class, shown(key_store, customer), latest)


async def identity_of(runtime: Runtime, *, account_id: UUID) -> AccountIdentity:
    """What an account's holder is known as, masked.

    Raises:
        Refused: UNKNOWN_ACCOUNT.

    Spec: CM 8.2.1.
    """
    async with runtime.database.transaction() as uow:
        return await _identity_of(uow, runtime, account_id)


async def identity_at_counter(runtime: Runtime, *, by: StaffMember | None, phone: str) -> AccountIdentity:
    """What the holder of the wallet of `phone` is known as, masked; who looked is on record.

    Raises:
        MalformedField: `phone`.
        Refused: FORBIDDEN, needs identity_manage and a hall; UNKNOWN_ACCOUNT.

    Spec: CM 8.2.1.
    """
    actor, number, now = clerk_of(by, Permission.IDENTITY_MANAGE), parse_phone(phone), runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account_id = await wallet_of(uow, number)
        subject = AccountId.outside(account_id)
        await record(uow, at=now, actor=actor, action="identity.show", subject=subject, detail=place_of(by))
        return await _identity_of(uow, runtime, account_id)


async def warn_of_documents(runtime: Runtime) -> int:
    """Tell the holders of documents that run out within `policy.document_warning_days`, once; how many accounts."""
    now = runtime.clock.now()
    until = (now + _DAY * runtime.policy.document_warning_days).astimezone(SHANGHAI).date()
    async with runtime.database.transaction() as uow:
        warned = await store.warn_of_documents(uow, until=until, now=now, limit=_MOST_WARNED)
        for account in warned:
            params = {"until": account.valid_until.isoformat()}
            await tell_holder(uow, account, "document_expiring", now=now, params=params)
    return len(warned)


async def account_to_upgrade(uow: UnitOfWork, account_id: UUID, *, at: datetime) -> AccountRow:
    """The account, locked, in a state that lets it be upgraded.

    Raises:
        Refused: UNKNOWN_ACCOUNT, or what its state refuses with.
    """
    account, _ = await lock_allowed(uow, account_id, Operation.UPGRADE, at=at)
    return account


async def tell_upgraded(
    uow: UnitOfWork, account: AccountRow, account_class: AccountClass, *, actor: str, now: datetime
) -> None:
    """Write the class that the account has now into its record, and the holder's notice."""
    if account_class is AccountClass.CORPORATE:
        return await changed(uow, account, "document_renewed", actor=actor, now=now)
    detail = {"from": account.account_class, "to": account_class}
    await insert_event(uow, account.id, "upgraded", detail=detail, actor=actor, now=now)
    if account.document_expired_since is not None:
        await changed(uow, account, "document_renewed", actor=actor, now=now)
    return await tell_holder(uow, account, "upgraded", now=now, params={"level": _ROMAN[account_class]})


async def _identity_of(uow: UnitOfWork, runtime: Runtime, account_id: UUID) -> AccountIdentity:
    account, _ = await lock_known(uow, account_id)
    latest = await store.latest_submission(uow, account_id)
    if account.customer_id is None:
        return AccountIdentity(account.account_class, None, latest)
    found = await store.find_customers(uow, [account.customer_id])
    return AccountIdentity(account.account_class, shown(runtime.ports.key_store, found[account.customer_id]), latest)


def _refuse_company(kind: CustomerKind) -> None:
    if kind is CustomerKind.CORPORATE:
        raise MalformedField(field="kind", problem="must be individual: a company opens an account of its own")
