"""`mpss boss`: compare with BOSS now; what it told, and what it has differently."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from mpss.accounts.boss_comparison import compare_now
from mpss.accounts.boss_comparison_store import (
    AskedQuestion,
    Comparison,
    RecordedEvent,
    questions,
    recorded_events,
)
from mpss.bootstrap import make_runtime, running
from mpss.cli.center import settled
from mpss.config import Settings
from mpss.db.readiness import check_current
from mpss.kernel.phone import parse_phone
from mpss.observability import configure_logging
from mpss.runtime import Runtime

T = TypeVar("T")

boss_app = typer.Typer(help="BOSS: its events, and how its subscriptions compare.", no_args_is_help=True)
_DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data folder (default: MPSS_DATA_DIR, else ./var)")
]
_MostOption = Annotated[int, typer.Option("--most", min=1, help="Show at most this many, newest first")]


@boss_app.command("compare")
def compare(data: _DataOption = None) -> None:
    """Compare every account with BOSS now; exits 1 where a question is open or BOSS fell silent."""

    async def run(runtime: Runtime) -> Comparison:
        return await compare_now(runtime)

    found = _on(data, run)
    how = "finished" if found.finished_at is not None else "BOSS fell silent; the jobs go on with it"
    Console().print(
        f"{found.accounts} accounts, {found.missed} missed events took effect, {found.questions} questions: {how}"
    )
    if found.questions or found.finished_at is None:
        raise typer.Exit(1)


@boss_app.command("events")
def events(
    data: _DataOption = None,
    phone: Annotated[str | None, typer.Option(help="Of this number alone")] = None,
    result: Annotated[str | None, typer.Option(help="applied, stale, no_account, number_taken or ended")] = None,
    most: _MostOption = 50,
) -> None:
    """Show what BOSS told, and what became of it."""
    number = None if phone is None else parse_phone(phone)

    async def read(runtime: Runtime) -> list[RecordedEvent]:
        async with runtime.database.read() as uow:
            return await recorded_events(uow, phone=number, result=result, before=None, limit=most)

    table = Table("received", "event", "kind", "number", "subscription", "sequence", "source", "result")
    for event in _on(data, read):
        table.add_row(
            f"{event.received_at:%Y-%m-%d %H:%M:%S}", event.id, event.kind, event.phone, event.subscription_id,
            str(event.sequence), event.source, event.result,
        )  # fmt: skip
    Console().print(table)


@boss_app.command("questions")
def show_questions(data: _DataOption = None, most: _MostOption = 50) -> None:
    """Show what BOSS has differently and no event explains."""

    async def read(runtime: Runtime) -> list[AskedQuestion]:
        async with runtime.database.read() as uow:
            return await questions(uow, kind=None, open=True, before=None, limit=most)

    table = Table("number", "kind", "ours", "BOSS's", "found")
    for question in _on(data, read):
        table.add_row(question.phone, question.kind, question.ours, question.theirs, f"{question.found_at:%Y-%m-%d}")
    Console().print(table)


def _on(data: Path | None, task: Callable[[Runtime], Awaitable[T]]) -> T:
    configure_logging("WARNING")

    async def run(settings: Settings) -> T:
        await check_current(settings.database_url)
        async with running(make_runtime(settings)) as runtime:
            return await task(runtime)

    with settled(data) as settings:
        return asyncio.run(run(settings))
