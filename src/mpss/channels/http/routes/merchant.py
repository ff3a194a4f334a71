"""A merchant (CP/SP) itself: what it is, its transactions, its keys and address. Spec: CT 7.1."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import Body, PageLimit, View
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, encode_id
from mpss.channels.http.views import (
    AT_EXAMPLE,
    MERCHANT_EXAMPLE,
    NextCursor,
    TransactionView,
    reply,
    transaction_view,
)
from mpss.desk.model import TransactionState
from mpss.kernel.errors import ErrorCode, MalformedField
from mpss.kernel.ids import MerchantId
from mpss.merchants.credentials import (
    change_notify_url,
    change_public_key,
    rotate_api_key,
    rotate_webhook_secret,
)
from mpss.merchants.model import Merchant, MerchantState
from mpss.transactions.queries import merchant_transactions

SUBJECT = Subject("Merchant")

NOTIFY_URL_EXAMPLE = "https://shop.example/mpss"
PUBLIC_KEY_EXAMPLE = "EcNVhCLfpHsLyhQCPJJ3VHnZ4X7/1h9rOQ8zLHNKkYQ="
CREDIT_CODE_EXAMPLE = "91110000600037341L"
API_KEY_EXAMPLE = "mk_GqM2c4e6h8k0n2q4s6u8w0y2A4C6E8G0I2K4M6O8Q0S"
SECRET_EXAMPLE = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="  # noqa: S105 - an example

NotifyUrl = Annotated[
    str, Field(max_length=500, description="root of the merchant's server", examples=[NOTIFY_URL_EXAMPLE])
]
PublicKey = Annotated[
    str,
    Field(max_length=64, description="Ed25519 public key, 32 bytes in base 64", examples=[PUBLIC_KEY_EXAMPLE]),
]


class MerchantView(View):
    merchant_id: str = Field(examples=[MERCHANT_EXAMPLE])
    name: str = Field(examples=["街角小铺"])
    province: str = Field(examples=["GD"])
    state: MerchantState = Field(examples=["active"])
    notify_url: str = Field(examples=[NOTIFY_URL_EXAMPLE])
    public_key: str = Field(examples=[PUBLIC_KEY_EXAMPLE])
    sms_code: int = Field(description="what subscribers type to pay it by SMS", examples=[8012])
    credit_code: str | None = Field(
        description="the company's unified social credit code; null where it was registered without",
        examples=[CREDIT_CODE_EXAMPLE],
    )
    created_at: datetime = Field(examples=[AT_EXAMPLE])


class TransactionsView(View):
    items: list[TransactionView]
    next_cursor: NextCursor


class ApiKeyView(View):
    api_key: str = Field(description="shown this once", examples=[API_KEY_EXAMPLE])


class WebhookSecretView(View):
    webhook_secret: str = Field(description="Standard Webhooks secret, shown this once", examples=[SECRET_EXAMPLE])


class PublicKeyBody(Body):
    public_key: PublicKey


class NotifyUrlBody(Body):
    notify_url: NotifyUrl


def merchant_view(merchant: Merchant) -> MerchantView:
    return MerchantView(
        merchant_id=str(MerchantId.from_uuid(merchant.id)),
        name=merchant.name,
        province=merchant.province,
        state=MerchantState(merchant.state),
        notify_url=merchant.notify_url,
        public_key=base64.b64encode(merchant.public_key).decode(),
        sms_code=merchant.sms_code,
        credit_code=merchant.credit_code,
        created_at=merchant.created_at,
    )


def decode_public_key(value: str) -> bytes:
    """
    Raises:
        MalformedField: it is not base 64.
    """
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedField(field="public_key", problem="must be base 64") from None


@SUBJECT.operation(
    "GET",
    "/v1/merchant",
    summary="Look at oneself",
    access=Access.MERCHANT,
    says={200: Said("The merchant whose key was sent", MerchantView)},
    clauses=("CT 7.1",),
)
async def read_merchant(request: Request) -> Response:
    """Also the way to try one's keys out."""
    return reply(merchant_view(exchange(request).merchant))


@SUBJECT.operation(
    "GET",
    "/v1/merchant/transactions",
    summary="List one's transactions",
    access=Access.MERCHANT,
    says={200: Said("A page, newest first", TransactionsView)},
    clauses=("CT 7.1",),
)
async def list_merchant_transactions(
    request: Request,
    limit: Annotated[PageLimit, Query()] = 50,
    cursor: Annotated[Cursor, Query()] = None,
    state: Annotated[TransactionState | None, Query(description="only those in this state")] = None,
    since: Annotated[datetime | None, Query(description="only those made at or after this instant")] = None,
) -> Response:
    """Sales and reversals of the merchant's own, declined ones too."""
    told, before = exchange(request), decode_id(cursor)
    if since is not None and since.tzinfo is None:
        raise MalformedField(field="since", problem="must name its offset from UTC")
    async with told.runtime.database.read() as uow:
        found = await merchant_transactions(
            uow, merchant_id=told.merchant.id, before=before, limit=limit + 1, state=state, since=since
        )
    found, following = cut(found, limit, lambda transaction: encode_id(transaction.id))
    return reply(TransactionsView(items=[transaction_view(one) for one in found], next_cursor=following))


@SUBJECT.operation(
    "POST",
    "/v1/merchant/api-key",
    summary="Renew the API key",
    access=Access.MERCHANT,
    says={201: Said("The new API key; the old one has ended", ApiKeyView)},
    errors=(ErrorCode.UNKNOWN_MERCHANT,),
    clauses=("CT 7.1",),
)
async def renew_api_key(request: Request) -> Response:
    """Makes a new API key, which is shown this once."""
    told = exchange(request)
    api_key = await rotate_api_key(told.runtime, merchant_id=told.merchant.id, by=told.caller_name)
    return reply(ApiKeyView(api_key=api_key), 201)


@SUBJECT.operation(
    "POST",
    "/v1/merchant/webhook-secret",
    summary="Renew the webhook secret",
    access=Access.MERCHANT,
    says={201: Said("The new secret; what is sent from now on is signed with it", WebhookSecretView)},
    errors=(ErrorCode.UNKNOWN_MERCHANT,),
    clauses=("CT 7.1",),
)
async def renew_webhook_secret(request: Request) -> Response:
    """Makes a new webhook secret, which is shown this once."""
    told = exchange(request)
    secret = await rotate_webhook_secret(told.runtime, merchant_id=told.merchant.id, by=told.caller_name)
    return reply(WebhookSecretView(webhook_secret=secret), 201)


@SUBJECT.operation(
    "PUT",
    "/v1/merchant/public-key",
    summary="Change the public key",
    access=Access.MERCHANT,
    says={204: Said("Requests are verified against the new key from now on")},
    errors=(ErrorCode.UNKNOWN_MERCHANT,),
    clauses=("CT 7.1", "CT 12.3"),
)
async def set_public_key(request: Request, body: PublicKeyBody) -> Response:
    """Signed with the old key for the last time."""
    told = exchange(request)
    key = decode_public_key(body.public_key)
    await change_public_key(told.runtime, merchant_id=told.merchant.id, public_key=key, by=told.caller_name)
    return Response(status_code=204)


@SUBJECT.operation(
    "PUT",
    "/v1/merchant/notify-url",
    summary="Change where delivery orders and webhooks go",
    access=Access.MERCHANT,
    says={204: Said("They go to the new address, those that wait too")},
    errors=(ErrorCode.UNKNOWN_MERCHANT,),
    clauses=("CT 7.1",),
)
async def set_notify_url(request: Request, body: NotifyUrlBody) -> Response:
    """The root of the merchant's server, to which `/deliveries` and `/webhooks` are added."""
    told: Exchange = exchange(request)
    await change_notify_url(
        told.runtime, merchant_id=told.merchant.id, notify_url=body.notify_url, by=told.caller_name
    )  # fmt: skip
    return Response(status_code=204)
