"""Staff: what a merchant may be paid, at once and in a day. Spec: CM 9.5."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Body, Currency, FeeFen, MerchantIdField, View
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.views import reply
from mpss.kernel.errors import ErrorCode
from mpss.merchants.limit_store import MerchantLimits
from mpss.merchants.limits import merchant_limits, set_merchant_limits
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")


class MerchantLimitsBody(Body):
    single_limit_fen: FeeFen | None = Field(default=None, description="none: no limit", examples=[500_000])
    daily_limit_fen: FeeFen | None = Field(default=None, description="none: no limit", examples=[5_000_000])
    currency: Currency


class MerchantLimitsView(View):
    single_limit_fen: int | None = Field(description="of one payment; null: none", examples=[500_000])
    daily_limit_fen: int | None = Field(description="of a business day; null: none", examples=[5_000_000])
    paid_fen: int | None = Field(description="paid today; null: no daily limit counts it", examples=[120_000])
    left_fen: int | None = Field(description="of today; null: no daily limit", examples=[4_880_000])
    currency: str = Field(examples=["CNY"])


def _view(found: MerchantLimits) -> MerchantLimitsView:
    daily_fen = found.daily_limit_fen
    return MerchantLimitsView(
        single_limit_fen=found.single_limit_fen,
        daily_limit_fen=daily_fen,
        paid_fen=None if daily_fen is None else found.paid_fen,
        left_fen=None if daily_fen is None else max(daily_fen - found.paid_fen, 0),
        currency="CNY",
    )


@SUBJECT.operation(
    "GET",
    "/v1/staff/merchants/{merchant_id}/limits",
    summary="Look at what a merchant may be paid",
    access=Access.STAFF,
    permission=Permission.MERCHANT_LIMITS,
    says={200: Said("Its limits, and what is left of the day's", MerchantLimitsView)},
    errors=(ErrorCode.UNKNOWN_MERCHANT,),
    clauses=("CM 9.5",),
)
async def read_merchant_limits(request: Request, merchant_id: Annotated[MerchantIdField, Path()]) -> Response:
    """At once and on the open business day."""
    told = exchange(request)
    return reply(_view(await merchant_limits(told.runtime, merchant_id=merchant_id, by=told.staff)))


@SUBJECT.operation(
    "PUT",
    "/v1/staff/merchants/{merchant_id}/limits",
    summary="Say what a merchant may be paid",
    access=Access.STAFF,
    permission=Permission.MERCHANT_LIMITS,
    says={200: Said("Its limits as they are now", MerchantLimitsView)},
    errors=(ErrorCode.UNKNOWN_MERCHANT, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 9.5",),
)
async def put_merchant_limits(
    request: Request, merchant_id: Annotated[MerchantIdField, Path()], body: MerchantLimitsBody
) -> Response:
    """Replaces both; they hold at once, and the daily limit counts what was paid today already."""
    told = exchange(request)
    found = await set_merchant_limits(
        told.runtime,
        merchant_id=merchant_id,
        single_limit_fen=body.single_limit_fen,
        daily_limit_fen=body.daily_limit_fen,
        by=told.staff,
    )
    return reply(_view(found))
