"""What a sandbox alone has: a clock that can be set, so that a month passes in a minute."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Body, View
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.views import AT_EXAMPLE, reply
from mpss.kernel.clock import SandboxClock
from mpss.kernel.errors import MalformedField

SUBJECT = Subject("Sandbox")

_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class ClockView(View):
    now: datetime = Field(examples=[AT_EXAMPLE])


class ClockBody(Body):
    now: datetime = Field(description="an instant with its offset from UTC", examples=[AT_EXAMPLE])


@SUBJECT.operation(
    "GET", "/v1/sandbox/clock", summary="Read the clock", access=Access.OPEN, says={200: Said("The time", ClockView)}
)
async def read_clock(request: Request) -> Response:
    """The time that every process of this sandbox reads."""
    return reply(ClockView(now=exchange(request).runtime.clock.now()))


@SUBJECT.operation(
    "PUT", "/v1/sandbox/clock", summary="Set the clock", access=Access.OPEN, says={200: Said("The new time", ClockView)}
)
async def set_clock(request: Request, body: ClockBody) -> Response:
    """Moves the clock; business days close as it passes the day cut. It does not go back."""
    clock = exchange(request).runtime.clock
    assert isinstance(clock, SandboxClock)
    if body.now.tzinfo is None or not _FIRST <= body.now < _LAST or body.now < clock.now():
        raise MalformedField(
            field="now", problem="must name its offset from UTC, and be later than now and before 2100"
        )
    clock.set(body.now)
    return reply(ClockView(now=clock.now()))
