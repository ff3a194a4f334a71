"""Staff: withdrawals, the files of payment orders to banks and the answers to them. Spec: CM 5.3.3, 6.6."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import Body, PageLimit, Phone, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, encode_id
from mpss.channels.http.views import TRANSACTION_EXAMPLE, At, NextCursor, reply
from mpss.desk.model import TransactionState
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import PaymentAnswerId, PaymentBatchId, TransactionId
from mpss.staff.permissions import Permission
from mpss.transactions.withdrawals.model import Mode
from mpss.transactions.withdrawals.payment_answer import read_answers
from mpss.transactions.withdrawals.payment_batch import make_batches_now
from mpss.transactions.withdrawals.payment_queries import (
    FoundAnswer,
    FoundWithdrawal,
    Search,
    answers,
    batches,
    withdrawals,
)

SUBJECT = Subject("Staff")

BATCH_EXAMPLE = "pmb_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"
ANSWER_EXAMPLE = "pma_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"
FILE_EXAMPLE = "MPSS-BEIHU-20260301-0.xml"
_MOST_EXPORTED = 10_000
_Bank = Annotated[str, *text(8)] | None
_State = TransactionState | None
_EXPORTED = (
    "transaction_id", "phone", "state", "amount_fen", "fee_fen", "currency", "card", "bank", "mode", "file_name",
    "sent_at", "ended_at", "bank_status", "reason", "channel", "created_at",
)  # fmt: skip


class StaffWithdrawalView(View):
    """A withdrawal. Amounts are whole fen of CNY."""

    transaction_id: str = Field(examples=[TRANSACTION_EXAMPLE])
    phone: str = Field(examples=["+8618912340001"])
    state: TransactionState = Field(examples=["FUNDING"])
    amount_fen: int = Field(examples=[20_000])
    fee_fen: int = Field(examples=[0])
    currency: str = Field(examples=["CNY"])
    card: str = Field(description="the card's last four digits", examples=["0015"])
    bank: str = Field(examples=["BEIHU"])
    mode: Mode = Field(examples=["batch"])
    batch_id: str | None = Field(description="the file it went out in", examples=[BATCH_EXAMPLE])
    file_name: str | None = Field(examples=[FILE_EXAMPLE])
    sent_at: At | None
    ended_at: At | None
    bank_status: str = Field(description="what the bank's answer file said last", examples=["ACSC"])
    reason: str = Field(description="why the bank refused or returned it", examples=[""])
    channel: str = Field(examples=["http"])
    created_at: At


class StaffWithdrawalsView(View):
    items: list[StaffWithdrawalView]
    next_cursor: NextCursor


class PaymentBatchView(View):
    """A file of payment orders and what became of its orders."""

    batch_id: str = Field(examples=[BATCH_EXAMPLE])
    bank: str = Field(examples=["BEIHU"])
    cut_date: date = Field(examples=["2026-03-01"])
    number: int = Field(description="of that day: 0 by the clock, 1 and up at an operator's word", examples=[0])
    message_id: str = Field(examples=["MPSS-BEIHU-20260301-0"])
    file_name: str = Field(examples=[FILE_EXAMPLE])
    orders: int = Field(examples=[2])
    control_sum_fen: int = Field(examples=[30_000])
    currency: str = Field(examples=["CNY"])
    made_at: At
    placed_at: At | None
    open: int = Field(description="orders not answered", examples=[0])
    paid: int = Field(examples=[2])
    rejected: int = Field(examples=[0])
    returned: int = Field(examples=[0])


class PaymentBatchesView(View):
    items: list[PaymentBatchView]
    next_cursor: NextCursor


class PaymentAnswerView(View):
    """An answer file that was read; the counts are of the orders that it changed."""

    answer_id: str = Field(examples=[ANSWER_EXAMPLE])
    bank: str = Field(examples=["BEIHU"])
    file_name: str = Field(examples=["20260301200000000000-answer.xml"])
    batch_id: str | None = Field(examples=[BATCH_EXAMPLE])
    outcome: Literal["taken", "refused"] = Field(examples=["taken"])
    problem: str = Field(description="why it was refused, or what of it was passed over", examples=[""])
    paid: int = Field(examples=[2])
    rejected: int = Field(examples=[0])
    returned: int = Field(examples=[0])
    read_at: At


class PaymentAnswersView(View):
    items: list[PaymentAnswerView]
    next_cursor: NextCursor


class BankBody(Body):
    bank: _Bank = Field(default=None, description="this bank alone; none: every bank", examples=["BEIHU"])


class MadeView(View):
    batch_ids: list[str] = Field(examples=[[BATCH_EXAMPLE]])


class ReadView(View):
    answers: int = Field(description="files that were read", examples=[1])
    refused: int = Field(examples=[0])


@SUBJECT.operation(
    "GET",
    "/v1/staff/withdrawals",
    summary="List withdrawals",
    access=Access.STAFF,
    permission=Permission.PAYMENT_ORDERS,
    says={200: Said("A page, newest first", StaffWithdrawalsView)},
    clauses=("CM 5.3.3",),
)
async def list_all_withdrawals(
    request: Request,
    state: Annotated[_State, Query()] = None,
    bank: Annotated[_Bank, Query()] = None,
    phone: Annotated[Phone | None, Query()] = None,
    limit: Annotated[PageLimit, Query()] = 50,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """Of everybody, or those in a state, of a bank, of a number."""
    before, search = decode_id(cursor), Search(state, bank, phone)
    async with exchange(request).runtime.database.read() as uow:
        found = await withdrawals(uow, search, before=before, limit=limit + 1)
    found, following = cut(found, limit, lambda line: encode_id(line.id))
    return reply(StaffWithdrawalsView(items=[_withdrawal_view(line) for line in found], next_cursor=following))


@SUBJECT.operation(
    "GET",
    "/v1/staff/withdrawals/export",
    summary="Export withdrawals",
    access=Access.STAFF,
    permission=Permission.PAYMENT_ORDERS,
    says={200: Said("The newest 10,000, one line each", media_type="text/csv")},
    clauses=("CM 5.3.3",),
)
async def export_withdrawals(
    request: Request,
    state: Annotated[_State, Query()] = None,
    bank: Annotated[_Bank, Query()] = None,
    phone: Annotated[Phone | None, Query()] = None,
) -> Response:
    """The list as a table (CSV, UTF-8)."""
    async with exchange(request).runtime.database.read() as uow:
        found = await withdrawals(uow, Search(state, bank, phone), before=None, limit=_MOST_EXPORTED)
    written = io.StringIO()
    writer = csv.DictWriter(written, _EXPORTED, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(_withdrawal_view(line).model_dump(mode="json") for line in found)
    headers = {"content-disposition": 'attachment; filename="withdrawals.csv"'}
    return Response(written.getvalue(), 200, headers, "text/csv; charset=utf-8")


@SUBJECT.operation(
    "GET",
    "/v1/staff/payment-batches",
    summary="List the files of payment orders",
    access=Access.STAFF,
    permission=Permission.PAYMENT_ORDERS,
    says={200: Said("A page, newest first", PaymentBatchesView)},
    clauses=("CM 6.6",),
)
async def list_payment_batches(
    request: Request,
    bank: Annotated[_Bank, Query()] = None,
    limit: Annotated[PageLimit, Query()] = 50,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """Each with what became of its orders."""
    before = decode_id(cursor)
    async with exchange(request).runtime.database.read() as uow:
        found = await batches(uow, bank=bank, before=before, limit=limit + 1)
    found, following = cut(found, limit, lambda batch: encode_id(batch.id))
    items = [
        PaymentBatchView(
            batch_id=PaymentBatchId.outside(batch.id),
            currency="CNY",
            **{name: value for name, value in batch._asdict().items() if name != "id"},
        )
        for batch in found
    ]
    return reply(PaymentBatchesView(items=items, next_cursor=following))


@SUBJECT.operation(
    "POST",
    "/v1/staff/payment-batches",
    summary="Make the file of payment orders now",
    access=Access.STAFF,
    permission=Permission.PAYMENT_ORDERS,
    says={201: Said("The files that were made; none where nothing waits", MadeView)},
    errors=(ErrorCode.NOT_FOUND,),
    clauses=("CM 6.6",),
)
async def make_payment_batches(request: Request, body: BankBody) -> Response:
    """Of what waits, without waiting for the cut. An order is in one file, however often this is asked."""
    made = await make_batches_now(_with_files(request).runtime, bank=body.bank)
    return reply(MadeView(batch_ids=[PaymentBatchId.outside(batch) for batch in made]), 201)


@SUBJECT.operation(
    "GET",
    "/v1/staff/payment-answers",
    summary="List the answers of banks that were read",
    access=Access.STAFF,
    permission=Permission.PAYMENT_ORDERS,
    says={200: Said("A page, newest first", PaymentAnswersView)},
    clauses=("CM 6.6",),
)
async def list_payment_answers(
    request: Request,
    bank: Annotated[_Bank, Query()] = None,
    limit: Annotated[PageLimit, Query()] = 50,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """Also those that were refused, with the reason."""
    before = decode_id(cursor)
    async with exchange(request).runtime.database.read() as uow:
        found = await answers(uow, bank=bank, before=before, limit=limit + 1)
    found, following = cut(found, limit, lambda answer: encode_id(answer.id))
    items = [
        PaymentAnswerView(
            answer_id=PaymentAnswerId.outside(answer.id),
            batch_id=_batch_id(answer),
            **{name: value for name, value in answer._asdict().items() if name not in ("id", "batch_id")},
        )
        for answer in found
    ]
    return reply(PaymentAnswersView(items=items, next_cursor=following))


@SUBJECT.operation(
    "POST",
    "/v1/staff/payment-answers",
    summary="Read the answers of banks now",
    access=Access.STAFF,
    permission=Permission.PAYMENT_ORDERS,
    says={200: Said("What was read", ReadView)},
    errors=(ErrorCode.NOT_FOUND,),
    clauses=("CM 6.6",),
)
async def read_payment_answers(request: Request, body: BankBody) -> Response:
    """What banks have placed for us since it was read last."""
    read = await read_answers(_with_files(request).runtime, bank=body.bank)
    refused = sum(answer.outcome == "refused" for answer in read)
    return reply(ReadView(answers=len(read), refused=refused))


def _with_files(request: Request) -> Exchange:
    """
    Raises:
        Refused: NOT_FOUND, no files are exchanged with banks.
    """
    told = exchange(request)
    if told.runtime.ports.payment_files is None:
        raise Refused(ErrorCode.NOT_FOUND, detail="no files are exchanged with banks")
    return told


def _batch_id(line: FoundWithdrawal | FoundAnswer) -> str | None:
    return None if line.batch_id is None else PaymentBatchId.outside(line.batch_id)


def _withdrawal_view(line: FoundWithdrawal) -> StaffWithdrawalView:
    facts = {name: value for name, value in line._asdict().items() if name not in ("id", "batch_id")}
    return StaffWithdrawalView(
        transaction_id=TransactionId.outside(line.id), currency="CNY", batch_id=_batch_id(line), **facts
    )
