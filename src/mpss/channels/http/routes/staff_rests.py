"""Staff: money that came back after its account was closed, paid at a hall. Spec: CM 5.2.3.4, 6.2."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Phone, TransactionIdField, View
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.routes.shown import SHOWN_ERRORS, ShownBody
from mpss.channels.http.views import (
    ACCOUNT_EXAMPLE,
    AT_EXAMPLE,
    TRANSACTION_EXAMPLE,
    TransactionView,
    answered,
    reply,
)
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId, TransactionId
from mpss.staff.permissions import Permission
from mpss.transactions.closings.rest import pay_rest, rests_by_phone

SUBJECT = Subject("Staff")


class RestView(View):
    """What waits to be fetched; amounts in fen of CNY."""

    transaction_id: str = Field(examples=[TRANSACTION_EXAMPLE])
    account_id: str = Field(description="the closed account", examples=[ACCOUNT_EXAMPLE])
    amount_fen: int = Field(examples=[7500])
    since: datetime = Field(examples=[AT_EXAMPLE])
    closed_at: datetime | None = Field(examples=[AT_EXAMPLE])


class RestsView(View):
    items: list[RestView]
    currency: str = Field(examples=["CNY"])


@SUBJECT.operation(
    "GET",
    "/v1/staff/closing-rests",
    summary="List what came back after accounts were closed",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_CLOSE,
    says={200: Said("What waits, oldest first", RestsView)},
    clauses=("CM 6.2",),
)
async def read_rests(request: Request, phone: Annotated[Phone, Query()]) -> Response:
    """Of every closed account that had this number: the clerk looks whose they were."""
    told = exchange(request)
    found = await rests_by_phone(told.runtime, staff=told.staff, phone=phone)
    items = [
        RestView(
            transaction_id=TransactionId.outside(rest.id),
            account_id=AccountId.outside(rest.account_id),
            amount_fen=rest.amount_fen,
            since=rest.created_at,
            closed_at=rest.closed_at,
        )
        for rest in found
    ]
    return reply(RestsView(items=items, currency="CNY"))


@SUBJECT.operation(
    "POST",
    "/v1/staff/closing-rests/{transaction_id}/pay-out",
    summary="Pay what came back after an account was closed",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_CLOSE,
    money=True,
    says={201: Said("Paid as cash", TransactionView)},
    errors=(ErrorCode.UNKNOWN_TRANSACTION, ErrorCode.ILLEGAL_STATE, *SHOWN_ERRORS),
    clauses=("CM 5.2.3.4", "CM 6.2"),
)
async def pay_closing_rest(
    request: Request, body: ShownBody, transaction_id: Annotated[TransactionIdField, Path()]
) -> Response:
    """The whole rest, to whom the clerk has identified."""
    told = exchange(request)
    answer = await pay_rest(told.runtime, staff=told.staff, key=told.key, rest_id=transaction_id, shown=body.shown())
    return await answered(told, answer)
