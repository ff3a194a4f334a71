"""Staff: freezes for a risk or by law, and deductions by law, each by two people. Spec: CM 7.6."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.freeze import (
    decide_freeze,
    freezes_by_phone,
    open_proposals,
    propose_extension,
    propose_freeze,
    propose_release,
)
from mpss.accounts.freeze_change import Proposed
from mpss.accounts.model import Freeze, FreezeKind
from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import AmountFen, ApprovalIdField, Body, FreezeIdField, Phone, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.views import ACCOUNT_EXAMPLE, AT_EXAMPLE, reply
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import ApprovalId, FreezeId, StaffId
from mpss.staff.model import ApprovalRow
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")

_LINE = text(200)
_FREEZE_EXAMPLE = "frz_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"
_APPROVAL_EXAMPLE = "apv_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"
_STAFF_EXAMPLE = "stf_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"
_Reason = Annotated[str, *_LINE, Field(examples=["preservation order"])]
_Paper = Annotated[str, Field(max_length=200, description="of the court or authority", examples=["(2026) 12"])]
_End = Annotated[date, Field(description="the day on which it ends, at 00:00 in Shanghai", examples=["2026-12-01"])]


class StaffFreezeBody(Body):
    phone: Phone
    kind: Literal[FreezeKind.RISK, FreezeKind.LAW] = Field(examples=["law"])
    amount_fen: AmountFen | None = Field(
        default=None,
        description="how much must not leave, whether it is there yet or not; null: the whole account",
        examples=[50_000],
    )
    until: _End | None = Field(default=None, description="null: until it is released", examples=["2026-12-01"])
    reason: _Reason
    document: _Paper = ""


class FreezeReleaseBody(Body):
    phone: Phone
    freeze_id: FreezeIdField
    amount_fen: AmountFen | None = Field(
        default=None, description="of a freeze of an amount: only so much; null: all of it", examples=[20_000]
    )
    reason: Annotated[str, *_LINE, Field(examples=["the order was lifted"])]


class FreezeExtensionBody(Body):
    phone: Phone
    freeze_id: FreezeIdField
    until: _End
    reason: _Reason
    document: _Paper = ""


class FreezeDecision(Body):
    kind: Proposed = Field(examples=["account_freeze"])


class FreezeProposedView(View):
    approval_id: str = Field(examples=[_APPROVAL_EXAMPLE])


class FreezeProposalView(FreezeProposedView):
    kind: Proposed = Field(examples=["account_freeze"])
    account_id: str = Field(examples=[ACCOUNT_EXAMPLE])
    freeze_kind: FreezeKind = Field(examples=["law"])
    freeze_id: str | None = Field(description="the freeze to release or extend", examples=[None])
    amount_fen: int | None = Field(description="null: the whole account, or all that is frozen", examples=[50_000])
    until: date | None = Field(examples=["2026-12-01"])
    reason: str = Field(examples=["preservation order"])
    document: str = Field(examples=["(2026) 12"])
    proposed_by: str = Field(examples=[_STAFF_EXAMPLE])
    proposed_at: datetime = Field(examples=[AT_EXAMPLE])


class FreezeProposalsView(View):
    items: list[FreezeProposalView]


class AccountFreezeView(View):
    """A freeze, standing or ended; amounts in fen of CNY."""

    freeze_id: str = Field(examples=[_FREEZE_EXAMPLE])
    kind: FreezeKind = Field(examples=["law"])
    amount_fen: int | None = Field(description="as ordered; null: the whole account", examples=[50_000])
    left_fen: int | None = Field(description="what of it is still frozen", examples=[30_000])
    reason: str = Field(examples=["preservation order"])
    document: str = Field(examples=["(2026) 12"])
    until: datetime | None = Field(description="when it ends by itself", examples=[AT_EXAMPLE])
    made_by: str = Field(examples=[_STAFF_EXAMPLE])
    made_at: datetime = Field(examples=[AT_EXAMPLE])
    released_by: str | None = Field(examples=[None])
    released_at: datetime | None = Field(examples=[None])


class AccountFreezesView(View):
    items: list[AccountFreezeView]


def _proposal(row: ApprovalRow) -> FreezeProposalView:
    payload = json.loads(row.payload)
    return FreezeProposalView(
        approval_id=ApprovalId.outside(row.id),
        kind=Proposed(row.kind),
        account_id=payload["account_id"],
        freeze_kind=FreezeKind(payload["kind"]),
        freeze_id=payload.get("freeze_id"),
        amount_fen=payload.get("amount_fen"),
        until=payload.get("until"),
        reason=payload["reason"],
        document=payload.get("document", ""),
        proposed_by=StaffId.outside(row.proposed_by),
        proposed_at=row.proposed_at,
    )


def _freeze(row: Freeze) -> AccountFreezeView:
    fields = row._asdict() | {"freeze_id": FreezeId.outside(row.id)}
    return AccountFreezeView(**{name: fields[name] for name in AccountFreezeView.model_fields})


_STANDING = (ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE)


@SUBJECT.operation(
    "GET",
    "/v1/staff/freezes",
    summary="List an account's freezes",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_FREEZE,
    says={200: Said("The newest hundred, standing and ended", AccountFreezesView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 7.6",),
)
async def read_freezes(request: Request, phone: Annotated[Phone, Query()]) -> Response:
    """The holder's own too."""
    told = exchange(request)
    found = await freezes_by_phone(told.runtime, staff=told.staff, phone=phone)
    return reply(AccountFreezesView(items=[_freeze(row) for row in found]))


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
    """For a risk, or by law with the authority's document; of the whole account or of an amount."""
    told = exchange(request)
    approval_id = await propose_freeze(
        told.runtime,
        staff=told.staff,
        phone=body.phone,
        kind=body.kind,
        reason=body.reason,
        document=body.document,
        amount_fen=body.amount_fen,
        until=body.until,
    )
    return reply(FreezeProposedView(approval_id=str(approval_id)), 201)


@SUBJECT.operation(
    "POST",
    "/v1/staff/freezes/release",
    summary="Propose the release of a freeze",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_FREEZE,
    says={201: Said("It waits for another member of staff", FreezeProposedView)},
    errors=_STANDING,
    clauses=("CM 7.6",),
)
async def propose_freeze_release(request: Request, body: FreezeReleaseBody) -> Response:
    """Of a freeze for a risk or by law, whole or in part; the holder's own is the holder's to release."""
    told = exchange(request)
    approval_id = await propose_release(
        told.runtime,
        staff=told.staff,
        freeze_id=body.freeze_id,
        phone=body.phone,
        reason=body.reason,
        amount_fen=body.amount_fen,
    )
    return reply(FreezeProposedView(approval_id=str(approval_id)), 201)


@SUBJECT.operation(
    "POST",
    "/v1/staff/freezes/extension",
    summary="Propose that a freeze ends later",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_FREEZE,
    says={201: Said("It waits for another member of staff", FreezeProposedView)},
    errors=_STANDING,
    clauses=("CM 7.6",),
)
async def propose_freeze_extension(request: Request, body: FreezeExtensionBody) -> Response:
    """Of a freeze that has a date (续冻); by law with the authority's document."""
    told = exchange(request)
    approval_id = await propose_extension(
        told.runtime,
        staff=told.staff,
        freeze_id=body.freeze_id,
        phone=body.phone,
        until=body.until,
        reason=body.reason,
        document=body.document,
    )
    return reply(FreezeProposedView(approval_id=str(approval_id)), 201)


@SUBJECT.operation(
    "GET",
    "/v1/staff/freezes/proposals",
    summary="List what waits for a second person",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_FREEZE,
    says={200: Said("Freezes, releases or extensions that were proposed, oldest first", FreezeProposalsView)},
    clauses=("CM 7.6",),
)
async def read_freeze_proposals(
    request: Request, kind: Annotated[Proposed, Query(description="freezes, releases or extensions")] = Proposed.FREEZE
) -> Response:
    """What is decided is no longer listed; the audit record has it."""
    told = exchange(request)
    return reply(FreezeProposalsView(items=[_proposal(row) for row in await open_proposals(told.runtime, kind=kind)]))


@SUBJECT.operation(
    "POST",
    "/v1/staff/freezes/proposals/{approval_id}/approve",
    summary="Approve a freeze, a release or an extension",
    access=Access.STAFF,
    permission=Permission.ACCOUNT_FREEZE,
    says={204: Said("Carried out")},
    errors=(*_STANDING, ErrorCode.SAME_PERSON, *refusals_of(Operation.FREEZE)),
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
    summary="Refuse a freeze, a release or an extension",
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
