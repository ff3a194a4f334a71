"""`mpss accounts`, more of a hall: the rest of a closed account, a payment password taken away, a company's members."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mpss.accounts.corporate import add_member, members_of, remove_member, set_quota
from mpss.accounts.password_at_counter import reset_at_counter
from mpss.cli.account_people import accounts_app as accounts_app
from mpss.cli.account_states import shown_of
from mpss.cli.acting import as_staff, moved, say, show_table
from mpss.cli.options import (
    CodeOption,
    DataOption,
    DocumentOption,
    JsonOption,
    KeyOption,
    KindOption,
    NumberOption,
    PhoneArgument,
)
from mpss.kernel.clock import business_date
from mpss.kernel.ids import AccountId
from mpss.kernel.money import Money
from mpss.runtime import Runtime
from mpss.staff.model import StaffMember
from mpss.transactions.closings.close import pay_out_cash

_MasterArgument = Annotated[str, typer.Argument(help="The company's number")]
_MemberArgument = Annotated[str, typer.Argument(help="The member's number")]


@accounts_app.command("pay-out")
def pay_out(
    phone: PhoneArgument,
    document: DocumentOption,
    key: KeyOption,
    account: Annotated[str | None, typer.Option(help="One that the number has left (`mpss accounts left`)")] = None,
    document_kind: KindOption = None,
    document_number: NumberOption = None,
    code: CodeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pay the rest of an account that is being closed as cash, at a hall; it is closed then."""
    shown = shown_of(document, document_kind, document_number, code)
    left_id = None if account is None else AccountId.parse(account, field="account")
    answer = as_staff(
        data,
        lambda runtime, staff: pay_out_cash(runtime, staff=staff, key=key, phone=phone, shown=shown, left_id=left_id),
    )
    moved(as_json, answer, "Pay")


@accounts_app.command("reset-password")
def reset_password(
    phone: PhoneArgument,
    document: DocumentOption,
    document_kind: KindOption = None,
    document_number: NumberOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take the payment password away, at a hall; the phone gets a link for a new one."""
    shown = shown_of(document, document_kind, document_number, None)
    account = as_staff(data, lambda runtime, staff: reset_at_counter(runtime, staff=staff, phone=phone, shown=shown))
    say(as_json, {"account": str(account)}, "The phone gets a link for a new payment password.")


@accounts_app.command("set-member")
def set_member(
    company: _MasterArgument,
    member: _MemberArgument,
    month_fen: Annotated[int, typer.Option("--month-fen", min=0, help="The quota of a month, in fen")],
    single_fen: Annotated[int, typer.Option("--single-fen", min=0, help="The quota of one purchase, in fen")],
    change: Annotated[bool, typer.Option("--change", help="Change the quotas of a member")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a wallet a member of a corporate account, or change its quotas."""
    flow = set_quota if change else add_member
    as_staff(
        data,
        lambda runtime, staff: flow(
            runtime, by=staff, master_phone=company, member_phone=member, quota_month_fen=month_fen,
            quota_single_fen=single_fen,
        ),
    )  # fmt: skip
    text = f"{member} may spend {Money(month_fen)} CNY a month, {Money(single_fen)} at once."
    say(as_json, {"member": member, "quota_month_fen": month_fen, "quota_single_fen": single_fen}, text)


@accounts_app.command("remove-member")
def end_membership(
    company: _MasterArgument, member: _MemberArgument, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """End a membership; the member is told."""
    as_staff(data, lambda runtime, staff: remove_member(runtime, by=staff, master_phone=company, member_phone=member))
    say(as_json, {"member": None}, f"{member} is no member any more.")


@accounts_app.command("members")
def members(
    company: _MasterArgument,
    most: Annotated[int, typer.Option("--most", min=1, help="Show at most this many, the oldest first")] = 50,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the members of a corporate account, their quotas and what they used this month."""

    async def flow(runtime: Runtime, staff: StaffMember) -> list[dict[str, Any]]:
        found = await members_of(runtime, by=staff, master_phone=company, after=None, limit=most)
        today = business_date(runtime.clock.now())
        return [
            {
                "number": member.phone,
                "quota_month_fen": member.quota_month_fen,
                "used_month_fen": member.used_in(today),
                "quota_single_fen": member.quota_single_fen,
            }
            for member in found
        ]

    items = as_staff(data, flow)
    if as_json:
        return say(True, {"items": items}, "")
    rows = ((number, *map(Money, amounts)) for number, *amounts in (item.values() for item in items))
    show_table(("number", "month", "used", "at once"), rows)
    return None
