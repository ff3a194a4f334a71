"""`mpss accounts`: loss, freezes, closing and the record of an account, for the call center and the halls.

What changes an account is done as a member of staff, whose API key MPSS_STAFF_KEY holds: permissions, two people and
the audit record are those of the HTTP API. What only shows is done as the platform itself.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Annotated, Any

import typer

from mpss.accounts.counter_check import Shown
from mpss.accounts.customer_model import DocumentKind
from mpss.accounts.freeze import decide_freeze, open_proposals, propose_freeze, propose_release, unfreeze_at_counter
from mpss.accounts.freeze_change import Proposed
from mpss.accounts.freeze_store import freezes_of
from mpss.accounts.history import history_by_phone
from mpss.accounts.loss import lift_loss_at_counter, report_loss_by_voice, report_loss_in_writing
from mpss.accounts.model import Freeze, FreezeKind
from mpss.accounts.queries import AccountOverview, overview_by_phone
from mpss.accounts.state import ALLOWED
from mpss.cli.acting import as_platform, as_staff, local, say, show_table, waits
from mpss.cli.options import (
    ApprovalArgument,
    CodeOption,
    DataOption,
    DocumentOption,
    FreezeArgument,
    JsonOption,
    KindOption,
    MostOption,
    NumberOption,
    PhoneArgument,
    ReasonOption,
    RefuseOption,
)
from mpss.kernel.ids import ApprovalId, FreezeId
from mpss.kernel.money import Money
from mpss.runtime import Runtime
from mpss.staff.model import StaffMember
from mpss.transactions.closings.close import close_at_counter
from mpss.transactions.closings.model import Payout

accounts_app = typer.Typer(help="The life of subscribers' accounts.", no_args_is_help=True)


@accounts_app.command("loss")
def report_loss(
    phone: PhoneArgument,
    note: Annotated[str, typer.Option(help="An oral report: how the caller was identified")] = "",
    document: Annotated[str, typer.Option(help="A report in writing: what the customer showed")] = "",
    document_kind: KindOption = None,
    document_number: NumberOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report loss: orally with --note, until a date; in writing with --document, at a hall, until it is lifted."""
    if bool(note) == bool(document):
        raise typer.BadParameter("give --note or --document", param_hint="--note")
    shown = shown_of(document, document_kind, document_number, None)

    async def flow(runtime: Runtime, staff: StaffMember) -> datetime | None:
        if note:
            return await report_loss_by_voice(runtime, staff=staff, phone=phone, note=note)
        await report_loss_in_writing(runtime, staff=staff, phone=phone, shown=shown)
        return None

    until = as_staff(data, flow)
    end = "it is lifted" if until is None else local(until)
    say(as_json, {"loss": "oral" if note else "written", "until": until}, f"Loss is reported, until {end}.")


@accounts_app.command("lift-loss")
def lift_loss(
    phone: PhoneArgument,
    document: DocumentOption,
    document_kind: KindOption = None,
    document_number: NumberOption = None,
    code: CodeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lift a report of loss of either kind, at a hall."""
    shown = shown_of(document, document_kind, document_number, code)
    as_staff(data, lambda runtime, staff: lift_loss_at_counter(runtime, staff=staff, phone=phone, shown=shown))
    say(as_json, {"loss": "none"}, "The report is lifted.")


@accounts_app.command("unfreeze-own")
def unfreeze_own(
    phone: PhoneArgument,
    document: DocumentOption,
    document_kind: KindOption = None,
    document_number: NumberOption = None,
    code: CodeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release the holder's own freeze, at a hall."""
    shown = shown_of(document, document_kind, document_number, code)
    as_staff(data, lambda runtime, staff: unfreeze_at_counter(runtime, staff=staff, phone=phone, shown=shown))
    say(as_json, {"frozen": False}, "The holder's freeze is released.")


@accounts_app.command("freeze")
def freeze(
    phone: PhoneArgument,
    kind: Annotated[FreezeKind, typer.Option(help="risk or law")],
    reason: ReasonOption,
    document: DocumentOption = "",
    yuan: Annotated[str | None, typer.Option(help="Only so much; default: the whole account")] = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day on which it ends")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose a freeze; another member of staff approves it (`mpss accounts approve`)."""
    amount_fen = None if yuan is None else Money.cny(yuan).fen
    day = None if until is None else until.date()
    approval = as_staff(
        data,
        lambda runtime, staff: propose_freeze(
            runtime, staff=staff, phone=phone, kind=kind, reason=reason, document=document, amount_fen=amount_fen,
            until=day,
        ),
    )  # fmt: skip
    proposed(as_json, approval, Proposed.FREEZE)


@accounts_app.command("unfreeze")
def unfreeze(
    phone: PhoneArgument,
    freeze_id: FreezeArgument,
    reason: ReasonOption,
    yuan: Annotated[str | None, typer.Option(help="Only so much of a freeze of an amount")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose the release of a freeze for a risk or by law; another member of staff approves it."""
    amount_fen = None if yuan is None else Money.cny(yuan).fen
    found = FreezeId.parse(freeze_id, field="freeze_id")
    approval = as_staff(
        data,
        lambda runtime, staff: propose_release(
            runtime, staff=staff, freeze_id=found, phone=phone, reason=reason, amount_fen=amount_fen
        ),
    )
    proposed(as_json, approval, Proposed.RELEASE)


@accounts_app.command("approve")
def approve(
    approval_id: ApprovalArgument,
    kind: Annotated[Proposed, typer.Option(help="What kind of proposal it is")],
    refuse: RefuseOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve, or refuse, what another member of staff proposed."""
    found = ApprovalId.parse(approval_id, field="approval_id")
    as_staff(
        data,
        lambda runtime, staff: decide_freeze(runtime, staff=staff, approval_id=found, kind=kind, approve=not refuse),
    )
    say(as_json, {"approved": not refuse}, "Refused." if refuse else "Carried out.")


@accounts_app.command("proposals")
def proposals(
    kind: Annotated[Proposed, typer.Option(help="Which kind")] = Proposed.FREEZE,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what waits for a second person, oldest first."""
    rows = as_platform(data, lambda runtime: open_proposals(runtime, kind=kind))
    items = [
        {"approval_id": ApprovalId.outside(row.id), **json.loads(row.payload), "proposed_at": row.proposed_at}
        for row in rows
    ]
    if as_json:
        return say(True, {"items": items}, "")
    names = ("approval_id", "account_id", "kind", "reason", "document", "proposed_at")
    columns = ("approval", "account", "kind", "reason", "document", "proposed")
    show_table(columns, ([item.get(name) for name in names] for item in items))
    return None


@accounts_app.command("close")
def close(
    phone: PhoneArgument,
    document: DocumentOption,
    document_kind: KindOption = None,
    document_number: NumberOption = None,
    code: CodeOption = None,
    payout: Annotated[Payout, typer.Option(help="What becomes of the balance: cash or phone_bill")] = Payout.CASH,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close an account at a hall; what is left of it is paid as cash there, or to the phone bill at once."""
    shown = shown_of(document, document_kind, document_number, code)
    life, balance_fen = as_staff(
        data, lambda runtime, staff: close_at_counter(runtime, staff=staff, phone=phone, shown=shown, payout=payout)
    )
    where = "as cash" if payout is Payout.CASH else "to the phone bill"
    rest = f", {Money(balance_fen)} yuan to be paid {where}" if balance_fen else ""
    say(as_json, {"life": life, "balance_fen": balance_fen}, f"The account is {life}{rest}.")


@accounts_app.command("state")
def state(phone: PhoneArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show an account's state, what it allows, and the freezes that stand."""

    async def flow(runtime: Runtime) -> tuple[AccountOverview, list[Freeze]]:
        account = await overview_by_phone(runtime, phone=phone)
        async with runtime.database.read() as uow:
            return account, await freezes_of(uow, account.id)

    found, freezes = as_platform(data, flow)
    standing = [
        {
            "freeze_id": FreezeId.outside(each.id), "kind": each.kind, "left_fen": each.left_fen,
            "until": each.until, "reason": each.reason,
        }
        for each in freezes
        if each.released_at is None
    ]  # fmt: skip
    allowed = sorted(ALLOWED[found.state])
    facts: dict[str, Any] = {
        "account": str(found.id), "state": found.state, "until": found.state_until, "life": found.life,
        "class": found.account_class, "opened": found.opened_at, "balance_fen": found.balance_fen,
        "held_fen": found.held_fen, "frozen_fen": found.frozen_fen, "daily_limit_fen": found.daily_limit_fen,
        "allowed": allowed,
    }  # fmt: skip
    if as_json:
        return say(True, {**facts, "freezes": standing}, "")
    show_table(("fact", "value"), {**facts, "allowed": ", ".join(allowed)}.items())
    if standing:
        show_table(("freeze", "kind", "fen", "until", "reason"), (each.values() for each in standing))
    return None


@accounts_app.command("events")
def events(
    phone: PhoneArgument,
    most: MostOption = 50,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what happened to an account, newest first. The look is audited."""
    found = as_platform(data, lambda runtime: history_by_phone(runtime, by=None, phone=phone, before=None, limit=most))
    if as_json:
        items = [
            {"at": each.at, "event": each.event, "by": each.actor, "detail": json.loads(each.detail)} for each in found
        ]
        return say(True, {"items": items}, "")
    show_table(("at", "event", "by", "detail"), ((each.at, each.event, each.actor, each.detail) for each in found))
    return None


def shown_of(document: str, kind: DocumentKind | None, number: str | None, code: str | None) -> Shown:
    """What the customer showed; a number of "-" is read from the standard input."""
    # What stands on a command line is seen by everybody on the machine.
    return Shown(document, kind, sys.stdin.readline().strip() if number == "-" else number, code)


def proposed(as_json: bool, approval: ApprovalId, kind: Proposed) -> None:
    """Say what waits for another member of staff."""
    waits(as_json, approval, f"accounts approve {approval} --kind {kind}", kind=kind)
