"""The voice channel: VoiceXML over HTTP, for the operator's voice platform alone.

    POST /calls   call, caller                → the first document
    POST /steps   call, step, fields or event → the next document; posted again, the same one
    GET  /healthz                             → whether the process is up

A post is a form signed as Standard Webhooks with the secret the platform shares, and so is the answer under the same
id: without it nobody says whose phone calls. Nothing is taken from an address. Spec: CT 5.2. Decision: ADR-0036.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import psycopg
import structlog
from psycopg_pool import PoolTimeout
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Lifespan

from mpss.accounts.calls import Call, Turn, answer_step, claim_step, open_call
from mpss.accounts.queries import overview_by_phone
from mpss.channels.ivr.dialogs import Do, Standing, began, done, hear, read_standing
from mpss.channels.ivr.handlers import carry_out
from mpss.channels.ivr.prompts import document_of
from mpss.channels.ivr.replies import UNSURE
from mpss.kernel.errors import ErrorCode, MalformedField, MpssError, Refused
from mpss.kernel.phone import parse_phone
from mpss.notices.model import DEFAULT_LANGUAGE
from mpss.observability import log
from mpss.runtime import Runtime
from mpss.security.signing import sign_webhook, verify_webhook
from mpss.wire.voicexml import EVENT, MEDIA_TYPE, Heard

_Act = Callable[[Runtime, Mapping[str, str]], Awaitable[bytes]]

_MOST_BYTES = 4096
_MOST_FIELDS = 12
_REFERENCE = re.compile(r"[A-Za-z0-9_.:-]{8,64}", re.ASCII)
_STEP = re.compile(r"[0-9]{1,6}", re.ASCII)
_FORM = "application/x-www-form-urlencoded"
_STATUSES = {
    ErrorCode.SIGNATURE_INVALID: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.PAYLOAD_TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.BUSY: 503,
    ErrorCode.INTERNAL: 500,
}
_LOOK_AGAIN_SECONDS = 0.2
_LOOKS = 25
_REPEATABLE = frozenset({Do.TELL_BALANCE, Do.TELL_LIMIT, Do.ASK_CLOSING, Do.TOP_UP})
"""What a process may carry out that took a step over: it changes nothing, or the desk knows its key."""


def create_ivr_app(runtime: Runtime, *, lifespan: Lifespan[Starlette] | None = None) -> Starlette:
    """The application over a runtime whose database is open and whose desk serves, or which `lifespan` starts.

    Raises:
        ValueError: the settings have no secret of the voice platform.
    """
    if not runtime.settings.ivr_secret:
        raise ValueError("MPSS_IVR_SECRET is not set")

    async def calls(request: Request) -> Response:
        return await _answer(runtime, request, begin)

    async def steps(request: Request) -> Response:
        return await _answer(runtime, request, go_on)

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok")

    routes = [
        Route("/calls", calls, methods=["POST"]),
        Route("/steps", steps, methods=["POST"]),
        Route("/healthz", health, methods=["GET"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


async def begin(runtime: Runtime, form: Mapping[str, str]) -> bytes:
    """The first document of a call.

    Raises:
        MalformedField: `call`.
        Refused: as `open_call`.
    """
    reference, phone = _reference(form), _caller(form.get("caller", ""))
    language = DEFAULT_LANGUAGE
    if phone is not None:
        try:
            language = (await overview_by_phone(runtime, phone=phone)).language
        except Refused as refused:
            if refused.code is not ErrorCode.UNKNOWN_ACCOUNT:
                raise
    standing = began(language, known=phone is not None)
    call = await open_call(runtime, reference=reference, phone=phone, standing=standing.written())
    return _document(call, reference)


async def go_on(runtime: Runtime, form: Mapping[str, str]) -> bytes:
    """The document after what was keyed at a step.

    Raises:
        MalformedField: `call`, `step`, `event`.
        Refused: as `claim_step`; BUSY, another process still carries it out.
    """
    reference, step, event = _reference(form), form.get("step", ""), form.get(EVENT, "")
    if _STEP.fullmatch(step) is None:
        raise MalformedField(field="step", problem="must be a number")
    if event and event not in list(Heard):
        raise MalformedField(field=EVENT, problem=f"must be one of {', '.join(Heard)}")
    for _ in range(_LOOKS):
        claim = await claim_step(runtime, reference=reference, step=int(step))
        if claim.turn is not Turn.BUSY:
            break
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    else:
        raise Refused(ErrorCode.BUSY, detail="the step is being carried out")
    if claim.turn is Turn.ANSWERED:
        return _document(claim.call, reference)
    structlog.contextvars.bind_contextvars(call=str(claim.call.id))
    move = hear(read_standing(claim.call.standing), event, form)
    standing = move.standing
    if move.do is not None:
        standing = await _do(runtime, move.do, form, claim.call, standing, overtaken=claim.turn is Turn.OVERTAKEN)
    return _document(await answer_step(runtime, claim, standing=standing.written()), reference)


async def _do(
    runtime: Runtime, do: Do, form: Mapping[str, str], call: Call, at: Standing, *, overtaken: bool
) -> Standing:
    if overtaken and do not in _REPEATABLE:
        log.warning("ivr.unsure", do=do)
        return done(at, UNSURE[at.language])
    return await carry_out(runtime, do, form, call=call, at=at)


def _document(call: Call, reference: str) -> bytes:
    return document_of(read_standing(call.standing), {"call": reference, "step": str(call.step)})


async def _answer(runtime: Runtime, request: Request, act: _Act) -> Response:
    secret = runtime.settings.ivr_secret
    try:
        body = await _body(request)
        message_id = verify_webhook(secret, headers=request.headers, body=body)
        document = await act(runtime, _form(request, body))
    except MpssError as problem:
        log.warning("ivr.not_answered", path=request.url.path, code=problem.code)
        return _no(problem.code)
    except (psycopg.OperationalError, PoolTimeout):
        return _no(ErrorCode.BUSY)
    signed = sign_webhook(secret, message_id=message_id, body=document, now=datetime.now(UTC))
    return Response(document, headers={**signed, "cache-control": "no-store"}, media_type=MEDIA_TYPE)


def _no(code: ErrorCode) -> Response:
    return PlainTextResponse(code.value, _STATUSES.get(code, 400), {"cache-control": "no-store"})


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise Refused(ErrorCode.PAYLOAD_TOO_LARGE)
    return body


def _form(request: Request, body: bytes) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Refused(ErrorCode.UNSUPPORTED_MEDIA_TYPE)
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise MalformedField(field="", problem="is no form") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise MalformedField(field="", problem="has a field twice")
    return form


def _reference(form: Mapping[str, str]) -> str:
    reference = form.get("call", "")
    if _REFERENCE.fullmatch(reference) is None:
        raise MalformedField(field="call", problem="must be 8 to 64 letters, digits, or one of _ . : -")
    return reference


def _caller(text: str) -> str | None:
    """The calling phone as E.164; None where it is withheld, or no mobile number of the mainland."""
    try:
        return parse_phone(text.removeprefix("tel:"))
    except MalformedField:
        return None
