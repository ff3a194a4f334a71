"""Who is asking, and may they: sessions, signed requests, staff keys; how often one caller and one address may ask.

An address is counted before anyone is known: each request that needs nobody, and each failed proof, takes a token of
its bucket, so that guessing is slow while the phones behind one address do not slow each other down.
"""

from __future__ import annotations

import time
from enum import StrEnum

from starlette.requests import Request

from mpss.accounts.sign_in import Session
from mpss.channels.http.exchange import Caller, Exchange
from mpss.channels.http.rate_limit import TokenBuckets
from mpss.kernel.errors import ErrorCode, MpssError, Refused
from mpss.merchants.credentials import verify_request
from mpss.merchants.model import Merchant
from mpss.staff.members import authenticate_member

_MAX_TOKEN = 200


class Access(StrEnum):
    """Who may call an operation."""

    OPEN = "open"
    SUBSCRIBER = "subscriber"
    MERCHANT = "merchant"
    SUBSCRIBER_OR_MERCHANT = "subscriber_or_merchant"
    STAFF = "staff"


class TooManyRequests(Refused):
    """The caller is to wait `retry_after_seconds`, at least 1."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(ErrorCode.RATE_LIMITED)
        self.retry_after_seconds = int(wait_seconds) + 1


def is_signed(access: Access, request: Request) -> bool:
    """Whether a merchant asks, whose signature covers the body."""
    return access is Access.MERCHANT or (access is Access.SUBSCRIBER_OR_MERCHANT and "x-api-key" in request.headers)


async def admit(access: Access, permission: StrEnum | None, request: Request, told: Exchange, body: bytes) -> None:
    """Find out who asks, write it down in `told`, and let them in.

    Raises:
        TooManyRequests: the caller or the address asks too often.
        Refused: UNAUTHENTICATED, SIGNATURE_REPLAYED, FORBIDDEN.
        SignatureInvalid: a merchant's signature does not hold.
    """
    context, now = told.context, time.monotonic()
    if access is Access.OPEN:
        _take(context.sources, told.source, now)
        return
    wait = context.sources.wait(told.source, now)
    if wait:
        raise TooManyRequests(wait)
    try:
        told.caller = await _caller(access, request, told, body)
    except MpssError:
        context.sources.take(told.source, now)
        raise
    _take(context.callers, told.caller_name, now)
    if permission is not None and permission not in told.staff.permissions:
        raise Refused(ErrorCode.FORBIDDEN, detail=f"this needs the permission {permission}")


def _take(buckets: TokenBuckets, key: str, now: float) -> None:
    wait = buckets.take(key, now)
    if wait:
        raise TooManyRequests(wait)


async def _caller(access: Access, request: Request, told: Exchange, body: bytes) -> Caller:
    if is_signed(access, request):
        return await _merchant(request, told, body)
    if access is Access.STAFF:
        key = request.headers.get("x-staff-key") or _bearer(request)
        return await authenticate_member(told.runtime, _sane(key))
    return await _subscriber(request, told)


async def _subscriber(request: Request, told: Exchange) -> Session:
    return await told.context.sessions.authenticate(told.runtime, _sane(_bearer(request)))


async def _merchant(request: Request, told: Exchange, body: bytes) -> Merchant:
    scope = request.scope
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    path = scope.get("raw_path") or scope["path"].encode()
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    url = f"http://{request.headers.get('host', '')}{(path.partition(b'?')[0] + query).decode('latin-1')}"
    return await verify_request(told.runtime, method=scope["method"], url=url, headers=headers, body=body)


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _sane(token: str) -> str:
    if not token or len(token) > _MAX_TOKEN or not token.isascii():
        raise Refused(ErrorCode.UNAUTHENTICATED, detail="the credentials are missing or of no known form")
    return token
