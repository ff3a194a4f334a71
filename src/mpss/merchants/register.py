"""A merchant (CP/SP) joins: its keys, where it listens, its account in the ledger; suspended and resumed by staff.

Invariants: (1) the API key is shown once and kept as a digest; (2) the webhook secret is kept sealed under a key of
the key store; (3) a merchant has one payable account, opened with it. Spec: CT 7.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mpss.accounts.identity import parse_credit_code
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import MerchantId
from mpss.kernel.phone import PROVINCES
from mpss.ledger.chart import Code
from mpss.ledger.open import open_ledger_account
from mpss.merchants.company_store import codes_without_digest, set_company, set_company_digests
from mpss.merchants.machine import MERCHANT, MerchantEvent
from mpss.merchants.model import Merchant, MerchantState
from mpss.merchants.queries import get_merchant
from mpss.merchants.store import insert, move
from mpss.risk.lists import person_digest, refuse_black
from mpss.risk.model import Scope
from mpss.runtime import Runtime
from mpss.security.networks import Network, literal_address, may_be_called, parse_networks
from mpss.security.signing import new_webhook_secret
from mpss.security.tokens import new_token, token_digest
from mpss.staff.audit import record
from mpss.staff.members import PLATFORM
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission

MAX_NAME = 60
MAX_URL = 500


@dataclass(frozen=True, slots=True)
class RegisteredMerchant:
    """A new merchant with its secrets, which are shown this once."""

    merchant: Merchant
    api_key: str
    webhook_secret: str


async def register_merchant(
    runtime: Runtime,
    *,
    name: str,
    province: str,
    public_key: bytes,
    notify_url: str,
    credit_code: str | None = None,
    by: StaffMember | None = None,
) -> RegisteredMerchant:
    """Register a merchant and open its payable account; active at once.

    `public_key` is 32 raw bytes of Ed25519; `notify_url` is the root of its server, to which /deliveries and /webhooks
    are added; `credit_code` is the company's unified social credit code; `by` None is the platform's own command line.

    Raises:
        MalformedField: a field is out of form, or the name or the company's code is taken by another merchant.
        Refused: FORBIDDEN; BLACKLISTED, the company.
    """
    actor = _actor(by)
    now = runtime.clock.now()
    name = check_name(name)
    if province not in PROVINCES.values():
        raise MalformedField(field="province", problem='must be a province\'s letter code, such as "GD"')
    if credit_code is not None:
        credit_code = parse_credit_code(credit_code)
    check_public_key(public_key)
    check_notify_url(notify_url, networks=parse_networks(runtime.settings.merchant_networks))
    merchant_id = MerchantId.new(now)
    api_key = new_token("mk")
    webhook_secret = new_webhook_secret()
    sealed = runtime.ports.key_store.seal(webhook_secret.encode())
    async with runtime.database.transaction() as uow:
        digest = None if credit_code is None else await _unlisted(uow, runtime, credit_code)
        ledger_account_id = await open_ledger_account(uow, Code.MERCHANT_PAYABLE, name=name, now=now)
        merchant = await insert(
            uow,
            merchant_id,
            name=name,
            province=province,
            ledger_account_id=ledger_account_id,
            api_key_digest=token_digest(api_key),
            public_key=public_key,
            notify_url=notify_url.rstrip("/"),
            webhook_secret=sealed,
            credit_code=credit_code,
            person_digest=digest,
            now=now,
        )
        detail = {"name": name} if credit_code is None else {"name": name, "credit_code": credit_code}
        await record(uow, at=now, actor=actor, action="merchant.register", subject=str(merchant_id), detail=detail)
    return RegisteredMerchant(merchant, api_key, webhook_secret)


async def name_company(runtime: Runtime, *, merchant_id: UUID, credit_code: str, by: StaffMember | None = None) -> None:
    """Write down, or correct, which company a merchant is.

    Raises:
        MalformedField: `credit_code`, out of form or another merchant's.
        Refused: FORBIDDEN, UNKNOWN_MERCHANT; ILLEGAL_STATE, it is closed; BLACKLISTED, the company.
    """
    actor, now = _actor(by), runtime.clock.now()
    credit_code = parse_credit_code(credit_code)
    async with runtime.database.transaction() as uow:
        merchant = await get_merchant(uow, merchant_id)
        if merchant is None:
            raise Refused(ErrorCode.UNKNOWN_MERCHANT)
        if merchant.state == MerchantState.CLOSED:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="the merchant is closed")
        digest = await _unlisted(uow, runtime, credit_code)
        await set_company(uow, merchant_id, credit_code, digest=digest)
        subject, detail = str(MerchantId.from_uuid(merchant_id)), {"credit_code": credit_code}
        await record(uow, at=now, actor=actor, action="merchant.name_company", subject=subject, detail=detail)


async def mark_companies(runtime: Runtime, *, limit: int = 500) -> int:
    """Give merchants of before companies were looked up at the desk what a list knows them by; how many. For a job."""
    async with runtime.database.transaction() as uow:
        found = await codes_without_digest(uow, limit=limit)
        if found:
            key_store = runtime.ports.key_store
            await set_company_digests(uow, {key: person_digest(key_store, code) for key, code in found})
    return len(found)


async def _unlisted(uow: UnitOfWork, runtime: Runtime, credit_code: str) -> str:
    """What a list would know the company by, which is a person of the lists by its code.

    Raises:
        Refused: BLACKLISTED.
    """
    digest = person_digest(runtime.ports.key_store, credit_code)
    await refuse_black(uow, Scope.PERSON, digest)
    return digest


async def suspend_merchant(runtime: Runtime, *, merchant_id: UUID, by: StaffMember | None = None) -> None:
    """Its goods are off sale and its commands refused until it is resumed; its sales may still be reversed.

    Raises:
        Refused: FORBIDDEN, UNKNOWN_MERCHANT.
        IllegalMove: it is not active.
    """
    await _move(runtime, merchant_id, MerchantEvent.SUSPEND, by)


async def resume_merchant(runtime: Runtime, *, merchant_id: UUID, by: StaffMember | None = None) -> None:
    """
    Raises:
        Refused: FORBIDDEN, UNKNOWN_MERCHANT.
        IllegalMove: it is not suspended.
    """
    await _move(runtime, merchant_id, MerchantEvent.RESUME, by)


async def _move(runtime: Runtime, merchant_id: UUID, event: MerchantEvent, by: StaffMember | None) -> None:
    actor = _actor(by)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        merchant = await get_merchant(uow, merchant_id)
        if merchant is None:
            raise Refused(ErrorCode.UNKNOWN_MERCHANT)
        source = MerchantState(merchant.state)
        target = MERCHANT.move(source, event)
        if not await move(uow, merchant_id, source=source, target=target):
            raise Refused(ErrorCode.BUSY, detail="somebody else changed the merchant just now")
        subject = str(MerchantId.from_uuid(merchant_id))
        await record(uow, at=now, actor=actor, action=f"merchant.{event}", subject=subject, detail={})


def _actor(by: StaffMember | None) -> str:
    if by is None:
        return PLATFORM
    by.require(Permission.MERCHANT_REGISTER)
    return str(by.id)


def check_name(name: str) -> str:
    """The name, trimmed.

    Raises:
        MalformedField: empty, too long, or with control characters.
    """
    trimmed = name.strip()
    if not trimmed or len(trimmed) > MAX_NAME or not trimmed.isprintable():
        raise MalformedField(field="name", problem=f"must be 1 to {MAX_NAME} printable characters")
    return trimmed


def check_public_key(public_key: bytes) -> None:
    """
    Raises:
        MalformedField: not an Ed25519 public key.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public_key)
    except (ValueError, UnsupportedAlgorithm):
        raise MalformedField(field="public_key", problem="must be an Ed25519 public key of 32 bytes") from None


def check_notify_url(url: str, *, networks: Sequence[Network]) -> None:
    """Look at the address a merchant wants to be called at; `networks` are the private ones it may be in.

    Raises:
        MalformedField: not an https address with a host, or with user, query or fragment; http where every merchant
            is called over the Internet; an address by number that may not be called.
    """
    problem = MalformedField(field="notify_url", problem='must be an address such as "https://shop.example/mpss"')
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise problem
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise problem from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise problem
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise problem
    if parts.scheme == "http" and not networks:
        raise MalformedField(field="notify_url", problem="must be https: phone numbers and goods go over it")
    address = literal_address(parts.hostname)
    if address is not None and not may_be_called(address, networks):
        raise MalformedField(field="notify_url", problem="must be a public address")
