"""Purchases (消费) and their reversal (冲正). Spec: CT 5.3, 6.3.2, 6.5.1."""

from __future__ import annotations

import json
from typing import Annotated
from uuid import UUID

from fastapi import Path
from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.queries import find_wallet_id
from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import (
    AmountFen,
    Body,
    CardIdField,
    Currency,
    FeeFen,
    MerchantIdField,
    OrderNo,
    PaymentPassword,
    Phone,
    ProductIdField,
    Province,
    SmsCode,
    TransactionIdField,
    View,
    text,
)
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.refusals import PASSWORD_OR_CHALLENGE, SPENDING
from mpss.channels.http.views import (
    MERCHANT_EXAMPLE,
    PRODUCT_EXAMPLE,
    TRANSACTION_EXAMPLE,
    PurchaseView,
    TransactionView,
    answered,
    delivery_view,
    own,
    reply,
    transaction_fields,
)
from mpss.desk.model import Answer, Funding, TransactionKind
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.merchants.model import Merchant
from mpss.transactions.pay import pay
from mpss.transactions.purchases.purchase import MAX_QUANTITY, quote_purchase, request_purchase
from mpss.transactions.purchases.reversal import caller_of_merchant, reverse
from mpss.transactions.purchases.sale import Sale
from mpss.transactions.queries import delivery_status, get_transaction

SUBJECT = Subject("Purchase")

_MOST_METADATA = 10


class QuoteBody(Body):
    amount_fen: AmountFen
    currency: Currency


class QuoteView(View):
    """What the payer is shown before confirming, in fen."""

    amount_fen: int = Field(examples=[2500])
    fee_fen: int = Field(examples=[0])
    total_fen: int = Field(examples=[2500])
    currency: str = Field(examples=["CNY"])


class PurchaseBody(Body):
    """A product with its quantity, or a free amount. `amount_fen` is what the payer was shown, without the fee."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "merchant_id": MERCHANT_EXAMPLE,
                    "product_id": PRODUCT_EXAMPLE,
                    "quantity": 1,
                    "amount_fen": 2500,
                    "fee_fen": 0,
                    "currency": "CNY",
                    "payment_password": "495173",
                },
                {"phone": "18912340001", "amount_fen": 1250, "currency": "CNY", "merchant_order_no": "K-20260301-0042"},
            ]
        }
    )

    amount_fen: AmountFen
    currency: Currency
    merchant_id: MerchantIdField | None = Field(
        default=None, description="who sells; a merchant that asks may leave it out"
    )
    product_id: ProductIdField | None = Field(default=None, description="what is bought; none for a free amount")
    quantity: int = Field(default=0, strict=True, ge=0, le=MAX_QUANTITY, description="of the product", examples=[1])
    fee_fen: FeeFen | None = Field(
        default=None, description="the fee the payer was shown; with another fee the purchase is declined"
    )
    visited_province: Province | None = Field(default=None, description="where the payer is, if not at home")
    metadata: dict[Annotated[str, *text(40)], Annotated[str, *text(200)]] | None = Field(
        default=None, max_length=_MOST_METADATA, description="kept with the transaction"
    )
    funding: Funding = Field(
        default=Funding.WALLET, description="where the money comes from; with `bank_card`, `card_id` says which"
    )
    card_id: CardIdField | None = Field(default=None, description="the bound card that pays")
    payment_password: PaymentPassword | None = Field(default=None, description="of the payer who is signed in")
    sms_code: SmsCode | None = Field(
        default=None, description="a `challenge` code, where `challenge_required` asked for one", examples=["071625"]
    )
    phone: Phone | None = Field(default=None, description="of the payer, when a merchant asks")
    merchant_order_no: OrderNo | None = Field(
        default=None, description="the merchant's own number, when a merchant asks"
    )


class ReversalBody(Body):
    """The sale is named by its transaction or by the merchant's own order number, one of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"transaction_id": TRANSACTION_EXAMPLE, "reason": "sold out"},
                {"merchant_order_no": "K-20260301-0042", "reason": "the customer left"},
            ]
        }
    )

    transaction_id: TransactionIdField | None = Field(default=None)
    merchant_order_no: OrderNo | None = Field(default=None)
    reason: Annotated[str, *text(100)] = Field(description="told to the payer", examples=["sold out"])


@SUBJECT.operation(
    "POST",
    "/v1/purchases",
    summary="Buy",
    access=Access.SUBSCRIBER_OR_MERCHANT,
    says={
        201: Said("Paid", TransactionView),
        202: Said(
            "Pending: a merchant asked, and the payer replies to the SMS; or the phone bill or a bank card pays, and "
            "`state` says how far that is",
            TransactionView,
        ),
    },
    errors=(
        ErrorCode.ALREADY_TOMBSTONED,
        ErrorCode.DUPLICATE_ORDER,
        ErrorCode.FORBIDDEN,
        ErrorCode.UNKNOWN_ACCOUNT,
        ErrorCode.UNKNOWN_MERCHANT,
        ErrorCode.UNKNOWN_PRODUCT,
        ErrorCode.OUT_OF_SCOPE,
        *refusals_of(Operation.PAY),
        ErrorCode.MERCHANT_NOT_ACTIVE,
        ErrorCode.MERCHANT_CLOSING,
        ErrorCode.PRODUCT_NOT_ON_SALE,
        *PASSWORD_OR_CHALLENGE,
        *SPENDING,
        ErrorCode.OUT_OF_STOCK,
        ErrorCode.PRICE_CHANGED,
        ErrorCode.INSUFFICIENT_FUNDS,
        ErrorCode.FUNDING_DECLINED,
        ErrorCode.NOT_GROUP_MEMBER,
        ErrorCode.GROUP_NOT_AVAILABLE,
        ErrorCode.GROUP_QUOTA_EXCEEDED,
        ErrorCode.MERCHANT_LIMIT_EXCEEDED,
        ErrorCode.NOT_FOUND,
        ErrorCode.UNKNOWN_CARD,
        ErrorCode.ILLEGAL_STATE,
        ErrorCode.BUSY,
    ),
    clauses=("CT 5.1", "CT 5.3", "CT 6.3.2", "CM 5.2.1.2", "CM 6.11.1"),
    money=True,
)
async def buy(request: Request, body: PurchaseBody) -> Response:
    """Pays from the wallet, the phone bill or a bound bank card, for a product or a free amount.

    A subscriber sends `merchant_id` and `payment_password`, and is answered 201. A merchant signs the request, sends
    the payer's `phone`, and is answered 202: the payer gets an SMS and confirms by replying to it, from the wallet or,
    with HF behind the code, from the phone bill.

    With `"funding": "phone_bill"` the money is reserved at the operator, the merchant delivers, and the phone bill is
    charged: 202 while the state is FUNDING, IN_DOUBT, AUTHORIZED or COMPLETING, and an SMS says how it ended. A
    repeat with the same key, like a GET, is answered with how it stands then. With `"funding": "bank_card"` it is the
    same at the card's bank: goods are frozen there until they are delivered, a free amount is debited at once.
    With `"funding": "group"` a member of a corporate account pays with the company's money, within their quota.
    """
    told = exchange(request)
    if isinstance(told.caller, Merchant):
        return await answered(told, await _ask(told, told.caller, body))
    return await answered(told, await _pay(told, body))


async def _pay(told: Exchange, body: PurchaseBody) -> Answer:
    _refuse_field("phone", body.phone, "is for merchants")
    _refuse_field("merchant_order_no", body.merchant_order_no, "is for merchants")
    if body.merchant_id is None:
        raise MalformedField(field="merchant_id", problem="is missing")
    if body.payment_password is None:
        raise MalformedField(field="payment_password", problem="is missing")
    return await pay(
        told.runtime,
        caller=told.caller_name,
        key=told.key,
        channel="http",
        sale=_sale(body, told.account_id, body.merchant_id),
        phone=told.session.phone,
        password=body.payment_password,
        source=f"http:{told.source}",
        sms_code=body.sms_code,
        funding=body.funding,
        card_id=body.card_id,
        watched=told.watched,
    )


async def _ask(told: Exchange, merchant: Merchant, body: PurchaseBody) -> Answer:
    _refuse_field("payment_password", body.payment_password, "is the payer's own, not for merchants")
    _refuse_field("sms_code", body.sms_code, "is the payer's own, not for merchants")
    _refuse_field("card_id", body.card_id, "is the payer's own, not for merchants")
    if body.funding is not Funding.WALLET:
        raise MalformedField(field="funding", problem="is the payer's to choose, not for merchants")
    if body.phone is None:
        raise MalformedField(field="phone", problem="is missing")
    if body.merchant_id is not None and body.merchant_id != merchant.id:
        raise Refused(ErrorCode.FORBIDDEN, detail="a merchant sells in its own name", field="merchant_id")
    account_id = await find_wallet_id(told.runtime, phone=body.phone)
    if account_id is None:
        raise Refused(ErrorCode.UNKNOWN_ACCOUNT, field="phone")
    return await request_purchase(
        told.runtime,
        caller=told.caller_name,
        key=told.key,
        channel="http",
        sale=_sale(body, account_id, merchant.id),
        phone=body.phone,
        watched=told.watched,
    )


def _refuse_field(name: str, value: object, problem: str) -> None:
    if value is not None:
        raise MalformedField(field=name, problem=problem)


def _sale(body: PurchaseBody, account_id: UUID, merchant_id: UUID) -> Sale:
    price_fen = body.amount_fen
    if body.product_id is not None:
        if body.quantity == 0:
            raise MalformedField(field="quantity", problem="must be from 1, for a product")
        if body.amount_fen % body.quantity:
            raise MalformedField(field="amount_fen", problem="must be the quantity times the price")
        price_fen = body.amount_fen // body.quantity
    metadata = None if body.metadata is None else json.dumps(body.metadata, ensure_ascii=False, sort_keys=True)
    return Sale(
        account_id,
        merchant_id,
        body.product_id,
        body.quantity,
        price_fen,
        body.fee_fen,
        body.merchant_order_no,
        body.visited_province,
        metadata,
    )


@SUBJECT.operation(
    "POST",
    "/v1/quotes",
    summary="Ask for the fee",
    access=Access.SUBSCRIBER_OR_MERCHANT,
    says={200: Said("What would be paid now", QuoteView)},
    clauses=("CT 8.1",),
)
async def quote(request: Request, body: QuoteBody) -> Response:
    """The fee on a purchase of this amount now, to be shown before the payer confirms. Send it along as `fee_fen`."""
    told = exchange(request)
    quoted = await quote_purchase(told.runtime, amount_fen=body.amount_fen)
    view = QuoteView(
        amount_fen=quoted.amount_fen, fee_fen=quoted.fee_fen, total_fen=quoted.total_fen, currency="CNY"
    )  # fmt: skip
    return reply(view)


@SUBJECT.operation(
    "GET",
    "/v1/purchases/{transaction_id}",
    summary="Read one purchase with its delivery",
    access=Access.SUBSCRIBER_OR_MERCHANT,
    says={200: Said("The purchase as it stands", PurchaseView)},
    errors=(ErrorCode.UNKNOWN_TRANSACTION, ErrorCode.UNKNOWN_ACCOUNT),
    clauses=("CT 5.3",),
)
async def read_purchase(request: Request, transaction_id: Annotated[TransactionIdField, Path()]) -> Response:
    """A purchase of the caller's own, with what became of its delivery."""
    told = exchange(request)
    async with told.runtime.database.read() as uow:
        found = own(told, await get_transaction(uow, transaction_id))
        delivery = await delivery_status(uow, transaction_id)
    if found.kind is not TransactionKind.PURCHASE:
        raise Refused(ErrorCode.UNKNOWN_TRANSACTION)
    return reply(PurchaseView(**transaction_fields(found), delivery=delivery_view(delivery)))


@SUBJECT.operation(
    "POST",
    "/v1/reversals",
    summary="Reverse a sale",
    access=Access.MERCHANT,
    says={
        201: Said("The payer has the money back, or the sale that has not come yet will be refused", TransactionView),
        202: Said("The money is on its way back to the phone bill or the bank card", TransactionView),
    },
    errors=(
        ErrorCode.UNKNOWN_TRANSACTION,
        ErrorCode.UNKNOWN_MERCHANT,
        ErrorCode.MERCHANT_NOT_ACTIVE,
        ErrorCode.ILLEGAL_STATE,
        ErrorCode.BUSY,
    ),
    clauses=("CT 5.3", "CT 6.5.1"),
    money=True,
)
async def reverse_sale(request: Request, body: ReversalBody) -> Response:
    """Undoes a sale of the merchant's own: money, limits and stock go back.

    A reversal by `merchant_order_no` that arrives before its sale succeeds, and the late sale is refused.
    """
    told = exchange(request)
    if (body.transaction_id is None) == (body.merchant_order_no is None):
        raise MalformedField(field="transaction_id", problem="or merchant_order_no must be given, one of them")
    merchant = told.merchant
    answer = await reverse(
        told.runtime,
        caller=caller_of_merchant(merchant.id),
        key=told.key,
        channel="http",
        merchant_id=merchant.id,
        original_id=body.transaction_id,
        order_no=body.merchant_order_no,
        reason=body.reason,
    )
    return await answered(told, answer)
