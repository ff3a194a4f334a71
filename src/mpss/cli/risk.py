"""`mpss risk`: the lists, the reports, and the rules over history."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mpss.cli.acting import on_database, read
from mpss.db.database import Database
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import MalformedField
from mpss.kernel.ids import RiskEntryId, RiskReportId
from mpss.kernel.masking import mask_phone
from mpss.risk.model import Order
from mpss.risk.patterns import PATTERNS
from mpss.risk.queries import Search, entries
from mpss.risk.replay import Replayed, replay
from mpss.risk.report_store import Report, ReportSearch, find_reports
from mpss.risk.rule_versions import check_figures
from mpss.risk.rules import RULES, Action, RuleVersion

risk_app = typer.Typer(
    help="The grey and black lists, the reports, and the risk rules over history.", no_args_is_help=True
)
_DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data folder (default: MPSS_DATA_DIR, else ./var)")
]
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@risk_app.command("list")
def list_entries(
    data: _DataOption = None,
    colour: Annotated[str | None, typer.Option(help="grey or black")] = None,
    scope: Annotated[str | None, typer.Option(help="number, person, account, merchant, bank_card …")] = None,
    state: Annotated[str | None, typer.Option(help="proposed, listed, leaving, released or refused")] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="Show at most this many, newest first")] = 50,
) -> None:
    """Show entries of the grey and black lists, newest first."""

    search = Search(colour, scope, state)
    table = Table("entry", "list", "scope", "value", "state", "until", "reason", "entered by")
    for entry in read(data, lambda uow: entries(uow, search, after=None, limit=most)):
        table.add_row(
            RiskEntryId.outside(entry.id), entry.colour, entry.scope, entry.shown, entry.state, str(entry.until or ""),
            entry.reason, entry.entered_by,
        )  # fmt: skip
    Console().print(table)


@risk_app.command("reports")
def list_reports(
    data: _DataOption = None,
    pattern: Annotated[str | None, typer.Option(help=f"of: {', '.join(PATTERNS)}")] = None,
    state: Annotated[str | None, typer.Option(help="open, reported or dismissed")] = "open",
    order: Annotated[Order, typer.Option(help="Which first")] = Order.NEWEST,
    most: Annotated[int, typer.Option("--most", min=1, help="Show at most this many")] = 50,
) -> None:
    """Show large-value and suspicious transactions that wait to be reported or dismissed."""

    search = ReportSearch(pattern, state)
    table = Table(
        "report", "day", "pattern", "number or merchant", "movements", "CNY", "state", "reviewed by", "reason"
    )
    for report in read(data, lambda uow: find_reports(uow, search, after=None, limit=most, order=order)):
        table.add_row(
            RiskReportId.outside(report.id), str(report.business_date), report.pattern, _of_whom(report),
            str(report.movements), f"{report.amount_fen / 100:,.2f}", report.state, report.reviewed_by or "",
            report.reason,
        )  # fmt: skip
    Console().print(table)


def _of_whom(report: Report) -> str:
    return mask_phone(report.phone) if report.phone is not None else report.merchant_name or ""


@risk_app.command("replay")
def replay_rules(
    since: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day")],
    until: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The day after the last")],
    data: _DataOption = None,
    rule: Annotated[str | None, typer.Option(help=f"This rule alone: {', '.join(RULES)}")] = None,
    figure: Annotated[
        list[str] | None, typer.Option("--figure", help="A figure of the rule, as count=5; else its default")
    ] = None,
) -> None:
    """Say how many payments and top-ups the rules would have caught. Nothing is written."""
    try:
        figures = {name: int(number) for name, _, number in (each.partition("=") for each in figure or [])}
        chosen = list(RULES) if rule is None else [rule]
        versions = [
            RuleVersion(name, Action.CHALLENGE, True, check_figures(name, figures), _BEGINNING) for name in chosen
        ]
    except (ValueError, MalformedField) as problem:
        raise typer.BadParameter(str(problem)) from None

    async def run(database: Database) -> Replayed:
        first, end = (day.replace(tzinfo=SHANGHAI) for day in (since, until))
        return await replay(database, versions, since=first, until=end)

    found = on_database(data, run)
    table = Table("rule", "figures", "would have caught")
    for version in versions:
        caught = sum(count for finding, count in found.caught.items() if finding.rule == version.rule)
        table.add_row(
            version.rule, ", ".join(f"{name}={value}" for name, value in version.figures.items()), str(caught)
        )
    Console().print(table)
    Console().print(f"{found.any_rule} of {found.payments} payments and {found.topups} top-ups by one rule or more")
