"""`mpss demo`: a whole center and its town on this machine, and the story played in it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from mpss.bootstrap import make_runtime, migrate_and_seed, running
from mpss.cli.center import environment_of, kept_secret, settled
from mpss.cli.processes import Child, free_port, wait_ready
from mpss.cli.story import SHOPS, Fact, StaffKeys, Story
from mpss.config import Settings
from mpss.db.database import Database
from mpss.simulators.center_api import CenterApi
from mpss.simulators.town import TOWN_NETWORK, Town, town
from mpss.staff.members import create_member
from mpss.staff.permissions import Permission
from mpss.transactions.verify import verify

_MANAGER = [Permission.MERCHANT_REGISTER, Permission.VOUCHER_ACTIVATE, Permission.LEDGER_VIEW, Permission.ACCOUNT_VIEW]
_CLERK = [Permission.CASH_TOPUP, Permission.VOUCHER_GENERATE]


def demo(console: Console, *, data: Path | None, once: bool) -> bool:
    """Start everything, play the story, print its facts; stays up until Ctrl-C unless `once`.

    Whether every fact is as it should be.
    """
    with settled(data) as settings:
        return asyncio.run(_demo(console, settings, once=once))


async def _demo(console: Console, settings: Settings, *, once: bool) -> bool:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    secret = kept_secret(settings.data_dir / "smsc.secret")
    with _progress(console) as progress:
        step = progress.add_task("the database is migrated", total=None)
        await migrate_and_seed(settings)
        progress.update(step, description="the town's simulators start")
        async with town(
            settings.data_dir / "town", shop_names=SHOPS, smsc_password=secret, number=settings.sms_number
        ) as running_town:
            settings = _placed(settings, running_town, secret)
            progress.update(step, description="the center starts")
            environment = environment_of(settings)
            log = settings.data_dir / "center.log"
            with Child("the center", ["-m", "mpss", "serve"], environment=environment, log=log) as center:
                url = settings.public_url
                await asyncio.to_thread(wait_ready, f"{url}/readyz", children=[center])
                staff = await _staff(settings)
                facts, messages = await _play(progress, running_town, url, staff)
                facts += await _invariants(settings)
                progress.stop()
                _print_facts(console, facts)
                _print_messages(console, messages)
                _print_addresses(console, settings, running_town, log)
                if not once:
                    console.print("Ctrl-C stops everything.")
                    await _stay(stop, center)
    good = all(fact.holds for fact in facts)
    console.print(
        "[green]Every fact is as it should be.[/]" if good else "[bold red]Not every fact is as it should be.[/]"
    )
    return good


def _placed(settings: Settings, place: Town, secret: str) -> Settings:
    """The settings with this run's addresses: yesterday's port where it is free."""
    path = settings.data_dir / "demo.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    port = free_port(known.get("port", 0))
    path.write_text(json.dumps({"port": port}))
    return replace(
        settings,
        port=port,
        public_url=f"http://{settings.host}:{port}",
        smsc_port=place.smsc.port,
        smsc_password=secret,
        merchant_networks=TOWN_NETWORK,
    )


async def _staff(settings: Settings) -> StaffKeys:
    """The people behind the counter, made by the command line as an operator's first are; kept in the data folder."""
    path = settings.data_dir / "staff.json"
    if path.exists():
        return StaffKeys(**json.loads(path.read_text()))
    async with running(make_runtime(settings)) as runtime:
        clerk = await create_member(runtime, name="Clerk C01", permissions=_CLERK, hall="H01", clerk="C01")
        manager = await create_member(runtime, name="Manager", permissions=_MANAGER)
        reviewer = await create_member(runtime, name="Reviewer", permissions=[Permission.PRODUCT_REVIEW])
    keys = StaffKeys(clerk.api_key, manager.api_key, reviewer.api_key)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump({"clerk": keys.clerk, "manager": keys.manager, "reviewer": keys.reviewer}, file)
    return keys


async def _play(progress: Progress, place: Town, url: str, staff: StaffKeys) -> tuple[list[Fact], dict[str, list[str]]]:
    step = progress.add_task("", total=None)

    def tell(text: str) -> None:
        progress.update(step, description=text)
        progress.console.print(f"  {text}")

    async with CenterApi(url) as center:
        story = Story(place, center, staff, tell)
        try:
            facts = await story.play()
            return facts, await story.messages()
        finally:
            await story.close()


async def _invariants(settings: Settings) -> list[Fact]:
    database = Database(settings.database_url, pool_size=1)
    await database.open()
    try:
        async with database.read() as uow:
            checks = await verify(uow)
    finally:
        await database.close()
    broken = [check.name for check in checks if not check.holds]
    found = ", ".join(broken) if broken else f"all {len(checks)} hold"
    return [Fact("the invariants, recomputed from the books", found, not broken)]


async def _stay(stop: asyncio.Event, center: Child) -> None:
    while not stop.is_set():
        center.check()
        try:
            async with asyncio.timeout(1):
                await stop.wait()
        except TimeoutError:
            continue


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


def _print_addresses(console: Console, settings: Settings, place: Town, log: Path) -> None:
    table = Table("look at", "address", title="Where to look", title_justify="left")
    table.add_row("the HTTP API's reference", f"{settings.public_url}/")
    table.add_row("its OpenAPI document", f"{settings.public_url}/v1/openapi.json")
    table.add_row("metrics", f"{settings.public_url}/metrics")
    table.add_row("the handsets and their SMS", place.smsc.control_url)
    for name, shop in place.shops.items():
        table.add_row(f"{name}: orders and webhooks", shop.url)
    table.add_row("the center's log", str(log))
    console.print(table)
