"""Top-ups with money from other systems: a card of the recharge platform, online banking and its callback."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import AmountFen, Body, Currency
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.refusals import CARD_PASSWORD, TOPUP_LIMITS
from mpss.channels.http.views import TransactionView, answered, reply, transaction_fields
from mpss.kernel.errors import ErrorCode
from mpss.transactions.topups.online_bank import request_online_bank_topup, take_callback
from mpss.transactions.topups.recharge import top_up_by_recharge_card

SUBJECT = Subject("Top-up")
_ADDRESS_EXAMPLE = "https://bank.example/pay?order=eyJtZXNzYWdl&id=txn_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"


class RechargeTopupBody(Body):
    card_number: str = Field(
        pattern=r"^[0-9 -]{10,40}$",
        max_length=40,
        description="the card's digits; blanks and hyphens between them are passed over",
        examples=["19 7301 9462 8501 3742"],
    )


class OnlineBankTopupBody(Body):
    amount_fen: AmountFen
    currency: Currency


class RedirectView(TransactionView):
    """A top-up that waits for its customer at the online bank."""

    redirect_url: str | None = Field(
        description="where to send the browser, within five minutes; null once it is decided or too late",
        examples=[_ADDRESS_EXAMPLE],
    )


@SUBJECT.operation(
    "POST",
    "/v1/topups/recharge-card",
    summary="Top up by a card of the recharge platform",
    access=Access.SUBSCRIBER,
    says={
        201: Said("The card's value is in the wallet", TransactionView),
        202: Said("The platform has not said yet; the result comes by SMS", TransactionView),
    },
    errors=(
        ErrorCode.NOT_FOUND,
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.TOP_UP),
        *CARD_PASSWORD,
        ErrorCode.BLACKLISTED,
        *TOPUP_LIMITS,
        ErrorCode.FUNDING_DECLINED,
    ),
    clauses=("CT 5.2", "CM 6.4.3"),
    money=True,
)
async def top_up_by_card(request: Request, body: RechargeTopupBody) -> Response:
    """Turns a card of the operator's recharge platform into money in the wallet of who is signed in.

    Too many wrong cards in a row bar the number, as wrong voucher passwords do.
    """
    told = exchange(request)
    answer = await top_up_by_recharge_card(
        told.runtime, account_id=told.account_id, key=told.key, card_number=body.card_number, channel="http"
    )
    return await answered(told, answer)


@SUBJECT.operation(
    "POST",
    "/v1/topups/online-bank",
    summary="Top up by online banking",
    access=Access.SUBSCRIBER,
    says={
        201: Said("It was paid; a repeat finds it so", RedirectView),
        202: Said("Send the browser to the bank", RedirectView),
    },
    errors=(
        ErrorCode.NOT_FOUND,
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.TOP_UP),
        ErrorCode.BLACKLISTED,
        *TOPUP_LIMITS,
        ErrorCode.FUNDING_DECLINED,
    ),
    clauses=("CT 5.2", "CM 6.4.5"),
    money=True,
)
async def top_up_online(request: Request, body: OnlineBankTopupBody) -> Response:
    """Writes an order down and signs the address of the bank's gateway for it.

    Where the browser comes back to says nothing about the money: read the transaction, or wait for the SMS.
    """
    told = exchange(request)
    answer, address = await request_online_bank_topup(
        told.runtime, account_id=told.account_id, key=told.key, amount_fen=body.amount_fen, channel="http",
        watched=told.watched,
    )  # fmt: skip
    topup = answer.transaction
    if topup.refusal is not None:
        return await answered(told, answer)
    view = RedirectView.model_construct(**transaction_fields(topup), redirect_url=address)
    headers = {"location": f"/v1/transactions/{topup.id}"}
    if answer.repeated:
        headers["idempotent-replayed"] = "true"
    return reply(view, 202 if topup.pending else 201, headers)


@SUBJECT.operation(
    "POST",
    "/v1/callbacks/online-bank",
    summary="Be told by the online bank",
    access=Access.OPEN,
    says={204: Said("Heard; said again, it changes nothing")},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.SIGNATURE_INVALID, ErrorCode.MALFORMED_REQUEST),
    clauses=("CM 6.4.5",),
)
async def hear_online_bank(request: Request) -> Response:
    """For the online bank's gateway alone: what became of an order, signed as Standard Webhooks.

    An order that is unknown, or was paid by another amount, is heard and moves nothing.
    """
    told = exchange(request)
    await take_callback(told.runtime, dict(request.headers), await request.body())
    return Response(status_code=204)
