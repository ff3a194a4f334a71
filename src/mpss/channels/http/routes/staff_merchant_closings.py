"""Staff: merchants' closings, by two people. Spec: CM 5.2.3.3."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import ApprovalIdField, MerchantIdField, View
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.routes.merchant_closing import ClosingReasonBody, MerchantClosingView, closing_view
from mpss.channels.http.views import AT_EXAMPLE, MERCHANT_EXAMPLE, reply
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import ApprovalId, MerchantId, StaffId
from mpss.merchants.close import (
    approve_closing,
    call_closing_off,
    merchant_closing,
    open_closings,
    propose_closing,
    refuse_closing,
    waiting_closings,
)
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")

APPROVAL_EXAMPLE = "apv_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"
STAFF_EXAMPLE = "stf_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"


class ClosingProposedView(View):
    approval_id: str = Field(examples=[APPROVAL_EXAMPLE])


class ClosingProposalView(ClosingProposedView):
    merchant_id: str = Field(examples=[MERCHANT_EXAMPLE])
    reason: str = Field(examples=["the shop is given up"])
    proposed_by: str = Field(examples=[STAFF_EXAMPLE])
    proposed_at: datetime = Field(examples=[AT_EXAMPLE])


class OpenClosingView(View):
    """What a merchant or staff asked for, and whether it has begun."""

    merchant_id: str = Field(examples=[MERCHANT_EXAMPLE])
    reason: str = Field(examples=["the shop is given up"])
    asked_by: str = Field(examples=[f"merchant:{MERCHANT_EXAMPLE}"])
    asked_at: datetime = Field(examples=[AT_EXAMPLE])
    begun_at: datetime | None = Field(description="null: nobody has decided yet", examples=[AT_EXAMPLE])
    ends_at: datetime | None = Field(description="of the notice period", examples=[AT_EXAMPLE])


class MerchantClosingsView(View):
    items: list[OpenClosingView]
    proposals: list[ClosingProposalView] = Field(description="what waits for a second person")


@SUBJECT.operation(
    "GET",
    "/v1/staff/merchant-closings",
    summary="List the merchants that close, or asked to",
    access=Access.STAFF,
    permission=Permission.MERCHANT_CLOSE,
    says={200: Said("What was asked for and what has begun, and the proposals; oldest first", MerchantClosingsView)},
    clauses=("CM 5.2.3.3",),
)
async def list_merchant_closings(request: Request) -> Response:
    """What is closed or was called off is in the audit record, and shown with the merchant."""
    runtime = exchange(request).runtime
    items = [
        OpenClosingView(
            merchant_id=MerchantId.outside(closing.merchant_id),
            reason=closing.reason,
            asked_by=closing.asked_by,
            asked_at=closing.asked_at,
            begun_at=closing.begun_at,
            ends_at=closing.ends_at,
        )
        for closing in await open_closings(runtime)
    ]
    proposals = [
        ClosingProposalView(
            approval_id=ApprovalId.outside(row.id),
            proposed_by=StaffId.outside(row.proposed_by),
            proposed_at=row.proposed_at,
            **json.loads(row.payload),
        )
        for row in await waiting_closings(runtime)
    ]
    return reply(MerchantClosingsView(items=items, proposals=proposals))


@SUBJECT.operation(
    "GET",
    "/v1/staff/merchants/{merchant_id}/closing",
    summary="See what stands in the way of a merchant's closing",
    access=Access.STAFF,
    permission=Permission.MERCHANT_CLOSE,
    says={200: Said("How it stands, and what is in the way", MerchantClosingView)},
    errors=(ErrorCode.UNKNOWN_MERCHANT,),
    clauses=("CM 5.2.3.3",),
)
async def read_merchant_closing(request: Request, merchant_id: Annotated[MerchantIdField, Path()]) -> Response:
    """Also of one that is closed."""
    told = exchange(request)
    return reply(closing_view(told, await merchant_closing(told.runtime, merchant_id=merchant_id)))


@SUBJECT.operation(
    "POST",
    "/v1/staff/merchants/{merchant_id}/closing",
    summary="Propose to close a merchant",
    access=Access.STAFF,
    permission=Permission.MERCHANT_CLOSE,
    says={201: Said("It waits for another member of staff", ClosingProposedView)},
    errors=(ErrorCode.UNKNOWN_MERCHANT, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 5.2.3.3",),
)
async def propose_merchant_closing(
    request: Request, body: ClosingReasonBody, merchant_id: Annotated[MerchantIdField, Path()]
) -> Response:
    """Whether the merchant asked for it or not. Until it is approved the merchant sells as before."""
    told = exchange(request)
    approval_id = await propose_closing(told.runtime, staff=told.staff, merchant_id=merchant_id, reason=body.reason)
    return reply(ClosingProposedView(approval_id=str(approval_id)), 201)


@SUBJECT.operation(
    "DELETE",
    "/v1/staff/merchants/{merchant_id}/closing",
    summary="Call a merchant's closing off",
    access=Access.STAFF,
    permission=Permission.MERCHANT_CLOSE,
    says={204: Said("The merchant is suspended, until it is resumed")},
    errors=(ErrorCode.UNKNOWN_MERCHANT, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 5.2.3.3",),
)
async def call_merchant_closing_off(
    request: Request, body: ClosingReasonBody, merchant_id: Annotated[MerchantIdField, Path()]
) -> Response:
    """One that has begun and whose notice period is not over; a proposal is refused instead."""
    told = exchange(request)
    await call_closing_off(told.runtime, staff=told.staff, merchant_id=merchant_id, reason=body.reason)
    return Response(status_code=204)


@SUBJECT.operation(
    "POST",
    "/v1/staff/merchant-closings/{approval_id}/approve",
    summary="Approve the closing of a merchant",
    access=Access.STAFF,
    permission=Permission.MERCHANT_CLOSE,
    says={200: Said("The merchant sells no more; its notice period has begun", MerchantClosingView)},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE, ErrorCode.SAME_PERSON),
    clauses=("CM 5.2.3.3",),
)
async def approve_merchant_closing(request: Request, approval_id: Annotated[ApprovalIdField, Path()]) -> Response:
    """Never by whoever proposed it."""
    told = exchange(request)
    return reply(closing_view(told, await approve_closing(told.runtime, staff=told.staff, approval_id=approval_id)))


@SUBJECT.operation(
    "POST",
    "/v1/staff/merchant-closings/{approval_id}/refuse",
    summary="Refuse the closing of a merchant",
    access=Access.STAFF,
    permission=Permission.MERCHANT_CLOSE,
    says={204: Said("The merchant sells as before")},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE, ErrorCode.SAME_PERSON),
    clauses=("CM 5.2.3.3",),
)
async def refuse_merchant_closing(request: Request, approval_id: Annotated[ApprovalIdField, Path()]) -> Response:
    """What the merchant asked for ends with it."""
    told = exchange(request)
    await refuse_closing(told.runtime, staff=told.staff, approval_id=approval_id)
    return Response(status_code=204)
