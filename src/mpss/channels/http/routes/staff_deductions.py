"""Staff: deductions by law of what is frozen, by two people. Spec: CM 7.6."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import AmountFen, ApprovalIdField, Body, Currency, FreezeIdField, Phone, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.views import ACCOUNT_EXAMPLE, AT_EXAMPLE, TransactionView, answered, reply
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId, ApprovalId, FreezeId, StaffId
from mpss.staff.model import ApprovalRow
from mpss.staff.permissions import Permission
from mpss.transactions.deduction import (
    Deduction,
    approve_deduction,
    propose_deduction,
    refuse_deduction,
    waiting_deductions,
)

SUBJECT = Subject("Staff")

_LINE = text(200)


class DeductionBody(Body):
    phone: Phone
    freeze_id: FreezeIdField
    amount_fen: AmountFen
    currency: Currency
    authority: Annotated[str, *_LINE] = Field(
        description="who takes the money, and the account it goes to", examples=["南城区人民法院 执行款专户"]
    )
    document: Annotated[str, *_LINE] = Field(description="the order to deduct", examples=["(2026) 12-1"])


class DeductionProposedView(View):
    approval_id: str = Field(examples=["apv_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"])


class DeductionProposalView(DeductionProposedView):
    account_id: str = Field(examples=[ACCOUNT_EXAMPLE])
    freeze_id: str = Field(examples=["frz_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"])
    amount_fen: int = Field(examples=[50_000])
    authority: str = Field(examples=["南城区人民法院 执行款专户"])
    document: str = Field(examples=["(2026) 12-1"])
    proposed_by: str = Field(examples=["stf_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"])
    proposed_at: datetime = Field(examples=[AT_EXAMPLE])


class DeductionProposalsView(View):
    items: list[DeductionProposalView]


def _view(row: ApprovalRow, asked: Deduction) -> DeductionProposalView:
    return DeductionProposalView(
        approval_id=ApprovalId.outside(row.id),
        account_id=AccountId.outside(asked.account_id),
        freeze_id=FreezeId.outside(asked.freeze_id),
        amount_fen=asked.amount_fen,
        authority=asked.authority,
        document=asked.document,
        proposed_by=StaffId.outside(row.proposed_by),
        proposed_at=row.proposed_at,
    )


@SUBJECT.operation(
    "POST",
    "/v1/staff/deductions",
    summary="Propose a deduction by law",
    access=Access.STAFF,
    permission=Permission.LAW_DEDUCT,
    says={201: Said("It waits for another member of staff", DeductionProposedView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 7.6",),
)
async def propose_law_deduction(request: Request, body: DeductionBody) -> Response:
    """Of what a freeze by law keeps, the whole account or an amount."""
    told = exchange(request)
    approval_id = await propose_deduction(
        told.runtime,
        staff=told.staff,
        phone=body.phone,
        freeze_id=body.freeze_id,
        amount_fen=body.amount_fen,
        authority=body.authority,
        document=body.document,
    )
    return reply(DeductionProposedView(approval_id=str(approval_id)), 201)


@SUBJECT.operation(
    "GET",
    "/v1/staff/deductions",
    summary="List the deductions that wait for a second person",
    access=Access.STAFF,
    permission=Permission.LAW_DEDUCT,
    says={200: Said("Those that nobody has decided yet, oldest first", DeductionProposalsView)},
    clauses=("CM 7.6",),
)
async def read_deductions(request: Request) -> Response:
    """What is decided is in the audit record and in the account's."""
    found = await waiting_deductions(exchange(request).runtime)
    return reply(DeductionProposalsView(items=[_view(row, asked) for row, asked in found]))


@SUBJECT.operation(
    "POST",
    "/v1/staff/deductions/{approval_id}/approve",
    summary="Approve a deduction by law",
    access=Access.STAFF,
    permission=Permission.LAW_DEDUCT,
    says={201: Said("The money has left the wallet", TransactionView)},
    errors=(
        ErrorCode.NOT_FOUND,
        ErrorCode.ILLEGAL_STATE,
        ErrorCode.SAME_PERSON,
        ErrorCode.INSUFFICIENT_FUNDS,
        ErrorCode.FROZEN_BY_LAW,
    ),
    clauses=("CM 7.6",),
)
async def approve_law_deduction(request: Request, approval_id: Annotated[ApprovalIdField, Path()]) -> Response:
    """Never by whoever proposed it. The proposal is its own key: asked again, the same answer.

    What an earlier order freezes is not taken for a later one.
    """
    told = exchange(request)
    return await answered(told, await approve_deduction(told.runtime, staff=told.staff, approval_id=approval_id))


@SUBJECT.operation(
    "POST",
    "/v1/staff/deductions/{approval_id}/refuse",
    summary="Refuse a deduction by law",
    access=Access.STAFF,
    permission=Permission.LAW_DEDUCT,
    says={204: Said("Refused")},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE, ErrorCode.SAME_PERSON),
    clauses=("CM 7.6",),
)
async def refuse_law_deduction(request: Request, approval_id: Annotated[ApprovalIdField, Path()]) -> Response:
    """Nothing is taken."""
    told = exchange(request)
    await refuse_deduction(told.runtime, staff=told.staff, approval_id=approval_id)
    return Response(status_code=204)
