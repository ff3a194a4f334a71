"""Bodies that several subjects answer with: a transaction, a delivery, a page's cursor."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from mpss.accounts.limit_model import LimitOperation
from mpss.accounts.own_limits import limits_of
from mpss.accounts.sign_in import Session
from mpss.channels.http.errors import problem_response
from mpss.channels.http.exchange import Exchange
from mpss.channels.http.fields import View
from mpss.desk.model import Answer, Funding, Transaction, TransactionKind, TransactionState
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import MerchantId, ProductId, TransactionId
from mpss.merchants.model import Merchant
from mpss.staff.model import StaffMember
from mpss.transactions.queries import DeliveryStatus

TRANSACTION_EXAMPLE = "txn_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"
ACCOUNT_EXAMPLE = "acc_019e6b3bf1a6766d8e7f9a0b1c2d3e4f"
MERCHANT_EXAMPLE = "mer_019e6b3c0a117b21a3c4d5e6f7081920"
PRODUCT_EXAMPLE = "prd_019e6b3c1b227c32b4d5e6f708192a3b"
AT_EXAMPLE = "2026-03-01T04:00:00.000000Z"

_LIMITED = {
    TransactionKind.PURCHASE: LimitOperation.PAYMENT,
    TransactionKind.TRANSFER: LimitOperation.TRANSFER,
    TransactionKind.WITHDRAWAL: LimitOperation.WITHDRAWAL,
}

At = Annotated[datetime, Field(examples=[AT_EXAMPLE])]
NextCursor = Annotated[
    str | None,
    Field(description="the `cursor` of the next page; null after the last", examples=["AZ5rPF96fD6NL0prjA0eLw"]),
]


class TransactionView(View):
    """A transaction (交易) as its caller sees it. Amounts are whole fen of CNY."""

    transaction_id: str = Field(examples=[TRANSACTION_EXAMPLE])
    kind: TransactionKind = Field(examples=["purchase"])
    state: TransactionState = Field(examples=["SUCCEEDED"])
    refusal: ErrorCode | None = Field(description="why it was declined", examples=[None])
    amount_fen: int = Field(examples=[2500])
    fee_fen: int = Field(description="what the payer paid besides", examples=[0])
    total_fen: int = Field(description="amount and fee", examples=[2500])
    currency: str = Field(examples=["CNY"])
    funding: Funding = Field(description="where the money comes from", examples=["wallet"])
    merchant_id: str | None = Field(examples=[MERCHANT_EXAMPLE])
    product_id: str | None = Field(examples=[PRODUCT_EXAMPLE])
    quantity: int = Field(description="of the product; 0 where there is none", examples=[1])
    merchant_order_no: str | None = Field(examples=["K-20260301-0042"])
    original_id: str | None = Field(description="the transaction this one acts on", examples=[None])
    channel: str = Field(examples=["http"])
    business_date: date = Field(description="the accounting day, in Shanghai", examples=["2026-03-01"])
    created_at: At
    finished_at: datetime | None = Field(
        description="null while it waits for its payer or another system", examples=[AT_EXAMPLE]
    )
    metadata: dict[str, str] | None = Field(description="as it was given, or what it was for", examples=[None])


class DeliveryView(View):
    """How the delivery of a sale stands."""

    state: str = Field(description="ordered, delivered, refused, expired or dead", examples=["delivered"])
    content: str = Field(description="what the CP/SP delivered", examples=["券码 8842-1097"])
    reason: str = Field(description="why it refused", examples=[""])
    attempts: int = Field(examples=[1])
    answered_at: datetime | None = Field(examples=[AT_EXAMPLE])


class PurchaseView(TransactionView):
    """A purchase with its delivery; `delivery` is null where nothing is to be delivered."""

    delivery: DeliveryView | None


def transaction_fields(transaction: Transaction) -> dict[str, Any]:
    """The fields of a `TransactionView`."""
    merchant_id, product_id, original_id = transaction.merchant_id, transaction.product_id, transaction.original_id
    return {
        "transaction_id": str(transaction.id),
        "kind": transaction.kind,
        "state": transaction.state,
        "refusal": transaction.refusal,
        "amount_fen": transaction.amount_fen,
        "fee_fen": transaction.fee_fen,
        "total_fen": transaction.amount_fen + transaction.fee_fen,
        "currency": "CNY",
        "funding": transaction.funding,
        "merchant_id": None if merchant_id is None else str(MerchantId.from_uuid(merchant_id)),
        "product_id": None if product_id is None else str(ProductId.from_uuid(product_id)),
        "quantity": transaction.quantity,
        "merchant_order_no": transaction.merchant_order_no,
        "original_id": None if original_id is None else str(TransactionId.from_uuid(original_id)),
        "channel": transaction.channel,
        "business_date": transaction.business_date,
        "created_at": transaction.created_at,
        "finished_at": transaction.finished_at,
        "metadata": None if transaction.metadata is None else json.loads(transaction.metadata),
    }


def transaction_view(transaction: Transaction) -> TransactionView:
    return TransactionView.model_construct(**transaction_fields(transaction))


def own(told: Exchange, transaction: Transaction | None) -> Transaction:
    """The transaction, where it is the caller's: the payer's or the merchant's.

    Raises:
        Refused: UNKNOWN_TRANSACTION.
    """
    if transaction is not None:
        caller = told.caller
        owner = transaction.merchant_id if isinstance(caller, Merchant) else transaction.account_id
        if owner is not None and owner == (caller.id if isinstance(caller, Merchant) else told.account_id):
            return transaction
    raise Refused(ErrorCode.UNKNOWN_TRANSACTION)


def delivery_view(delivery: DeliveryStatus | None) -> DeliveryView | None:
    return None if delivery is None else DeliveryView(**delivery._asdict())


def reply(view: View, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The view as JSON."""
    return Response(view.__pydantic_serializer__.to_json(view), status, headers, "application/json")


async def answered(told: Exchange, answer: Answer) -> Response:
    """A money command's answer: 201, 202 while it is pending, or the problem it was declined for.

    A repeat says so in `Idempotent-Replayed`. A declined transaction is told where it is on record; where the channel's
    limit stopped it, its account is told what may still go through.
    """
    transaction = answer.transaction
    headers = {"idempotent-replayed": "true"} if answer.repeated else {}
    if transaction.refusal is not None:
        declined = transaction_view(transaction).model_dump(mode="json") if answer.recorded else None
        detail = ""
        if transaction.refusal is ErrorCode.CHANNEL_LIMIT_EXCEEDED and isinstance(told.caller, Session):
            detail = await _left_by_channel(told, transaction)
        return problem_response(told, transaction.refusal, detail=detail, transaction=declined, headers=headers)
    where = "/v1/staff/transactions" if isinstance(told.caller, StaffMember) else "/v1/transactions"
    headers["location"] = f"{where}/{transaction.id}"
    return reply(transaction_view(transaction), 202 if transaction.pending else 201, headers)


async def _left_by_channel(told: Exchange, refused: Transaction) -> str:
    """What the channel may still let through of what was refused."""
    operation = _LIMITED.get(refused.kind, LimitOperation.TOPUP)
    found = await limits_of(told.runtime, account_id=told.account_id, channel=refused.channel)
    limits = next(each for each in found.operations if each.operation is operation)
    left = [
        f"{measured.left} {unit}"
        for measured, unit in (
            (limits.channel_daily_fen, "fen today"),
            (limits.channel_daily_count, "times today"),
            (limits.channel_monthly_fen, "fen this month"),
        )
        if measured.left is not None
    ]
    return f"the channel {refused.channel} has left: {', '.join(left)}"
