"""`mpss accounts`, by law and afterwards: freezes that end later, deductions, what is left of accounts over."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from mpss.accounts.freeze import propose_extension
from mpss.accounts.freeze_change import Proposed
from mpss.accounts.voucher_bar import release_voucher_bar
from mpss.cli.account_counter import accounts_app as accounts_app
from mpss.cli.account_states import proposed, shown_of
from mpss.cli.acting import as_platform, as_staff, moved, say, show_items, waits
from mpss.cli.options import (
    ApprovalArgument,
    CodeOption,
    DataOption,
    DocumentOption,
    FreezeArgument,
    JsonOption,
    KeyOption,
    KindOption,
    NumberOption,
    PhoneArgument,
    ReasonOption,
    RefuseOption,
)
from mpss.kernel.ids import AccountId, ApprovalId, FreezeId, TransactionId
from mpss.kernel.money import Money
from mpss.transactions.closings.close import accounts_left
from mpss.transactions.closings.rest import pay_rest, rests_by_phone
from mpss.transactions.deduction import approve_deduction, propose_deduction, refuse_deduction, waiting_deductions

_OldPhoneArgument = Annotated[str, typer.Argument(help="The number that the account had")]
_PaperOption = Annotated[str, typer.Option("--document", help="The court's or authority's document")]


@accounts_app.command("extend-freeze")
def extend_freeze(
    phone: PhoneArgument,
    freeze_id: FreezeArgument,
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day on which it ends then")],
    reason: ReasonOption,
    document: _PaperOption = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose that a freeze with a date ends later; another member of staff approves it (`mpss accounts approve`)."""
    found = FreezeId.parse(freeze_id, field="freeze_id")
    approval = as_staff(
        data,
        lambda runtime, staff: propose_extension(
            runtime, staff=staff, freeze_id=found, phone=phone, until=until.date(), reason=reason, document=document
        ),
    )
    proposed(as_json, approval, Proposed.EXTENSION)


@accounts_app.command("deduct")
def deduct(
    phone: PhoneArgument,
    freeze_id: FreezeArgument,
    yuan: Annotated[str, typer.Option(help="How much is taken of what is frozen")],
    authority: Annotated[str, typer.Option(help="Who takes the money, and the account it goes to")],
    document: _PaperOption,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose a deduction of what is frozen by law; another approves it (`mpss accounts decide-deduction`)."""
    found, amount_fen = FreezeId.parse(freeze_id, field="freeze_id"), Money.cny(yuan).fen
    approval = as_staff(
        data,
        lambda runtime, staff: propose_deduction(
            runtime, staff=staff, phone=phone, freeze_id=found, amount_fen=amount_fen, authority=authority,
            document=document,
        ),
    )  # fmt: skip
    waits(as_json, approval, f"accounts decide-deduction {approval}")


@accounts_app.command("deductions")
def deductions(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show the deductions that wait for a second person, oldest first."""
    items = [
        {"approval_id": ApprovalId.outside(row.id), **asked.payload(), "proposed_at": row.proposed_at}
        for row, asked in as_platform(data, waiting_deductions)
    ]
    show_items(as_json, items, "approval", "account", "freeze", "fen", "authority", "document", "proposed")


@accounts_app.command("decide-deduction")
def decide_deduction(
    approval_id: ApprovalArgument,
    refuse: RefuseOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve, or refuse, a deduction that another member of staff proposed."""
    found = ApprovalId.parse(approval_id, field="approval_id")
    if refuse:
        as_staff(data, lambda runtime, staff: refuse_deduction(runtime, staff=staff, approval_id=found))
        return say(as_json, {"approved": False}, "Refused.")
    answer = as_staff(data, lambda runtime, staff: approve_deduction(runtime, staff=staff, approval_id=found))
    return moved(as_json, answer, "Deducted")


@accounts_app.command("left")
def left(phone: _OldPhoneArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show accounts that the number has left and that wait to be paid out: `mpss accounts pay-out --account …`."""
    found = as_staff(data, lambda runtime, staff: accounts_left(runtime, staff=staff, phone=phone))
    items = [
        {"account": AccountId.outside(each.id), "balance_fen": each.balance_fen, "opened": each.opened_at,
         "left": each.left_at}
        for each in found
    ]  # fmt: skip
    show_items(as_json, items, "account", "fen", "opened", "left")


@accounts_app.command("rests")
def rests(phone: _OldPhoneArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show what came back after accounts of the number were closed, and waits to be fetched."""
    found = as_staff(data, lambda runtime, staff: rests_by_phone(runtime, staff=staff, phone=phone))
    items = [
        {"rest": TransactionId.outside(each.id), "account": AccountId.outside(each.account_id),
         "amount_fen": each.amount_fen, "since": each.created_at, "closed": each.closed_at}
        for each in found
    ]  # fmt: skip
    show_items(as_json, items, "rest", "account", "fen", "since", "closed")


@accounts_app.command("pay-rest")
def pay_out_rest(
    rest: Annotated[str, typer.Argument(help="The rest, as `mpss accounts rests` shows it")],
    document: DocumentOption,
    key: KeyOption,
    document_kind: KindOption = None,
    document_number: NumberOption = None,
    code: CodeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pay what came back after an account was closed as cash, at a hall."""
    shown = shown_of(document, document_kind, document_number, code)
    found = TransactionId.parse(rest, field="rest")
    answer = as_staff(data, lambda runtime, staff: pay_rest(runtime, staff=staff, key=key, rest_id=found, shown=shown))
    moved(as_json, answer, "Pay")


@accounts_app.command("release-vouchers")
def release_vouchers(phone: PhoneArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Let a number enter voucher passwords again, after too many wrong ones barred it."""
    as_staff(data, lambda runtime, staff: release_voucher_bar(runtime, staff=staff, phone=phone))
    say(as_json, {"barred": False}, f"{phone} may enter voucher passwords again.")
