"""Staff: merchants are registered, suspended, resumed; accounts are looked at. Spec: CT 7.1, 9.1.1."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.queries import overview_by_phone
from mpss.accounts.voucher_bar import release_voucher_bar
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import Body, MerchantIdField, PageLimit, Phone, Province, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, encode_id
from mpss.channels.http.routes.account import AccountView, account_view
from mpss.channels.http.routes.merchant import (
    API_KEY_EXAMPLE,
    CREDIT_CODE_EXAMPLE,
    SECRET_EXAMPLE,
    MerchantView,
    NotifyUrl,
    PublicKey,
    decode_public_key,
    merchant_view,
)
from mpss.channels.http.views import NextCursor, reply
from mpss.kernel.errors import ErrorCode, Refused
from mpss.merchants.queries import get_merchant, list_merchants
from mpss.merchants.register import (
    MAX_NAME,
    name_company,
    register_merchant,
    resume_merchant,
    suspend_merchant,
)
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")


CreditCode = Annotated[
    str,
    *text(18),
    Field(
        description="the company's unified social credit code, its check digit right", examples=[CREDIT_CODE_EXAMPLE]
    ),
]


class RegisterBody(Body):
    name: Annotated[str, *text(MAX_NAME)] = Field(examples=["街角小铺"])
    province: Province
    public_key: PublicKey
    notify_url: NotifyUrl
    credit_code: CreditCode


class CreditCodeBody(Body):
    credit_code: CreditCode


class RegisteredView(View):
    merchant: MerchantView
    api_key: str = Field(description="shown this once", examples=[API_KEY_EXAMPLE])
    webhook_secret: str = Field(description="shown this once", examples=[SECRET_EXAMPLE])


class MerchantsView(View):
    items: list[MerchantView]
    next_cursor: NextCursor


class PhoneBody(Body):
    phone: Phone


@SUBJECT.operation(
    "POST",
    "/v1/staff/merchants",
    summary="Register a merchant",
    access=Access.STAFF,
    permission=Permission.MERCHANT_REGISTER,
    says={201: Said("The merchant, active, with its secrets", RegisteredView)},
    errors=(ErrorCode.BLACKLISTED,),
    clauses=("CT 7.1",),
)
async def register(request: Request, body: RegisterBody) -> Response:
    """Makes the API key and the webhook secret, which are shown this once, and opens the merchant's payable account."""
    told = exchange(request)
    registered = await register_merchant(
        told.runtime,
        name=body.name,
        province=body.province,
        public_key=decode_public_key(body.public_key),
        notify_url=body.notify_url,
        credit_code=body.credit_code,
        by=told.staff,
    )
    view = RegisteredView(
        merchant=merchant_view(registered.merchant),
        api_key=registered.api_key,
        webhook_secret=registered.webhook_secret,
    )
    return reply(view, 201)


@SUBJECT.operation(
    "GET",
    "/v1/staff/merchants",
    summary="List the merchants",
    access=Access.STAFF,
    permission=Permission.MERCHANT_REGISTER,
    says={200: Said("A page, in the order they were registered", MerchantsView)},
    clauses=("CT 7.1",),
)
async def list_all_merchants(
    request: Request, limit: Annotated[PageLimit, Query()] = 50, cursor: Annotated[Cursor, Query()] = None
) -> Response:
    """Merchants in every state."""
    told, after = exchange(request), decode_id(cursor)
    async with told.runtime.database.read() as uow:
        found = await list_merchants(uow, after=after, limit=limit + 1)
    found, following = cut(found, limit, lambda merchant: encode_id(merchant.id))
    return reply(MerchantsView(items=[merchant_view(merchant) for merchant in found], next_cursor=following))


async def _moved(
    told: Exchange, merchant_id: MerchantIdField, move: Callable[..., Awaitable[None]]
) -> Response:  # fmt: skip
    await move(told.runtime, merchant_id=merchant_id, by=told.staff)
    async with told.runtime.database.read() as uow:
        merchant = await get_merchant(uow, merchant_id)
    if merchant is None:
        raise Refused(ErrorCode.UNKNOWN_MERCHANT)
    return reply(merchant_view(merchant))


@SUBJECT.operation(
    "PUT",
    "/v1/staff/merchants/{merchant_id}/credit-code",
    summary="Say which company a merchant is",
    access=Access.STAFF,
    permission=Permission.MERCHANT_REGISTER,
    says={200: Said("The merchant", MerchantView)},
    errors=(ErrorCode.UNKNOWN_MERCHANT, ErrorCode.ILLEGAL_STATE, ErrorCode.BLACKLISTED),
    clauses=("CT 7.1",),
)
async def set_merchant_company(
    request: Request, merchant_id: Annotated[MerchantIdField, Path()], body: CreditCodeBody
) -> Response:
    """For a merchant registered without its company's code, or to correct it. A company is one open merchant."""
    told = exchange(request)
    await name_company(told.runtime, merchant_id=merchant_id, credit_code=body.credit_code, by=told.staff)
    async with told.runtime.database.read() as uow:
        merchant = await get_merchant(uow, merchant_id)
    if merchant is None:
        raise Refused(ErrorCode.UNKNOWN_MERCHANT)
    return reply(merchant_view(merchant))


@SUBJECT.operation(
    "POST",
    "/v1/staff/merchants/{merchant_id}/suspend",
    summary="Suspend a merchant",
    access=Access.STAFF,
    permission=Permission.MERCHANT_REGISTER,
    says={200: Said("The merchant, suspended", MerchantView)},
    errors=(ErrorCode.UNKNOWN_MERCHANT, ErrorCode.ILLEGAL_STATE),
    clauses=("CT 7.1",),
)
async def suspend(request: Request, merchant_id: Annotated[MerchantIdField, Path()]) -> Response:
    """Its goods are off sale and its commands refused until it is resumed; its sales may still be reversed."""
    return await _moved(exchange(request), merchant_id, suspend_merchant)


@SUBJECT.operation(
    "POST",
    "/v1/staff/merchants/{merchant_id}/resume",
    summary="Resume a merchant",
    access=Access.STAFF,
    permission=Permission.MERCHANT_REGISTER,
    says={200: Said("The merchant, active", MerchantView)},
    errors=(ErrorCode.UNKNOWN_MERCHANT, ErrorCode.ILLEGAL_STATE),
    clauses=("CT 7.1",),
)
async def resume(request: Request, merchant_id: Annotated[MerchantIdField, Path()]) -> Response:
    """Ends a suspension."""
    return await _moved(exchange(request), merchant_id, resume_merchant)


@SUBJECT.operation(
    "POST",
    "/v1/staff/accounts/search",
    summary="Look at the account of a number",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_VIEW,
    says={200: Said("The account as it stands", AccountView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CT 5.2", "CT 9.1.3"),
)
async def find_account(request: Request, body: PhoneBody) -> Response:
    """The number is in the body, so that no log of addresses holds it."""
    return reply(account_view(await overview_by_phone(exchange(request).runtime, phone=body.phone)))


@SUBJECT.operation(
    "POST",
    "/v1/staff/accounts/release-vouchers",
    summary="Let a barred number enter voucher passwords again",
    access=Access.STAFF,
    permission=Permission.VOUCHER_RELEASE,
    says={204: Said("The bar is off, if there was one")},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 9.3",),
)
async def release_vouchers(request: Request, body: PhoneBody) -> Response:
    """Clears the number's wrong voucher passwords."""
    told = exchange(request)
    await release_voucher_bar(told.runtime, staff=told.staff, phone=body.phone)
    return Response(status_code=204)
