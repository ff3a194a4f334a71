"""Staff: the clerk of a service hall sets up and dissolves a customer's directed relations. Spec: CM 6.5.1, 6.5.2.1."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.payees_at_counter import add_payee_at_counter, dissolve_payee_at_counter
from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import AmountFen, Body, Currency, Phone
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.routes.transfers import PayeeView, payee_view
from mpss.channels.http.views import reply
from mpss.kernel.errors import ErrorCode
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")


class CounterDissolveBody(Body):
    phone: Phone = Field(description="the customer's own number")
    payee_phone: Phone


class CounterPayeeBody(CounterDissolveBody):
    single_limit_fen: AmountFen = Field(description="of one transfer")
    daily_limit_fen: AmountFen = Field(description="of a day's transfers")
    currency: Currency


@SUBJECT.operation(
    "POST",
    "/v1/staff/payees",
    summary="Set up a customer's directed relation",
    access=Access.STAFF,
    permission=Permission.PAYEE_MANAGE,
    says={201: Said("It is set up, and counts from `usable_from` on", PayeeView)},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.SET_PAYEE),
        ErrorCode.SELF_TRANSFER,
        ErrorCode.PAYEE_EXISTS,
        ErrorCode.TOO_MANY_PAYEES,
    ),
    clauses=("CM 6.5.1",),
)
async def set_up_at_counter(request: Request, body: CounterPayeeBody) -> Response:
    """For the clerk of a service hall, who has looked at the customer's identity document."""
    told = exchange(request)
    made = await add_payee_at_counter(
        told.runtime,
        staff=told.staff,
        phone=body.phone,
        payee_phone=body.payee_phone,
        single_limit_fen=body.single_limit_fen,
        daily_limit_fen=body.daily_limit_fen,
    )
    return reply(payee_view(made), 201)


@SUBJECT.operation(
    "POST",
    "/v1/staff/payees/dissolve",
    summary="Dissolve a customer's directed relation",
    access=Access.STAFF,
    permission=Permission.PAYEE_MANAGE,
    says={204: Said("Dissolved")},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.UNKNOWN_PAYEE),
    clauses=("CM 6.5.2.1",),
)
async def dissolve_at_counter(request: Request, body: CounterDissolveBody) -> Response:
    """For the clerk of a service hall. The numbers are in the body, so that no log of addresses holds them."""
    told = exchange(request)
    await dissolve_payee_at_counter(told.runtime, staff=told.staff, phone=body.phone, payee_phone=body.payee_phone)
    return Response(status_code=204)
