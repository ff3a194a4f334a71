"""Staff: transactions that a risk rule holds until somebody has looked. Spec: CM 9.2, 9.4."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import (
    Body,
    BusinessDate,
    LeastFen,
    PageLimit,
    Phone,
    TransactionIdField,
    View,
    one_of,
    text,
)
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_ranked, encode_ranked
from mpss.channels.http.routes.staff_vouchers import STAFF_EXAMPLE
from mpss.channels.http.tables import MOST_EXPORTED, table
from mpss.channels.http.views import ACCOUNT_EXAMPLE, TRANSACTION_EXAMPLE, At, NextCursor, reply
from mpss.desk.model import TransactionKind, TransactionState
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId, TransactionId
from mpss.risk.machine import ReviewEvent
from mpss.risk.model import Order, ReviewState
from mpss.risk.review_store import Review, ReviewSearch, find_reviews
from mpss.risk.rules import RULES
from mpss.staff.permissions import Permission
from mpss.transactions.reviews import decide_review

SUBJECT = Subject("Staff")
_CLAUSES = ("CM 9.2", "CM 9.4")
_EXPORTED = (
    "transaction_id", "kind", "account_id", "phone", "held_fen", "rule", "state", "transaction_state", "held_at",
    "expires_at", "decided_by", "decided_at", "reason",
)  # fmt: skip
_RuleName = Annotated[str, *one_of(RULES)] | None


class HeldFilters(Body):
    state: ReviewState | None = Field(default=None, examples=["open"])
    kind: TransactionKind | None = Field(default=None, examples=["transfer"])
    rule: _RuleName = Field(default=None, examples=["in_and_out"])
    phone: Phone | None = Field(default=None, description="the payer's")
    first_date: BusinessDate | None = Field(default=None, description="held on that day, Asia/Shanghai, or later")
    last_date: BusinessDate | None = Field(default=None, description="held on that day or before")
    min_fen: LeastFen = None
    order: Order = Field(default=Order.NEWEST, examples=["newest"])

    def search(self) -> ReviewSearch:
        return ReviewSearch(
            self.state, self.kind, self.rule, self.phone, self.first_date, self.last_date, self.min_fen
        )  # fmt: skip


class HeldPage(HeldFilters):
    limit: PageLimit = 50
    cursor: Cursor = None


class WordBody(Body):
    event: Literal["release", "refuse"] = Field(examples=["release"])
    reason: Annotated[str, *text(200)] = Field(examples=["the payer was called and knows of it"])


class HeldView(View):
    transaction_id: str = Field(examples=[TRANSACTION_EXAMPLE])
    kind: TransactionKind = Field(examples=["transfer"])
    account_id: str = Field(examples=[ACCOUNT_EXAMPLE])
    phone: str = Field(description="the payer's number now", examples=["+8618912340001"])
    held_fen: int = Field(description="amount and fee, held in the payer's wallet", examples=[50000])
    rule: str = Field(examples=["in_and_out"])
    state: ReviewState = Field(examples=["open"])
    transaction_state: TransactionState = Field(
        description="what is released is decided anew, and may be DECLINED then", examples=["REVIEWING"]
    )
    held_at: At
    expires_at: At
    decided_by: str | None = Field(examples=[STAFF_EXAMPLE])
    decided_at: At | None
    reason: str = Field(examples=[""])


class HeldsView(View):
    items: list[HeldView]
    next_cursor: NextCursor


def _view(review: Review) -> HeldView:
    facts = review.row._asdict()
    del facts["hold_id"]
    return HeldView(
        transaction_id=TransactionId.outside(review.transaction_id),
        account_id=AccountId.outside(facts.pop("account_id")),
        transaction_state=TransactionState(review.transaction_state),
        phone=review.phone,
        **facts,
    )


@SUBJECT.operation(
    "GET",
    "/v1/staff/risk/reviews",
    summary="Search what is held for review",
    access=Access.STAFF,
    permission=Permission.RISK_VIEW,
    says={200: Said("A page, newest first unless asked otherwise", HeldsView)},
    clauses=_CLAUSES,
)
async def list_risk_reviews(request: Request, query: Annotated[HeldPage, Query()]) -> Response:
    """Decided ones too: nothing is removed."""
    after = decode_ranked(query.cursor)
    async with exchange(request).runtime.database.read() as uow:
        found = await find_reviews(uow, query.search(), after=after, limit=query.limit + 1, order=query.order)
    found, following = cut(
        found, query.limit, lambda review: encode_ranked((review.row.held_fen, review.transaction_id))
    )
    return reply(HeldsView(items=[_view(review) for review in found], next_cursor=following))


@SUBJECT.operation(
    "GET",
    "/v1/staff/risk/reviews/export",
    summary="Export what is held for review",
    access=Access.STAFF,
    permission=Permission.RISK_VIEW,
    says={200: Said("The first 10,000 of the order, one line each", media_type="text/csv")},
    clauses=_CLAUSES,
)
async def export_risk_reviews(request: Request, query: Annotated[HeldFilters, Query()]) -> Response:
    """The list as a table (CSV, UTF-8)."""
    async with exchange(request).runtime.database.read() as uow:
        found = await find_reviews(uow, query.search(), after=None, limit=MOST_EXPORTED, order=query.order)
    return table("risk-reviews", _EXPORTED, map(_view, found))


@SUBJECT.operation(
    "POST",
    "/v1/staff/risk/reviews/{transaction_id}",
    summary="Release or refuse what is held",
    access=Access.STAFF,
    permission=Permission.RISK_REVIEW,
    says={200: Said("It goes on, or the money is free again", HeldView)},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE),
    clauses=_CLAUSES,
)
async def decide_risk_review(
    request: Request, body: WordBody, transaction_id: Annotated[TransactionIdField, Path()]
) -> Response:
    """One's own word again changes nothing. What nobody releases in time is refused."""
    told = exchange(request)
    return reply(
        _view(
            await decide_review(
                told.runtime,
                by=told.staff,
                transaction_id=transaction_id,
                event=ReviewEvent(body.event),
                reason=body.reason,
            )
        )
    )
