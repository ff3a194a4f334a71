"""`mpss risk`: the lists, the reports, and the rules over history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console

from mpss.cli.acting import on_database, read, show_table
from mpss.cli.options import DataOption, MostOption
from mpss.db.database import Database
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import MalformedField
from mpss.kernel.ids import RiskEntryId, RiskReportId
from mpss.kernel.masking import mask_phone
from mpss.risk.model import Order
from mpss.risk.patterns import PATTERNS
from mpss.risk.queries import Search, entries
from mpss.risk.replay import Replayed, replay, replay_patterns
from mpss.risk.report_store import Report, ReportSearch, find_reports
from mpss.risk.rule_versions import check_figures
from mpss.risk.rules import RULES, Action, RuleVersion

risk_app = typer.Typer(
    help="The grey and black lists, the reports, and the risk rules over history.", no_args_is_help=True
)
OrderOption = Annotated[Order, typer.Option(help="Which first")]
SortedMostOption = Annotated[int, typer.Option("--most", min=1, help="Show at most this many")]
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@risk_app.command("list")
def list_entries(
    data: DataOption = None,
    colour: Annotated[str | None, typer.Option(help="grey or black")] = None,
    scope: Annotated[str | None, typer.Option(help="number, person, account, merchant, bank_card …")] = None,
    state: Annotated[str | None, typer.Option(help="proposed, listed, leaving, released or refused")] = None,
    most: MostOption = 50,
) -> None:
    """Show entries of the grey and black lists, newest first."""

    search = Search(colour, scope, state)
    found = read(data, lambda uow: entries(uow, search, after=None, limit=most))
    rows = (
        (RiskEntryId.outside(entry.id), entry.colour, entry.scope, entry.shown, entry.state, entry.until, entry.reason,
         entry.entered_by)
        for entry in found
    )  # fmt: skip
    show_table(("entry", "list", "scope", "value", "state", "until", "reason", "entered by"), rows)


@risk_app.command("reports")
def list_reports(
    data: DataOption = None,
    pattern: Annotated[str | None, typer.Option(help=f"of: {', '.join(PATTERNS)}")] = None,
    state: Annotated[str | None, typer.Option(help="open, reported or dismissed")] = "open",
    order: OrderOption = Order.NEWEST,
    most: SortedMostOption = 50,
) -> None:
    """Show large-value and suspicious transactions that wait to be reported or dismissed."""

    search = ReportSearch(pattern, state)
    columns = ("report", "day", "pattern", "number or merchant", "movements", "CNY", "state", "reviewed by", "reason")
    rows = (
        (RiskReportId.outside(report.id), report.business_date, report.pattern, _of_whom(report), report.movements,
         f"{report.amount_fen / 100:,.2f}", report.state, report.reviewed_by, report.reason)
        for report in read(data, lambda uow: find_reports(uow, search, after=None, limit=most, order=order))
    )  # fmt: skip
    show_table(columns, rows)


def figures_of(told: list[str] | None) -> dict[str, int]:
    """The figures of a rule, from texts as count=5.

    Raises:
        ValueError: one has no whole number.
    """
    return {name: int(number) for name, _, number in (each.partition("=") for each in told or [])}


def _of_whom(report: Report) -> str:
    return mask_phone(report.phone) if report.phone is not None else report.merchant_name or ""


@risk_app.command("replay")
def replay_rules(
    since: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day")],
    until: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The day after the last")],
    data: DataOption = None,
    rule: Annotated[str | None, typer.Option(help=f"This one alone: {', '.join((*RULES, *PATTERNS))}")] = None,
    figure: Annotated[
        list[str] | None, typer.Option("--figure", help="A figure of the rule, as count=5; else its default")
    ] = None,
) -> None:
    """Say how many payments and top-ups the rules, and how many days the patterns, would have caught."""
    try:
        figures = figures_of(figure)
        chosen = [*RULES, *PATTERNS] if rule is None else [rule]
        told = {name: check_figures(name, figures) for name in chosen}
    except (ValueError, MalformedField) as problem:
        raise typer.BadParameter(str(problem)) from None

    versions = [RuleVersion(name, Action.CHALLENGE, True, told[name], _BEGINNING) for name in told if name in RULES]
    patterns = {name: told[name] for name in told if name in PATTERNS}

    async def run(database: Database) -> tuple[Replayed | None, dict[str, int]]:
        first, end = (day.replace(tzinfo=SHANGHAI) for day in (since, until))
        found = await replay(database, versions, since=first, until=end) if versions else None
        last = (until - timedelta(days=1)).date()
        return found, await replay_patterns(database, patterns, first=since.date(), last=last) if patterns else {}

    found, lines = on_database(data, run)
    by_rule = found.caught if found is not None else {}
    rows = (
        (name, ", ".join(f"{key}={value}" for key, value in named.items()),
         lines[name] if name in lines else sum(n for hit, n in by_rule.items() if hit.rule == name))
        for name, named in told.items()
    )  # fmt: skip
    show_table(("rule", "figures", "would have caught"), rows)
    if found is not None:
        looked_at = f"{found.payments} payments and {found.topups} top-ups"
        Console().print(f"{found.any_rule} of {looked_at} by one rule or more")
