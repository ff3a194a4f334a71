"""Withdrawal to a bound bank card (提现). Spec: CM 5.3.3, 6.6."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import (
    AmountFen,
    Body,
    CardIdField,
    Currency,
    FeeFen,
    PageLimit,
    PaymentPassword,
    Province,
    SmsCode,
    TransactionIdField,
    View,
)
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, encode_id
from mpss.channels.http.refusals import PASSWORD_OR_CHALLENGE, SPENDING
from mpss.channels.http.routes.cards import CARD_EXAMPLE
from mpss.channels.http.views import AT_EXAMPLE, TRANSACTION_EXAMPLE, At, NextCursor, TransactionView, answered, reply
from mpss.desk.model import TransactionState
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import CardId, TransactionId
from mpss.transactions.withdrawals.model import Mode
from mpss.transactions.withdrawals.queries import WithdrawalLine, withdrawal_line, withdrawals_of
from mpss.transactions.withdrawals.withdrawal import quote_withdrawal, withdraw

SUBJECT = Subject("Withdrawal")


class WithdrawalBody(Body):
    card_id: CardIdField
    amount_fen: AmountFen = Field(description="what the card gets, without the fee")
    fee_fen: FeeFen | None = Field(
        default=None, description="the fee the payer was shown; with another fee the withdrawal is declined"
    )
    currency: Currency
    payment_password: PaymentPassword
    visited_province: Province | None = Field(default=None, description="where the payer is, if not at home")
    sms_code: SmsCode | None = Field(
        default=None, description="a `challenge` code, where `challenge_required` asked for one", examples=["071625"]
    )


class WithdrawalQuoteBody(Body):
    amount_fen: AmountFen
    currency: Currency


class WithdrawalQuoteView(View):
    amount_fen: int = Field(examples=[20_000])
    fee_fen: int = Field(examples=[0])
    total_fen: int = Field(description="what leaves the wallet", examples=[20_000])
    currency: str = Field(examples=["CNY"])


class WithdrawalView(View):
    """A withdrawal as it stands. Amounts are whole fen of CNY."""

    transaction_id: str = Field(examples=[TRANSACTION_EXAMPLE])
    state: TransactionState = Field(
        description="FUNDING: held, and waiting for its bank; IN_DOUBT: the bank has not said yet; SUCCEEDED: paid; "
        "DECLINED: not paid, the money is free again; RETURNED: paid, and given back by the bank",
        examples=["FUNDING"],
    )
    amount_fen: int = Field(examples=[20_000])
    fee_fen: int = Field(examples=[0])
    currency: str = Field(examples=["CNY"])
    card_id: str = Field(examples=[CARD_EXAMPLE])
    card: str = Field(description="the card's last four digits", examples=["0015"])
    bank: str = Field(examples=["BEIHU"])
    mode: Mode = Field(description="batch: by the bank's next file of payment orders", examples=["batch"])
    sent_at: datetime | None = Field(description="when the file with it was handed over", examples=[AT_EXAMPLE])
    ended_at: datetime | None = Field(description="when the bank's answer was recorded", examples=[AT_EXAMPLE])
    created_at: At


class WithdrawalsView(View):
    items: list[WithdrawalView]
    next_cursor: NextCursor


@SUBJECT.operation(
    "POST",
    "/v1/account/withdrawals",
    summary="Withdraw to a bound card",
    access=Access.SUBSCRIBER,
    says={
        201: Said("The bank has credited the card", TransactionView),
        202: Said("The money is held; the result comes by SMS", TransactionView),
    },
    errors=(
        ErrorCode.NOT_FOUND,
        ErrorCode.UNKNOWN_CARD,
        ErrorCode.ILLEGAL_STATE,
        ErrorCode.CARD_REFUSED,
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.WITHDRAW),
        *PASSWORD_OR_CHALLENGE,
        *SPENDING,
        ErrorCode.PRICE_CHANGED,
        ErrorCode.INSUFFICIENT_FUNDS,
        ErrorCode.FUNDING_DECLINED,
    ),
    clauses=("CM 5.3.3", "CM 6.6"),
    money=True,
)
async def withdraw_to_card(request: Request, body: WithdrawalBody) -> Response:
    """Pays withdrawable money out to one's own bound card: at once where its bank offers that, else by a daily file.

    Amount and fee are held until the bank has answered.
    """
    told = exchange(request)
    answer = await withdraw(
        told.runtime,
        account_id=told.account_id,
        phone=told.session.phone,
        key=told.key,
        card_id=body.card_id,
        amount_fen=body.amount_fen,
        fee_fen=body.fee_fen,
        password=body.payment_password,
        source=f"http:{told.source}",
        channel="http",
        sms_code=body.sms_code,
        province=body.visited_province,
        watched=told.watched,
    )
    return await answered(told, answer)


@SUBJECT.operation(
    "POST",
    "/v1/account/withdrawal-quotes",
    summary="Ask for the fee of a withdrawal",
    access=Access.SUBSCRIBER,
    says={200: Said("The fee, and what leaves the wallet", WithdrawalQuoteView)},
    clauses=("CM 5.3.3",),
)
async def quote_fee(request: Request, body: WithdrawalQuoteBody) -> Response:
    """The fee on a withdrawal of this amount now, to be shown before the payer confirms. Send it along as `fee_fen`."""
    quoted = await quote_withdrawal(exchange(request).runtime, amount_fen=body.amount_fen)
    return reply(WithdrawalQuoteView(**quoted._asdict(), currency="CNY"))


@SUBJECT.operation(
    "GET",
    "/v1/account/withdrawals",
    summary="List one's withdrawals",
    access=Access.SUBSCRIBER,
    says={200: Said("A page, newest first", WithdrawalsView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 5.3.3",),
)
async def list_withdrawals(
    request: Request, limit: Annotated[PageLimit, Query()] = 50, cursor: Annotated[Cursor, Query()] = None
) -> Response:
    """What was withdrawn, with what waits. One that was declined at once is not in it."""
    told = exchange(request)
    account_id, before = told.account_id, decode_id(cursor)
    async with told.runtime.database.read() as uow:
        found = await withdrawals_of(uow, account_id=account_id, before=before, limit=limit + 1)
    found, following = cut(found, limit, lambda line: encode_id(line.id))
    return reply(WithdrawalsView(items=[withdrawal_view(line) for line in found], next_cursor=following))


@SUBJECT.operation(
    "GET",
    "/v1/account/withdrawals/{transaction_id}",
    summary="Read one withdrawal",
    access=Access.SUBSCRIBER,
    says={200: Said("The withdrawal as it stands", WithdrawalView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.UNKNOWN_TRANSACTION),
    clauses=("CM 5.3.3",),
)
async def read_withdrawal(request: Request, transaction_id: Annotated[TransactionIdField, Path()]) -> Response:
    """One of the caller's own."""
    told = exchange(request)
    account_id = told.account_id
    async with told.runtime.database.read() as uow:
        found = await withdrawal_line(uow, transaction_id)
    if found is None or found.account_id != account_id:
        raise Refused(ErrorCode.UNKNOWN_TRANSACTION)
    return reply(withdrawal_view(found))


def withdrawal_view(line: WithdrawalLine) -> WithdrawalView:
    """The withdrawal as its owner sees it."""
    return WithdrawalView(
        transaction_id=TransactionId.outside(line.id),
        state=TransactionState(line.state),
        amount_fen=line.amount_fen,
        fee_fen=line.fee_fen,
        currency="CNY",
        card_id=CardId.outside(line.card_id),
        card=line.card,
        bank=line.bank,
        mode=Mode(line.mode),
        sent_at=line.sent_at,
        ended_at=line.ended_at,
        created_at=line.created_at,
    )
