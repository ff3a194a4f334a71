"""Staff: transactions that a risk rule holds until somebody has looked. Spec: CM 9.2, 9.4."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Body, PageLimit, Phone, TransactionIdField, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, encode_id
from mpss.channels.http.routes.staff_vouchers import STAFF_EXAMPLE
from mpss.channels.http.views import ACCOUNT_EXAMPLE, TRANSACTION_EXAMPLE, At, NextCursor, reply
from mpss.desk.model import TransactionKind, TransactionState
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId, TransactionId
from mpss.risk.machine import ReviewEvent
from mpss.risk.model import ReviewState
from mpss.risk.review_store import Review, ReviewSearch, find_reviews
from mpss.risk.rules import RULES
from mpss.staff.permissions import Permission
from mpss.transactions.reviews import decide_review

SUBJECT = Subject("Staff")
_CLAUSES = ("CM 9.2", "CM 9.4")
_RuleName = Annotated[str, Field(pattern=f"^({'|'.join(RULES)})$", max_length=32)] | None


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
    says={200: Said("A page, newest first", HeldsView)},
    clauses=_CLAUSES,
)
async def list_risk_reviews(
    request: Request,
    state: Annotated[ReviewState | None, Query()] = None,
    kind: Annotated[TransactionKind | None, Query()] = None,
    rule: Annotated[_RuleName, Query()] = None,
    phone: Annotated[Phone | None, Query(description="the payer's")] = None,
    limit: Annotated[PageLimit, Query()] = 50,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """Decided ones too: nothing is removed."""
    after, search = decode_id(cursor), ReviewSearch(state, kind, rule, phone)
    async with exchange(request).runtime.database.read() as uow:
        found = await find_reviews(uow, search, after=after, limit=limit + 1)
    found, following = cut(found, limit, lambda review: encode_id(review.transaction_id))
    return reply(HeldsView(items=[_view(review) for review in found], next_cursor=following))


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
