"""The platform itself: is it alive, is it ready, its metrics, this API's documents."""

from __future__ import annotations

import asyncio
import json
import time

import prometheus_client
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Context, exchange
from mpss.channels.http.fields import View
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.pages import HTML, html_answer, page, rendered
from mpss.channels.http.reference_page import reference_values
from mpss.channels.http.start_page import start_values
from mpss.channels.http.views import reply
from mpss.db.readiness import is_current
from mpss.observability import log
from mpss.risk.reports import measure_reports
from mpss.transactions.resolve import measure_open
from mpss.transactions.reviews import measure_reviews

SUBJECT = Subject("Platform")

_DOCUMENT_CACHE = "public, max-age=300"
_MEASURE_SECONDS = 1.0
_READY_TIMEOUT_SECONDS = 2.0
_READY_FRESH_SECONDS = 1.0


class HealthView(View):
    status: str = Field(examples=["ok"])


class ReadinessView(View):
    """What must hold before requests are sent here."""

    ready: bool = Field(examples=[True])
    database: bool = Field(description="the database answers", examples=[True])
    migrations: bool = Field(description="its tables are this release's", examples=[True])
    desk: bool = Field(description="the posting desk serves", examples=[True])


@SUBJECT.operation(
    "GET", "/healthz", summary="Alive?", access=Access.PROBE, says={200: Said("The process answers", HealthView)}
)
async def healthz(request: Request) -> Response:
    """The process is alive; it says nothing of what it needs."""
    return reply(HealthView(status="ok"))


@SUBJECT.operation(
    "GET",
    "/readyz",
    summary="Ready?",
    access=Access.PROBE,
    says={200: Said("Send requests here", ReadinessView), 503: Said("Send none", ReadinessView)},
)
async def readyz(request: Request) -> Response:
    """The database answers, its tables are current, the desk serves. Looked at once a second at most."""
    context = exchange(request).context
    now = time.monotonic()
    known = context.readiness
    if known is None or now - known[1] >= _READY_FRESH_SECONDS:
        known = context.readiness = (await _look(context), now)
    view = ReadinessView(**known[0])
    return reply(view, 200 if view.ready else 503)


async def _look(context: Context) -> dict[str, bool]:
    runtime, current = context.runtime, False
    try:
        async with asyncio.timeout(_READY_TIMEOUT_SECONDS), runtime.database.read() as uow:
            answers = True
            current = await is_current(uow)
    except Exception as problem:
        log.warning("http.not_ready", problem=type(problem).__name__)
        answers = False
    desk = runtime.desk.serving
    return {"ready": answers and current and desk, "database": answers, "migrations": current, "desk": desk}


@SUBJECT.operation(
    "GET",
    "/metrics",
    summary="Metrics",
    access=Access.PROBE,
    says={200: Said("Prometheus text", media_type="text/plain")},
)
async def metrics(request: Request) -> Response:
    """Of this process, for Prometheus. Keep it from the public by the proxy."""
    try:
        async with asyncio.timeout(_MEASURE_SECONDS):
            await measure_open(exchange(request).runtime)
            await measure_reports(exchange(request).runtime)
            await measure_reviews(exchange(request).runtime)
    except Exception:
        log.warning("metrics.not_measured")  # The database is away; what this process counts is told all the same.
    return Response(prometheus_client.generate_latest(), 200, None, prometheus_client.CONTENT_TYPE_LATEST)


@SUBJECT.operation(
    "GET",
    "/v1/openapi.json",
    summary="The OpenAPI document",
    access=Access.OPEN,
    says={200: Said("OpenAPI 3.1", media_type="application/json")},
)
async def openapi_document(request: Request) -> Response:
    """Every operation, with examples and every error."""
    body = json.dumps(request.app.openapi(), ensure_ascii=False, separators=(",", ":"))
    return Response(body, 200, {"cache-control": _DOCUMENT_CACHE}, "application/json")


@SUBJECT.operation(
    "GET",
    "/v1/reference",
    summary="The reference page",
    access=Access.OPEN,
    says={200: Said("The OpenAPI document as a page", media_type=HTML)},
)
async def reference(request: Request) -> Response:
    """The same as the OpenAPI document, to read."""
    context = exchange(request).context
    if not context.reference:
        context.reference = rendered("reference.html", reference_values(request.app.openapi()), language="en")
    return html_answer(context.reference, language="en", cache=_DOCUMENT_CACHE)


@SUBJECT.operation(
    "GET",
    "/",
    summary="The start page",
    access=Access.OPEN,
    says={200: Said("A page that says what is where", media_type=HTML)},
)
async def start(request: Request) -> Response:
    """For a person who opens the platform's address."""
    told = exchange(request)
    values = start_values(language=told.language, number=told.runtime.settings.sms_number)
    return page("start.html", values, language=told.language)
