"""Top-ups (充值): by voucher card, and by cash at a service hall with the clerk's undo. Spec: CT 5.1, 5.2."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import AmountFen, Body, Currency, Phone, TransactionIdField
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.refusals import CARD_PASSWORD, TOPUP_LIMITS
from mpss.channels.http.views import TransactionView, answered
from mpss.kernel.errors import ErrorCode
from mpss.staff.permissions import Permission
from mpss.transactions.topups.cash import top_up_cash, undo_cash_topup
from mpss.transactions.topups.voucher import redeem_voucher

SUBJECT = Subject("Top-up")


class VoucherTopupBody(Body):
    voucher_password: str = Field(
        pattern=r"^[0-9 -]{16,40}$",
        max_length=40,
        description="the card's 16 digits; blanks and hyphens between them are passed over",
        examples=["7301 9462 8501 3742"],
    )


class CashTopupBody(Body):
    phone: Phone
    amount_fen: AmountFen
    currency: Currency


@SUBJECT.operation(
    "POST",
    "/v1/topups/voucher",
    summary="Top up by voucher card",
    access=Access.SUBSCRIBER,
    says={201: Said("The voucher's value is in the wallet", TransactionView)},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.RECEIVE),
        *CARD_PASSWORD,
        ErrorCode.BLACKLISTED,
        *TOPUP_LIMITS,
    ),
    clauses=("CT 5.2", "CM 6.4.3"),
    money=True,
)
async def top_up_by_voucher(request: Request, body: VoucherTopupBody) -> Response:
    """Turns a card password into money in the wallet of who is signed in.

    Too many wrong card passwords in a row bar the number from voucher top-ups.
    """
    told = exchange(request)
    answer = await redeem_voucher(
        told.runtime, account_id=told.account_id, key=told.key, password=body.voucher_password, channel="http"
    )
    return await answered(told, answer)


@SUBJECT.operation(
    "POST",
    "/v1/topups/cash",
    summary="Top a wallet up with cash",
    access=Access.STAFF,
    permission=Permission.CASH_TOPUP,
    says={201: Said("The cash is in the wallet", TransactionView)},
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.TOP_UP),
        ErrorCode.BLACKLISTED,
        *TOPUP_LIMITS,
    ),
    clauses=("CT 5.2", "CM 6.4.1"),
    money=True,
)
async def top_up_by_cash(request: Request, body: CashTopupBody) -> Response:
    """For the clerk of a service hall, who has taken the cash. Keys are scoped to the hall and clerk."""
    told = exchange(request)
    answer = await top_up_cash(
        told.runtime, staff=told.staff, key=told.key, phone=body.phone, amount_fen=body.amount_fen,
        watched=told.watched,
    )  # fmt: skip
    return await answered(told, answer)


@SUBJECT.operation(
    "POST",
    "/v1/topups/cash/{transaction_id}/undo",
    summary="Undo a cash top-up",
    access=Access.STAFF,
    permission=Permission.CASH_TOPUP,
    says={201: Said("The money is out of the wallet again", TransactionView)},
    errors=(ErrorCode.UNKNOWN_TRANSACTION, ErrorCode.ILLEGAL_STATE, ErrorCode.INSUFFICIENT_FUNDS),
    clauses=("CM 6.4.1", "CM 9.3"),
    money=True,
)
async def undo_top_up(request: Request, transaction_id: Annotated[TransactionIdField, Path()]) -> Response:
    """Takes back a top-up that the same clerk made shortly before, if the money is still there."""
    told = exchange(request)
    answer = await undo_cash_topup(told.runtime, staff=told.staff, key=told.key, original_id=transaction_id)
    return await answered(told, answer)
