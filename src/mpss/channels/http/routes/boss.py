"""The feed of BOSS: what becomes of subscriptions and their numbers. Spec: CM 5.2.4-5.2.8, 6.3, 7.8."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.boss_events import take_boss_event
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.operation import Said, Subject
from mpss.kernel.errors import ErrorCode

SUBJECT = Subject("Account")


@SUBJECT.operation(
    "POST",
    "/v1/boss/events",
    summary="Be told by BOSS",
    access=Access.OPEN,
    says={204: Said("Recorded; said again, it changes nothing")},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.SIGNATURE_INVALID, ErrorCode.MALFORMED_REQUEST),
    clauses=("CM 7.8",),
)
async def hear_boss(request: Request) -> Response:
    """For BOSS alone: one event of one subscription, signed as Standard Webhooks.

    An event that is late, or of a number without an account, is recorded and changes nothing.
    """
    told = exchange(request)
    await take_boss_event(told.runtime, dict(request.headers), await request.body())
    return Response(status_code=204)
