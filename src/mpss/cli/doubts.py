"""`mpss doubts`: what is not settled with banks and the charging system; two people end a payout to a phone bill."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from mpss.cli.acting import as_platform, as_staff, say, show_items, show_table, waits
from mpss.cli.options import ApprovalArgument, DataOption, JsonOption
from mpss.kernel.ids import ApprovalId, FundingId, TransactionId
from mpss.runtime import Runtime
from mpss.transactions.closings.bill_doubt import approve_ending, propose_ending, refuse_ending, waiting_endings
from mpss.transactions.funding.store import OpenRequest, open_requests

doubts_app = typer.Typer(help="Calls to banks and the charging system that are not settled.")


@doubts_app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    data: DataOption = None,
    most: Annotated[int, typer.Option(min=1, help="Show at most this many, oldest first")] = 100,
) -> None:
    """Show the calls to banks and the charging system that are not settled."""
    if context.invoked_subcommand is not None:
        return

    async def read(runtime: Runtime) -> tuple[list[OpenRequest], datetime]:
        async with runtime.database.read() as uow:
            return await open_requests(uow, after=None, limit=most), runtime.clock.now()

    found, now = as_platform(data, read)
    rows = (
        (FundingId.outside(line.id), line.counterpart, line.operation, TransactionId.outside(line.transaction_id),
         line.amount_fen, f"{line.transaction_state}/{line.state}", line.attempts,
         str(now - line.created_at).split(".", maxsplit=1)[0], line.reason)
        for line in found
    )  # fmt: skip
    columns = ("request", "counterpart", "operation", "transaction", "fen", "state", "tried", "age", "reason")
    show_table(columns, rows)


@doubts_app.command("end")
def end(
    request: Annotated[str, typer.Argument(help="The request, as `mpss doubts` shows it")],
    credited: Annotated[
        bool, typer.Option("--credited/--not-credited", help="What the charging system's own books say")
    ],
    evidence: Annotated[str, typer.Option(help="Who was asked, and what they showed")],
    reference: Annotated[str, typer.Option(help="The credit's, where there is one")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose how a payout to a phone bill ended; it is asked about no more until another member of staff decides."""
    found = FundingId.parse(request, field="request")
    approval = as_staff(
        data,
        lambda runtime, staff: propose_ending(
            runtime, staff=staff, request_id=found, credited=credited, reference=reference, evidence=evidence
        ),
    )
    waits(as_json, approval, f"doubts approve {approval}")


@doubts_app.command("endings")
def endings(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show what waits for a second person, oldest first."""
    items = [
        {"approval_id": ApprovalId.outside(row.id), **ending.payload(), "proposed_at": row.proposed_at}
        for row, ending in as_platform(data, waiting_endings)
    ]
    show_items(as_json, items, "approval", "request", "credited", "reference", "evidence", "tried", "proposed")


@doubts_app.command("approve")
def approve(
    approval_id: ApprovalArgument,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse it: the charging system is asked again")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve, or refuse, how another member of staff says that a payout ended."""
    found = ApprovalId.parse(approval_id, field="approval_id")
    if refuse:
        as_staff(data, lambda runtime, staff: refuse_ending(runtime, staff=staff, approval_id=found))
        return say(as_json, {"state": None}, "Refused: it is asked about again.")
    ended = as_staff(data, lambda runtime, staff: approve_ending(runtime, staff=staff, approval_id=found))
    say(as_json, {"transaction": str(ended.id), "state": ended.state}, f"{ended.id} is {ended.state}.")
    return None
