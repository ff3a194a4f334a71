"""Staff: loss reported and lifted, freezes for a risk or by law by two people. Spec: CM 6.7.1, 6.7.3, 6.8, 7.6."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.freeze import Proposed, decide_freeze, open_proposals, propose_freeze, propose_release
from mpss.accounts.loss import lift_loss_at_counter, report_loss_by_voice, report_loss_in_writing
from mpss.accounts.model import FreezeKind
from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import ApprovalIdField, Body, FreezeIdField, Phone, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.routes.account_state import ClosingView, LossView
from mpss.channels.http.views import AT_EXAMPLE, TransactionView, answered, reply
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import ApprovalId, StaffId
from mpss.staff.model import ApprovalRow
from mpss.staff.permissions import Permission
from mpss.transactions.closings.close import close_at_counter, pay_out_cash

SUBJECT = Subject("Staff")

_LINE = text(200)
_REPORTED = (ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.ILLEGAL_STATE, *refusals_of(Operation.REPORT_LOSS))


class VoiceLossBody(Body):
    phone: Phone
    note: Annotated[str, *_LINE, Field(description="how the caller was identified", examples=["name, last top-up"])]


class DocumentBody(Body):
    phone: Phone
    document: Annotated[str, *_LINE, Field(description="what the customer showed", examples=["resident ID, seen"])]


class StaffFreezeBody(Body):
    phone: Phone
    kind: Literal[FreezeKind.RISK, FreezeKind.LAW] = Field(examples=["law"])
    reason: Annotated[str, *_LINE, Field(examples=["preservation order"])]
    document: Annotated[str, Field(max_length=200, description="of the court or authority", examples=["(2026) 12"])] = (
        ""
    )


class FreezeReleaseBody(Body):
    phone: Phone
    freeze_id: FreezeIdField
    reason: Annotated[str, *_LINE, Field(examples=["the order was lifted"])]


class FreezeDecision(Body):
    kind: Proposed = Field(examples=["account_freeze"])


class FreezeProposedView(View):
    approval_id: str = Field(examples=["apv_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"])


class FreezeProposalView(FreezeProposedView):
    kind: Proposed = Field(examples=["account_freeze"])
    account_id: str = Field(examples=["acc_019e6b3bf1a6766d8e7f9a0b1c2d3e4f"])
    freeze_kind: FreezeKind = Field(examples=["law"])
    freeze_id: str | None = Field(description="the freeze to release", examples=[None])
    reason: str = Field(examples=["preservation order"])
    document: str = Field(examples=["(2026) 12"])
    proposed_by: str = Field(examples=["stf_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"])
    proposed_at: datetime = Field(examples=[AT_EXAMPLE])


class FreezeProposalsView(View):
    items: list[FreezeProposalView]


def _view(row: ApprovalRow) -> FreezeProposalView:
    payload = json.loads(row.payload)
    return FreezeProposalView(
        approval_id=ApprovalId.outside(row.id),
        kind=Proposed(row.kind),
        account_id=payload["account_id"],
        freeze_kind=FreezeKind(payload["kind"]),
        freeze_id=payload.get("freeze_id"),
        reason=payload["reason"],
        document=payload.get("document", ""),
        proposed_by=StaffId.outside(row.proposed_by),
        proposed_at=row.proposed_at,
    )


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
    errors=_REPORTED,
    clauses=("CM 6.7.3",),
)
async def in_writing(request: Request, body: DocumentBody) -> Response:
    """For the clerk of a service hall, who has looked at the customer's identity document."""
    told = exchange(request)
    await report_loss_in_writing(told.runtime, staff=told.staff, phone=body.phone, document=body.document)
    return Response(status_code=204)


@SUBJECT.operation(
    "POST",
    "/v1/staff/accounts/loss/lift",
    summary="Lift a report of loss",
    access=Access.STAFF,
    permission=Permission.LOSS_WRITTEN,
    says={204: Said("Lifted")},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.ILLEGAL_STATE, *refusals_of(Operation.LIFT_LOSS)),
    clauses=("CM 6.8",),
)
async def lift_at_counter(request: Request, body: DocumentBody) -> Response:
    """For the clerk of a service hall; of a report of either kind."""
    told = exchange(request)
    await lift_loss_at_counter(told.runtime, staff=told.staff, phone=body.phone, document=body.document)
    return Response(status_code=204)


@SUBJECT.operation(
    "POST",
    "/v1/staff/freezes",
    summary="Propose a freeze",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_FREEZE,
    says={201: Said("It waits for another member of staff", FreezeProposedView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, *refusals_of(Operation.FREEZE)),
    clauses=("CM 7.6",),
)
async def propose_account_freeze(request: Request, body: StaffFreezeBody) -> Response:
    """For a risk, or by law with the authority's document."""
    told = exchange(request)
    approval_id = await propose_freeze(
        told.runtime, staff=told.staff, phone=body.phone, kind=body.kind, reason=body.reason, document=body.document
    )
    return reply(FreezeProposedView(approval_id=str(approval_id)), 201)


@SUBJECT.operation(
    "POST",
    "/v1/staff/freezes/release",
    summary="Propose the release of a freeze",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_FREEZE,
    says={201: Said("It waits for another member of staff", FreezeProposedView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 7.6",),
)
async def propose_freeze_release(request: Request, body: FreezeReleaseBody) -> Response:
    """Of a freeze for a risk or by law; the holder's own is the holder's to release."""
    told = exchange(request)
    approval_id = await propose_release(
        told.runtime, staff=told.staff, freeze_id=body.freeze_id, phone=body.phone, reason=body.reason
    )
    return reply(FreezeProposedView(approval_id=str(approval_id)), 201)


@SUBJECT.operation(
    "GET",
    "/v1/staff/freezes/proposals",
    summary="List what waits for a second person",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_FREEZE,
    says={200: Said("Freezes or releases that were proposed, oldest first", FreezeProposalsView)},
    clauses=("CM 7.6",),
)
async def read_freeze_proposals(
    request: Request, kind: Annotated[Proposed, Query(description="freezes, or releases")] = Proposed.FREEZE
) -> Response:
    """What is decided is no longer listed; the audit record has it."""
    told = exchange(request)
    return reply(FreezeProposalsView(items=[_view(row) for row in await open_proposals(told.runtime, kind=kind)]))


_DECIDED = (
    ErrorCode.NOT_FOUND,
    ErrorCode.ILLEGAL_STATE,
    ErrorCode.SAME_PERSON,
    ErrorCode.UNKNOWN_ACCOUNT,
    *refusals_of(Operation.FREEZE),
)


@SUBJECT.operation(
    "POST",
    "/v1/staff/freezes/proposals/{approval_id}/approve",
    summary="Approve a freeze or a release",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_FREEZE,
    says={204: Said("Carried out")},
    errors=_DECIDED,
    clauses=("CM 7.6",),
)
async def approve_freeze(
    request: Request, body: FreezeDecision, approval_id: Annotated[ApprovalIdField, Path()]
) -> Response:
    """Never by whoever proposed it."""
    told = exchange(request)
    await decide_freeze(told.runtime, staff=told.staff, approval_id=approval_id, kind=body.kind, approve=True)
    return Response(status_code=204)


@SUBJECT.operation(
    "POST",
    "/v1/staff/freezes/proposals/{approval_id}/refuse",
    summary="Refuse a freeze or a release",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_FREEZE,
    says={204: Said("Refused")},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE, ErrorCode.SAME_PERSON),
    clauses=("CM 7.6",),
)
async def refuse_freeze(
    request: Request, body: FreezeDecision, approval_id: Annotated[ApprovalIdField, Path()]
) -> Response:
    """Nothing happens to the account."""
    told = exchange(request)
    await decide_freeze(told.runtime, staff=told.staff, approval_id=approval_id, kind=body.kind, approve=False)
    return Response(status_code=204)


class StaffClosingView(ClosingView):
    balance_fen: int = Field(description="what is to be paid out as cash", examples=[7500])
    currency: str = Field(examples=["CNY"])


class ClosingPayoutBody(Body):
    phone: Phone


@SUBJECT.operation(
    "POST",
    "/v1/staff/accounts/closing",
    summary="Close an account at a hall",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_CLOSE,
    says={201: Said("It is closed, or will be once the rest is paid out", StaffClosingView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, *refusals_of(Operation.CLOSE), ErrorCode.CLOSING_BLOCKED),
    clauses=("CM 5.2.5", "CM 6.2"),
)
async def close_at_hall(request: Request, body: DocumentBody) -> Response:
    """For the clerk of a service hall, who has looked at the identity document; also after a loss in writing."""
    told = exchange(request)
    life, balance_fen = await close_at_counter(told.runtime, staff=told.staff, phone=body.phone, document=body.document)
    return reply(StaffClosingView(life=life, balance_fen=balance_fen, currency="CNY"), 201)


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
    ),
    clauses=("CM 5.2.3.4", "CM 6.2"),
)
async def pay_rest(request: Request, body: ClosingPayoutBody) -> Response:
    """The whole balance at once."""
    told = exchange(request)
    return answered(told, await pay_out_cash(told.runtime, staff=told.staff, key=told.key, phone=body.phone))
