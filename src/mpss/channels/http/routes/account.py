"""A subscriber's wallet: open it, look at it, limit it. Spec: CT 5.1, 5.2, 6.1.1."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.limits import change_daily_limit
from mpss.accounts.model import AccountKind
from mpss.accounts.open import open_wallet
from mpss.accounts.queries import AccountOverview, overview
from mpss.accounts.state import EffectiveState, Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import (
    Body,
    Currency,
    FeeFen,
    PaymentPassword,
    Phone,
    SmsCode,
    TransactionIdField,
    View,
    text,
)
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.refusals import OPENING, PAYMENT_PASSWORD
from mpss.channels.http.routes.sign_in import Language, SessionView, session_view
from mpss.channels.http.views import (
    ACCOUNT_EXAMPLE,
    AT_EXAMPLE,
    TransactionView,
    own,
    reply,
    transaction_view,
)
from mpss.kernel.errors import ErrorCode
from mpss.transactions.queries import get_transaction

SUBJECT = Subject("Account")


class OpenBody(Body):
    phone: Phone
    code: SmsCode = Field(description="an `open` code sent to the phone")
    terms_version: Annotated[str, *text(32)] = Field(
        description="version of the terms accepted; `terms_not_accepted` tells the one in force", examples=["2026-01"]
    )
    payment_password: PaymentPassword
    language: Language = Field(default="zh-CN", description="of our SMS", examples=["zh-CN"])


class OpenedView(View):
    account_id: str = Field(examples=[ACCOUNT_EXAMPLE])
    phone: str = Field(examples=["+8618912340001"])
    home_province: str = Field(examples=["GD"])
    kind: AccountKind = Field(examples=["wallet"])
    daily_limit_fen: int = Field(examples=[500_000])
    session: SessionView


class AccountView(View):
    """An account as it stands; amounts in fen of CNY."""

    account_id: str = Field(examples=[ACCOUNT_EXAMPLE])
    phone: str = Field(examples=["+8618912340001"])
    home_province: str = Field(description="by the number's segment; ZZ where it says none", examples=["GD"])
    kind: AccountKind = Field(examples=["wallet"])
    state: EffectiveState = Field(examples=["active"])
    language: str = Field(examples=["zh-CN"])
    opened_at: datetime = Field(examples=[AT_EXAMPLE])
    password_set: bool = Field(examples=[True])
    locked_until: datetime | None = Field(description="until when the payment password is locked", examples=[None])
    must_reset: bool = Field(description="whether only a new payment password helps", examples=[False])
    voucher_barred: bool = Field(description="whether voucher top-ups are barred", examples=[False])
    daily_limit_fen: int = Field(examples=[500_000])
    spent_today_fen: int = Field(examples=[2500])
    balance_fen: int = Field(examples=[7500])
    held_fen: int = Field(examples=[0])
    frozen_fen: int = Field(description="kept by freezes of amounts", examples=[0])
    available_fen: int = Field(examples=[7500])
    withdrawable_fen: int = Field(examples=[7500])
    currency: str = Field(examples=["CNY"])


class DailyLimitBody(Body):
    daily_limit_fen: FeeFen = Field(description="0: nothing may be spent", examples=[200_000])
    currency: Currency
    payment_password: PaymentPassword | None = Field(
        default=None, description="asked for where the limit is raised", examples=["495173"]
    )


def account_view(found: AccountOverview) -> AccountView:
    return AccountView(
        account_id=str(found.id),
        phone=found.phone,
        home_province=found.home_province,
        kind=found.kind,
        state=found.state,
        language=found.language,
        opened_at=found.opened_at,
        password_set=found.password_set,
        locked_until=found.locked_until,
        must_reset=found.must_reset,
        voucher_barred=found.voucher_barred,
        daily_limit_fen=found.daily_limit_fen,
        spent_today_fen=found.spent_today_fen,
        balance_fen=found.balance_fen,
        held_fen=found.held_fen,
        frozen_fen=found.frozen_fen,
        available_fen=found.available_fen,
        withdrawable_fen=found.withdrawable_fen,
        currency="CNY",
    )


@SUBJECT.operation(
    "POST",
    "/v1/accounts",
    summary="Open a wallet",
    access=Access.OPEN,
    says={201: Said("The wallet is open, and its owner signed in", OpenedView)},
    errors=(
        ErrorCode.TERMS_NOT_ACCEPTED,
        ErrorCode.WEAK_PASSWORD,
        ErrorCode.WRONG_CODE,
        ErrorCode.CODE_EXPIRED,
        *OPENING,
    ),
    clauses=("CT 5.1", "CT 5.2", "CT 6.1.1", "CM 6.1.1"),
)
async def open_account(request: Request, body: OpenBody) -> Response:
    """Opens a wallet for the number, which an `open` code proves, with its payment password."""
    told = exchange(request)
    opened = await open_wallet(
        told.runtime,
        phone=body.phone,
        code=body.code,
        terms_version=body.terms_version,
        password=body.payment_password,
        language=body.language,
        channel="http",
    )
    assert opened.signed_in is not None
    view = OpenedView(
        account_id=str(opened.account_id),
        phone=opened.phone,
        home_province=opened.home_province,
        kind=opened.kind,
        daily_limit_fen=opened.daily_limit_fen,
        session=session_view(opened.signed_in),
    )
    return reply(view, 201)


@SUBJECT.operation(
    "GET",
    "/v1/account",
    summary="Look at one's account",
    access=Access.SUBSCRIBER,
    says={200: Said("The account as it stands", AccountView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CT 5.2", "CM 5.4"),
)
async def read_account(request: Request) -> Response:
    """Type, state, opening time, limits and balance of the account of who is signed in."""
    told = exchange(request)
    return reply(account_view(await overview(told.runtime, account_id=told.account_id)))


@SUBJECT.operation(
    "PUT",
    "/v1/account/daily-limit",
    summary="Set the daily spending limit",
    access=Access.SUBSCRIBER,
    says={200: Said("The account with its new limit", AccountView)},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.SET_LIMIT),
        ErrorCode.SIM_COOLING,
        *PAYMENT_PASSWORD,
    ),
    clauses=("CT 5.2", "CM 9.5"),
)
async def set_daily_limit(request: Request, body: DailyLimitBody) -> Response:
    """Sets what may be spent in a day (日消费限额), up to the platform's highest; it holds at once.

    Raising it asks for the payment password.
    """
    told = exchange(request)
    await change_daily_limit(
        told.runtime,
        account_id=told.account_id,
        daily_limit_fen=body.daily_limit_fen,
        password=body.payment_password,
        source=f"http:{told.source}",
    )
    return reply(account_view(await overview(told.runtime, account_id=told.account_id)))


@SUBJECT.operation(
    "GET",
    "/v1/transactions/{transaction_id}",
    summary="Read one transaction",
    access=Access.SUBSCRIBER_OR_MERCHANT,
    says={200: Said("The transaction as it stands", TransactionView)},
    errors=(ErrorCode.UNKNOWN_TRANSACTION,),
    clauses=("CT 5.3",),
)
async def read_transaction(request: Request, transaction_id: Annotated[TransactionIdField, Path()]) -> Response:
    """Any transaction of the caller's own, declined ones too."""
    told = exchange(request)
    async with told.runtime.database.read() as uow:
        found = await get_transaction(uow, transaction_id)
    return reply(transaction_view(own(told, found)))
