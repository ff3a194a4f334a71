"""The outermost layer of the channel, plain ASGI: what every request and every answer has, whatever route it takes.

The request id, the caller's address and language, the limit on the body, security headers, metrics, one log line, and
the last resort for an error nobody expected.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import traceback
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mpss.channels.http.errors import problem_response
from mpss.channels.http.exchange import SCOPE_KEY, Context, Exchange
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import request_id
from mpss.kernel.language import preferred_language
from mpss.observability import HTTP_REQUESTS, HTTP_SECONDS, log
from mpss.security.networks import one_callers

MAX_BODY_BYTES = 1024 * 1024
_READ_AWAY_BYTES = 8 * MAX_BODY_BYTES
_READ_AWAY_SECONDS = 2.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{8,64}", re.ASCII)
_UNMATCHED = "unmatched"
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})

_ALWAYS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
_UNLESS_SAID = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


class Edge:
    """Wraps the application. `trusted_proxy` is the address whose X-Forwarded-For is believed, "" for nobody's."""

    def __init__(self, app: ASGIApp, *, context: Context, trusted_proxy: str) -> None:
        self._app = app
        self._context = context
        self._trusted_proxy = trusted_proxy
        self._meters: dict[tuple[str, int], tuple[Counter, Histogram]] = {}  # Looking them up by label costs more.

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        told, length = self._read(scope)
        scope[SCOPE_KEY] = told
        structlog.contextvars.bind_contextvars(request_id=told.request_id)
        answer = _Answer(told, send)
        try:
            if length is None or length > MAX_BODY_BYTES:
                code = ErrorCode.MALFORMED_REQUEST if length is None else ErrorCode.PAYLOAD_TOO_LARGE
                await _read_away(receive)
                await problem_response(told, code)(scope, receive, answer.send)
            else:
                await self._app(scope, _Limited(receive), answer.send)
        except ClientDisconnect:
            # Whoever is gone does not read it; whoever sent a broken body may still be there.
            if not answer.status:
                detail = "the body broke off"
                await problem_response(told, ErrorCode.MALFORMED_REQUEST, detail=detail)(scope, receive, answer.send)
        except Exception as problem:
            _log_failure(problem)
            if answer.status:
                raise
            await problem_response(told, ErrorCode.INTERNAL)(scope, receive, answer.send)
        finally:
            self._record(scope, told, answer.status, time.perf_counter() - started)
            structlog.contextvars.unbind_contextvars("request_id")

    def _read(self, scope: Scope) -> tuple[Exchange, int | None]:
        """What the headers say, and the body's declared length: 0 where none is, None where it is no number."""
        given, language, forwarded, length = "", "zh-CN", b"", b"0"
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                given = value.decode("latin-1")
            elif name == b"accept-language":
                language = preferred_language(value.decode("latin-1"))
            elif name == b"content-length":
                length = value
            elif name == b"x-forwarded-for":
                forwarded = value
        client = scope.get("client")
        source = client[0] if client else ""
        if forwarded and source == self._trusted_proxy:
            # The proxy adds the address it saw at the end; what stands before it anybody may have written.
            source = forwarded.rpartition(b",")[2].strip().decode("latin-1")[:64]
        identity = given if _REQUEST_ID.fullmatch(given) else request_id()
        return Exchange(self._context, identity, one_callers(source), language), int(
            length
        ) if length.isdigit() and len(length) < 20 else None

    def _record(self, scope: Scope, told: Exchange, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", _UNMATCHED)
        meters = self._meters.get((route, status))
        if meters is None:
            meters = self._meters[route, status] = HTTP_REQUESTS.labels(route, status), HTTP_SECONDS.labels(route)
        meters[0].inc()
        meters[1].observe(seconds)
        if route not in _QUIET:
            # The route and not the path: a path may hold a one-time link's token.
            log.info(
                "http.request", method=scope["method"], route=route, status=status,
                milliseconds=round(seconds * 1000, 1), caller=told.caller_name, source=told.source,
            )  # fmt: skip


class _Answer:
    """Adds to the answer what every answer has, and remembers its status."""

    def __init__(self, told: Exchange, send: Send) -> None:
        self.status = 0
        self._told = told
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), *_ALWAYS, (b"x-request-id", self._told.request_id.encode())]
            said = {name for name, _ in headers}
            headers += [header for header in _UNLESS_SAID if header[0] not in said]
            message = {**message, "headers": headers}
        await self._send(message)


class _Limited:
    """Counts the body as it comes, so that one sent in pieces has the same limit as one that says its length."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._seen = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if self._seen > MAX_BODY_BYTES:
                if message.get("more_body", False):
                    await _read_away(self._receive)
                raise Refused(ErrorCode.PAYLOAD_TOO_LARGE, detail=f"at most {MAX_BODY_BYTES} bytes are read")
        return message


async def _read_away(receive: Receive) -> None:
    """Read what is left of a body that is refused, up to a point: a caller who is still sending when the connection
    closes may never see the answer.
    """
    seen = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_READ_AWAY_SECONDS):
            while seen < _READ_AWAY_BYTES:
                message = await receive()
                seen += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return


def _log_failure(problem: Exception) -> None:
    """Where it happened and of what kind. Neither values of variables nor the message, which may quote a row."""
    stack: list[Any] = [
        f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(problem.__traceback__)[-12:]
    ]
    cause = type(problem.__cause__).__name__ if problem.__cause__ else None
    state = getattr(problem, "sqlstate", None)
    log.error("http.failed", problem=type(problem).__name__, cause=cause, sqlstate=state, stack=stack)
