"""`mpss statement`: a subscriber's statement as a file."""

from __future__ import annotations

import asyncio
import shutil
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from mpss.accounts.queries import overview_by_phone
from mpss.bootstrap import make_runtime, running
from mpss.cli.center import settled
from mpss.cli.options import DataOption, PhoneArgument
from mpss.config import Settings
from mpss.db.readiness import check_current
from mpss.observability import configure_logging
from mpss.staff.members import PLATFORM
from mpss.transactions.statements.export import export_statement, note_viewed
from mpss.transactions.statements.model import Format, Search

_DAY = ["%Y-%m-%d"]


def statement_command(
    phone: PhoneArgument,
    output: Annotated[Path, typer.Option(help="The file to make; must not exist")],
    since: Annotated[
        datetime | None, typer.Option("--from", formats=_DAY, help="First business date (default: thirty days back)")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=_DAY, help="Last business date, included (default: today)")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="csv or xlsx")] = Format.CSV,
    data: DataOption = None,
) -> None:
    """Write a subscriber's statement to a file, in the account's language. The look is audited."""
    configure_logging("WARNING")
    search = Search(_day(since), _day(until))
    search.check()
    with settled(data) as settings:
        asyncio.run(_write(settings, phone, search, form, output))


def _day(at: datetime | None) -> date | None:
    return None if at is None else at.date()


async def _write(settings: Settings, phone: str, search: Search, form: Format, output: Path) -> None:
    await check_current(settings.database_url)
    async with running(make_runtime(settings)) as runtime:
        account = await overview_by_phone(runtime, phone=phone)
        await note_viewed(runtime, actor=PLATFORM, account_id=account.id, action="statement.export", search=search)
        file, _ = await export_statement(runtime, account_id=account.id, search=search, form=form, language=None)
        with file, output.open("xb") as target:
            shutil.copyfileobj(file, target)
