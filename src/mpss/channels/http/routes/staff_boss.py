"""Staff: what BOSS told, what comparing with it found, and what is still open. Spec: CM 7.8."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.boss_comparison_store import AskedQuestion, comparisons, questions, recorded_events
from mpss.accounts.boss_findings import QuestionKind
from mpss.accounts.boss_settlement import Settling, settle_question
from mpss.accounts.boss_status import BossKind
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Body, BossQuestionIdField, PageLimit, Phone, View
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, decode_number, encode_id, encode_number
from mpss.channels.http.views import ACCOUNT_EXAMPLE, AT_EXAMPLE, At, NextCursor, reply
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId, BossComparisonId, BossQuestionId, StaffId
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")

_Result = Literal["applied", "stale", "no_account", "number_taken", "ended"]
_Source = Literal["feed", "asked", "comparison", "settled"]


class BossEventView(View):
    """An event of a subscription, and what became of it."""

    event_id: str = Field(examples=["BE0D4C1F7A92E35B6C8D10"])
    kind: BossKind = Field(examples=["stop_1way"])
    phone: str = Field(description="the number when it happened", examples=["+8618912340001"])
    subscription_id: str = Field(examples=["SUB5A1C9E7F20B3D486"])
    sequence: int = Field(examples=[7])
    source: _Source = Field(
        description="told by BOSS, found missing by asking or comparing, or settled by staff", examples=["feed"]
    )
    result: _Result = Field(examples=["applied"])
    account_id: str | None = Field(examples=[ACCOUNT_EXAMPLE])
    occurred_at: At
    received_at: At


class BossEventsView(View):
    items: list[BossEventView]
    next_cursor: NextCursor


class BossQuestionView(View):
    """A difference that no event explains."""

    question_id: str = Field(examples=["bsq_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"])
    account_id: str = Field(examples=[ACCOUNT_EXAMPLE])
    phone: str = Field(examples=["+8618912340001"])
    kind: QuestionKind = Field(examples=["status_differs"])
    ours: str = Field(examples=["active"])
    theirs: str = Field(examples=["stopped_1way"])
    found_at: At
    seen_at: datetime = Field(description="by the last comparison that found it", examples=[AT_EXAMPLE])
    settled_at: datetime | None = Field(description="null while it stands", examples=[AT_EXAMPLE])
    settled_how: Literal["gone", "accepted", "kept"] | None = Field(
        description="gone: a later look no longer found it; accepted: BOSS's took effect; kept: ours stands",
        examples=["accepted"],
    )
    settled_by: str | None = Field(description="who settled it", examples=["stf_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"])
    reason: str = Field(description="of who settled it", examples=["the holder was asked"])


class BossSettlementBody(Body):
    how: Settling = Field(
        description="let BOSS's take effect, keep ours with a reason, or ask BOSS about the account again",
        examples=["accept"],
    )
    reason: Annotated[
        str, Field(max_length=200, description="needed to keep ours", examples=["the holder was asked"])
    ] = ""


class BossQuestionsView(View):
    items: list[BossQuestionView]
    next_cursor: NextCursor


class BossComparisonView(View):
    """A comparison of every account with BOSS."""

    comparison_id: str = Field(examples=["bsc_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"])
    day: date | None = Field(description="null where an operator asked for it", examples=["2026-03-01"])
    started_at: At
    finished_at: datetime | None = Field(description="null while it goes on", examples=[AT_EXAMPLE])
    accounts: int = Field(examples=[12_000])
    missed: int = Field(description="events that were missed, and took effect", examples=[3])
    questions: int = Field(examples=[0])


class BossComparisonsView(View):
    items: list[BossComparisonView]
    next_cursor: NextCursor


@SUBJECT.operation(
    "GET",
    "/v1/staff/boss/events",
    summary="List the events of BOSS",
    access=Access.STAFF,
    permission=Permission.BOSS_VIEW,
    says={200: Said("A page, the last that came first", BossEventsView)},
    clauses=("CM 7.8",),
)
async def list_boss_events(
    request: Request,
    phone: Annotated[Phone | None, Query()] = None,
    result: Annotated[_Result | None, Query()] = None,
    limit: Annotated[PageLimit, Query()] = 50,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """Of every number or one, whether they took effect or not."""
    before = decode_number(cursor)
    async with exchange(request).runtime.database.read() as uow:
        found = await recorded_events(uow, phone=phone, result=result, before=before, limit=limit + 1)
    found, following = cut(found, limit, lambda event: encode_number(event.serial))
    items = [
        BossEventView(
            event_id=event.id,
            account_id=None if event.account_id is None else AccountId.outside(event.account_id),
            **{name: getattr(event, name) for name in _SAME},
        )
        for event in found
    ]
    return reply(BossEventsView(items=items, next_cursor=following))


@SUBJECT.operation(
    "GET",
    "/v1/staff/boss/questions",
    summary="List what BOSS has differently",
    access=Access.STAFF,
    permission=Permission.BOSS_VIEW,
    says={200: Said("A page, newest first", BossQuestionsView)},
    clauses=("CM 7.8",),
)
async def list_boss_questions(
    request: Request,
    kind: Annotated[QuestionKind | None, Query()] = None,
    open: Annotated[bool | None, Query(description="those that stand, or those settled; none: both")] = None,
    limit: Annotated[PageLimit, Query()] = 50,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """Differences that no event explains; one is settled by the comparison that no longer finds it, or by staff."""
    before = decode_id(cursor)
    async with exchange(request).runtime.database.read() as uow:
        found = await questions(uow, kind=kind, open=open, before=before, limit=limit + 1)
    found, following = cut(found, limit, lambda question: encode_id(question.id))
    items = [_question(question) for question in found]
    return reply(BossQuestionsView(items=items, next_cursor=following))


@SUBJECT.operation(
    "POST",
    "/v1/staff/boss/questions/{question_id}/settle",
    summary="Settle what BOSS has differently",
    access=Access.STAFF,
    permission=Permission.BOSS_SETTLE,
    says={200: Said("How the question stands now", BossQuestionView)},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE, ErrorCode.BUSY),
    clauses=("CM 7.8",),
)
async def settle_boss_question(
    request: Request, body: BossSettlementBody, question_id: Annotated[BossQuestionIdField, Path()]
) -> Response:
    """What BOSS says is asked anew before it takes effect: refused where it is not what was seen any more."""
    told = exchange(request)
    settled = await settle_question(
        told.runtime, staff=told.staff, question_id=question_id, how=body.how, reason=body.reason
    )
    return reply(_question(settled))


@SUBJECT.operation(
    "GET",
    "/v1/staff/boss/comparisons",
    summary="List the comparisons with BOSS",
    access=Access.STAFF,
    permission=Permission.BOSS_VIEW,
    says={200: Said("A page, newest first", BossComparisonsView)},
    clauses=("CM 7.8",),
)
async def list_boss_comparisons(
    request: Request, limit: Annotated[PageLimit, Query()] = 50, cursor: Annotated[Cursor, Query()] = None
) -> Response:
    """Each night's, and those that operators asked for."""
    before = decode_id(cursor)
    async with exchange(request).runtime.database.read() as uow:
        found = await comparisons(uow, before=before, limit=limit + 1)
    found, following = cut(found, limit, lambda run: encode_id(run.id))
    items = [
        BossComparisonView(
            comparison_id=BossComparisonId.outside(run.id),
            **{name: value for name, value in run._asdict().items() if name != "id"},
        )
        for run in found
    ]
    return reply(BossComparisonsView(items=items, next_cursor=following))


def _question(question: AskedQuestion) -> BossQuestionView:
    return BossQuestionView(
        question_id=BossQuestionId.outside(question.id),
        account_id=AccountId.outside(question.account_id),
        settled_by=None if question.settled_by is None else StaffId.outside(question.settled_by),
        **{name: value for name, value in question._asdict().items() if name not in ("id", "account_id", "settled_by")},
    )


_SAME = ("kind", "phone", "subscription_id", "sequence", "source", "result", "occurred_at", "received_at")
