"""A CP/SP's delivery log, and ordering again. Spec: CT 5.3, 7.1."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import OutboxIdField, PageLimit, TransactionIdField, View
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, encode_id
from mpss.channels.http.views import (
    AT_EXAMPLE,
    PRODUCT_EXAMPLE,
    TRANSACTION_EXAMPLE,
    DeliveryView,
    NextCursor,
    delivery_view,
    reply,
)
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import ProductId, TransactionId
from mpss.transactions.purchases.deliver import resend_delivery
from mpss.transactions.purchases.delivery_log import DeliveryLog, delivery_log, resend_webhook
from mpss.transactions.queries import merchant_deliveries

SUBJECT = Subject("Merchant")


class DeliveryLineView(DeliveryView):
    """A sale with goods, and how its delivery stands."""

    transaction_id: str = Field(examples=[TRANSACTION_EXAMPLE])
    sale_state: str = Field(examples=["SUCCEEDED"])
    product_id: str = Field(examples=[PRODUCT_EXAMPLE])
    quantity: int = Field(examples=[1])
    amount_fen: int = Field(examples=[2500])
    currency: str = Field(examples=["CNY"])
    merchant_order_no: str | None = Field(examples=["K-20260301-0042"])
    created_at: datetime = Field(examples=[AT_EXAMPLE])


class DeliveriesView(View):
    items: list[DeliveryLineView]
    next_cursor: NextCursor


class AttemptView(View):
    attempt: int = Field(examples=[1])
    at: datetime = Field(examples=[AT_EXAMPLE])
    outcome: str = Field(description="approved, declined or in_doubt", examples=["approved"])
    detail: str = Field(examples=["券码 8842-1097"])
    duration_ms: int = Field(examples=[37])


class SentMessageView(View):
    """An order or a webhook with every attempt at it."""

    id: str = Field(description="webhook-id of what was sent", examples=[TRANSACTION_EXAMPLE])
    kind: str = Field(description="delivery or webhook", examples=["delivery"])
    state: str = Field(description="pending, done or dead", examples=["done"])
    due_at: datetime = Field(description="of a pending one: the next attempt", examples=[AT_EXAMPLE])
    last_error: str | None = Field(examples=[None])
    attempts: list[AttemptView]


class DeliveryLogView(View):
    delivery: DeliveryView | None
    messages: list[SentMessageView]


def delivery_log_view(found: DeliveryLog) -> DeliveryLogView:
    return DeliveryLogView(
        delivery=delivery_view(found.status),
        messages=[
            SentMessageView(
                id=message.id,
                kind=message.kind,
                state=message.state,
                due_at=message.due_at,
                last_error=message.last_error,
                attempts=[
                    AttemptView(
                        attempt=tried.attempt,
                        at=tried.at,
                        outcome=tried.outcome,
                        detail=tried.detail,
                        duration_ms=tried.duration_ms,
                    )
                    for tried in message.tries
                ],
            )
            for message in found.messages
        ],
    )


@SUBJECT.operation(
    "GET",
    "/v1/merchant/deliveries",
    summary="List one's deliveries",
    access=Access.MERCHANT,
    says={200: Said("A page, newest first", DeliveriesView)},
    clauses=("CT 7.1",),
)
async def list_deliveries(
    request: Request, limit: Annotated[PageLimit, Query()] = 50, cursor: Annotated[Cursor, Query()] = None
) -> Response:
    """Every sale with goods, and what became of its delivery order."""
    told, before = exchange(request), decode_id(cursor)
    async with told.runtime.database.read() as uow:
        found = await merchant_deliveries(uow, merchant_id=told.merchant.id, before=before, limit=limit + 1)
    found, following = cut(found, limit, lambda line: encode_id(line.id))
    items = [
        DeliveryLineView(
            transaction_id=str(TransactionId.from_uuid(line.id)),
            product_id=str(ProductId.from_uuid(line.product_id)),
            currency="CNY",
            **{name: getattr(line, name) for name in _SAME},
        )
        for line in found
    ]
    return reply(DeliveriesView(items=items, next_cursor=following))


_SAME = (
    "sale_state", "quantity", "amount_fen", "merchant_order_no", "created_at",
    "state", "content", "reason", "attempts", "answered_at",
)  # fmt: skip


@SUBJECT.operation(
    "GET",
    "/v1/merchant/deliveries/{transaction_id}",
    summary="Read the delivery log of a sale",
    access=Access.MERCHANT,
    says={200: Said("Every order and webhook about the sale, with every attempt", DeliveryLogView)},
    errors=(ErrorCode.UNKNOWN_TRANSACTION,),
    clauses=("CT 7.1",),
)
async def read_delivery_log(request: Request, transaction_id: Annotated[TransactionIdField, Path()]) -> Response:
    """What was sent to the merchant about a sale of its own, oldest first."""
    told = exchange(request)
    found = await delivery_log(told.runtime, transaction_id=transaction_id, merchant_id=told.merchant.id)
    return reply(delivery_log_view(found))


@SUBJECT.operation(
    "POST",
    "/v1/merchant/deliveries/{transaction_id}/resend",
    summary="Have a delivery ordered again",
    access=Access.MERCHANT,
    says={202: Said("The order goes out again at once, with the same id")},
    errors=(ErrorCode.UNKNOWN_TRANSACTION, ErrorCode.ILLEGAL_STATE),
    clauses=("CT 7.1",),
)
async def resend_order(request: Request, transaction_id: Annotated[TransactionIdField, Path()]) -> Response:
    """For a merchant that lost the order. It is answered as at first, so nothing is delivered twice."""
    told = exchange(request)
    await resend_delivery(
        told.runtime, transaction_id=transaction_id, by=told.caller_name, merchant_id=told.merchant.id
    )  # fmt: skip
    return Response(status_code=202)


@SUBJECT.operation(
    "POST",
    "/v1/merchant/webhooks/{webhook_id}/resend",
    summary="Have a webhook sent again",
    access=Access.MERCHANT,
    says={202: Said("The webhook goes out again at once, with the same id")},
    errors=(ErrorCode.NOT_FOUND,),
    clauses=("CT 7.1",),
)
async def resend_hook(request: Request, webhook_id: Annotated[OutboxIdField, Path()]) -> Response:
    """For a merchant that lost it. Its id is in the delivery log."""
    told = exchange(request)
    await resend_webhook(told.runtime, item_id=webhook_id, by=told.caller_name, merchant_id=told.merchant.id)
    return Response(status_code=202)
