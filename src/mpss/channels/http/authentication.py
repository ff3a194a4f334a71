"""Who is asking, and may they: sessions, signed requests, staff keys; how often one caller and one address may ask.

An address is counted before anyone is known: each request that needs nobody, and each failed proof, takes a token of
its bucket. While the bucket is empty, only credentials that were proven here lately are looked at: guessing is slow,
and whoever was here before is not shut out by a stranger behind the same address.
"""

from __future__ import annotations

import time
from enum import StrEnum

from starlette.requests import Request

from mpss.channels.http.exchange import Caller, Exchange
from mpss.channels.http.rate_limit import TokenBuckets
from mpss.kernel.errors import ErrorCode, MpssError, Refused
from mpss.merchants.credentials import verify_request
from mpss.merchants.model import Merchant
from mpss.staff.members import authenticate_member

_MAX_CREDENTIAL = 200


class Access(StrEnum):
    """Who may call an operation."""

    PROBE = "probe"
    """Open, and never counted: whoever watches the platform asks often."""
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
    if access is Access.PROBE:
        return
    context, now = told.context, time.monotonic()
    if access is Access.OPEN:
        _take(context.sources, told.source, now)
        return
    credential = _credential(access, request)
    wait = context.sources.wait(told.source, now)
    if wait and not context.proven.holds(credential, now):
        raise TooManyRequests(wait)
    try:
        told.caller = await _caller(access, credential, request, told, body)
    except MpssError:
        context.sources.take(told.source, now)
        raise
    context.proven.note(credential, now)
    _take(context.callers, told.caller_name, now)
    if permission is not None and permission not in told.staff.permissions:
        raise Refused(ErrorCode.FORBIDDEN, detail=f"this needs the permission {permission}")


def _take(buckets: TokenBuckets, key: str, now: float) -> None:
    wait = buckets.take(key, now)
    if wait:
        raise TooManyRequests(wait)


def _credential(access: Access, request: Request) -> str:
    """The token or key that is offered, "" for none."""
    if is_signed(access, request):
        return request.headers.get("x-api-key", "")
    if access is Access.STAFF and "x-staff-key" in request.headers:
        return request.headers["x-staff-key"]
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def _caller(access: Access, credential: str, request: Request, told: Exchange, body: bytes) -> Caller:
    if not credential or len(credential) > _MAX_CREDENTIAL or not credential.isascii():
        raise Refused(ErrorCode.UNAUTHENTICATED, detail="the credentials are missing or of no known form")
    if is_signed(access, request):
        return await _merchant(request, told, body)
    if access is Access.STAFF:
        return await authenticate_member(told.runtime, credential)
    return await told.context.sessions.authenticate(told.runtime, credential)


async def _merchant(request: Request, told: Exchange, body: bytes) -> Merchant:
    scope = request.scope
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    path = scope.get("raw_path") or scope["path"].encode()
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    url = f"http://{request.headers.get('host', '')}{(path.partition(b'?')[0] + query).decode('latin-1')}"
    return await verify_request(told.runtime, method=scope["method"], url=url, headers=headers, body=body)
