"""`mpss boss`: compare with BOSS now; what it told, and what it has differently."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from mpss.accounts.boss_comparison import compare_now
from mpss.accounts.boss_comparison_store import (
    Comparison,
    questions,
    recorded_events,
)
from mpss.accounts.boss_settlement import Settling, settle_question
from mpss.cli.acting import as_platform, as_staff, read, say, show_items, show_table
from mpss.cli.options import DataOption, JsonOption, MostOption
from mpss.kernel.ids import BossQuestionId
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime

boss_app = typer.Typer(help="BOSS: its events, and how its subscriptions compare.", no_args_is_help=True)


@boss_app.command("compare")
def compare(data: DataOption = None) -> None:
    """Compare every account with BOSS now; exits 1 where a question is open or BOSS fell silent."""

    async def run(runtime: Runtime) -> Comparison:
        return await compare_now(runtime)

    found = as_platform(data, run)
    how = "finished" if found.finished_at is not None else "BOSS fell silent; the jobs go on with it"
    Console().print(
        f"{found.accounts} accounts, {found.missed} missed events took effect, {found.questions} questions: {how}"
    )
    if found.questions or found.finished_at is None:
        raise typer.Exit(1)


@boss_app.command("events")
def events(
    data: DataOption = None,
    phone: Annotated[str | None, typer.Option(help="Of this number alone")] = None,
    result: Annotated[str | None, typer.Option(help="applied, stale, no_account, number_taken or ended")] = None,
    most: MostOption = 50,
) -> None:
    """Show what BOSS told, and what became of it."""
    number = None if phone is None else parse_phone(phone)

    found = read(data, lambda uow: recorded_events(uow, phone=number, result=result, before=None, limit=most))
    rows = (
        (event.received_at, event.id, event.kind, event.phone, event.subscription_id, event.sequence, event.source,
         event.result)
        for event in found
    )  # fmt: skip
    show_table(("received", "event", "kind", "number", "subscription", "sequence", "source", "result"), rows)


@boss_app.command("questions")
def show_questions(data: DataOption = None, most: MostOption = 50, as_json: JsonOption = False) -> None:
    """Show what BOSS has differently and no event explains."""

    found = read(data, lambda uow: questions(uow, kind=None, open=True, before=None, limit=most))
    items = [
        {"question": BossQuestionId.outside(each.id), "number": each.phone, "kind": each.kind, "ours": each.ours,
         "theirs": each.theirs, "found_at": each.found_at}
        for each in found
    ]  # fmt: skip
    show_items(as_json, items, "question", "number", "kind", "ours", "BOSS's", "found")


@boss_app.command("settle")
def settle(
    question: Annotated[str, typer.Argument(help="The question, as `mpss boss questions` shows it")],
    how: Annotated[
        Settling, typer.Option(help="Let BOSS's take effect, keep ours, or ask BOSS about the account again")
    ],
    reason: Annotated[str, typer.Option(help="Why; needed to keep ours")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Settle a question, as a member of staff; exits 1 where it is still open after asking again."""
    found = BossQuestionId.parse(question, field="question")
    settled_ = as_staff(
        data,
        lambda runtime, staff: settle_question(runtime, staff=staff, question_id=found, how=how, reason=reason),
    )
    facts = {"question": question, "settled": settled_.settled_how, "ours": settled_.ours, "theirs": settled_.theirs}
    still = f"It stands: ours {settled_.ours}, BOSS's {settled_.theirs}."
    say(as_json, facts, still if settled_.settled_how is None else f"Settled: {settled_.settled_how}.")
    if settled_.settled_how is None:
        raise typer.Exit(1)
