"""`mpss merchants`: the closing of merchants, and what is settled with them, by two members of staff.

What changes something is done as a member of staff, whose API key MPSS_STAFF_KEY holds; what only shows, as the
platform itself.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from mpss.cli.acting import as_platform, as_staff, local, moved, say, show_table, waits
from mpss.cli.options import ApprovalArgument, DataOption, JsonOption, RefuseOption
from mpss.kernel.ids import ApprovalId, MerchantId
from mpss.kernel.money import Money
from mpss.merchants.close import (
    approve_closing,
    call_closing_off,
    merchant_closing,
    open_closings,
    propose_closing,
    refuse_closing,
    waiting_closings,
)
from mpss.runtime import Runtime
from mpss.transactions.settlement import (
    approve_settlement,
    propose_settlement,
    refuse_settlement,
    waiting_settlements,
)

merchants_app = typer.Typer(help="The closing of merchants.", no_args_is_help=True)
_MerchantArgument = Annotated[str, typer.Argument(help="The merchant's id")]
_ReasonOption = Annotated[str, typer.Option(help="Why; it is in the record, and the merchant is told")]


def _merchant(text: str) -> MerchantId:
    return MerchantId.parse(text, field="merchant_id")


def _approval(text: str) -> ApprovalId:
    return ApprovalId.parse(text, field="approval_id")


@merchants_app.command("closings")
def closings(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show which merchants asked to be closed or are closing, and what waits for a second person."""

    async def flow(runtime: Runtime) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        found = [
            {**closing._asdict(), "merchant_id": MerchantId.outside(closing.merchant_id)}
            for closing in await open_closings(runtime)
        ]
        proposals = [
            {"approval_id": ApprovalId.outside(row.id), "kind": row.kind, **json.loads(row.payload)}
            for row in [*await waiting_closings(runtime), *(row for row, _ in await waiting_settlements(runtime))]
        ]
        return found, proposals

    found, proposals = as_platform(data, flow)
    if as_json:
        return say(True, {"items": found, "proposals": proposals}, "")
    names = ("merchant_id", "reason", "asked_by", "asked_at", "begun_at", "ends_at")
    columns = ("merchant", "reason", "asked by", "asked", "begun", "notice ends")
    show_table(columns, ([item[name] for name in names] for item in found))
    if proposals:
        asked = ("approval_id", "kind", "merchant_id", "amount_fen")
        show_table(("approval", "kind", "merchant", "fen"), ([item.get(name) for name in asked] for item in proposals))
    return None


@merchants_app.command("closing")
def closing(merchant: _MerchantArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show how a merchant's closing stands, and everything that is in its way."""
    found = as_platform(data, lambda runtime: merchant_closing(runtime, merchant_id=_merchant(merchant)))
    obstacles = [
        {"block": each.block, "count": each.count, "amount_fen": each.amount_fen, "until": each.until}
        for each in found.obstacles
    ]
    if as_json:
        return say(True, {"merchant_id": merchant, "state": found.merchant.state, "obstacles": obstacles}, "")
    print(f"The merchant is {found.merchant.state}.")
    if obstacles:
        figures = (
            each.until or each.count or None if each.amount_fen is None else Money(each.amount_fen)
            for each in found.obstacles
        )
        blocks = (each.block for each in found.obstacles)
        show_table(("in the way", "how much"), zip(blocks, figures, strict=True))
    return None


@merchants_app.command("close")
def close(
    merchant: _MerchantArgument, reason: _ReasonOption, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Propose to close a merchant; another member of staff approves it."""
    approval = as_staff(
        data,
        lambda runtime, staff: propose_closing(runtime, staff=staff, merchant_id=_merchant(merchant), reason=reason),
    )
    waits(as_json, approval, f"merchants approve-closing {approval}")


@merchants_app.command("approve-closing")
def approve_close(
    approval_id: ApprovalArgument,
    refuse: RefuseOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve the closing that another proposed: the merchant sells no more, and its notice period begins."""
    found = _approval(approval_id)
    if refuse:
        as_staff(data, lambda runtime, staff: refuse_closing(runtime, staff=staff, approval_id=found))
        return say(as_json, {"approved": False}, "Refused; the merchant sells as before.")
    begun = as_staff(data, lambda runtime, staff: approve_closing(runtime, staff=staff, approval_id=found))
    assert begun.closing is not None
    ends_at = begun.closing.ends_at
    say(as_json, {"approved": True, "ends_at": ends_at}, f"The merchant is closing; its notice ends {local(ends_at)}.")
    return None


@merchants_app.command("call-off")
def call_off(
    merchant: _MerchantArgument, reason: _ReasonOption, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Call a closing off that has begun; the merchant is suspended then, until it is resumed."""
    as_staff(
        data,
        lambda runtime, staff: call_closing_off(runtime, staff=staff, merchant_id=_merchant(merchant), reason=reason),
    )
    say(as_json, {"state": "suspended"}, "The closing is called off; the merchant is suspended.")


@merchants_app.command("settle")
def settle(
    merchant: _MerchantArgument,
    yuan: Annotated[str, typer.Option(help="What was transferred")],
    account: Annotated[str, typer.Option(help="The merchant's bank account")],
    reference: Annotated[str, typer.Option(help="The bank's number of the transfer")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose to write down a transfer with a closing merchant; another member of staff approves it."""
    approval = as_staff(
        data,
        lambda runtime, staff: propose_settlement(
            runtime, staff=staff, merchant_id=_merchant(merchant), amount_fen=Money.cny(yuan).fen,
            bank_account=account, bank_reference=reference,
        ),
    )  # fmt: skip
    waits(as_json, approval, f"merchants approve-settlement {approval}")


@merchants_app.command("approve-settlement")
def approve_settle(
    approval_id: ApprovalArgument,
    refuse: RefuseOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve the settlement that another proposed; it is posted at once."""
    found = _approval(approval_id)
    if refuse:
        as_staff(data, lambda runtime, staff: refuse_settlement(runtime, staff=staff, approval_id=found))
        return say(as_json, {"approved": False}, "Refused.")
    answer = as_staff(data, lambda runtime, staff: approve_settlement(runtime, staff=staff, approval_id=found))
    return moved(as_json, answer, "Settled")
