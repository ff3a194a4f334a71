"""What went wrong → a problem document. Nothing here repeats what was sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import TooManyRequests
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.problems import MEDIA_TYPE, FieldProblem, encode, problem_document, status_of, title_of
from mpss.kernel.errors import ErrorCode, MalformedField, MpssError, Refused

_CODES = {code.value: code for code in ErrorCode}
_HTTP_CODES = {
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    413: ErrorCode.PAYLOAD_TOO_LARGE,
    415: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
}
_SUBJECT = re.compile(r"^[A-Z][a-z]+ (?=should)")
"""What the library calls the field, which is named beside the problem."""
_MOST_FIELDS = 20
_LONGEST_FIELD = 80
_BUSY_RETRY_SECONDS = 1
_CODES_RETRY_SECONDS = 3600
"""A number or address that had its SMS codes for the hour."""


def problem_response(
    told: Exchange,
    code: ErrorCode,
    *,
    detail: str = "",
    errors: Sequence[FieldProblem] = (),
    transaction: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The problem as a response in the caller's language."""
    document = problem_document(
        code, language=told.language, request_id=told.request_id, detail=detail, errors=errors, transaction=transaction
    )
    sent = {"content-language": told.language, "vary": "Accept-Language", **(headers or {})}
    if code is ErrorCode.UNAUTHENTICATED:
        sent["www-authenticate"] = 'Bearer realm="mpss"'
    elif code in (ErrorCode.SIGNATURE_INVALID, ErrorCode.SIGNATURE_REPLAYED):
        sent["www-authenticate"] = 'Signature realm="mpss"'
    elif code is ErrorCode.BUSY:
        sent.setdefault("retry-after", str(_BUSY_RETRY_SECONDS))
    elif code is ErrorCode.RATE_LIMITED:
        sent.setdefault("retry-after", str(_CODES_RETRY_SECONDS))
    return Response(encode(document), status_of(code), sent, MEDIA_TYPE)


async def on_refused(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Refused)
    headers = None
    if isinstance(problem, TooManyRequests):
        headers = {"retry-after": str(problem.retry_after_seconds)}
    told, errors = exchange(request), []
    if problem.field is not None:
        errors.append(FieldProblem(problem.field, problem.detail or title_of(problem.code, told.language)))
    return problem_response(told, problem.code, detail=problem.detail, errors=errors, headers=headers)


async def on_malformed_field(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, MalformedField)
    return problem_response(exchange(request), problem.code, errors=[FieldProblem(problem.field, problem.problem)])


async def on_mpss_error(request: Request, problem: Exception) -> Response:
    """An error that carries its code; one that does not is ours to find, and is told and logged as INTERNAL."""
    assert isinstance(problem, MpssError)
    if problem.code is ErrorCode.INTERNAL:
        raise problem
    return problem_response(exchange(request), problem.code, detail=str(problem))


async def on_database_away(request: Request, problem: Exception) -> Response:
    return problem_response(exchange(request), ErrorCode.BUSY, detail="the database does not answer now")


async def on_http_exception(request: Request, problem: Exception) -> Response:
    """What the framework itself answers: no such path, no such method."""
    assert isinstance(problem, HTTPException)
    told = exchange(request)
    code = _HTTP_CODES.get(problem.status_code, ErrorCode.MALFORMED_REQUEST)
    headers = None
    if code is ErrorCode.METHOD_NOT_ALLOWED:
        route = request.scope.get("route")
        methods = told.context.methods.get(getattr(route, "path", ""), [])
        headers = {"allow": ", ".join(methods)}
    return problem_response(told, code, headers=headers)


async def on_invalid(request: Request, problem: Exception) -> Response:
    """Fields that are not of their form. One code for the whole: the first field's own, unless another is worse."""
    assert isinstance(problem, RequestValidationError)
    found = problem.errors()
    codes = [_CODES.get(str(error["type"]), ErrorCode.MALFORMED_REQUEST) for error in found]
    code = ErrorCode.MALFORMED_REQUEST if ErrorCode.MALFORMED_REQUEST in codes or not codes else codes[0]
    errors = [FieldProblem(_field(error["loc"]), _problem(error)) for error in found[:_MOST_FIELDS]]
    return problem_response(exchange(request), code, errors=errors)


def _field(loc: Sequence[int | str]) -> str:
    """The field as its caller wrote it: "amount_fen", "metadata/table"; "" is the whole body."""
    steps = [str(step) for step in loc[1:]]
    name = "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)
    return "".join(letter if letter.isprintable() else "?" for letter in name[:_LONGEST_FIELD])


def _problem(error: Mapping[str, Any]) -> str:
    kind, context = str(error["type"]), error.get("ctx") or {}
    match kind:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is no field of this request"
        case "string_pattern_mismatch":
            return f"must match {context.get('pattern')}"
        case _:
            return _SUBJECT.sub("", str(error["msg"]), count=1)


HANDLERS = {
    Refused: on_refused,
    MalformedField: on_malformed_field,
    MpssError: on_mpss_error,
    RequestValidationError: on_invalid,
    HTTPException: on_http_exception,
    psycopg.OperationalError: on_database_away,
    PoolTimeout: on_database_away,
}
