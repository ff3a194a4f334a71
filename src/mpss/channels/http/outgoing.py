"""What the platform sends to a merchant's server, as the OpenAPI document tells it. Spec: CT 5.3, 7.1.

The requests themselves are made by the outbox; a test holds these shapes to what it sends.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from pydantic.json_schema import models_json_schema

from mpss.channels.http.fields import View
from mpss.channels.http.views import AT_EXAMPLE, MERCHANT_EXAMPLE, PRODUCT_EXAMPLE, TRANSACTION_EXAMPLE

_REVERSAL_EXAMPLE = "txn_019e6b3d7a8b7c9d8e0f1a2b3c4d5e6f"
_ORDER_NO_EXAMPLE = "K-20260301-0042"


class DeliveryOrderBody(View):
    """One sale to deliver. An order sent again has the same id; answer it as at first."""

    transaction_id: str = Field(examples=[TRANSACTION_EXAMPLE])
    product_id: str | None = Field(examples=[PRODUCT_EXAMPLE])
    quantity: int = Field(examples=[1])
    amount_fen: int = Field(examples=[2500])
    phone: str = Field(description="the payer's", examples=["+8618912340001"])
    merchant_order_no: str | None = Field(examples=[_ORDER_NO_EXAMPLE])
    ordered_at: str = Field(examples=[AT_EXAMPLE])


class DeliveryAnswer(View):
    """`delivered` with what the payer is told, or `refused` with why; the money then goes back."""

    result: Literal["delivered", "refused"] = Field(examples=["delivered"])
    content: str = Field(default="", max_length=500, examples=["券码 8842-1097"])
    reason: str = Field(default="", max_length=500)


class SucceededData(View):
    transaction_id: str = Field(examples=[TRANSACTION_EXAMPLE])
    merchant_order_no: str | None = Field(examples=[_ORDER_NO_EXAMPLE])
    amount_fen: int = Field(examples=[2500])
    phone: str = Field(description="the payer's", examples=["+8618912340001"])


class DeliveredData(View):
    transaction_id: str = Field(examples=[TRANSACTION_EXAMPLE])
    merchant_order_no: str | None = Field(examples=[_ORDER_NO_EXAMPLE])
    amount_fen: int = Field(examples=[2500])


class ReversedData(View):
    transaction_id: str = Field(examples=[TRANSACTION_EXAMPLE])
    reversal_id: str = Field(examples=[_REVERSAL_EXAMPLE])
    merchant_order_no: str | None = Field(examples=[_ORDER_NO_EXAMPLE])
    amount_fen: int = Field(examples=[2500])
    reason: str = Field(examples=["sold out"])


class EndedData(View):
    transaction_id: str = Field(examples=[TRANSACTION_EXAMPLE])
    merchant_order_no: str | None = Field(examples=[_ORDER_NO_EXAMPLE])
    amount_fen: int = Field(examples=[2500])
    phone: str = Field(description="of who was asked", examples=["+8618912340001"])
    reason: str | None = Field(default=None, description="the error's code; none for a no", examples=["out_of_stock"])


class SucceededEvent(View):
    type: Literal["purchase.succeeded"] = Field(examples=["purchase.succeeded"])
    timestamp: str = Field(examples=[AT_EXAMPLE])
    data: SucceededData


class DeliveredEvent(View):
    type: Literal["purchase.delivered"] = Field(examples=["purchase.delivered"])
    timestamp: str = Field(examples=[AT_EXAMPLE])
    data: DeliveredData


class EndedEvent(View):
    type: Literal["purchase.declined", "purchase.cancelled", "purchase.expired"] = Field(examples=["purchase.expired"])
    timestamp: str = Field(examples=[AT_EXAMPLE])
    data: EndedData


class ReversedEvent(View):
    type: Literal["purchase.reversed"] = Field(examples=["purchase.reversed"])
    timestamp: str = Field(examples=[AT_EXAMPLE])
    data: ReversedData


class ClosingBegunData(View):
    merchant_id: str = Field(examples=[MERCHANT_EXAMPLE])
    reason: str = Field(examples=["the shop is given up"])
    ends_at: str = Field(description="until when sales may be taken back at least", examples=[AT_EXAMPLE])


class ClosingCalledOffData(View):
    merchant_id: str = Field(examples=[MERCHANT_EXAMPLE])
    reason: str = Field(examples=["refused"])


class SettledData(View):
    merchant_id: str = Field(examples=[MERCHANT_EXAMPLE])
    transaction_id: str = Field(examples=[TRANSACTION_EXAMPLE])
    direction: Literal["to_merchant", "from_merchant"] = Field(examples=["to_merchant"])
    amount_fen: int = Field(examples=[120_000])
    bank_account: str = Field(examples=["BEIHU 6222 0000 1234"])
    bank_reference: str = Field(description="the bank's number of the transfer", examples=["20260331-000042"])


class MerchantClosedData(View):
    merchant_id: str = Field(examples=[MERCHANT_EXAMPLE])
    closed_at: str = Field(examples=[AT_EXAMPLE])


class ClosingBegunEvent(View):
    type: Literal["merchant.closing_begun"] = Field(examples=["merchant.closing_begun"])
    timestamp: str = Field(examples=[AT_EXAMPLE])
    data: ClosingBegunData


class ClosingCalledOffEvent(View):
    type: Literal["merchant.closing_called_off"] = Field(examples=["merchant.closing_called_off"])
    timestamp: str = Field(examples=[AT_EXAMPLE])
    data: ClosingCalledOffData


class SettledEvent(View):
    type: Literal["merchant.settled"] = Field(examples=["merchant.settled"])
    timestamp: str = Field(examples=[AT_EXAMPLE])
    data: SettledData


class MerchantClosedEvent(View):
    type: Literal["merchant.closed"] = Field(examples=["merchant.closed"])
    timestamp: str = Field(examples=[AT_EXAMPLE])
    data: MerchantClosedData


EVENTS: dict[str, tuple[type[View], str]] = {
    "purchase.succeeded": (SucceededEvent, "A sale without goods was paid"),
    "purchase.delivered": (DeliveredEvent, "A sale's goods were delivered"),
    "purchase.declined": (EndedEvent, "A sale the merchant asked for was confirmed, and declined"),
    "purchase.cancelled": (EndedEvent, "The payer said no to a sale the merchant asked for"),
    "purchase.expired": (EndedEvent, "The payer did not answer in time"),
    "purchase.reversed": (ReversedEvent, "A sale was reversed, whoever asked for it"),
    "merchant.closing_begun": (ClosingBegunEvent, "The merchant sells no more, and its notice period began"),
    "merchant.closing_called_off": (ClosingCalledOffEvent, "The closing was refused, or called off after it began"),
    "merchant.settled": (SettledEvent, "What was payable was paid to the merchant, or by it"),
    "merchant.closed": (MerchantClosedEvent, "The merchant is closed; the last event it is sent"),
}
_SHAPES: tuple[type[View], ...] = (
    DeliveryOrderBody,
    DeliveryAnswer,
    *dict.fromkeys(view for view, _ in EVENTS.values()),
)

_SIGNED = [
    {"name": name, "in": "header", "required": True, "description": meaning, "schema": {"type": "string"}}
    for name, meaning in (
        ("webhook-id", "the message's id; a message sent again keeps it"),
        ("webhook-timestamp", "seconds since 1970, of this attempt"),
        ("webhook-signature", "`v1,` and the HMAC-SHA-256 of id, timestamp and body, in base 64 (Standard Webhooks)"),
    )
]


def shapes() -> dict[str, Any]:
    """The schemas of these bodies, by name."""
    asked = [(view, "serialization") for view in _SHAPES]
    _, drawn = models_json_schema(asked, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    found: dict[str, Any] = drawn["$defs"]
    return found


def webhooks(example_of: Any) -> dict[str, Any]:
    """The `webhooks` of the document; `example_of` makes an example of a schema."""
    found = {
        "delivery": _sent(
            "Order a delivery",
            "Sent to `{notify_url}/deliveries` after a product was paid, again and again until it is answered or the"
            " deadline is past; then the sale is reversed.",
            DeliveryOrderBody,
            {"200": {"description": "Delivered or refused", "content": _content(DeliveryAnswer, example_of)}},
            example_of,
        )
    }
    for name, (view, summary) in EVENTS.items():
        answers = {"2XX": {"description": "Taken"}, "410": {"description": "No more of this message, please"}}
        found[name] = _sent(summary, "Sent to `{notify_url}/webhooks` until it is taken.", view, answers, example_of)
    return found


def _sent(summary: str, description: str, view: type[View], answers: dict[str, Any], example_of: Any) -> dict[str, Any]:
    body = {"required": True, "content": _content(view, example_of)}
    return {
        "post": {
            "summary": summary,
            "description": description,
            "parameters": _SIGNED,
            "requestBody": body,
            "responses": answers,
        }
    }


def _content(view: type[View], example_of: Any) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{view.__name__}"}
    return {"application/json": {"schema": schema, "example": example_of(schema)}}
