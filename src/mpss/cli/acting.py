"""Who acts when a command changes or shows something: staff by their key, or the platform; and how it is told."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from mpss.bootstrap import make_runtime, running
from mpss.cli.center import settled
from mpss.config import Settings
from mpss.db.database import Database, UnitOfWork, opened
from mpss.db.readiness import check_current
from mpss.desk.model import Answer
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import ApprovalId, TransactionId
from mpss.kernel.money import Money
from mpss.observability import configure_logging
from mpss.runtime import Runtime
from mpss.staff.members import authenticate_member
from mpss.staff.model import StaffMember

T = TypeVar("T")

STAFF_KEY = "MPSS_STAFF_KEY"
_WHOLE_WORD = 40
"""Letters of a word that a table leaves whole, however narrow the terminal."""


def say(as_json: bool, facts: dict[str, Any], text: str) -> None:
    """Print the facts as one JSON object, its instants in ISO form and UTC, or the text."""
    print(json.dumps(facts, default=_plain, ensure_ascii=False) if as_json else text)


def _plain(value: object) -> str:
    # As the HTTP API writes them.
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def local(instant: datetime | None, none: str = "") -> str:
    """The minute in Asia/Shanghai, as people read it; `none` for None."""
    return none if instant is None else f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def show_items(as_json: bool, items: Sequence[Mapping[str, object]], *columns: str) -> None:
    """Print the items as one JSON object, or as a table, a column for each of their values."""
    if as_json:
        say(True, {"items": items}, "")
    else:
        show_table(columns, (item.values() for item in items))


def show_table(columns: Sequence[str], rows: Iterable[Iterable[object]], *, title: str | None = None) -> None:
    """Print a table: an instant as its minute in Asia/Shanghai, None as nothing, everything else as it is."""
    cells = [[local(value) if isinstance(value, datetime) else _cell(value) for value in row] for row in rows]
    table = Table(title=title)
    for index, column in enumerate(columns):
        # An id that is cut or broken cannot be copied.
        words = (len(word) for row in cells for word in row[index].split())
        table.add_column(column, min_width=min(max(words, default=0), _WHOLE_WORD), overflow="fold")
    for row in cells:
        table.add_row(*row)
    # What people wrote is no markup.
    Console(soft_wrap=True, markup=False, emoji=False).print(table)


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def waits(as_json: bool, approval: ApprovalId, decide: str, **facts: Any) -> None:
    """Say that a proposal waits, and the command, without `mpss`, by which another member of staff decides on it."""
    text = f"{approval} waits for another member of staff: mpss {decide}"
    say(as_json, {"approval_id": str(approval), **facts}, text)


def moved(as_json: bool, answer: Answer, done: str) -> None:
    """Say how a movement of money was answered, `done` being what happened to the money; exits 1 on a refusal."""
    transaction = answer.transaction
    identity = TransactionId.outside(transaction.id)
    facts = {
        "transaction": identity, "state": transaction.state, "refusal": transaction.refusal,
        "amount_fen": transaction.amount_fen, "repeated": answer.repeated,
    }  # fmt: skip
    if transaction.refusal is not None:
        say(as_json, facts, f"Refused: {transaction.refusal}.")
        raise typer.Exit(1)
    again = " (was done before)" if answer.repeated else ""
    say(as_json, facts, f"{done} {Money(transaction.amount_fen)} CNY: {identity}{again}")


def as_staff(data: Path | None, flow: Callable[[Runtime, StaffMember], Awaitable[T]]) -> T:
    """Run a flow as the member of staff whose key the environment holds.

    Raises:
        Refused: UNAUTHENTICATED, there is no key, or nobody has it.
    """
    key = os.environ.get(STAFF_KEY, "")

    async def run(runtime: Runtime) -> T:
        if not key:
            raise Refused(ErrorCode.UNAUTHENTICATED, detail=f"{STAFF_KEY} must hold a staff API key")
        return await flow(runtime, await authenticate_member(runtime, key))

    return as_platform(data, run)


def on_database(data: Path | None, task: Callable[[Database], Awaitable[T]]) -> T:
    """Run a task on the center's database alone, with none of its ports."""

    async def run(settings: Settings) -> T:
        await check_current(settings.database_url)
        async with opened(settings.database_url) as database:
            return await task(database)

    with settled(data) as settings:
        return asyncio.run(run(settings))


def read(data: Path | None, query: Callable[[UnitOfWork], Awaitable[T]]) -> T:
    """What a query finds in the center's database."""

    async def run(database: Database) -> T:
        async with database.read() as uow:
            return await query(uow)

    return on_database(data, run)


def as_platform(data: Path | None, flow: Callable[[Runtime], Awaitable[T]]) -> T:
    """Run a flow on the center's database."""

    async def run(settings: Settings) -> T:
        await check_current(settings.database_url)
        async with running(make_runtime(settings)) as runtime:
            return await flow(runtime)

    configure_logging("ERROR")
    with settled(data) as settings:
        return asyncio.run(run(settings))
