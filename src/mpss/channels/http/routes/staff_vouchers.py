"""Staff: voucher batches are made, put on sale by somebody else, or thrown away. Spec: CM 8.5."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import AmountFen, Body, Currency, PageLimit, View, VoucherBatchIdField
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, encode_id
from mpss.channels.http.views import AT_EXAMPLE, NextCursor, TransactionView, answered, reply
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import VoucherBatchId
from mpss.staff.permissions import Permission
from mpss.transactions.topups.voucher_activation import activate_batch
from mpss.vouchers.issue import MAX_QUANTITY, discard_batch, generate_batch
from mpss.vouchers.model import BatchState
from mpss.vouchers.queries import BatchOverview, list_batches

SUBJECT = Subject("Staff")

STAFF_EXAMPLE = "stf_019e6b3bb2d4766d8e7f9a0b1c2d3e4f"


class GenerateBody(Body):
    face_fen: AmountFen = Field(description="of each voucher", examples=[5000])
    currency: Currency
    quantity: int = Field(strict=True, ge=1, le=MAX_QUANTITY, examples=[100])
    valid_until: date = Field(description="the last business day they are good for", examples=["2028-12-31"])


class BatchView(View):
    batch_id: str = Field(examples=["vbt_019e6b3c2c337d43c5e6f708192a3b4c"])
    number: int = Field(description="its vouchers' serials begin with it", examples=[1])
    face_fen: int = Field(examples=[5000])
    currency: str = Field(examples=["CNY"])
    quantity: int = Field(examples=[100])
    redeemed: int = Field(examples=[3])
    state: BatchState = Field(examples=["activated"])
    valid_until: date = Field(examples=["2028-12-31"])
    created_by: str = Field(examples=[STAFF_EXAMPLE])
    created_at: datetime = Field(examples=[AT_EXAMPLE])
    activated_by: str | None = Field(examples=[None])
    activated_at: datetime | None = Field(examples=[None])


class BatchesView(View):
    items: list[BatchView]
    next_cursor: NextCursor


def _batch_view(batch: BatchOverview) -> BatchView:
    return BatchView(
        batch_id=str(VoucherBatchId.from_uuid(batch.id)),
        number=batch.number,
        face_fen=batch.face_fen,
        currency="CNY",
        quantity=batch.quantity,
        redeemed=batch.redeemed,
        state=BatchState(batch.state),
        valid_until=batch.valid_until,
        created_by=batch.created_by,
        created_at=batch.created_at,
        activated_by=batch.activated_by,
        activated_at=batch.activated_at,
    )


@SUBJECT.operation(
    "POST",
    "/v1/staff/voucher-batches",
    summary="Have a batch of vouchers made",
    access=Access.STAFF,
    permission=Permission.VOUCHER_GENERATE,
    says={
        201: Said(
            "The printer's file: serial, password, face in fen, last day. The passwords are shown this once",
            media_type="text/csv",
            headers=("Batch-Id",),
        )
    },
    clauses=("CM 8.5",),
)
async def generate_vouchers(request: Request, body: GenerateBody) -> Response:
    """The cards are worth nothing until somebody else activates the batch. `Batch-Id` names it."""
    told = exchange(request)
    batch = await generate_batch(
        told.runtime, face_fen=body.face_fen, quantity=body.quantity, valid_until=body.valid_until, staff=told.staff
    )
    headers = {"batch-id": str(batch.id), "content-disposition": f'attachment; filename="{batch.id}.csv"'}
    return Response("".join(batch.csv()), 201, headers, "text/csv; charset=utf-8")


@SUBJECT.operation(
    "GET",
    "/v1/staff/voucher-batches",
    summary="List the batches",
    access=Access.STAFF,
    permission=Permission.VOUCHER_ACTIVATE,
    says={200: Said("A page, newest first", BatchesView)},
    clauses=("CM 8.5",),
)
async def list_voucher_batches(
    request: Request, limit: Annotated[PageLimit, Query()] = 50, cursor: Annotated[Cursor, Query()] = None
) -> Response:
    """Each with who made it, who activated it, and how many are redeemed."""
    told, before = exchange(request), decode_id(cursor)
    async with told.runtime.database.read() as uow:
        found = await list_batches(uow, before=before, limit=limit + 1)
    found, following = cut(found, limit, lambda batch: encode_id(batch.id))
    return reply(BatchesView(items=[_batch_view(batch) for batch in found], next_cursor=following))


@SUBJECT.operation(
    "POST",
    "/v1/staff/voucher-batches/{batch_id}/activate",
    summary="Put a batch on sale",
    access=Access.STAFF,
    permission=Permission.VOUCHER_ACTIVATE,
    says={201: Said("Its vouchers are money, and owed", TransactionView)},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE, ErrorCode.SAME_PERSON),
    clauses=("CM 8.5",),
    money=True,
)
async def activate_vouchers(request: Request, batch_id: Annotated[VoucherBatchIdField, Path()]) -> Response:
    """By somebody else than who had it made."""
    told = exchange(request)
    return await answered(told, await activate_batch(told.runtime, staff=told.staff, key=told.key, batch_id=batch_id))


@SUBJECT.operation(
    "POST",
    "/v1/staff/voucher-batches/{batch_id}/discard",
    summary="Throw a batch away",
    access=Access.STAFF,
    permission=Permission.VOUCHER_GENERATE,
    says={204: Said("Its cards are worth nothing for good")},
    errors=(ErrorCode.ILLEGAL_STATE,),
    clauses=("CM 8.5",),
)
async def discard_vouchers(request: Request, batch_id: Annotated[VoucherBatchIdField, Path()]) -> Response:
    """A batch that was not activated."""
    told = exchange(request)
    await discard_batch(told.runtime, batch_id=batch_id, staff=told.staff)
    return Response(status_code=204)
