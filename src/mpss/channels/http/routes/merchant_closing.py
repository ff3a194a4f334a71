"""A merchant's own closing: what stands in its way, asked for, taken back. Spec: CM 5.2.3.3."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import Body, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.views import AT_EXAMPLE, MERCHANT_EXAMPLE, reply
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import MerchantId
from mpss.kernel.money import Money
from mpss.kernel.text import LONGEST_LINE
from mpss.merchants.close import (
    MerchantClosing,
    ask_for_closing,
    merchant_closing,
    withdraw_closing,
)
from mpss.merchants.closing_model import MerchantBlock, Obstacle
from mpss.merchants.model import MerchantState

SUBJECT = Subject("Merchant")

_B = MerchantBlock
TEXTS: dict[MerchantBlock, tuple[str, str]] = {
    _B.NOT_DECIDED: ("平台尚未批准销户", "staff have not decided yet"),
    _B.NOTICE_PERIOD: ("销户通知期至 {figure}", "the notice period runs until {figure}"),
    _B.OPEN_SALES: ("{figure} 笔交易尚未完结", "{figure} transactions are not final"),
    _B.UNDELIVERED: ("{figure} 笔交货尚未答复", "{figure} delivery orders are not answered"),
    _B.WEBHOOKS: ("{figure} 条通知尚未送达", "{figure} webhooks are not delivered"),
    _B.RISK_REPORTS: ("{figure} 份风险报告待处理", "{figure} risk reports are open"),
    _B.PAYABLE: ("尚有应付商户款 {figure} 元", "{figure} yuan are owed to the merchant"),
    _B.RECEIVABLE: ("商户尚欠 {figure} 元", "{figure} yuan are owed by the merchant"),
}
"""What each obstacle is called, in Chinese and in English; {figure} is how much there is of it."""


class ClosingReasonBody(Body):
    reason: Annotated[str, *text(LONGEST_LINE)] = Field(examples=["the shop is given up"])


class ObstacleView(View):
    """One thing in the way of the end; of `count`, `amount_fen` and `until` the one that measures it."""

    block: MerchantBlock = Field(examples=["payable"])
    text: str = Field(description="in the caller's language", examples=["1200.00 yuan are owed to the merchant"])
    count: int | None = Field(examples=[None])
    amount_fen: int | None = Field(examples=[120_000])
    until: datetime | None = Field(examples=[None])


class MerchantClosingView(View):
    """How the closing stands. Amounts are whole fen of CNY."""

    merchant_id: str = Field(examples=[MERCHANT_EXAMPLE])
    state: MerchantState = Field(examples=["closing"])
    reason: str | None = Field(description="null: nobody has asked", examples=["the shop is given up"])
    asked_at: datetime | None = Field(examples=[AT_EXAMPLE])
    begun_at: datetime | None = Field(description="since when it sells no more", examples=[AT_EXAMPLE])
    ends_at: datetime | None = Field(description="of the notice period", examples=[AT_EXAMPLE])
    called_off_at: datetime | None = Field(description="refused, taken back or called off", examples=[None])
    closed_at: datetime | None = Field(examples=[None])
    obstacles: list[ObstacleView] = Field(description="everything that stands in the way of the end now")
    currency: str = Field(examples=["CNY"])


def closing_view(told: Exchange, found: MerchantClosing) -> MerchantClosingView:
    closing = found.closing
    return MerchantClosingView(
        merchant_id=MerchantId.outside(found.merchant.id),
        state=MerchantState(found.merchant.state),
        reason=None if closing is None else closing.reason,
        asked_at=None if closing is None else closing.asked_at,
        begun_at=None if closing is None else closing.begun_at,
        ends_at=None if closing is None else closing.ends_at,
        called_off_at=None if closing is None else closing.called_off_at,
        closed_at=None if closing is None else closing.closed_at,
        obstacles=[_obstacle_view(obstacle, told.language) for obstacle in found.obstacles],
        currency="CNY",
    )


def _obstacle_view(obstacle: Obstacle, language: str) -> ObstacleView:
    figure = ""
    if obstacle.count is not None:
        figure = str(obstacle.count)
    elif obstacle.amount_fen is not None:
        figure = str(Money(obstacle.amount_fen))
    elif obstacle.until is not None:
        figure = f"{obstacle.until:%Y-%m-%d %H:%M} UTC"
    zh, en = TEXTS[obstacle.block]
    return ObstacleView(
        block=obstacle.block,
        text=(en if language == "en" else zh).format(figure=figure),
        count=obstacle.count,
        amount_fen=obstacle.amount_fen,
        until=obstacle.until,
    )


@SUBJECT.operation(
    "GET",
    "/v1/merchant/closing",
    summary="See what stands in the way of one's closing",
    access=Access.MERCHANT,
    says={200: Said("How it stands, and what is in the way", MerchantClosingView)},
    errors=(ErrorCode.UNKNOWN_MERCHANT,),
    clauses=("CM 5.2.3.3",),
)
async def read_own_closing(request: Request) -> Response:
    """Also before it is asked for. Changes nothing."""
    told = exchange(request)
    return reply(closing_view(told, await merchant_closing(told.runtime, merchant_id=told.merchant.id)))


@SUBJECT.operation(
    "POST",
    "/v1/merchant/closing",
    summary="Ask to be closed",
    access=Access.MERCHANT,
    says={201: Said("It is written down; staff decide", MerchantClosingView)},
    errors=(ErrorCode.UNKNOWN_MERCHANT, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 5.2.3.3",),
)
async def ask_for_own_closing(request: Request, body: ClosingReasonBody) -> Response:
    """Nothing changes until two members of staff have decided; asked again, the first reason stands."""
    told = exchange(request)
    await ask_for_closing(told.runtime, merchant_id=told.merchant.id, reason=body.reason)
    return reply(closing_view(told, await merchant_closing(told.runtime, merchant_id=told.merchant.id)), 201)


@SUBJECT.operation(
    "DELETE",
    "/v1/merchant/closing",
    summary="Take back that one asked to be closed",
    access=Access.MERCHANT,
    says={204: Said("Nothing is asked for any more")},
    errors=(ErrorCode.UNKNOWN_MERCHANT, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 5.2.3.3",),
)
async def withdraw_own_closing(request: Request) -> Response:
    """Before staff have decided; afterwards they call it off."""
    told = exchange(request)
    await withdraw_closing(told.runtime, merchant_id=told.merchant.id)
    return Response(status_code=204)
