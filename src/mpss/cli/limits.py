"""`mpss limits`: the versions of the table of limits, made by two people.

What changes the table is done as a member of staff, whose API key MPSS_STAFF_KEY holds; what only shows is done as the
platform itself.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from mpss.accounts.limit_queries import LimitRule, LimitVersion
from mpss.accounts.limit_versions import (
    Proposal,
    decide_limits,
    in_force,
    list_limits,
    proposal_id,
    propose_limits,
    read_limits,
)
from mpss.accounts.own_limits import Measured, limits_by_phone
from mpss.cli.acting import as_platform, as_staff, local, say, show_table
from mpss.cli.options import DataOption, JsonOption, PhoneArgument
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import MalformedField
from mpss.kernel.ids import ApprovalId
from mpss.runtime import Runtime

limits_app = typer.Typer(help="The versions of the table of limits.", no_args_is_help=True)
_ProposalArgument = Annotated[str, typer.Argument(help="The proposal, apv_…")]


@limits_app.command("list")
def list_versions(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show every version and what waits for a second person."""

    async def flow(runtime: Runtime) -> tuple[list[LimitVersion], list[Proposal], int | None]:
        versions, proposals = await list_limits(runtime)
        return versions, proposals, in_force(versions, at=runtime.clock.now())

    versions, proposals, current = as_platform(data, flow)
    if as_json:
        waiting = [
            {"proposal": proposal_id(each), "effective_from": each.effective_from, "rules": len(each.rules)}
            for each in proposals
        ]
        say(True, {"versions": [asdict(each) for each in versions], "in_force": current, "proposed": waiting}, "")
        return
    made = (
        (each.version, each.effective_from, each.rules, each.note, "in force" if each.version == current else "")
        for each in versions
    )
    asked = ((proposal_id(each), each.effective_from, len(each.rules), each.note, "proposed") for each in proposals)
    show_table(("version", "begins", "rules", "note", ""), (*made, *asked))


@limits_app.command("show")
def show_version(
    version: Annotated[int, typer.Argument(help="Its number")], data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Show the rules of a version; its JSON is what `propose` reads."""
    found, rules = as_platform(data, lambda runtime: read_limits(runtime, version=version))
    if as_json:
        say(True, {"note": found.note, "rules": [rule._asdict() for rule in rules]}, "")
        return
    show_table(
        ("class", "operation", "channel", "measure", "value"),
        ((rule.account_class, rule.operation, rule.channel, rule.measure, f"{rule.value:,}") for rule in rules),
    )


@limits_app.command("of")
def show_account(
    phone: PhoneArgument,
    channel: Annotated[str, typer.Option(help="Whose limits are shown")] = "http",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what limits one account, and what is used of it. The look is audited."""
    found = as_platform(data, lambda runtime: limits_by_phone(runtime, by=None, phone=phone, channel=channel))
    rows: dict[str, tuple[int | None, ...]] = {}
    for each in found.operations:
        rows[f"{each.operation} single_fen"] = (each.single_fen, None, None)
        for name, value in each._asdict().items():
            if isinstance(value, Measured):
                rows[f"{each.operation} {name}"] = (value.limit, value.used, value.left)
    for name in ("yearly_fen", "lifetime_fen", "balance_fen"):
        value = getattr(found, name)
        rows[name] = (value.limit, value.used, value.left)
    if as_json:
        limits = {name: dict(zip(("limit", "used", "left"), row, strict=True)) for name, row in rows.items()}
        say(True, {"account_class": found.account_class, "own": found.own._asdict(), "limits": limits}, "")
        return
    limited = (
        (name, *(None if figure is None else f"{figure:,}" for figure in row))
        for name, row in rows.items()
        if row[0] is not None
    )
    show_table(("of", "limit", "used", "left"), limited, title=found.account_class)


@limits_app.command("propose")
def propose_table(
    file: Annotated[Path, typer.Argument(exists=True, help='JSON: {"note", "rules": [{"account_class", …}]}')],
    begins: Annotated[datetime, typer.Option("--from", help="When it begins, Asia/Shanghai; in the future")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose a whole table; another member of staff approves it."""
    try:
        read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        rules = [LimitRule(**{"channel": "*", **rule}) for rule in read["rules"]]
        note = str(read.get("note", ""))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise MalformedField(field="file", problem="is not a table as `mpss limits show --json` prints one") from None
    made: Proposal = as_staff(
        data,
        lambda runtime, staff: propose_limits(
            runtime, by=staff, rules=rules, effective_from=begins.replace(tzinfo=SHANGHAI), note=note
        ),
    )
    identity = proposal_id(made)
    say(as_json, {"proposal": identity}, f"Proposed as {identity}; somebody else approves it.")


@limits_app.command("approve")
def approve_table(proposal: _ProposalArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Approve what another proposed; it begins at its date."""
    made = _decide(data, proposal, approve=True)
    assert made is not None
    say(as_json, {"version": made.version}, f"Version {made.version} begins at {local(made.effective_from)}.")


@limits_app.command("refuse")
def refuse_table(proposal: _ProposalArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Refuse what another proposed; it never counts."""
    _decide(data, proposal, approve=False)
    say(as_json, {"version": None}, "Refused.")


def _decide(data: Path | None, proposal: str, *, approve: bool) -> LimitVersion | None:
    approval_id = ApprovalId.parse(proposal, field="proposal")
    return as_staff(
        data, lambda runtime, staff: decide_limits(runtime, by=staff, approval_id=approval_id, approve=approve)
    )
