"""`mpss demo`: a whole center and its town on this machine, and the story played in it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from mpss.cli.center import settled
from mpss.cli.story import SHOPS, Fact, Story
from mpss.cli.town_center import TownCenter, town_center
from mpss.config import Settings
from mpss.db.database import opened
from mpss.simulators.center_api import CenterApi
from mpss.transactions.verify import verify


def demo(console: Console, *, data: Path | None, once: bool) -> bool:
    """Start everything, play the story, print its facts; stays up until Ctrl-C unless `once`.

    Whether every fact is as it should be; False where Ctrl-C came before they were known.
    """
    with settled(data) as settings:
        return asyncio.run(_interruptible(console, settings, once=once))


async def _interruptible(console: Console, settings: Settings, *, once: bool) -> bool:
    """Play and stay until SIGINT or SIGTERM, which stop everything in order; a second one cuts nothing short."""
    facts: list[Fact] = []
    work = asyncio.create_task(_demo(console, settings, facts, once=once))
    stopping = asyncio.Event()

    def stop() -> None:
        if not stopping.is_set():
            stopping.set()
            work.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await asyncio.wait([work])
    if work.cancelled():
        console.print("Stopped." if facts else "Stopped before the story ended.")
    else:
        work.result()
    return bool(facts) and all(fact.holds for fact in facts)


async def _demo(console: Console, settings: Settings, facts: list[Fact], *, once: bool) -> None:
    with _progress(console) as progress:
        step = progress.add_task("", total=None)

        def tell(text: str) -> None:
            progress.update(step, description=text)

        async with town_center(settings, shop_names=SHOPS, tell=tell) as center:
            found, messages = await _play(progress, center)
            facts += [*found, *await _invariants(center.settings)]
            progress.stop()
            _print_facts(console, facts)
            _print_messages(console, messages)
            good = all(fact.holds for fact in facts)
            verdict = (
                "[green]Every fact is as it should be.[/]"
                if good
                else "[bold red]Not every fact is as it should be.[/]"
            )
            console.print(verdict)
            if not once:
                _print_addresses(console, center)
                console.print("Ctrl-C stops everything.")
                await _stay(center)


async def _play(progress: Progress, center: TownCenter) -> tuple[list[Fact], dict[str, list[str]]]:
    step = progress.add_task("", total=None)

    def tell(text: str) -> None:
        progress.update(step, description=text)
        progress.console.print(f"  {text}")

    async with CenterApi(center.url) as api:
        story = Story(center.town, api, center.staff, tell)
        try:
            facts = await story.play()
            return facts, await story.messages()
        finally:
            await story.close()


async def _invariants(settings: Settings) -> list[Fact]:
    async with opened(settings.database_url) as database, database.read() as uow:
        checks = await verify(uow)
    broken = [check.name for check in checks if not check.holds]
    found = ", ".join(broken) if broken else f"all {len(checks)} hold"
    return [Fact("the invariants, recomputed from the books", found, not broken)]


async def _stay(center: TownCenter) -> None:
    """Until cancelled.

    Raises:
        ProcessEnded: the center did not stay.
    """
    while True:
        center.process.check()
        await asyncio.sleep(1)


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console, transient=True
    )


def _print_facts(console: Console, facts: list[Fact]) -> None:
    table = Table("", "fact", "found", title="What happened", title_justify="left")
    for column in table.columns:
        column.overflow = "fold"
    for fact in facts:
        table.add_row("✓" if fact.holds else "✗", fact.text, fact.found, style=None if fact.holds else "bold red")
    console.print(table)


def _print_messages(console: Console, messages: dict[str, list[str]]) -> None:
    table = Table("phone", "SMS", title="What each phone received", title_justify="left", show_lines=True)
    table.columns[1].overflow = "fold"
    for owner, texts in messages.items():
        table.add_row(owner, "\n".join(texts))
    console.print(table)


def _print_addresses(console: Console, center: TownCenter) -> None:
    table = Table("look at", "address", title="Where to look", title_justify="left")
    table.add_row("the HTTP API's reference", f"{center.url}/v1/reference")
    table.add_row("its OpenAPI document", f"{center.url}/v1/openapi.json")
    table.add_row("metrics", f"{center.url}/metrics")
    table.add_row("the handsets and their SMS", center.town.smsc.control_url)
    if center.town.voice is not None:
        table.add_row("the voice platform: who calls", center.town.voice.url)
    if center.town.boss is not None:
        table.add_row("BOSS: who has which number", center.town.boss.url)
    for name, shop in center.town.shops.items():
        table.add_row(f"{name}: orders and webhooks", shop.url)
    table.add_row("the center's log", str(center.log))
    console.print(table)
