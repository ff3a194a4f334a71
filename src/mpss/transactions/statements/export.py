"""A wallet's statement: pages, figures of a period and files, for its owner and for staff. Spec: CM 5.4, 8.2.2."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import IO
from uuid import UUID

from mpss.accounts.queries import AccountOverview, overview
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import business_date
from mpss.kernel.errors import MalformedField
from mpss.kernel.ids import AccountId
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.transactions.statements.model import Format, Line, Search, Summary
from mpss.transactions.statements.queries import search_lines, summarize
from mpss.transactions.statements.write import StatementFile, statement_file

_PAGE = 1000
_CHUNK = 64 * 1024
_DEFAULT_DAYS = 30


async def statement_page(
    runtime: Runtime, *, account_id: UUID, search: Search, after: tuple[int, UUID] | None, limit: int
) -> list[Line]:
    """One page of the account's movements; as far back as there are any.

    Raises:
        MalformedField: `search` contradicts itself.
        Refused: UNKNOWN_ACCOUNT.

    Spec: CM 5.4.
    """
    search.check()
    account = await overview(runtime, account_id=account_id)
    async with runtime.database.read() as uow:
        return await search_lines(
            uow, ledger_account_id=account.ledger_account_id, account_id=account.id, search=search, after=after,
            limit=limit,
        )  # fmt: skip


async def statement_summary(
    runtime: Runtime, *, account_id: UUID, since: date | None, until: date | None
) -> tuple[date, date, Summary]:
    """The period, by default the last thirty days, and its figures.

    Raises:
        MalformedField: `to` is before `from`.
        Refused: UNKNOWN_ACCOUNT.

    Spec: CM 5.4.
    """
    first, last = _period(runtime, Search(since, until))
    account = await overview(runtime, account_id=account_id)
    async with runtime.database.read() as uow:
        found = await summarize(uow, ledger_account_id=account.ledger_account_id, since=first, until=last)
    return first, last, found


async def export_statement(
    runtime: Runtime, *, account_id: UUID, search: Search, form: Format, language: str | None
) -> tuple[IO[bytes], str]:
    """The statement as an open temporary file at its beginning, and a name for it; the caller closes it.

    `language` None: the account's. Every line is of one snapshot of the books, read in pages.

    Raises:
        MalformedField: `search` contradicts itself, is of more days than `statement_days` or of more lines than
            `statement_lines`.
        Refused: UNKNOWN_ACCOUNT.

    Spec: CM 5.4, 8.2.2.
    """
    first, last = _period(runtime, search)
    if (last - first).days >= runtime.policy.statement_days:
        raise MalformedField(field="from", problem=f"must be within {runtime.policy.statement_days} days of to")
    account = await overview(runtime, account_id=account_id)
    search = replace(search, since=first, until=last)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it is handed on
    try:
        await _fill(runtime, account, search, statement_file(form, file, language=language or account.language))
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file, f"statement-{first}-{last}.{form}"


async def note_viewed(
    runtime: Runtime, *, actor: str, account_id: UUID, action: str, search: Search, hall: str | None = None
) -> None:
    """Write down that somebody looked at a customer's statement, before they see it."""
    detail: Mapping[str, str | None] = {
        "from": None if search.since is None else search.since.isoformat(),
        "to": None if search.until is None else search.until.isoformat(),
        "hall": hall,
    }
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        await record(uow, at=now, actor=actor, action=action, subject=AccountId.outside(account_id), detail=detail)


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    """What is in the file, piece by piece; closes it."""
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk


async def _fill(runtime: Runtime, account: AccountOverview, search: Search, target: StatementFile) -> None:
    """Write the statement page by page, the disk's and the processor's part in a thread."""
    async with runtime.database.read() as uow:
        written, after = 0, None
        while lines := await _page(uow, account, search, after):
            written += len(lines)
            if written > runtime.policy.statement_lines:
                problem = f"is too far back: there are more than {runtime.policy.statement_lines} lines"
                raise MalformedField(field="from", problem=problem)
            await asyncio.to_thread(target.add, lines)
            after = place_of(lines[-1])
            if len(lines) < _PAGE:
                break
    await asyncio.to_thread(target.finish)


async def _page(
    uow: UnitOfWork, account: AccountOverview, search: Search, after: tuple[int, UUID] | None
) -> list[Line]:
    return await search_lines(
        uow, ledger_account_id=account.ledger_account_id, account_id=account.id, search=search, after=after, limit=_PAGE
    )  # fmt: skip


def place_of(line: Line) -> tuple[int, UUID]:
    """Where a page that ends with this line goes on."""
    return abs(line.change_fen), line.transaction.id


def _period(runtime: Runtime, search: Search) -> tuple[date, date]:
    search.check()
    until = search.until or business_date(runtime.clock.now(), cut=runtime.settings.day_cut)
    since = search.since or until - timedelta(days=_DEFAULT_DAYS)
    if until < since:
        raise MalformedField(field="from", problem="must not be after to")
    return since, until
