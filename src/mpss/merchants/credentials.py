"""Who a merchant's request comes from, and changing what proves it: API key, public key, webhook secret, address."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import MerchantId
from mpss.merchants.model import Merchant, MerchantState
from mpss.merchants.queries import get_merchant, merchant_of_api_key
from mpss.merchants.register import check_notify_url, check_public_key
from mpss.merchants.store import (
    SET_API_KEY,
    SET_NOTIFY_URL,
    SET_PUBLIC_KEY,
    SET_WEBHOOK_SECRET,
    forget_nonces,
    remember_nonce,
)
from mpss.ports.merchant import MerchantEndpoint
from mpss.runtime import Runtime
from mpss.security import signing
from mpss.security.networks import parse_networks
from mpss.security.tokens import new_token, token_digest
from mpss.staff.audit import NO_DETAIL, record

_MAX_API_KEY = 100


async def authenticate_merchant(runtime: Runtime, api_key: str) -> Merchant:
    """The merchant whose API key this is; suspended ones too, closed ones not.

    Raises:
        Refused: UNAUTHENTICATED.
    """
    if not api_key or len(api_key) > _MAX_API_KEY:
        raise Refused(ErrorCode.UNAUTHENTICATED, detail="the API key is missing or unknown")
    async with runtime.database.read() as uow:
        merchant = await merchant_of_api_key(uow, token_digest(api_key))
    if merchant is None or merchant.state == MerchantState.CLOSED:
        raise Refused(ErrorCode.UNAUTHENTICATED, detail="the API key is missing or unknown")
    return merchant


async def verify_request(
    runtime: Runtime, *, method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes
) -> Merchant:
    """The merchant who signed this request (RFC 9421); see `mpss.security.signing` for what must be covered.

    `headers` are the header lines in order; `url` is scheme, Host header, path and query as received. The nonce is
    used up by this: the same bytes sent again are a replay.

    Raises:
        Refused: UNAUTHENTICATED (API key), SIGNATURE_REPLAYED (nonce).
        SignatureInvalid: anything else about the signature, and what.
    """
    lines = [(name.lower(), value) for name, value in headers]
    keys = [value for name, value in lines if name == "x-api-key"]
    merchant = await authenticate_merchant(runtime, keys[0] if len(keys) == 1 else "")
    signed = signing.verify_request(
        method=method,
        url=url,
        headers=lines,
        body=body,
        public_key=merchant.public_key,
        key_id=str(MerchantId.from_uuid(merchant.id)),
        now=runtime.clock.now(),
        window=timedelta(seconds=runtime.policy.signature_window_seconds),
    )
    async with runtime.database.transaction() as uow:
        fresh = await remember_nonce(uow, merchant.id, signed.nonce, expires_at=signed.expires_at)
    if not fresh:
        raise Refused(ErrorCode.SIGNATURE_REPLAYED, detail="the signature's nonce was used before")
    return merchant


async def sweep_nonces(runtime: Runtime) -> int:
    """Forget the nonces of signatures that are too old by now; how many. Run now and then by a job."""
    async with runtime.database.transaction() as uow:
        return await forget_nonces(uow, now=runtime.clock.now())


async def endpoint_of(runtime: Runtime, merchant_id: UUID) -> MerchantEndpoint:
    """Where a merchant listens, with the secret both sides know.

    Raises:
        Refused: UNKNOWN_MERCHANT.
    """
    async with runtime.database.read() as uow:
        merchant = await get_merchant(uow, merchant_id)
    if merchant is None:
        raise Refused(ErrorCode.UNKNOWN_MERCHANT)
    secret = runtime.ports.key_store.unseal(merchant.webhook_secret).decode()
    return MerchantEndpoint(str(MerchantId.from_uuid(merchant.id)), merchant.notify_url, secret)


async def rotate_api_key(runtime: Runtime, *, merchant_id: UUID, by: str) -> str:
    """A new API key, shown this once; the old one ends at once.

    Raises:
        Refused: UNKNOWN_MERCHANT.
    """
    api_key = new_token("mk")
    await _change(runtime, merchant_id, SET_API_KEY, token_digest(api_key), "merchant.rotate_api_key", by)
    return api_key


async def rotate_webhook_secret(runtime: Runtime, *, merchant_id: UUID, by: str) -> str:
    """A new webhook secret, shown this once; what is sent from now on is signed with it.

    Raises:
        Refused: UNKNOWN_MERCHANT.
    """
    secret = signing.new_webhook_secret()
    sealed = runtime.ports.key_store.seal(secret.encode())
    await _change(runtime, merchant_id, SET_WEBHOOK_SECRET, sealed, "merchant.rotate_webhook_secret", by)
    return secret


async def change_public_key(runtime: Runtime, *, merchant_id: UUID, public_key: bytes, by: str) -> None:
    """Requests are verified against the new key from now on.

    Raises:
        Refused: UNKNOWN_MERCHANT.
        MalformedField: not an Ed25519 public key.
    """
    check_public_key(public_key)
    await _change(
        runtime,
        merchant_id,
        SET_PUBLIC_KEY,
        public_key,
        "merchant.change_public_key",
        by,
        {"public_key": base64.b64encode(public_key).decode()},
    )


async def change_notify_url(runtime: Runtime, *, merchant_id: UUID, notify_url: str, by: str) -> None:
    """Delivery orders and webhooks, those that wait too, go to the new address.

    Raises:
        Refused: UNKNOWN_MERCHANT.
        MalformedField: not an address of that form.
    """
    check_notify_url(notify_url, networks=parse_networks(runtime.settings.merchant_networks))
    url = notify_url.rstrip("/")
    await _change(runtime, merchant_id, SET_NOTIFY_URL, url, "merchant.change_notify_url", by, {"notify_url": url})


async def _change(
    runtime: Runtime,
    merchant_id: UUID,
    statement: LiteralString,
    value: bytes | str,
    action: str,
    by: str,
    detail: Mapping[str, str] = NO_DETAIL,
) -> None:
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        if not await uow.execute(statement, {"id": merchant_id, "value": value}):
            raise Refused(ErrorCode.UNKNOWN_MERCHANT)
        subject = str(MerchantId.from_uuid(merchant_id))
        await record(uow, at=now, actor=by, action=action, subject=subject, detail=detail)
