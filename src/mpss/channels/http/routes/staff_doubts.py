"""Staff: payouts to a phone bill in doubt, ended by two people who asked by hand. Spec: CM 5.2.3.4."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import ApprovalIdField, Body, FundingIdField, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.routes.staff_funding import REQUEST_EXAMPLE
from mpss.channels.http.views import AT_EXAMPLE, TransactionView, reply, transaction_view
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import ApprovalId, FundingId, StaffId
from mpss.staff.model import ApprovalRow
from mpss.staff.permissions import Permission
from mpss.transactions.closings.bill_doubt import (
    Ending,
    approve_ending,
    propose_ending,
    refuse_ending,
    waiting_endings,
)

SUBJECT = Subject("Staff")

_CREDITED = Field(description="whether the charging system's books have the credit", examples=[True])
_EVIDENCE = Field(description="who was asked, and what they showed", examples=["OCS duty, ledger line 4711"])


class DoubtEndingBody(Body):
    credited: bool = _CREDITED
    reference: Annotated[
        str, Field(max_length=200, description="the credit's, needed where there is one", examples=["4711"])
    ] = ""
    evidence: Annotated[str, *text(200)] = _EVIDENCE


class DoubtEndingProposedView(View):
    approval_id: str = Field(examples=["apv_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"])


class DoubtEndingView(DoubtEndingProposedView):
    request_id: str = Field(examples=[REQUEST_EXAMPLE])
    credited: bool = _CREDITED
    reference: str = Field(examples=["4711"])
    evidence: str = _EVIDENCE
    proposed_by: str = Field(examples=["stf_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"])
    proposed_at: datetime = Field(examples=[AT_EXAMPLE])


class DoubtEndingsView(View):
    items: list[DoubtEndingView]


def _view(row: ApprovalRow, ending: Ending) -> DoubtEndingView:
    return DoubtEndingView(
        approval_id=ApprovalId.outside(row.id),
        request_id=FundingId.outside(ending.request_id),
        credited=ending.credited,
        reference=ending.reference,
        evidence=ending.evidence,
        proposed_by=StaffId.outside(row.proposed_by),
        proposed_at=row.proposed_at,
    )


@SUBJECT.operation(
    "POST",
    "/v1/staff/funding-requests/{request_id}/ending",
    summary="Propose how a doubt ended",
    access=Access.STAFF,
    permission=Permission.FUNDING_END,
    says={201: Said("It waits for another member of staff", DoubtEndingProposedView)},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 5.2.3.4",),
)
async def propose_doubt_ending(
    request: Request, body: DoubtEndingBody, request_id: Annotated[FundingIdField, Path()]
) -> Response:
    """Of the payout of a closed account's rest to a phone bill. It is asked about no more while the proposal waits."""
    told = exchange(request)
    approval_id = await propose_ending(
        told.runtime,
        staff=told.staff,
        request_id=request_id,
        credited=body.credited,
        reference=body.reference,
        evidence=body.evidence,
    )
    return reply(DoubtEndingProposedView(approval_id=str(approval_id)), 201)


@SUBJECT.operation(
    "GET",
    "/v1/staff/funding-endings",
    summary="List the ends of doubts that wait for a second person",
    access=Access.STAFF,
    permission=Permission.FUNDING_END,
    says={200: Said("Those that nobody has decided yet, oldest first", DoubtEndingsView)},
    clauses=("CM 5.2.3.4",),
)
async def read_doubt_endings(request: Request) -> Response:
    """What is decided is in the audit record."""
    found = await waiting_endings(exchange(request).runtime)
    return reply(DoubtEndingsView(items=[_view(row, ending) for row, ending in found]))


@SUBJECT.operation(
    "POST",
    "/v1/staff/funding-endings/{approval_id}/approve",
    summary="Approve how a doubt ended",
    access=Access.STAFF,
    permission=Permission.FUNDING_END,
    says={200: Said("The payout as it ended", TransactionView)},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE, ErrorCode.SAME_PERSON, ErrorCode.BUSY),
    clauses=("CM 5.2.3.4",),
)
async def approve_doubt_ending(request: Request, approval_id: Annotated[ApprovalIdField, Path()]) -> Response:
    """Never by whoever proposed it, and not while an answer may still be on its way."""
    told = exchange(request)
    ended = await approve_ending(told.runtime, staff=told.staff, approval_id=approval_id)
    return reply(transaction_view(ended))


@SUBJECT.operation(
    "POST",
    "/v1/staff/funding-endings/{approval_id}/refuse",
    summary="Refuse how a doubt is said to have ended",
    access=Access.STAFF,
    permission=Permission.FUNDING_END,
    says={204: Said("Refused; it is asked about again")},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE, ErrorCode.SAME_PERSON),
    clauses=("CM 5.2.3.4",),
)
async def refuse_doubt_ending(request: Request, approval_id: Annotated[ApprovalIdField, Path()]) -> Response:
    """The charging system is asked at once."""
    told = exchange(request)
    await refuse_ending(told.runtime, staff=told.staff, approval_id=approval_id)
    return Response(status_code=204)
