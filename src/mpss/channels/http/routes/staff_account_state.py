"""Staff: loss reported and lifted, holders' freezes released, accounts closed at a hall.

Spec: CT 6.1.3; CM 5.2.5, 6.2, 6.7.1, 6.7.3, 6.8.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.freeze import unfreeze_at_counter
from mpss.accounts.loss import lift_loss_at_counter, report_loss_by_voice, report_loss_in_writing
from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import AccountIdField, Body, Phone, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.routes.account_state import ClosingView, LossView
from mpss.channels.http.routes.shown import SHOWN_ERRORS, CustomerShownBody
from mpss.channels.http.views import ACCOUNT_EXAMPLE, At, TransactionView, answered, reply
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId
from mpss.staff.permissions import Permission
from mpss.transactions.closings.close import accounts_left, close_at_counter, pay_out_cash
from mpss.transactions.closings.model import Payout

SUBJECT = Subject("Staff")

_LINE = text(200)
_REPORTED = (ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.ILLEGAL_STATE, *refusals_of(Operation.REPORT_LOSS))


class VoiceLossBody(Body):
    phone: Phone
    note: Annotated[str, *_LINE, Field(description="how the caller was identified", examples=["name, last top-up"])]


@SUBJECT.operation(
    "POST",
    "/v1/staff/accounts/loss",
    summary="Report loss for a caller on the phone",
    access=Access.STAFF,
    permission=Permission.LOSS_REPORT,
    says={201: Said("Nothing is paid from the account until the report ends or is lifted", LossView)},
    errors=_REPORTED,
    clauses=("CM 6.7.1",),
)
async def by_voice(request: Request, body: VoiceLossBody) -> Response:
    """For the call center (10086), which has identified the caller."""
    told = exchange(request)
    until = await report_loss_by_voice(told.runtime, staff=told.staff, phone=body.phone, note=body.note)
    return reply(LossView(until=until), 201)


@SUBJECT.operation(
    "POST",
    "/v1/staff/accounts/loss/written",
    summary="Report loss in writing",
    access=Access.STAFF,
    permission=Permission.LOSS_WRITTEN,
    says={204: Said("Reported; it does not expire")},
    errors=(*_REPORTED, *SHOWN_ERRORS),
    clauses=("CM 6.7.3",),
)
async def in_writing(request: Request, body: CustomerShownBody) -> Response:
    """For the clerk of a service hall, who has looked at the customer's identity document."""
    told = exchange(request)
    await report_loss_in_writing(told.runtime, staff=told.staff, phone=body.phone, shown=body.shown())
    return Response(status_code=204)


@SUBJECT.operation(
    "POST",
    "/v1/staff/accounts/loss/lift",
    summary="Lift a report of loss",
    access=Access.STAFF,
    permission=Permission.LOSS_WRITTEN,
    says={204: Said("Lifted")},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.ILLEGAL_STATE, *refusals_of(Operation.LIFT_LOSS), *SHOWN_ERRORS),
    clauses=("CM 6.8",),
)
async def lift_at_counter(request: Request, body: CustomerShownBody) -> Response:
    """For the clerk of a service hall; of a report of either kind."""
    told = exchange(request)
    await lift_loss_at_counter(told.runtime, staff=told.staff, phone=body.phone, shown=body.shown())
    return Response(status_code=204)


@SUBJECT.operation(
    "POST",
    "/v1/staff/accounts/unfreeze",
    summary="Release a customer's own freeze",
    access=Access.STAFF,
    permission=Permission.LOSS_WRITTEN,
    says={204: Said("Released")},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.ILLEGAL_STATE, *refusals_of(Operation.UNFREEZE), *SHOWN_ERRORS),
    clauses=("CT 5.2", "CT 6.1.3"),
)
async def unfreeze_at_hall(request: Request, body: CustomerShownBody) -> Response:
    """For the clerk of a service hall, of a customer who has forgotten the payment password."""
    told = exchange(request)
    await unfreeze_at_counter(told.runtime, staff=told.staff, phone=body.phone, shown=body.shown())
    return Response(status_code=204)


class StaffClosingBody(CustomerShownBody):
    payout: Literal[Payout.CASH, Payout.PHONE_BILL] = Field(
        default=Payout.CASH, description="what becomes of the balance", examples=["cash"]
    )


class StaffClosingView(ClosingView):
    balance_fen: int = Field(description="the rest that is paid out", examples=[7500])
    currency: str = Field(examples=["CNY"])


@SUBJECT.operation(
    "POST",
    "/v1/staff/accounts/closing",
    summary="Close an account at a hall",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_CLOSE,
    says={201: Said("It is closed, or will be once the rest is paid out", StaffClosingView)},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.CLOSE),
        ErrorCode.CLOSING_BLOCKED,
        ErrorCode.NOT_FOUND,
        *SHOWN_ERRORS,
    ),
    clauses=("CM 5.2.5", "CM 6.2"),
)
async def close_at_hall(request: Request, body: StaffClosingBody) -> Response:
    """For the clerk of a service hall, who has looked at the identity document; also after a loss in writing."""
    told = exchange(request)
    life, balance_fen = await close_at_counter(
        told.runtime, staff=told.staff, phone=body.phone, shown=body.shown(), payout=body.payout
    )
    return reply(StaffClosingView(life=life, balance_fen=balance_fen, currency="CNY"), 201)


class RestOfClosingBody(CustomerShownBody):
    account_id: AccountIdField | None = Field(
        default=None,
        description="of an account that the number has left; none: the number's own",
        examples=[ACCOUNT_EXAMPLE],
    )


class LeftAccountView(View):
    """An account whose number was given up or is another owner's; the amount in fen of CNY."""

    account_id: str = Field(examples=[ACCOUNT_EXAMPLE])
    opened_at: At
    left_at: At
    balance_fen: int = Field(examples=[7500])


class LeftAccountsView(View):
    items: list[LeftAccountView]
    currency: str = Field(examples=["CNY"])


@SUBJECT.operation(
    "GET",
    "/v1/staff/accounts/left",
    summary="List the accounts that a number has left",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_CLOSE,
    says={200: Said("Those that wait to be paid out, the one it left last first", LeftAccountsView)},
    clauses=("CM 5.2.4.3", "CM 5.2.6"),
)
async def list_left_accounts(request: Request, phone: Annotated[Phone, Query()]) -> Response:
    """Given up, or another owner's by now: the clerk looks whose they were, and pays the rest."""
    told = exchange(request)
    found = await accounts_left(told.runtime, staff=told.staff, phone=phone)
    items = [
        LeftAccountView(
            account_id=AccountId.outside(left.id),
            opened_at=left.opened_at,
            left_at=left.left_at,
            balance_fen=left.balance_fen,
        )
        for left in found
    ]
    return reply(LeftAccountsView(items=items, currency="CNY"))


@SUBJECT.operation(
    "POST",
    "/v1/staff/accounts/closing/pay-out",
    summary="Pay the rest of an account as cash",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_CLOSE,
    money=True,
    says={201: Said("Paid; the account is closed", TransactionView)},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        ErrorCode.ILLEGAL_STATE,
        *refusals_of(Operation.PAY_OUT),
        ErrorCode.CLOSING_BLOCKED,
        ErrorCode.INSUFFICIENT_FUNDS,
        *SHOWN_ERRORS,
    ),
    clauses=("CM 5.2.3.4", "CM 6.2"),
)
async def pay_rest(request: Request, body: RestOfClosingBody) -> Response:
    """The whole balance at once; also of an account that the number has left, given up or another owner's."""
    told = exchange(request)
    answer = await pay_out_cash(
        told.runtime, staff=told.staff, key=told.key, phone=body.phone, shown=body.shown(), left_id=body.account_id
    )
    return await answered(told, answer)
