"""The queue of reports: a day's books are looked through once, and somebody reports or dismisses what was found.

    found ──► open ──report──► reported        open ──dismiss──► dismissed

Invariants: (1) a day is looked through once, when it is cut; (2) a person or a merchant is in the queue once for a
day and pattern; (3) the subscriber is told nothing. Spec: CM 9. Decision: ADR-0031.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import RiskReportId
from mpss.kernel.text import check_line
from mpss.observability import RISK_REPORTS_OPEN
from mpss.risk import report_store
from mpss.risk.machine import REPORT, ReportEvent
from mpss.risk.model import ReportState
from mpss.risk.patterns import PATTERNS, Found, figures_in_force, figures_of, patterns_of
from mpss.risk.report_store import Report
from mpss.risk.rules import Figures
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission

_AT_ONCE = 1_000


async def search_days(runtime: Runtime) -> int:
    """Look through every day that was cut since, each in a unit of work of its own; how many days. For a job."""
    days = 0
    while True:
        async with runtime.database.read() as uow:
            due = await report_store.unsearched_day(uow)
        if due is None:
            return days
        days += await search_day(runtime, *due)


async def search_day(runtime: Runtime, day: date, cut_at: datetime) -> bool:
    """Look through a day that is cut, with the figures in force at its cut; False where that was done."""
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        if not await report_store.take_day(uow, day, now=now):
            return False
        figures = figures_in_force(await report_store.pattern_versions(uow), cut_at)
        found = await _found_of_persons(uow, day, figures_of(figures, merchants=False), now)
        found += await _found_of_merchants(uow, day, figures_of(figures, merchants=True), now)
        await report_store.count_day(uow, day, found)
        detail = {"found": found, "figures": {name: dict(told) for name, told in figures.items()}}
        await record(uow, at=now, actor="platform", action="risk.search_day", subject=str(day), detail=detail)
    return True


async def _found_of_persons(uow: UnitOfWork, day: date, figures: Mapping[str, Figures], now: datetime) -> int:
    if not figures:
        return 0
    least_fen = min(told["amount_fen"] for told in figures.values())
    reports: list[Report] = []
    count = 0
    async for sums in report_store.day_sums(uow, day, least_fen=least_fen):
        reports += [
            _report(each, day, sums.subject_id, sums.movements, now, account_id=sums.account_id)
            for each in patterns_of(sums, figures)
        ]
        if len(reports) >= _AT_ONCE:
            count += await report_store.insert_reports(uow, reports, now=now)
            reports = []
    return count + await report_store.insert_reports(uow, reports, now=now)


async def _found_of_merchants(uow: UnitOfWork, day: date, figures: Mapping[str, Figures], now: datetime) -> int:
    reports: list[Report] = []
    for name, told in figures.items():
        days, least_fen = told["days"], told["amount_fen"]
        found = await report_store.merchant_sums(uow, day, pattern=name, days=days, least_fen=least_fen)
        reports += [
            _report(each, day, sums.merchant_id, sums.undone, now, merchant_id=sums.merchant_id)
            for sums in found
            for each in patterns_of(sums, {name: told})
        ]
    return await report_store.insert_reports(uow, reports, now=now)


def _report(
    found: Found,
    day: date,
    subject_id: UUID,
    movements: int,
    now: datetime,
    *,
    account_id: UUID | None = None,
    merchant_id: UUID | None = None,
) -> Report:
    figures = json.dumps(found.figures, sort_keys=True)
    return Report(
        RiskReportId.new(now), day, found.pattern, subject_id, account_id, merchant_id, movements, found.amount_fen,
        figures, ReportState.OPEN, now, None, None, "",
    )  # fmt: skip


async def review_report(
    runtime: Runtime, *, by: StaffMember, report_id: UUID, event: ReportEvent, reason: str
) -> Report:
    """Say of a report that it was made to the authority, or why it is none. A repeat finds it decided.

    Raises:
        MalformedField: `reason` is no line.
        Refused: FORBIDDEN; NOT_FOUND; ILLEGAL_STATE, it was reviewed.
    """
    by.require(Permission.RISK_REVIEW)
    check_line(reason, field="reason")
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        report = await report_store.lock_report(uow, report_id)
        if report is None:
            raise Refused(ErrorCode.NOT_FOUND)
        if report.state is not ReportState.OPEN:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail=f"the report is {report.state}")
        report = report._replace(
            state=REPORT.move(report.state, event), reviewed_by=str(by.id), reviewed_at=now, reason=reason
        )
        await report_store.save_report(uow, report)
        detail = {"pattern": report.pattern, "business_date": str(report.business_date), "reason": reason}
        subject = RiskReportId.outside(report.id)
        await record(uow, at=now, actor=str(by.id), action=f"risk_report.{event}", subject=subject, detail=detail)
    return report


async def measure_reports(runtime: Runtime) -> None:
    """Set the gauge of reports that wait for somebody."""
    async with runtime.database.read() as uow:
        counts = await report_store.open_report_counts(uow)
    for pattern in PATTERNS:
        RISK_REPORTS_OPEN.labels(pattern=pattern).set(counts.get(pattern, 0))
