"""Staff: what is settled with a merchant that closes, by two people. Spec: CM 5.2.3.3."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import AmountFen, ApprovalIdField, Body, Currency, MerchantIdField, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.routes.staff_merchant_closings import APPROVAL_EXAMPLE, STAFF_EXAMPLE
from mpss.channels.http.views import AT_EXAMPLE, MERCHANT_EXAMPLE, TransactionView, answered, reply
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import ApprovalId, MerchantId, StaffId
from mpss.staff.permissions import Permission
from mpss.transactions.settlement import (
    Direction,
    approve_settlement,
    propose_settlement,
    refuse_settlement,
    waiting_settlements,
)

SUBJECT = Subject("Staff")

_ACCOUNT_EXAMPLE = "BEIHU 6222 0000 1234"
_REFERENCE_EXAMPLE = "20260331-000042"


class SettlementBody(Body):
    amount_fen: AmountFen
    currency: Currency
    bank_account: Annotated[str, *text(200)] = Field(description="the merchant's", examples=[_ACCOUNT_EXAMPLE])
    bank_reference: Annotated[
        str, Field(pattern=r"^[\x21-\x7e]{1,64}$", max_length=64, description="the bank's number of the transfer")
    ] = Field(examples=[_REFERENCE_EXAMPLE])


class SettlementProposedView(View):
    approval_id: str = Field(examples=[APPROVAL_EXAMPLE])


class SettlementProposalView(SettlementProposedView):
    merchant_id: str = Field(examples=[MERCHANT_EXAMPLE])
    direction: Direction = Field(examples=["to_merchant"])
    amount_fen: int = Field(examples=[120_000])
    currency: str = Field(examples=["CNY"])
    bank_account: str = Field(examples=[_ACCOUNT_EXAMPLE])
    bank_reference: str = Field(examples=[_REFERENCE_EXAMPLE])
    proposed_by: str = Field(examples=[STAFF_EXAMPLE])
    proposed_at: datetime = Field(examples=[AT_EXAMPLE])


class SettlementProposalsView(View):
    items: list[SettlementProposalView]


@SUBJECT.operation(
    "POST",
    "/v1/staff/merchants/{merchant_id}/settlement",
    summary="Propose to settle with a closing merchant",
    access=Access.STAFF,
    permission=Permission.MERCHANT_CLOSE,
    says={201: Said("It waits for another member of staff", SettlementProposedView)},
    errors=(ErrorCode.UNKNOWN_MERCHANT, ErrorCode.ILLEGAL_STATE, ErrorCode.CLOSING_BLOCKED),
    clauses=("CM 5.2.3.3",),
)
async def propose_merchant_settlement(
    request: Request, body: SettlementBody, merchant_id: Annotated[MerchantIdField, Path()]
) -> Response:
    """After the notice period, once its sales are final: a transfer made at the bank, to the merchant where we owe it,
    from the merchant where it owes us."""
    told = exchange(request)
    approval_id = await propose_settlement(
        told.runtime,
        staff=told.staff,
        merchant_id=merchant_id,
        amount_fen=body.amount_fen,
        bank_account=body.bank_account,
        bank_reference=body.bank_reference,
    )
    return reply(SettlementProposedView(approval_id=str(approval_id)), 201)


@SUBJECT.operation(
    "GET",
    "/v1/staff/merchant-settlements",
    summary="List the settlements that wait for a second person",
    access=Access.STAFF,
    permission=Permission.MERCHANT_CLOSE,
    says={200: Said("Those that nobody has decided yet, oldest first", SettlementProposalsView)},
    clauses=("CM 5.2.3.3",),
)
async def read_merchant_settlements(request: Request) -> Response:
    """What is decided is in the audit record and among the merchant's transactions."""
    items = [
        SettlementProposalView(
            approval_id=ApprovalId.outside(row.id),
            merchant_id=MerchantId.outside(asked.merchant_id),
            direction=asked.direction,
            amount_fen=asked.amount_fen,
            currency="CNY",
            bank_account=asked.bank_account,
            bank_reference=asked.bank_reference,
            proposed_by=StaffId.outside(row.proposed_by),
            proposed_at=row.proposed_at,
        )
        for row, asked in await waiting_settlements(exchange(request).runtime)
    ]
    return reply(SettlementProposalsView(items=items))


@SUBJECT.operation(
    "POST",
    "/v1/staff/merchant-settlements/{approval_id}/approve",
    summary="Approve a settlement with a closing merchant",
    access=Access.STAFF,
    permission=Permission.MERCHANT_CLOSE,
    says={201: Said("It is posted", TransactionView)},
    errors=(
        ErrorCode.NOT_FOUND,
        ErrorCode.ILLEGAL_STATE,
        ErrorCode.SAME_PERSON,
        ErrorCode.KEY_REUSED,
        ErrorCode.CLOSING_BLOCKED,
    ),
    clauses=("CM 5.2.3.3",),
)
async def approve_merchant_settlement(request: Request, approval_id: Annotated[ApprovalIdField, Path()]) -> Response:
    """Never by whoever proposed it. The bank's reference is its key: asked again, the same answer."""
    told = exchange(request)
    return await answered(told, await approve_settlement(told.runtime, staff=told.staff, approval_id=approval_id))


@SUBJECT.operation(
    "POST",
    "/v1/staff/merchant-settlements/{approval_id}/refuse",
    summary="Refuse a settlement with a closing merchant",
    access=Access.STAFF,
    permission=Permission.MERCHANT_CLOSE,
    says={204: Said("Refused")},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE, ErrorCode.SAME_PERSON),
    clauses=("CM 5.2.3.3",),
)
async def refuse_merchant_settlement(request: Request, approval_id: Annotated[ApprovalIdField, Path()]) -> Response:
    """Nothing is posted."""
    told = exchange(request)
    await refuse_settlement(told.runtime, staff=told.staff, approval_id=approval_id)
    return Response(status_code=204)
