"""Staff: the trial balance, correcting entries by two people, what did not leave the house. Spec: CT 5.2, 7.1."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import ApprovalIdField, Body, PageLimit, TransactionIdField, View, paragraphs
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, encode_id
from mpss.channels.http.routes.deliveries import DeliveryLogView, delivery_log_view
from mpss.channels.http.routes.staff_vouchers import STAFF_EXAMPLE
from mpss.channels.http.views import (
    AT_EXAMPLE,
    NextCursor,
    TransactionView,
    answered,
    reply,
    transaction_view,
)
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import ApprovalId, OutboxId, StaffId, TransactionId
from mpss.kernel.money import MAX_FEN
from mpss.ledger.balances import difference_fen, trial_balance
from mpss.ledger.chart import CHART, Code
from mpss.ledger.model import Part, Posting
from mpss.outbox.model import Kind
from mpss.outbox.queries import dead, waiting
from mpss.staff.permissions import Permission
from mpss.transactions.adjustment import (
    MAX_LEGS,
    MAX_MEMO,
    approve_adjustment,
    propose_adjustment,
    refuse_adjustment,
    waiting_adjustments,
)
from mpss.transactions.purchases.deliver import resend_delivery
from mpss.transactions.purchases.delivery_log import delivery_log
from mpss.transactions.queries import get_transaction
from mpss.transactions.topups.card_verification_answer import SECRET_AMOUNTS

SUBJECT = Subject("Staff")

APPROVAL_EXAMPLE = "apv_019e6b3c3d447e54d6f708192a3b4c5d"
PartName = Literal["withdrawable", "restricted"]
_PARTS: dict[str, Part] = {"withdrawable": Part.WITHDRAWABLE, "restricted": Part.RESTRICTED}
_PART_NAMES: dict[Part, PartName] = {Part.WITHDRAWABLE: "withdrawable", Part.RESTRICTED: "restricted"}


class TrialLineView(View):
    code: str = Field(description="the ledger account code (科目)", examples=["2011"])
    name: str = Field(description="of the code, in the caller's language", examples=["虚拟账户"])
    accounts: int = Field(examples=[3])
    debit_fen: int = Field(examples=[0])
    credit_fen: int = Field(examples=[12500])


class TrialBalanceView(View):
    lines: list[TrialLineView]
    difference_fen: int = Field(description="debits less credits: zero, or the books are wrong", examples=[0])
    currency: str = Field(examples=["CNY"])


class LegBody(Body):
    ledger_account_id: int = Field(strict=True, ge=1, le=2**63 - 1, examples=[3])
    amount_fen: int = Field(strict=True, ge=-MAX_FEN, le=MAX_FEN, description="debit above zero", examples=[2500])
    part: PartName | None = Field(default=None, description="of a wallet, and of nothing else", examples=[None])


class AdjustmentBody(Body):
    legs: list[LegBody] = Field(
        min_length=2,
        max_length=MAX_LEGS,
        description="that sum to zero",
        examples=[[{"ledger_account_id": 3, "amount_fen": 2500}, {"ledger_account_id": 61, "amount_fen": -2500}]],
    )
    memo: Annotated[str, *paragraphs(MAX_MEMO)] = Field(description="why", examples=["手续费多收，退回"])


class LegView(View):
    ledger_account_id: int = Field(examples=[3])
    amount_fen: int = Field(examples=[2500])
    part: PartName | None = Field(examples=[None])


class ProposedView(View):
    approval_id: str = Field(examples=[APPROVAL_EXAMPLE])


class ProposalView(View):
    approval_id: str = Field(examples=[APPROVAL_EXAMPLE])
    proposed_by: str = Field(examples=[STAFF_EXAMPLE])
    proposed_at: datetime = Field(examples=[AT_EXAMPLE])
    legs: list[LegView]
    memo: str = Field(examples=["手续费多收，退回"])


class ProposalsView(View):
    items: list[ProposalView]


class DeadMessageView(View):
    """A message that was refused or given up."""

    id: str = Field(examples=["out_019e6b3c4e557f65e708192a3b4c5d6e"])
    kind: Kind = Field(examples=["notice"])
    serial: int = Field(examples=[42])
    attempts: int = Field(examples=[8])
    created_at: datetime = Field(examples=[AT_EXAMPLE])
    finished_at: datetime | None = Field(examples=[AT_EXAMPLE])
    last_error: str | None = Field(examples=["no answer in 10 s"])


class OutboxView(View):
    waiting: dict[Kind, int] = Field(description="messages yet to leave, by kind", examples=[{"notice": 2}])
    dead: list[DeadMessageView] = Field(description="newest first")
    next_cursor: NextCursor


@SUBJECT.operation(
    "GET",
    "/v1/staff/trial-balance",
    summary="Read the trial balance",
    access=Access.STAFF,
    permission=Permission.LEDGER_VIEW,
    says={200: Said("One line for each ledger account code", TrialBalanceView)},
    clauses=("CT 5.2",),
)
async def read_trial_balance(request: Request) -> Response:
    """The books as they stand now (试算平衡)."""
    told = exchange(request)
    async with told.runtime.database.read() as uow:
        lines = await trial_balance(uow)
    view = TrialBalanceView(
        lines=[TrialLineView(**line._asdict(), name=_code_name(line.code, told.language)) for line in lines],
        difference_fen=difference_fen(lines),
        currency="CNY",
    )
    return reply(view)


def _code_name(code: str, language: str) -> str:
    line = CHART[Code(code)]
    return line.name_en if language == "en" else line.name_zh


@SUBJECT.operation(
    "POST",
    "/v1/staff/adjustments",
    summary="Propose a correcting entry",
    access=Access.STAFF,
    permission=Permission.LEDGER_ADJUST,
    says={201: Said("It waits for a second person", ProposedView)},
    clauses=("CT 5.2",),
)
async def propose_correction(request: Request, body: AdjustmentBody) -> Response:
    """A correcting entry (平账); nothing is posted until somebody else approves."""
    told = exchange(request)
    legs = [
        Posting(leg.ledger_account_id, leg.amount_fen, None if leg.part is None else _PARTS[leg.part])
        for leg in body.legs
    ]
    approval_id = await propose_adjustment(told.runtime, staff=told.staff, legs=legs, memo=body.memo)
    return reply(ProposedView(approval_id=str(approval_id)), 201)


@SUBJECT.operation(
    "GET",
    "/v1/staff/adjustments",
    summary="List the proposals",
    access=Access.STAFF,
    permission=Permission.LEDGER_ADJUST,
    says={200: Said("Those that wait for a second person, oldest first", ProposalsView)},
    clauses=("CT 5.2",),
)
async def list_corrections(request: Request) -> Response:
    """Correcting entries that nobody has decided yet."""
    found = await waiting_adjustments(exchange(request).runtime)
    items = [
        ProposalView(
            approval_id=str(ApprovalId.from_uuid(approval.id)),
            proposed_by=str(StaffId.from_uuid(approval.proposed_by)),
            proposed_at=approval.proposed_at,
            legs=[
                LegView(
                    ledger_account_id=leg.ledger_account_id,
                    amount_fen=leg.amount_fen,
                    part=None if leg.part is None else _PART_NAMES[leg.part],
                )
                for leg in proposal.legs
            ],
            memo=proposal.memo,
        )
        for approval, proposal in found
    ]
    return reply(ProposalsView(items=items))


@SUBJECT.operation(
    "POST",
    "/v1/staff/adjustments/{approval_id}/approve",
    summary="Approve a correcting entry",
    access=Access.STAFF,
    permission=Permission.LEDGER_ADJUST,
    says={201: Said("The entry is posted", TransactionView)},
    errors=(
        ErrorCode.NOT_FOUND,
        ErrorCode.ILLEGAL_STATE,
        ErrorCode.SAME_PERSON,
        ErrorCode.INSUFFICIENT_FUNDS,
        ErrorCode.MERCHANT_NOT_ACTIVE,
    ),
    clauses=("CT 5.2",),
)
async def approve_correction(request: Request, approval_id: Annotated[ApprovalIdField, Path()]) -> Response:
    """By somebody else than who proposed it. The proposal is its own key: asked again, the same answer."""
    told = exchange(request)
    return await answered(told, await approve_adjustment(told.runtime, staff=told.staff, approval_id=approval_id))


@SUBJECT.operation(
    "POST",
    "/v1/staff/adjustments/{approval_id}/refuse",
    summary="Refuse a correcting entry",
    access=Access.STAFF,
    permission=Permission.LEDGER_ADJUST,
    says={204: Said("It will not be posted")},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE, ErrorCode.SAME_PERSON),
    clauses=("CT 5.2",),
)
async def refuse_correction(request: Request, approval_id: Annotated[ApprovalIdField, Path()]) -> Response:
    """By somebody else than who proposed it."""
    told = exchange(request)
    await refuse_adjustment(told.runtime, staff=told.staff, approval_id=approval_id)
    return Response(status_code=204)


@SUBJECT.operation(
    "GET",
    "/v1/staff/outbox",
    summary="What has not left the house",
    access=Access.STAFF,
    permission=Permission.DELIVERY_RESEND,
    says={200: Said("How many messages wait, and a page of the dead ones", OutboxView)},
    clauses=("CT 5.4", "CT 7.1"),
)
async def read_outbox(
    request: Request, limit: Annotated[PageLimit, Query()] = 50, cursor: Annotated[Cursor, Query()] = None
) -> Response:
    """Notices, delivery orders and webhooks that wait, or that were refused or given up."""
    told, before = exchange(request), decode_id(cursor)
    async with told.runtime.database.read() as uow:
        counts = await waiting(uow)
        found = await dead(uow, before=before, limit=limit + 1)
    found, following = cut(found, limit, lambda item: encode_id(item.id))
    items = [
        DeadMessageView(
            id=str((TransactionId if item.kind == Kind.DELIVERY else OutboxId).from_uuid(item.id)),
            kind=Kind(item.kind),
            serial=item.serial,
            attempts=item.attempts,
            created_at=item.created_at,
            finished_at=item.finished_at,
            last_error=item.last_error,
        )
        for item in found
    ]
    view = OutboxView(
        waiting={Kind(kind): count for kind, count in counts.items()}, dead=items, next_cursor=following
    )  # fmt: skip
    return reply(view)


@SUBJECT.operation(
    "GET",
    "/v1/staff/deliveries/{transaction_id}",
    summary="Read the delivery log of a sale",
    access=Access.STAFF,
    permission=Permission.DELIVERY_RESEND,
    says={200: Said("Every order and webhook about the sale, with every attempt", DeliveryLogView)},
    errors=(ErrorCode.UNKNOWN_TRANSACTION,),
    clauses=("CT 7.1",),
)
async def read_any_delivery_log(request: Request, transaction_id: Annotated[TransactionIdField, Path()]) -> Response:
    """Of any merchant's sale."""
    return reply(delivery_log_view(await delivery_log(exchange(request).runtime, transaction_id=transaction_id)))


@SUBJECT.operation(
    "POST",
    "/v1/staff/deliveries/{transaction_id}/resend",
    summary="Order a delivery again",
    access=Access.STAFF,
    permission=Permission.DELIVERY_RESEND,
    says={202: Said("The order goes out again at once, with the same id")},
    errors=(ErrorCode.UNKNOWN_TRANSACTION, ErrorCode.ILLEGAL_STATE),
    clauses=("CT 7.1",),
)
async def resend_any_order(request: Request, transaction_id: Annotated[TransactionIdField, Path()]) -> Response:
    """The CP/SP answers a repeated order as at first, so nothing is delivered twice."""
    told = exchange(request)
    await resend_delivery(told.runtime, transaction_id=transaction_id, by=str(told.staff.id))
    return Response(status_code=202)


@SUBJECT.operation(
    "GET",
    "/v1/staff/transactions/{transaction_id}",
    summary="Read any transaction",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_VIEW,
    says={200: Said("The transaction as it stands", TransactionView)},
    errors=(ErrorCode.UNKNOWN_TRANSACTION,),
    clauses=("CT 9.1.3",),
)
async def read_any_transaction(request: Request, transaction_id: Annotated[TransactionIdField, Path()]) -> Response:
    """For customer care."""
    async with exchange(request).runtime.database.read() as uow:
        found = await get_transaction(uow, transaction_id)
    if found is None:
        raise Refused(ErrorCode.UNKNOWN_TRANSACTION)
    if found.kind in SECRET_AMOUNTS:
        found = found._replace(amount_fen=0)
    return reply(transaction_view(found))
