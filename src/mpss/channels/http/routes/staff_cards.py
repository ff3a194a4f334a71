"""Staff: the clerk of a service hall binds and unbinds a customer's bank cards. Spec: CM 6.4.7.1, 6.6.1.1, 6.6.2.1."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.cards_at_counter import bind_at_counter, cards_at_counter, unbind_at_counter
from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Body, Phone, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.routes.cards import BankCode, CardNumber, CardsView, CardView, HolderName, card_view
from mpss.channels.http.views import reply
from mpss.kernel.errors import ErrorCode
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")


class CustomerBody(Body):
    phone: Phone = Field(description="the customer's number")


class CounterBindBody(CustomerBody):
    bank: BankCode
    card_number: CardNumber
    holder_name: HolderName


class CounterUnbindBody(CustomerBody):
    last_digits: Annotated[str, *text(4)] = Field(
        pattern="^[0-9]{4}$", description="the card's last four", examples=["0015"]
    )


@SUBJECT.operation(
    "POST",
    "/v1/staff/cards",
    summary="Bind a customer's bank card",
    access=Access.STAFF,
    permission=Permission.CARD_MANAGE,
    says={201: Said("The bank knows the card, and it is bound", CardView)},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.BIND_CARD),
        ErrorCode.ILLEGAL_STATE,
        ErrorCode.CARD_REFUSED,
        ErrorCode.BUSY,
    ),
    clauses=("CM 6.6.1.1",),
)
async def bind_for_customer(request: Request, body: CounterBindBody) -> Response:
    """For the clerk of a service hall, who has looked at the card and the customer's identity document."""
    told = exchange(request)
    card = await bind_at_counter(
        told.runtime,
        staff=told.staff,
        phone=body.phone,
        bank=body.bank,
        card_number=body.card_number,
        holder_name=body.holder_name,
    )
    return reply(card_view(card), 201)


@SUBJECT.operation(
    "POST",
    "/v1/staff/cards/list",
    summary="List a customer's bank cards",
    access=Access.STAFF,
    permission=Permission.CARD_MANAGE,
    says={200: Said("The bound cards, oldest first", CardsView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 6.6.1.1",),
)
async def list_for_customer(request: Request, body: CustomerBody) -> Response:
    """Masked. The number is in the body, so that no log of addresses holds it."""
    told = exchange(request)
    cards = await cards_at_counter(told.runtime, staff=told.staff, phone=body.phone)
    return reply(CardsView(items=[card_view(card) for card in cards]))


@SUBJECT.operation(
    "POST",
    "/v1/staff/cards/unbind",
    summary="Unbind a customer's bank card",
    access=Access.STAFF,
    permission=Permission.CARD_MANAGE,
    says={204: Said("Unbound")},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.UNKNOWN_CARD, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 6.4.7.1", "CM 6.6.2.1"),
)
async def unbind_for_customer(request: Request, body: CounterUnbindBody) -> Response:
    """By its last four digits, which the customer sees on the card."""
    told = exchange(request)
    await unbind_at_counter(told.runtime, staff=told.staff, phone=body.phone, last_digits=body.last_digits)
    return Response(status_code=204)
