"""The record of an account's state, for its holder and for staff. Spec: CM 7.6, 8.2.1, 8.2.2."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.change import CLOCK, SUBSCRIBER
from mpss.accounts.history import account_history, history_by_phone
from mpss.accounts.state_store import AccountEvent
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import MAX_PAGE, Body, Phone, View
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, decode_id, encode_id
from mpss.channels.http.views import AT_EXAMPLE, reply
from mpss.kernel.errors import ErrorCode
from mpss.staff.permissions import Permission

SUBJECT = Subject("Account")
STAFF = Subject("Staff")


class ChangeView(View):
    event: str = Field(examples=["frozen"])
    by: str = Field(description="subscriber, clock or operator", examples=["subscriber"])
    at: datetime = Field(examples=[AT_EXAMPLE])


class HistoryView(View):
    items: list[ChangeView]
    next_cursor: str | None = Field(examples=[None])


class StaffChangeView(ChangeView):
    by: str = Field(description="the holder, the clock, BOSS, or a member of staff", examples=["subscriber"])
    detail: dict[str, Any] = Field(examples=[{"channel": "sms", "until": "2026-06-01"}])


class StaffHistoryView(View):
    items: list[StaffChangeView]
    next_cursor: str | None = Field(examples=[None])


class HistoryBody(Body):
    phone: Phone
    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_PAGE)] = Field(default=50, examples=[50])
    cursor: Cursor = Field(default=None, examples=[None])


@SUBJECT.operation(
    "GET",
    "/v1/account/history",
    summary="Read what happened to one's account",
    access=Access.SUBSCRIBER,
    says={200: Said("The changes of the account's state, newest first", HistoryView)},
    clauses=("CM 7.6", "CM 8.2.2"),
)
async def read_history(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """Loss, freezes, silence, stops and closing; not the movements, which the statement has."""
    told = exchange(request)
    found = await account_history(told.runtime, account_id=told.account_id, before=decode_id(cursor), limit=limit + 1)
    items = [
        ChangeView(event=each.event, by=each.actor if each.actor in (SUBSCRIBER, CLOCK) else "operator", at=each.at)
        for each in found[:limit]
    ]
    return reply(HistoryView(items=items, next_cursor=_next(found, limit)))


@STAFF.operation(
    "POST",
    "/v1/staff/accounts/history",
    summary="Read what happened to the account of a number",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_VIEW,
    says={200: Said("The changes of the account's state, newest first", StaffHistoryView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 7.6", "CM 8.2.1"),
)
async def read_customers_history(request: Request, body: HistoryBody) -> Response:
    """With who did it and why. The look is audited; the number is in the body, so that no log of addresses holds it."""
    told = exchange(request)
    found = await history_by_phone(
        told.runtime, by=told.staff, phone=body.phone, before=decode_id(body.cursor), limit=body.limit + 1
    )
    items = [
        StaffChangeView(event=each.event, by=each.actor, at=each.at, detail=json.loads(each.detail))
        for each in found[: body.limit]
    ]
    return reply(StaffHistoryView(items=items, next_cursor=_next(found, body.limit)))


def _next(found: list[AccountEvent], limit: int) -> str | None:
    return encode_id(found[limit - 1].id) if len(found) > limit else None
