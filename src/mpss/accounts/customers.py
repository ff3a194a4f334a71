"""Steps shared by opening, upgrading and review: writing a customer down, verifying one, showing one.

Invariants: (1) names, numbers, addresses, contacts and images are in the database sealed alone; (2) one document has
one verified customer, found by a keyed digest; (3) an account once given to a verified customer is never given to
another. Decision: ADR-0025.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from mpss.accounts import customer_store as store
from mpss.accounts.customer_model import (
    CustomerKind,
    CustomerRow,
    DocumentKind,
    NameLevel,
    Sex,
    Verification,
    class_earned,
    higher_class,
)
from mpss.accounts.identity import RESIDENT, Identity, Image, check_images, is_one_name, parse_document_number
from mpss.accounts.model import AccountClass, AccountRow
from mpss.accounts.person_store import numbers_without_digest, set_person_digests
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import CustomerId
from mpss.kernel.masking import mask_name, mask_tail
from mpss.ports.key_store import KeyStore
from mpss.risk.lists import person_digest, refuse_black
from mpss.risk.model import Scope
from mpss.runtime import Runtime
from mpss.staff.members import PLATFORM
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission

IDENTITY_KEY = "identity"


@dataclass(frozen=True, slots=True, repr=False)
class ShownCustomer:
    """A customer as shown: masked, or in clear to who reviews documents."""

    id: CustomerId
    kind: CustomerKind
    name: str
    document_kind: DocumentKind
    document_number: str
    valid_until: date | None
    sex: Sex | None
    nationality: str
    occupation: str
    address: str
    contact: str
    level: NameLevel
    face_to_face: bool
    verifications: tuple[Verification, ...]
    verified_at: datetime | None

    def __repr__(self) -> str:
        return f"ShownCustomer({self.id} {self.level})"


def shown(key_store: KeyStore, row: CustomerRow, *, clear: bool = False) -> ShownCustomer:
    """The customer, unsealed and, unless `clear`, masked."""
    name, number, address, contact = (
        key_store.unseal(sealed).decode()
        for sealed in (row.name_sealed, row.number_sealed, row.address_sealed, row.contact_sealed)
    )
    if not clear:
        name, number = mask_name(name), mask_tail(number)
        address, contact = "*" * min(len(address), 6), mask_tail(contact)
    return ShownCustomer(
        CustomerId.from_uuid(row.id), row.kind, name, row.document_kind, number, row.valid_until, row.sex,
        row.nationality, row.occupation, address, contact, row.level, row.face_to_face,
        tuple(Verification(each) for each in row.verifications), row.verified_at,
    )  # fmt: skip


def clerk_of(by: StaffMember | None, permission: Permission) -> str:
    """The actor for the audit record: the platform's command line, or the clerk of a hall with the permission.

    Raises:
        Refused: FORBIDDEN.
    """
    if by is None:
        return PLATFORM
    by.require_at_hall(permission)
    return str(by.id)


def place_of(by: StaffMember | None) -> dict[str, str | None]:
    """Where it was done, for the audit record."""
    return {"hall": None, "clerk": None} if by is None else by.place


def document_digests(key_store: KeyStore, kind: DocumentKind, number: str) -> list[bytes]:
    """The digests a document may be found by, one for each version of the key, the current one last."""
    # Both kinds of card of a resident carry one number, and are one person's.
    same = DocumentKind.RESIDENT_ID if kind is DocumentKind.TEMPORARY_ID else kind
    data = f"{same}:{number}".encode()
    versions = range(1, key_store.current(IDENTITY_KEY) + 1)
    return [key_store.mac(IDENTITY_KEY, data, version=version) for version in versions]


async def write_customer(
    uow: UnitOfWork, key_store: KeyStore, identity: Identity, images: Sequence[Image], *, by: str, now: datetime
) -> CustomerRow:
    """Write an identity and its images down, sealed, as it was told: of level weak.

    Raises:
        Refused: BLACKLISTED, the document is on the black list.
    """
    digest = person_digest(key_store, identity.number)
    await refuse_black(uow, Scope.PERSON, digest)
    row = CustomerRow(
        CustomerId.new(now), identity.kind, key_store.seal(identity.name.encode()), identity.document_kind,
        key_store.seal(identity.number.encode()),
        document_digests(key_store, identity.document_kind, identity.number)[-1], identity.valid_until, identity.sex,
        identity.nationality, identity.occupation, key_store.seal(identity.address.encode()),
        key_store.seal(identity.contact.encode()), NameLevel.WEAK, False, [], None, now,
    )  # fmt: skip
    await store.insert_customer(uow, row, person_digest=digest)
    for image in images:
        await store.insert_image(
            uow, row.id, kind=image.kind, content_sealed=key_store.seal(image.content), media_type=image.media_type,
            size=len(image.content), by=by, now=now,
        )  # fmt: skip
    return row


async def mark_persons(runtime: Runtime, *, limit: int = 500) -> int:
    """Give customers from before persons were looked up at the desk what a list knows them by; how many. For a job."""
    async with runtime.database.transaction() as uow:
        found = await numbers_without_digest(uow, limit=limit)
        if found:
            key_store = runtime.ports.key_store
            told = {key: person_digest(key_store, key_store.unseal(sealed).decode()) for key, sealed in found}
            await set_person_digests(uow, told)
    return len(found)


async def verify_customer(
    uow: UnitOfWork,
    key_store: KeyStore,
    told: CustomerRow,
    *,
    holder_id: UUID | None,
    face_to_face: bool,
    channels: Collection[Verification],
    now: datetime,
    former_number: str | None = None,
) -> CustomerRow:
    """The verified customer that `told` is: known already and brought up to date, or `told` itself from now on.

    `holder_id` is whose the account is; with `former_number`, their document may be replaced by one with another
    number, and a company may have another name. The images stay with `told`, which names the document they were sent
    with.

    Raises:
        MalformedField: `former_number`.
        Refused: IDENTITY_MISMATCH, the document is known with another name, or the account is somebody else's.
    """
    number, name = (key_store.unseal(sealed).decode() for sealed in (told.number_sealed, told.name_sealed))
    found_by = document_digests(key_store, told.document_kind, number)
    await store.lock_document(uow, found_by[0])
    known = await store.find_real(uow, found_by)
    renamed = face_to_face and told.kind is CustomerKind.CORPORATE and known is not None and known.id == holder_id
    if known is not None and not renamed and not is_one_name(key_store.unseal(known.name_sealed).decode(), name):
        raise Refused(ErrorCode.IDENTITY_MISMATCH, detail="the document is known with another name")
    target_id = told.id if known is None else known.id
    if holder_id is not None and holder_id != target_id:
        holder = (await store.find_customers(uow, [holder_id])).get(holder_id)
        if holder is not None and holder.level is NameLevel.REAL:
            if known is not None or not await _is_replaced(uow, key_store, holder, name, former_number, now):
                raise Refused(ErrorCode.IDENTITY_MISMATCH, detail="the account is of somebody with another document")
            known, target_id = holder, holder.id
    before = [] if known is None else known.verifications
    verified = told._replace(
        id=target_id,
        level=NameLevel.REAL,
        face_to_face=face_to_face or (known is not None and known.face_to_face),
        verifications=sorted({*before, *channels}),
        verified_at=now,
    )
    await store.save_verified(uow, verified, person_digest=person_digest(key_store, number), now=now)
    return verified


async def _is_replaced(
    uow: UnitOfWork, key_store: KeyStore, holder: CustomerRow, name: str, former_number: str | None, now: datetime
) -> bool:
    """Whether the holder's document has another number by now, as a renewed passport has: they showed both, and their
    name is the same. A resident's number is for life.

    Raises:
        MalformedField: `former_number` is none of the document on record.
        Refused: BLACKLISTED, the former document is on the black list.
    """
    if former_number is None or holder.document_kind in RESIDENT or holder.kind is CustomerKind.CORPORATE:
        return False
    today = now.astimezone(SHANGHAI).date()
    former = parse_document_number(holder.document_kind, former_number, today=today, field="former_number")
    on_record, known_as = (key_store.unseal(sealed).decode() for sealed in (holder.number_sealed, holder.name_sealed))
    if former != on_record or not is_one_name(known_as, name):
        return False
    # Nobody leaves the list by a new document.
    await refuse_black(uow, Scope.PERSON, person_digest(key_store, on_record))
    return True


async def give_account(uow: UnitOfWork, account: AccountRow, customer: CustomerRow) -> AccountClass:
    """The account, locked by the caller, is the verified customer's from now on; the class that it has.

    Raises:
        Refused: ILLEGAL_STATE, neither seen face to face nor confirmed by any channel; a company's account and a
            person, or the other way round.
    """
    current, company = account.account_class, customer.kind is CustomerKind.CORPORATE
    if company != (current is AccountClass.CORPORATE):
        raise Refused(ErrorCode.ILLEGAL_STATE, detail=f"a {current} account is none of this kind of document")
    if company:
        await store.set_customer(uow, account.id, customer_id=customer.id, account_class=current)
        return current
    if current is AccountClass.MERCHANT:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail=f"a {current} account has no class of a person")
    earned = class_earned(face_to_face=customer.face_to_face, channels=customer.verifications)
    if earned is AccountClass.WEAK:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="nobody has confirmed the name", field="verifications")
    if earned is AccountClass.CLASS_3 and await store.has_class_3(uow, customer.id, account_id=account.id):
        earned = AccountClass.CLASS_2
    account_class = higher_class(current, earned)
    await store.set_customer(uow, account.id, customer_id=customer.id, account_class=account_class)
    return account_class


def checked_images(identity: Identity, images: Sequence[Image]) -> Sequence[Image]:
    """The images a verification needs.

    Raises:
        MalformedField: `images`.
    """
    check_images(identity, images)
    return images
