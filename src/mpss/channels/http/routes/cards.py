"""Bank cards of an account: bind, confirm, list, ask for the balance, unbind. Spec: CT 5.1; CM 5.3.1."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.card_model import CardPurpose, CardState, VerifyBy, parse_card_number, parse_holder_name
from mpss.accounts.cards import BoundCard, card_balance, confirm_binding, list_cards, request_binding, unbind
from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Body, CardIdField, SmsCode, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.views import AT_EXAMPLE, reply
from mpss.kernel.errors import ErrorCode, MalformedField
from mpss.transactions.topups.card_verification import confirm_by_amount, request_binding_by_debit

SUBJECT = Subject("Bank cards")

CARD_EXAMPLE = "crd_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"


BankCode = Annotated[str, *text(8), Field(description="code of a bank we are connected to", examples=["NANCHENG"])]
CardNumber = Annotated[
    str, *text(40), Field(description="12 to 19 digits; blanks are passed over", examples=["6222020000000015"])
]
HolderName = Annotated[str, *text(40), Field(description="as the bank has it", examples=["李小明"])]


class BindBody(Body):
    bank: BankCode
    card_number: CardNumber
    holder_name: HolderName
    verify_by: Literal[VerifyBy.SMS_CODE, VerifyBy.DEBIT] = Field(
        default=VerifyBy.SMS_CODE,
        description="sms_code: the phone is sent a code; debit: the card is debited by less than a yuan, which comes "
        "back, and the amount confirms",
        examples=["sms_code"],
    )


class ConfirmBody(Body):
    """One of the two, as the binding was asked for."""

    code: SmsCode | None = Field(default=None, description="the code that the account's phone was sent")
    amount_fen: Annotated[int, Field(ge=1, le=999)] | None = Field(
        default=None, description="what the card was debited", examples=[37]
    )


class CardView(View):
    """A bank card of the account."""

    card_id: str = Field(examples=[CARD_EXAMPLE])
    bank: str = Field(examples=["NANCHENG"])
    bank_name: str = Field(examples=["南城银行"])
    masked: str = Field(description="stars and the last four digits", examples=["************0015"])
    purposes: list[CardPurpose] = Field(examples=[["top_up", "pay", "withdraw"]])
    state: CardState = Field(examples=["bound"])
    requested_at: datetime = Field(examples=[AT_EXAMPLE])
    bound_at: datetime | None = Field(examples=[AT_EXAMPLE])
    verify_by: VerifyBy = Field(examples=["sms_code"])


class CardsView(View):
    items: list[CardView]


class CardBalanceView(View):
    available_fen: int = Field(examples=[420_000])
    currency: str = Field(examples=["CNY"])


def card_view(card: BoundCard) -> CardView:
    return CardView(
        card_id=str(card.id),
        bank=card.bank,
        bank_name=card.bank_name,
        masked=card.masked,
        purposes=list(card.purposes),
        state=card.state,
        requested_at=card.requested_at,
        bound_at=card.bound_at,
        verify_by=card.verify_by,
    )


@SUBJECT.operation(
    "POST",
    "/v1/account/cards",
    summary="Ask to bind a bank card",
    access=Access.SUBSCRIBER,
    says={
        201: Said("The bank knows the card; the phone was sent a code, or the card is debited", CardView),
        202: Said("The bank has not said whether it debited the card; the phone will be told", CardView),
    },
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.BIND_CARD),
        ErrorCode.ILLEGAL_STATE,
        ErrorCode.CARD_REFUSED,
        ErrorCode.RATE_LIMITED,
        ErrorCode.BUSY,
    ),
    clauses=("CT 5.1",),
)
async def bind_card(request: Request, body: BindBody) -> Response:
    """Asks the bank whether card, name and phone belong together, then sends the phone a code or debits the card."""
    told = exchange(request)
    if body.verify_by is VerifyBy.DEBIT:
        verified, debited = await request_binding_by_debit(
            told.runtime,
            account_id=told.account_id,
            bank=body.bank,
            card_number=parse_card_number(body.card_number),
            holder_name=parse_holder_name(body.holder_name),
        )
        return reply(card_view(verified), 201 if debited else 202)
    card = await request_binding(
        told.runtime,
        account_id=told.account_id,
        bank=body.bank,
        card_number=parse_card_number(body.card_number),
        holder_name=parse_holder_name(body.holder_name),
        source=f"http:{told.source}",
    )
    return reply(card_view(card), 201)


@SUBJECT.operation(
    "POST",
    "/v1/account/cards/{card_id}/confirm",
    summary="Bind a bank card by its code or amount",
    access=Access.SUBSCRIBER,
    says={200: Said("The card is bound", CardView)},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.BIND_CARD),
        ErrorCode.UNKNOWN_CARD,
        ErrorCode.ILLEGAL_STATE,
        ErrorCode.CARD_REFUSED,
        ErrorCode.WRONG_CODE,
        ErrorCode.CODE_EXPIRED,
    ),
    clauses=("CT 5.1",),
)
async def confirm_card(request: Request, body: ConfirmBody, card_id: Annotated[CardIdField, Path()]) -> Response:
    """Binds a card that its bank has verified. The third wrong amount refuses the card; a debit comes back."""
    told = exchange(request)
    if body.amount_fen is not None and body.code is None:
        card = await confirm_by_amount(
            told.runtime, account_id=told.account_id, card_id=card_id, amount_fen=body.amount_fen
        )
    elif body.code is not None and body.amount_fen is None:
        card = await confirm_binding(told.runtime, account_id=told.account_id, card_id=card_id, code=body.code)
    else:
        raise MalformedField(field="code", problem="must be given, or amount_fen, and not both")
    return reply(card_view(card))


@SUBJECT.operation(
    "GET",
    "/v1/account/cards",
    summary="List one's bank cards",
    access=Access.SUBSCRIBER,
    says={200: Said("The bound cards, oldest first", CardsView)},
    clauses=("CT 5.1",),
)
async def read_cards(request: Request) -> Response:
    """Numbers are masked."""
    told = exchange(request)
    cards = await list_cards(told.runtime, account_id=told.account_id)
    return reply(CardsView(items=[card_view(card) for card in cards]))


@SUBJECT.operation(
    "GET",
    "/v1/account/cards/{card_id}/balance",
    summary="Ask for a bank card's balance",
    access=Access.SUBSCRIBER,
    says={200: Said("The available balance, as the bank says", CardBalanceView)},
    errors=(ErrorCode.UNKNOWN_CARD, ErrorCode.ILLEGAL_STATE, ErrorCode.CARD_REFUSED, ErrorCode.BUSY),
    clauses=("CT 5.1",),
)
async def read_card_balance(request: Request, card_id: Annotated[CardIdField, Path()]) -> Response:
    """Asks the card's bank now."""
    told = exchange(request)
    available_fen = await card_balance(told.runtime, account_id=told.account_id, card_id=card_id)
    return reply(CardBalanceView(available_fen=available_fen, currency="CNY"))


@SUBJECT.operation(
    "DELETE",
    "/v1/account/cards/{card_id}",
    summary="Unbind a bank card",
    access=Access.SUBSCRIBER,
    says={204: Said("The card is no longer bound")},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.UNBIND_CARD),
        ErrorCode.UNKNOWN_CARD,
        ErrorCode.ILLEGAL_STATE,
    ),
    clauses=("CT 5.1",),
)
async def unbind_card(request: Request, card_id: Annotated[CardIdField, Path()]) -> Response:
    """Ends the binding at once."""
    told = exchange(request)
    await unbind(told.runtime, account_id=told.account_id, card_id=card_id)
    return Response(status_code=204)
