"""Staff: calls to banks and the charging system that are not settled, and for how long. Spec: CT 5.1, 7.1."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import PageLimit, View
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, encode_id
from mpss.channels.http.views import TRANSACTION_EXAMPLE, At, NextCursor, reply
from mpss.desk.model import TransactionState
from mpss.kernel.ids import FundingId, TransactionId
from mpss.staff.permissions import Permission
from mpss.transactions.resolve import list_open

SUBJECT = Subject("Staff")

REQUEST_EXAMPLE = "fnd_019e6b3c4e557f65e708192a3b4c5d6e"


class FundingRequestView(View):
    """One call that is not settled. It is asked about again, with the same ids, at `due_at`."""

    request_id: str = Field(examples=[REQUEST_EXAMPLE])
    transaction_id: str = Field(examples=[TRANSACTION_EXAMPLE])
    counterpart: str = Field(description="the charging system, or a bank", examples=["charging"])
    operation: str = Field(description="reserve, commit, release or refund", examples=["commit"])
    session: str = Field(
        description="what the counterpart knows it by", examples=[f"mpss;charging;{TRANSACTION_EXAMPLE}"]
    )
    amount_fen: int = Field(examples=[2500])
    currency: str = Field(examples=["CNY"])
    state: str = Field(description="SENT or IN_DOUBT", examples=["IN_DOUBT"])
    transaction_state: TransactionState = Field(examples=["COMPLETING"])
    attempts: int = Field(examples=[3])
    age_seconds: int = Field(description="how long it has not been settled", examples=[42])
    due_at: At
    created_at: At
    reason: str = Field(description="why there is no answer, or the one that was not accepted", examples=["no answer"])


class FundingRequestsView(View):
    items: list[FundingRequestView]
    next_cursor: NextCursor


@SUBJECT.operation(
    "GET",
    "/v1/staff/funding-requests",
    summary="List what is in doubt",
    access=Access.STAFF,
    permission=Permission.FUNDING_VIEW,
    says={200: Said("A page, oldest first", FundingRequestsView)},
    clauses=("CT 7.1",),
)
async def list_funding_requests(
    request: Request, limit: Annotated[PageLimit, Query()] = 50, cursor: Annotated[Cursor, Query()] = None
) -> Response:
    """Calls to the charging system and to banks that nobody has settled: on their way, or unanswered."""
    told = exchange(request)
    now = told.runtime.clock.now()
    found = await list_open(told.runtime, after=decode_id(cursor), limit=limit + 1)
    found, following = cut(found, limit, lambda line: encode_id(line.id))
    items = [
        FundingRequestView(
            request_id=FundingId.outside(line.id),
            transaction_id=TransactionId.outside(line.transaction_id),
            currency="CNY",
            transaction_state=TransactionState(line.transaction_state),
            age_seconds=int((now - line.created_at).total_seconds()),
            **{name: getattr(line, name) for name in _SAME},
        )
        for line in found
    ]
    return reply(FundingRequestsView(items=items, next_cursor=following))


_SAME = ("counterpart", "operation", "session", "amount_fen", "state", "attempts", "due_at", "created_at", "reason")
