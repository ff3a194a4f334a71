"""`mpss risk`, what staff do: put somebody on a list, change a rule, decide what is held and what is to be reported.

Done as the member of staff whose API key MPSS_STAFF_KEY holds: permissions, two people and the audit record are those
of the HTTP API. Spec: CM 9.2 to 9.9.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer

from mpss.cli.acting import as_staff, read, say, show_items, show_table
from mpss.cli.options import DataOption, JsonOption, MostOption, ReasonOption, RefuseOption
from mpss.cli.risk import OrderOption, SortedMostOption, figures_of
from mpss.cli.risk import risk_app as risk_app
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import MalformedField
from mpss.kernel.ids import RiskEntryId, RiskReportId, RiskRuleId, TransactionId
from mpss.kernel.masking import mask_phone
from mpss.kernel.money import Money
from mpss.risk.lists import decide_entry, enter, release
from mpss.risk.machine import ReportEvent, ReviewEvent
from mpss.risk.model import Colour, Entry, Order, Scope
from mpss.risk.reports import review_report
from mpss.risk.review_store import ReviewSearch, find_reviews
from mpss.risk.rule_store import RuleLine, rule_lines
from mpss.risk.rule_versions import decide_rule, propose_rule
from mpss.risk.rules import Action
from mpss.transactions.reviews import decide_review

_EntryArgument = Annotated[str, typer.Argument(help="The entry, rke_…")]


@risk_app.command("enter")
def enter_list(
    colour: Annotated[Colour, typer.Argument(help="The list")],
    scope: Annotated[Scope, typer.Argument(help="What the value is")],
    value: Annotated[str, typer.Argument(help="Its value; - reads it from the standard input")],
    reason: ReasonOption,
    evidence: Annotated[str, typer.Option(help="What shows it")] = "",
    until: Annotated[datetime | None, typer.Option(help="Until when, Asia/Shanghai; else until it is released")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a number, a person, a card … on a list; the black one waits for another member of staff."""
    # A person's document and a card's number are secret: a command line is seen by everybody on the machine.
    told = sys.stdin.readline().strip() if value == "-" else value
    end = None if until is None else until.replace(tzinfo=SHANGHAI)
    entry = as_staff(
        data,
        lambda runtime, staff: enter(
            runtime, by=staff, colour=colour, scope=scope, value=told, reason=reason, evidence=evidence, until=end
        ),
    )
    _say_entry(as_json, entry)


@risk_app.command("release")
def release_entry(
    entry: _EntryArgument, reason: ReasonOption, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Take an entry off its list; from the black one another member of staff lets it go."""
    entry_id = RiskEntryId.parse(entry, field="entry")
    _say_entry(
        as_json, as_staff(data, lambda runtime, staff: release(runtime, by=staff, entry_id=entry_id, reason=reason))
    )


@risk_app.command("decide")
def decide_listing(
    entry: _EntryArgument, refuse: RefuseOption = False, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Approve, or refuse, what another asked for: an entry of the black list, or its release."""
    entry_id = RiskEntryId.parse(entry, field="entry")
    made = as_staff(data, lambda runtime, staff: decide_entry(runtime, by=staff, entry_id=entry_id, approve=not refuse))
    _say_entry(as_json, made)


@risk_app.command("rules")
def list_rules(data: DataOption = None, most: MostOption = 50, as_json: JsonOption = False) -> None:
    """Show every version of the rules, newest first."""

    lines = read(data, lambda uow: rule_lines(uow, before=None, limit=most))
    if as_json:
        items = [{**line._asdict(), "id": RiskRuleId.outside(line.id)} for line in lines]
        return say(True, {"items": items}, "")
    rows = (
        (RiskRuleId.outside(line.id), line.rule, line.action, "yes" if line.enabled else "no", line.figures,
         line.effective_from, line.state, line.proposed_by)
        for line in lines
    )  # fmt: skip
    show_table(("version", "rule", "action", "on", "figures", "begins", "state", "proposed by"), rows)
    return None


@risk_app.command("propose-rule")
def propose_version(
    rule: Annotated[str, typer.Argument(help="The rule, as `mpss risk replay` names it")],
    action: Annotated[Action, typer.Option(help="What follows when it is hit")],
    figure: Annotated[list[str] | None, typer.Option("--figure", help="As count=5; else its default")] = None,
    off: Annotated[bool, typer.Option("--off", help="Switch the rule off")] = False,
    begins: Annotated[
        datetime | None, typer.Option("--from", help="When it begins, Asia/Shanghai; else once approved")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose a rule's figures; another member of staff approves them."""
    try:
        figures = figures_of(figure)
    except ValueError:
        raise MalformedField(field="figure", problem="must be a name, = and a whole number") from None
    start = None if begins is None else begins.replace(tzinfo=SHANGHAI)
    made = as_staff(
        data,
        lambda runtime, staff: propose_rule(
            runtime, by=staff, rule=rule, action=action, enabled=not off, figures=figures, effective_from=start
        ),
    )
    _say_rule(as_json, made)


@risk_app.command("decide-rule")
def decide_version(
    version: Annotated[str, typer.Argument(help="The version, rrv_…")],
    refuse: RefuseOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve, or refuse, a version that another proposed."""
    version_id = RiskRuleId.parse(version, field="version")
    made = as_staff(
        data, lambda runtime, staff: decide_rule(runtime, by=staff, version_id=version_id, approve=not refuse)
    )
    _say_rule(as_json, made)


@risk_app.command("reviews")
def list_reviews(
    data: DataOption = None,
    state: Annotated[str | None, typer.Option(help="open, released, refused or expired")] = "open",
    order: OrderOption = Order.NEWEST,
    most: SortedMostOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Show transfers and withdrawals that a rule holds until somebody has looked at them."""

    search = ReviewSearch(state=state)
    found = read(data, lambda uow: find_reviews(uow, search, after=None, limit=most, order=order))
    items = [
        {
            "transaction": TransactionId.outside(review.transaction_id),
            "rule": review.row.rule,
            "number": mask_phone(review.phone),
            "state": review.row.state,
            "expires": review.row.expires_at,
        }
        for review in found
    ]
    show_items(as_json, items, "transaction", "rule", "number", "state", "expires")


@risk_app.command("review")
def decide_held(
    transaction: Annotated[str, typer.Argument(help="What is held, txn_…")],
    reason: ReasonOption,
    refuse: RefuseOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release a transfer or withdrawal that is held, or refuse it."""
    transaction_id = TransactionId.parse(transaction, field="transaction")
    event = ReviewEvent.REFUSE if refuse else ReviewEvent.RELEASE
    made = as_staff(
        data,
        lambda runtime, staff: decide_review(
            runtime, by=staff, transaction_id=transaction_id, event=event, reason=reason
        ),
    )
    facts = {"transaction": transaction, "state": made.row.state, "transaction_state": made.transaction_state}
    say(as_json, facts, f"{transaction} is {made.row.state}; the transaction is {made.transaction_state}.")


@risk_app.command("review-report")
def decide_report(
    report: Annotated[str, typer.Argument(help="The report, as `mpss risk reports` names it")],
    reason: ReasonOption,
    dismiss: Annotated[bool, typer.Option("--dismiss", help="It is none; else it was made to the authority")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that a report was made to the authority, or why it is none."""
    report_id = RiskReportId.parse(report, field="report")
    event = ReportEvent.DISMISS if dismiss else ReportEvent.REPORT
    made = as_staff(
        data, lambda runtime, staff: review_report(runtime, by=staff, report_id=report_id, event=event, reason=reason)
    )
    amount = str(Money(made.amount_fen))
    say(as_json, {"report": report, "state": made.state}, f"{report} ({made.pattern}, {amount} CNY) is {made.state}.")


def _say_entry(as_json: bool, entry: Entry) -> None:
    identity = RiskEntryId.outside(entry.id)
    waits = entry.state in ("proposed", "leaving")
    then = f" Another member of staff decides: mpss risk decide {identity}" if waits else ""
    facts = {"entry": identity, "list": entry.colour, "value": entry.shown, "state": entry.state}
    say(as_json, facts, f"{identity}: {entry.scope} {entry.shown} is {entry.state} ({entry.colour}).{then}")


def _say_rule(as_json: bool, line: RuleLine) -> None:
    identity = RiskRuleId.outside(line.id)
    then = f" Another member of staff decides: mpss risk decide-rule {identity}" if line.state == "proposed" else ""
    say(as_json, {"version": identity, "rule": line.rule, "state": line.state}, f"{identity} is {line.state}.{then}")
