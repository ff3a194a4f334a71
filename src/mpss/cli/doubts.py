"""`mpss doubts`: what banks and the charging system have not settled, and for how long."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mpss.bootstrap import make_clock
from mpss.cli.center import settled
from mpss.config import Settings
from mpss.db.database import Database
from mpss.db.readiness import check_current
from mpss.kernel.ids import TransactionId
from mpss.transactions.funding.store import OpenRequest, open_requests


def doubts_command(
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Data folder (default: MPSS_DATA_DIR, else ./var)")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Show at most this many, oldest first")] = 100,
) -> None:
    """Show the calls to banks and the charging system that are not settled."""
    with settled(data) as settings:
        found, now = asyncio.run(_read(settings, most))
    table = Table("counterpart", "operation", "transaction", "fen", "state", "tried", "age", "reason")
    for line in found:
        age = str(now - line.created_at).split(".", maxsplit=1)[0]
        transaction = TransactionId.outside(line.transaction_id)
        state = f"{line.transaction_state}/{line.state}"
        table.add_row(
            line.counterpart, line.operation, transaction, str(line.amount_fen), state, str(line.attempts), age,
            line.reason,
        )  # fmt: skip
    Console().print(table)


async def _read(settings: Settings, most: int) -> tuple[list[OpenRequest], datetime]:
    await check_current(settings.database_url)
    database = Database(settings.database_url, pool_size=1)
    await database.open()
    try:
        async with database.read() as uow:
            return await open_requests(uow, after=None, limit=most), make_clock(settings).now()
    finally:
        await database.close()
