"""The holder's own hand on the account's state: loss, freeze, waking. Spec: CM 5.2.9, 6.7.2, 7.7; CT 5.2, 6.1.3."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.dormancy import wake
from mpss.accounts.freeze import freeze_by_user, unfreeze_by_user
from mpss.accounts.loss import lift_loss, report_loss
from mpss.accounts.model import Life
from mpss.accounts.proven import Proofs
from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import Body, CardIdField, PaymentPassword, SmsCode, View
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.refusals import PASSWORD_AND_CODE
from mpss.channels.http.routes.cards import CARD_EXAMPLE
from mpss.channels.http.views import AT_EXAMPLE, reply
from mpss.kernel.errors import ErrorCode
from mpss.transactions.closings.close import close_account, closing_standing
from mpss.transactions.closings.model import Block, Payout

SUBJECT = Subject("Account")

_PROVEN = (ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.ILLEGAL_STATE, *PASSWORD_AND_CODE)


class EmptyBody(Body):
    """Nothing but that it is asked for."""


class ProofsBody(Body):
    """What proves that the holder asks: the payment password and a code of the purpose `account`."""

    payment_password: PaymentPassword
    code: SmsCode


class FreezeBody(Body):
    until: date | None = Field(
        default=None,
        description="the day on which it ends, at 00:00 in Shanghai; null: until it is released",
        examples=["2026-06-01"],
    )


class LossView(View):
    until: datetime = Field(description="until when the report holds", examples=[AT_EXAMPLE])


class FreezeView(View):
    until: datetime | None = Field(description="when the freeze ends by itself", examples=[AT_EXAMPLE])


def _proofs(told: Exchange, body: ProofsBody) -> Proofs:
    return Proofs(body.payment_password, body.code, f"http:{told.source}")


@SUBJECT.operation(
    "POST",
    "/v1/account/loss",
    summary="Report loss",
    access=Access.SUBSCRIBER,
    says={201: Said("Nothing is paid from the account until the report ends or is lifted", LossView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.ILLEGAL_STATE, *refusals_of(Operation.REPORT_LOSS)),
    clauses=("CM 5.2.9", "CM 6.7.2"),
)
async def report_own_loss(request: Request, body: EmptyBody) -> Response:
    """An oral report (口头挂失): it ends by itself after some days. Every other session of the account ends."""
    told = exchange(request)
    until = await report_loss(told.runtime, account_id=told.account_id, channel="http", kept=told.session.token_digest)
    told.context.sessions.forget_account(told.account_id)
    return reply(LossView(until=until), 201)


@SUBJECT.operation(
    "POST",
    "/v1/account/loss/lift",
    summary="Lift one's report of loss",
    access=Access.SUBSCRIBER,
    says={204: Said("The report is lifted")},
    errors=(*_PROVEN, *refusals_of(Operation.LIFT_LOSS), ErrorCode.LOSS_WRITTEN),
    clauses=("CM 5.2.10", "CM 6.8"),
)
async def lift_own_loss(request: Request, body: ProofsBody) -> Response:
    """Of an oral report. One in writing is lifted at a service hall."""
    told = exchange(request)
    await lift_loss(told.runtime, account_id=told.account_id, proofs=_proofs(told, body))
    return Response(status_code=204)


@SUBJECT.operation(
    "POST",
    "/v1/account/freeze",
    summary="Freeze one's account",
    access=Access.SUBSCRIBER,
    says={201: Said("The account takes no part in transactions", FreezeView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.ILLEGAL_STATE, *refusals_of(Operation.FREEZE)),
    clauses=("CT 5.2", "CT 6.1.3"),
)
async def freeze_own_account(request: Request, body: FreezeBody) -> Response:
    """At once, until a day or until it is released. Freezing again puts the day off, never forward."""
    told = exchange(request)
    until = await freeze_by_user(told.runtime, account_id=told.account_id, until=body.until, channel="http")
    return reply(FreezeView(until=until), 201)


@SUBJECT.operation(
    "POST",
    "/v1/account/unfreeze",
    summary="Release one's own freeze",
    access=Access.SUBSCRIBER,
    says={204: Said("The freeze is released")},
    errors=(*_PROVEN, *refusals_of(Operation.UNFREEZE)),
    clauses=("CT 5.2", "CT 6.1.3"),
)
async def unfreeze_own_account(request: Request, body: ProofsBody) -> Response:
    """Of the holder's own freeze alone: others are released by whoever made them."""
    told = exchange(request)
    await unfreeze_by_user(told.runtime, account_id=told.account_id, proofs=_proofs(told, body))
    return Response(status_code=204)


@SUBJECT.operation(
    "POST",
    "/v1/account/wake",
    summary="Wake a dormant account",
    access=Access.SUBSCRIBER,
    says={204: Said("The account is active again")},
    errors=(*_PROVEN, *refusals_of(Operation.WAKE), ErrorCode.NUMBER_REASSIGNED, ErrorCode.BUSY),
    clauses=("CM 7.7",),
)
async def wake_up(request: Request, body: ProofsBody) -> Response:
    """Password and code say that the account is still its holder's."""
    told = exchange(request)
    await wake(told.runtime, account_id=told.account_id, proofs=_proofs(told, body))
    return Response(status_code=204)


class ClosingBody(ProofsBody):
    payout: Payout = Field(description="what becomes of the balance", examples=["bank_card"])
    card_id: CardIdField | None = Field(default=None, description="of a payout to a bank card", examples=[CARD_EXAMPLE])


class ClosingWayView(View):
    payout: Payout = Field(examples=["cash"])
    blocks: list[Block] = Field(description="what stands in the way; none: it can be closed so", examples=[[]])


class ClosingStandingView(View):
    """Whether the account can be closed; amounts in fen of CNY."""

    balance_fen: int = Field(examples=[7500])
    held_fen: int = Field(examples=[0])
    frozen_fen: int = Field(description="ordered to be kept", examples=[0])
    restricted_fen: int = Field(description="what cannot be paid to a bank card", examples=[0])
    pending_transactions: int = Field(examples=[0])
    members: int = Field(description="of a corporate account", examples=[0])
    ways: list[ClosingWayView]
    currency: str = Field(examples=["CNY"])


class ClosingView(View):
    life: Life = Field(description="closed, or pre_closed until the rest is paid out", examples=["pre_closed"])


@SUBJECT.operation(
    "GET",
    "/v1/account/closing",
    summary="See whether one's account can be closed",
    access=Access.SUBSCRIBER,
    says={200: Said("What stands in the way, for each way of paying the rest out", ClosingStandingView)},
    clauses=("CM 5.2.3",),
)
async def read_closing(request: Request) -> Response:
    """Changes nothing."""
    told = exchange(request)
    found, ways = await closing_standing(told.runtime, account_id=told.account_id)
    view = ClosingStandingView(
        balance_fen=found.balance_fen,
        held_fen=found.held_fen,
        frozen_fen=found.frozen_fen,
        restricted_fen=found.restricted_fen,
        pending_transactions=found.pending,
        members=found.members,
        ways=[ClosingWayView(payout=payout, blocks=blocks) for payout, blocks in ways.items()],
        currency="CNY",
    )
    return reply(view)


@SUBJECT.operation(
    "POST",
    "/v1/account/closing",
    summary="Close one's account",
    access=Access.SUBSCRIBER,
    says={201: Said("It is closed, or will be once the rest is paid out", ClosingView)},
    errors=(
        *_PROVEN,
        *refusals_of(Operation.CLOSE),
        ErrorCode.CLOSING_BLOCKED,
        ErrorCode.UNKNOWN_CARD,
        ErrorCode.CARD_REFUSED,
        ErrorCode.NOT_FOUND,
        ErrorCode.BUSY,
    ),
    clauses=("CM 5.2.3.1", "CM 5.2.3.4"),
)
async def close_own_account(request: Request, body: ClosingBody) -> Response:
    """Nothing can be done with the account from then on but paying its rest out; there is no way back."""
    told = exchange(request)
    life = await close_account(
        told.runtime,
        account_id=told.account_id,
        payout=body.payout,
        card_id=body.card_id,
        proofs=_proofs(told, body),
    )
    told.context.sessions.forget_account(told.account_id)
    return reply(ClosingView(life=life), 201)
