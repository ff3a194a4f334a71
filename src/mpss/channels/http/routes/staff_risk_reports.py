"""Staff: the queue of large-value and suspicious transactions, to be reported or dismissed. Spec: CM 9."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated

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
    RiskReportIdField,
    View,
    one_of,
    text,
)
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_ranked, encode_ranked
from mpss.channels.http.routes.staff_vouchers import STAFF_EXAMPLE
from mpss.channels.http.tables import MOST_EXPORTED, table
from mpss.channels.http.views import ACCOUNT_EXAMPLE, At, NextCursor, reply
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId, MerchantId, RiskReportId
from mpss.risk.machine import ReportEvent
from mpss.risk.model import Order, ReportState
from mpss.risk.patterns import PATTERNS
from mpss.risk.report_store import Report, ReportSearch, find_reports
from mpss.risk.reports import review_report
from mpss.risk.rule_versions import meaning_of
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")

_PatternName = Annotated[str, *one_of(PATTERNS)] | None
_EXPORTED = (
    "report_id", "business_date", "pattern", "phone", "account_id", "merchant_id", "merchant_name", "movements",
    "amount_fen", "state", "found_at", "reviewed_by", "reviewed_at", "reason",
)  # fmt: skip


class ReportFilters(Body):
    pattern: _PatternName = Field(default=None, examples=["large_cash"])
    state: ReportState | None = Field(default=None, examples=["open"])
    phone: Phone | None = Field(default=None, description="of any account of the person")
    first_date: BusinessDate | None = Field(default=None, description="the first business date")
    last_date: BusinessDate | None = Field(default=None, description="the last business date, included")
    min_fen: LeastFen = None
    order: Order = Field(default=Order.NEWEST, examples=["newest"])

    def search(self) -> ReportSearch:
        return ReportSearch(self.pattern, self.state, self.phone, self.first_date, self.last_date, self.min_fen)


class ReportPage(ReportFilters):
    limit: PageLimit = 50
    cursor: Cursor = None


class ReviewBody(Body):
    event: ReportEvent = Field(description="report: it was made to the authority", examples=["dismiss"])
    reason: Annotated[str, *text(200)] = Field(examples=["wages of a known company"])


class ReportView(View):
    report_id: str = Field(examples=["rpt_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"])
    business_date: date = Field(examples=["2026-03-01"])
    pattern: str = Field(examples=["large_cash"])
    meaning: str = Field(examples=["cash of amount_fen or more in a day, in or out"])
    figures: dict[str, int] = Field(description="as they were", examples=[{"amount_fen": 5000000}])
    account_id: str | None = Field(
        description="of the person's accounts the one that moved most; null of a merchant", examples=[ACCOUNT_EXAMPLE]
    )
    phone: str | None = Field(description="its number now", examples=["+8618912340001"])
    merchant_id: str | None = Field(description="null of a person", examples=[None])
    merchant_name: str | None = Field(examples=[None])
    movements: int = Field(description="of the person on that day; sales that a merchant undid", examples=[12])
    amount_fen: int = Field(description="what the pattern counts", examples=[6000000])
    state: ReportState = Field(examples=["open"])
    found_at: At
    reviewed_by: str | None = Field(examples=[STAFF_EXAMPLE])
    reviewed_at: At | None
    reason: str = Field(examples=[""])


class ReportsView(View):
    items: list[ReportView]
    next_cursor: NextCursor


def _view(report: Report) -> ReportView:
    facts = report._asdict()
    del facts["subject_id"]
    account_id, merchant_id = facts.pop("account_id"), facts.pop("merchant_id")
    return ReportView(
        report_id=RiskReportId.outside(facts.pop("id")),
        account_id=None if account_id is None else AccountId.outside(account_id),
        merchant_id=None if merchant_id is None else MerchantId.outside(merchant_id),
        meaning=meaning_of(report.pattern),
        figures=json.loads(facts.pop("figures")),
        **facts,
    )


@SUBJECT.operation(
    "GET",
    "/v1/staff/risk/reports",
    summary="Search large-value and suspicious transactions",
    access=Access.STAFF,
    permission=Permission.RISK_VIEW,
    says={200: Said("A page, newest first unless asked otherwise", ReportsView)},
    clauses=("CM 9",),
)
async def list_risk_reports(request: Request, query: Annotated[ReportPage, Query()]) -> Response:
    """One line for a person or a merchant, business day and pattern, found when the day was cut."""
    after = decode_ranked(query.cursor)
    async with exchange(request).runtime.database.read() as uow:
        found = await find_reports(uow, query.search(), after=after, limit=query.limit + 1, order=query.order)
    found, following = cut(found, query.limit, lambda report: encode_ranked((report.amount_fen, report.id)))
    return reply(ReportsView(items=[_view(report) for report in found], next_cursor=following))


@SUBJECT.operation(
    "GET",
    "/v1/staff/risk/reports/export",
    summary="Export large-value and suspicious transactions",
    access=Access.STAFF,
    permission=Permission.RISK_VIEW,
    says={200: Said("The first 10,000 of the order, one line each", media_type="text/csv")},
    clauses=("CM 9",),
)
async def export_risk_reports(request: Request, query: Annotated[ReportFilters, Query()]) -> Response:
    """The queue as a table (CSV, UTF-8)."""
    async with exchange(request).runtime.database.read() as uow:
        found = await find_reports(uow, query.search(), after=None, limit=MOST_EXPORTED, order=query.order)
    return table("risk-reports", _EXPORTED, map(_view, found))


@SUBJECT.operation(
    "POST",
    "/v1/staff/risk/reports/{report_id}/review",
    summary="Report or dismiss",
    access=Access.STAFF,
    permission=Permission.RISK_REVIEW,
    says={200: Said("It is reviewed", ReportView)},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 9",),
)
async def review_risk_report(
    request: Request, body: ReviewBody, report_id: Annotated[RiskReportIdField, Path()]
) -> Response:
    """Once, by whoever looked into it; the subscriber is told nothing."""
    told = exchange(request)
    reviewed = await review_report(
        told.runtime, by=told.staff, report_id=report_id, event=body.event, reason=body.reason
    )
    return reply(_view(reviewed))
