"""The limits of one's account, and one's own lower ones. Spec: CM 9.1, 9.5; CT 5.2."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.limit_model import LimitOperation
from mpss.accounts.own_limits import AccountLimits, Measured, OwnLimits, change_own_limits, limits_by_phone, limits_of
from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import Body, Currency, FeeFen, PaymentPassword, Phone, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.refusals import PAYMENT_PASSWORD
from mpss.channels.http.views import reply
from mpss.kernel.errors import ErrorCode
from mpss.staff.permissions import Permission

SUBJECT = Subject("Account")
STAFF = Subject("Staff")


class OwnLimitsBody(Body):
    payment_single_fen: FeeFen | None = Field(default=None, description="none: no own limit", examples=[50_000])
    payment_daily_fen: FeeFen | None = Field(default=None, description="0: nothing may be spent", examples=[200_000])
    transfer_single_fen: FeeFen | None = Field(default=None, examples=[50_000])
    transfer_daily_fen: FeeFen | None = Field(default=None, examples=[100_000])
    withdrawal_single_fen: FeeFen | None = Field(default=None, examples=[50_000])
    withdrawal_daily_fen: FeeFen | None = Field(default=None, examples=[100_000])
    currency: Currency
    payment_password: PaymentPassword | None = Field(
        default=None, description="asked for where a limit is raised", examples=["495173"]
    )


class OwnLimitsView(View):
    payment_single_fen: int | None = Field(examples=[50_000])
    payment_daily_fen: int | None = Field(examples=[200_000])
    transfer_single_fen: int | None = Field(examples=[None])
    transfer_daily_fen: int | None = Field(examples=[None])
    withdrawal_single_fen: int | None = Field(examples=[None])
    withdrawal_daily_fen: int | None = Field(examples=[None])


class CustomersLimitsBody(Body):
    phone: Phone
    channel: Annotated[str, *text(16)] = Field(default="http", description="whose limits are shown", examples=["sms"])


class MeasuredView(View):
    """A limit, in fen or times, what is used of it and what is left."""

    limit: int | None = Field(description="null: none", examples=[500_000])
    used: int = Field(examples=[2500])
    left: int | None = Field(examples=[497_500])


class OperationLimitsView(View):
    operation: LimitOperation = Field(examples=["payment"])
    single_fen: int | None = Field(description="of one transaction", examples=[500_000])
    daily_fen: MeasuredView
    daily_count: MeasuredView
    monthly_fen: MeasuredView
    channel_daily_fen: MeasuredView = Field(description="of what the channel let through; one's own look is by http")
    channel_daily_count: MeasuredView
    channel_monthly_fen: MeasuredView


class LimitsView(View):
    """What holds now: the lowest of the platform's limits, those of the account's class, and one's own."""

    account_class: str = Field(examples=["class_2"])
    own: OwnLimitsView
    operations: list[OperationLimitsView]
    yearly_fen: MeasuredView = Field(description="payments and transfers of all accounts of the holder")
    lifetime_fen: MeasuredView = Field(description="payments and transfers of the account")
    balance_fen: MeasuredView
    currency: str = Field(examples=["CNY"])


@SUBJECT.operation(
    "GET",
    "/v1/account/limits",
    summary="Look at one's limits",
    access=Access.SUBSCRIBER,
    says={200: Said("Each limit, what is used and what is left", LimitsView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 9.1", "CM 9.5"),
)
async def read_own_limits(request: Request) -> Response:
    """Of the day, the month, the year and ever."""
    return await _shown(exchange(request))


@SUBJECT.operation(
    "PUT",
    "/v1/account/limits",
    summary="Set one's own limits",
    access=Access.SUBSCRIBER,
    says={200: Said("The limits as they are now", LimitsView)},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        ErrorCode.AMOUNT_OUT_OF_RANGE,
        *refusals_of(Operation.SET_LIMIT),
        ErrorCode.SIM_COOLING,
        *PAYMENT_PASSWORD,
    ),
    clauses=("CM 9.5", "CT 5.2"),
)
async def put_own_limits(request: Request, body: OwnLimitsBody) -> Response:
    """Replaces them all; they hold at once. Raising one asks for the payment password."""
    told = exchange(request)
    wanted = OwnLimits._make(getattr(body, name) for name in OwnLimits._fields)
    await change_own_limits(
        told.runtime,
        account_id=told.account_id,
        wanted=wanted,
        password=body.payment_password,
        source=f"http:{told.source}",
    )
    return await _shown(told)


@STAFF.operation(
    "POST",
    "/v1/staff/accounts/limits",
    summary="Look at the limits of a number's account",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_VIEW,
    says={200: Said("Each limit, what is used and what is left", LimitsView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 9.1", "CM 9.5"),
)
async def read_customers_limits(request: Request, body: CustomersLimitsBody) -> Response:
    """By one channel. The look is audited; the number is in the body, so that no log of addresses holds it."""
    told = exchange(request)
    return _view(await limits_by_phone(told.runtime, by=told.staff, phone=body.phone, channel=body.channel))


async def _shown(told: Exchange) -> Response:
    return _view(await limits_of(told.runtime, account_id=told.account_id, channel="http"))


def _view(found: AccountLimits) -> Response:
    view = LimitsView(
        account_class=found.account_class,
        own=OwnLimitsView(**found.own._asdict()),
        operations=[
            OperationLimitsView(
                operation=each.operation,
                single_fen=each.single_fen,
                daily_fen=_measured(each.daily_fen),
                daily_count=_measured(each.daily_count),
                monthly_fen=_measured(each.monthly_fen),
                channel_daily_fen=_measured(each.channel_daily_fen),
                channel_daily_count=_measured(each.channel_daily_count),
                channel_monthly_fen=_measured(each.channel_monthly_fen),
            )
            for each in found.operations
        ],
        yearly_fen=_measured(found.yearly_fen),
        lifetime_fen=_measured(found.lifetime_fen),
        balance_fen=_measured(found.balance_fen),
        currency="CNY",
    )
    return reply(view)


def _measured(found: Measured) -> MeasuredView:
    return MeasuredView(limit=found.limit, used=found.used, left=found.left)
