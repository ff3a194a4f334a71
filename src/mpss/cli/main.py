"""`mpss`: the command line for operators, and the way to start everything."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from psycopg_pool import PoolTimeout
from rich.console import Console
from rich.table import Table

from mpss.adapters.key_store_file import FileKeyStore, KeyFileDamaged
from mpss.bootstrap import key_file_of, make_runtime, migrate_and_seed, running
from mpss.cli.account_identities import accounts_app
from mpss.cli.acting import read
from mpss.cli.bench import bench_command
from mpss.cli.boss import boss_app
from mpss.cli.center import kept_secret, settled
from mpss.cli.demo import demo as play_demo
from mpss.cli.doubts import doubts_app
from mpss.cli.limits import limits_app
from mpss.cli.merchants import merchants_app
from mpss.cli.options import DataOption, JsonOption
from mpss.cli.payment_orders import payment_orders_app, withdrawals_app
from mpss.cli.processes import ProcessEnded, follow
from mpss.cli.reference import reference_command
from mpss.cli.replay import replay as replay_month
from mpss.cli.risk_desk import risk_app
from mpss.cli.serve import Role
from mpss.cli.serve import serve as serve_role
from mpss.cli.statement import statement_command
from mpss.config import SettingInvalid, Settings
from mpss.db.backup import BackupDamaged, BackupFailed, NotEmpty
from mpss.db.backup import backup as make_backup
from mpss.db.backup import restore as restore_backup
from mpss.db.migrate import MigrationChanged, NoSuchRole, role_of
from mpss.db.postmaster import PostmasterError
from mpss.db.readiness import NotMigrated, check_current
from mpss.db.service_user import NoServiceUser
from mpss.kernel.errors import MpssError
from mpss.observability import configure_logging
from mpss.ports.key_store import UnknownKey
from mpss.simulators.town import run as run_town
from mpss.staff.members import CreatedMember, create_member
from mpss.staff.permissions import Permission, parse_permission
from mpss.transactions.verify import verify as verify_all

app = typer.Typer(
    name="mpss",
    help="A mobile payment platform for a telecom operator: a phone number pays.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
staff_app = typer.Typer(help="Staff members and their API keys.", no_args_is_help=True)
app.add_typer(staff_app, name="staff")
keys_app = typer.Typer(help="The key store.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.command("reference")(reference_command)
app.command("bench")(bench_command)
app.command("statement")(statement_command)
app.add_typer(payment_orders_app, name="payment-orders")
app.add_typer(withdrawals_app, name="withdrawals")
app.add_typer(risk_app, name="risk")
app.add_typer(boss_app, name="boss")
app.add_typer(doubts_app, name="doubts")
app.add_typer(limits_app, name="limits")
app.add_typer(accounts_app, name="accounts")
app.add_typer(merchants_app, name="merchants")
console = Console()


@app.command()
def migrate(data: DataOption = None) -> None:
    """Bring the database to this release, as the owner role."""
    with settled(data) as settings:
        applied = asyncio.run(migrate_and_seed(settings))
    console.print("\n".join(f"applied {name}" for name in applied) or "The database is up to date.")


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Play the story, print the facts, stop; exits 1 on a wrong fact")
    ] = False,
    data: DataOption = None,
) -> None:
    """Start a whole center and its town here, play the story, stay up until Ctrl-C."""
    configure_logging("WARNING")
    if not play_demo(console, data=data, once=once):
        sys.exit(1)


@app.command()
def serve(
    role: Annotated[Role, typer.Option(help="Which processes: all, http, voice or jobs")] = Role.ALL,
    workers: Annotated[int, typer.Option(min=1, help="HTTP processes, each with a desk of its own")] = 1,
    follow_parent: Annotated[
        int | None, typer.Option(metavar="PID", help="Stop when this process, which started us, ends")
    ] = None,
    data: DataOption = None,
) -> None:
    """Run the center until Ctrl-C. The database must be migrated."""
    if follow_parent is not None:
        follow(follow_parent)
    with settled(data) as settings:
        asyncio.run(check_current(settings.database_url))
        serve_role(settings, role, workers=workers)


@app.command()
def verify(
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute every invariant from the books; exits 1 on a breach."""
    checks = read(data, verify_all)
    if as_json:
        print(json.dumps([{"name": c.name, "breaches": c.breaches, "figure": c.figure} for c in checks]))
    else:
        table = Table("invariant", "breaches", "figure")
        for check in checks:
            table.add_row(check.name, str(check.breaches), check.figure, style=None if check.holds else "bold red")
        console.print(table)
    if not all(check.holds for check in checks):
        sys.exit(1)


@staff_app.command("add")
def staff_add(
    name: Annotated[str, typer.Argument(help="Who it is")],
    permissions: Annotated[str, typer.Option(help="Permission names, separated by commas")],
    hall: Annotated[str | None, typer.Option(help="A clerk's service hall")] = None,
    clerk: Annotated[str | None, typer.Option(help="A clerk's number in the hall")] = None,
    data: DataOption = None,
) -> None:
    """Add a staff member; prints the API key, once."""
    configure_logging("WARNING")
    with settled(data) as settings:
        created = asyncio.run(
            _add_staff(settings, name, [parse_permission(each.strip()) for each in permissions.split(",")], hall, clerk)
        )
    console.print(created.api_key, highlight=False)


async def _add_staff(
    settings: Settings, name: str, permissions: list[Permission], hall: str | None, clerk: str | None
) -> CreatedMember:
    await check_current(settings.database_url)
    async with running(make_runtime(settings)) as runtime:
        return await create_member(runtime, name=name, permissions=permissions, hall=hall, clerk=clerk)


@keys_app.command("rotate")
def keys_rotate(
    name: Annotated[str, typer.Argument(help="Key name: payment_password, fingerprint, voucher, token or seal")],
    data: DataOption = None,
) -> None:
    """Make a new version of a key; what was made under the old ones stays good."""
    settings = Settings.from_environment()
    settings = replace(settings, data_dir=(data or settings.data_dir).resolve())
    version = FileKeyStore.open_or_make(key_file_of(settings)).rotate(name)
    console.print(f"{name} is at version {version}.")


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="The backup file to make; must not exist")],
    data: DataOption = None,
) -> None:
    """Write database and keys to one file, while the center runs. Keep it as safe as the keys."""
    with settled(data) as settings:
        owner_url = settings.owner_database_url or settings.database_url
        made = make_backup(owner_url, key_file_of(settings), target, now=datetime.now(UTC))
    console.print(f"{target}: {sum(made.rows.values())} rows of {len(made.rows)} tables, and the keys.")


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A file made by `mpss backup`")],
    data: DataOption = None,
) -> None:
    """Fill an empty database and put the keys in place; overwrites nothing."""
    with settled(data) as settings:
        owner_url = settings.owner_database_url or settings.database_url
        made = restore_backup(owner_url, key_file_of(settings), source, run_role=role_of(settings.database_url))
    console.print(f"Restored {sum(made.rows.values())} rows of {len(made.rows)} tables, and the keys.")


@app.command()
def replay(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with aggregatedTransactions.csv and its siblings")
    ],
    counts: Annotated[float, typer.Option(min=1e-6, max=1, help="Share of the counts to replay")] = 0.001,
    amounts: Annotated[float, typer.Option(min=1e-6, help="Factor from the data's amounts to yuan")] = 0.01,
    seed: Annotated[int, typer.Option(help="The same seed draws the same month")] = 1,
    data: DataOption = None,
) -> None:
    """Drive a month of a real mobile-money service through the HTTP API; exits 1 on a difference."""
    configure_logging("WARNING")
    if not replay_month(console, folder, counts=counts, amounts=amounts, seed=seed, data=data):
        sys.exit(1)


@app.command()
def simulate(
    data: DataOption = None,
    shop: Annotated[list[str] | None, typer.Option(help="A CP/SP's name; may be repeated")] = None,
) -> None:
    """Run the town's simulators (SMSC with handsets, CP/SPs) until Ctrl-C; prints their addresses."""
    settings = Settings.from_environment()
    folder = (data or settings.data_dir).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    password = settings.smsc_password or kept_secret(folder / "smsc.secret")
    asyncio.run(
        run_town(
            folder / "town", shop_names=tuple(shop or ["kiosk"]), smsc_password=password, number=settings.sms_number
        )
    )


OPERATORS_PROBLEMS = (
    SettingInvalid,
    MigrationChanged,
    NoSuchRole,
    NotMigrated,
    PostmasterError,
    NoServiceUser,
    KeyFileDamaged,
    UnknownKey,
    BackupFailed,
    BackupDamaged,
    NotEmpty,
    ProcessEnded,
    MpssError,
    OSError,
    psycopg.OperationalError,
    PoolTimeout,
)
"""What an operator can do something about, and is told in a sentence; anything else is ours, with its traceback."""


def main() -> None:
    """The entry point. Exits 2 where a command could not be carried out, 1 where what it looked at is wrong."""
    try:
        app()
    except OPERATORS_PROBLEMS as problem:
        print(f"mpss: {str(problem).strip() or type(problem).__name__}", file=sys.stderr)
        sys.exit(2)
