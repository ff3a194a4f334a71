"""`mpss payment-orders` and `mpss withdrawals`: what is paid out, and the files of orders to banks."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from mpss.cli.acting import as_platform, local, read, show_table
from mpss.cli.options import DataOption, MostOption
from mpss.kernel.ids import PaymentBatchId, TransactionId
from mpss.kernel.money import Money
from mpss.transactions.withdrawals.payment_answer import read_answers
from mpss.transactions.withdrawals.payment_batch import make_batches_now
from mpss.transactions.withdrawals.payment_queries import Search, answers, batches, withdrawals

payment_orders_app = typer.Typer(help="Files of payment orders to banks, and their answers.", no_args_is_help=True)
withdrawals_app = typer.Typer(help="Withdrawals to bank cards.", no_args_is_help=True)
_BankOption = Annotated[str | None, typer.Option("--bank", help="Of this bank alone, by its code")]


@withdrawals_app.command("list")
def list_withdrawals(
    data: DataOption = None,
    bank: _BankOption = None,
    state: Annotated[str | None, typer.Option(help="FUNDING, IN_DOUBT, SUCCEEDED, DECLINED or RETURNED")] = None,
    phone: Annotated[str | None, typer.Option(help="Of this number, E.164")] = None,
    most: MostOption = 50,
) -> None:
    """Show withdrawals, newest first."""
    search = Search(state=state, bank=bank, phone=phone)
    found = read(data, lambda uow: withdrawals(uow, search, before=None, limit=most))
    rows = (
        (TransactionId.outside(line.id), line.phone, line.bank, line.card, Money(line.amount_fen), Money(line.fee_fen),
         line.state, line.sent_at, line.ended_at, f"{line.bank_status} {line.reason}".strip())
        for line in found
    )  # fmt: skip
    show_table(("transaction", "phone", "bank", "card", "yuan", "fee", "state", "sent", "ended", "bank says"), rows)


@payment_orders_app.command("list")
def list_files(data: DataOption = None, bank: _BankOption = None, most: MostOption = 50) -> None:
    """Show the files that were made and how many of their orders are answered, and the answers that were read."""
    made = read(data, lambda uow: batches(uow, bank=bank, before=None, limit=most))
    files = (
        (batch.file_name, PaymentBatchId.outside(batch.id), batch.orders, Money(batch.control_sum_fen),
         local(batch.placed_at, "not yet"), batch.open, batch.paid, batch.rejected, batch.returned)
        for batch in made
    )  # fmt: skip
    show_table(("file", "batch", "orders", "yuan", "placed", "open", "paid", "rejected", "returned"), files)
    said = (
        (answer.file_name, answer.bank, answer.outcome, answer.paid, answer.rejected, answer.returned, answer.read_at,
         answer.problem)
        for answer in read(data, lambda uow: answers(uow, bank=bank, before=None, limit=most))
    )  # fmt: skip
    show_table(("answer", "bank", "outcome", "paid", "rejected", "returned", "read", "problem"), said)


@payment_orders_app.command("make")
def make_files(data: DataOption = None, bank: _BankOption = None) -> None:
    """Make and place the file of what waits now, without waiting for the cut."""
    made = as_platform(data, lambda runtime: make_batches_now(runtime, bank=bank))
    Console().print("\n".join(PaymentBatchId.outside(each) for each in made) or "Nothing waits.")


@payment_orders_app.command("read")
def read_files(data: DataOption = None, bank: _BankOption = None) -> None:
    """Read the answers that banks have placed now; exits 1 where one was refused."""
    found = as_platform(data, lambda runtime: read_answers(runtime, bank=bank))
    for answer in found:
        Console().print(
            f"{answer.file_name}: {answer.outcome}, {answer.paid} paid, {answer.rejected} rejected, "
            f"{answer.returned} returned {answer.problem}".rstrip()
        )
    if not found:
        Console().print("There is nothing to read.")
    if any(answer.outcome == "refused" for answer in found):
        raise typer.Exit(1)
