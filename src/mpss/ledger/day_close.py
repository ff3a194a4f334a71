"""Closing a business day (日切): cut it, then seal it.

The cut takes the fence that every batch of the desk holds shared, so nothing is posted into a cut day; it only turns
the page and is over at once. Sealing may take its time: it writes the day's balances and the head of its hash chain.

    h(0) = the day before's head;  h(i) = SHA-256(h(i-1) ‖ line(i));  line = one entry with its postings, by entry id
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import LiteralString

from mpss.db.database import Database, UnitOfWork
from mpss.observability import log

FENCE = 7_001
"""Advisory lock: a batch of the desk holds it shared, the cut alone."""
GENESIS = bytes(32)
"""The head before the first day."""

_TAKE_FENCE: LiteralString = "SELECT pg_advisory_xact_lock(%(fence)s)"
_OPEN_DAY: LiteralString = "SELECT business_date FROM business_day WHERE cut_at IS NULL"
_CUT: LiteralString = "UPDATE business_day SET cut_at = %(now)s WHERE business_date = %(day)s AND cut_at IS NULL"
_OPEN_NEXT: LiteralString = "INSERT INTO business_day (business_date, opened_at) VALUES (%(day)s, %(now)s)"
_UNSEALED: LiteralString = """
    SELECT business_date FROM business_day WHERE cut_at IS NOT NULL AND sealed_at IS NULL ORDER BY business_date
"""
_SEAL_LOCK: LiteralString = "SELECT pg_advisory_xact_lock(%(fence)s, 1)"
_BALANCES: LiteralString = """
    INSERT INTO ledger_day_balance (ledger_account_id, business_date, balance_fen, restricted_fen)
    SELECT m.ledger_account_id, %(day)s, coalesce(b.balance_fen, 0) + m.change_fen,
           coalesce(b.restricted_fen, 0) + m.restricted_change_fen
      FROM (SELECT ledger_account_id, sum(amount_fen)::bigint AS change_fen,
                   coalesce(sum(amount_fen) FILTER (WHERE part = 2), 0)::bigint AS restricted_change_fen
              FROM posting WHERE business_date = %(day)s GROUP BY ledger_account_id) AS m
      LEFT JOIN LATERAL (SELECT balance_fen, restricted_fen FROM ledger_day_balance AS d
                          WHERE d.ledger_account_id = m.ledger_account_id AND d.business_date < %(day)s
                          ORDER BY d.business_date DESC LIMIT 1) AS b ON true
"""
_HEAD_BEFORE: LiteralString = """
    SELECT chain_hash FROM business_day WHERE business_date < %(day)s AND chain_hash IS NOT NULL
     ORDER BY business_date DESC LIMIT 1
"""
_SEAL: LiteralString = """
    UPDATE business_day SET sealed_at = %(now)s, entry_count = %(count)s, chain_hash = %(head)s
     WHERE business_date = %(day)s AND sealed_at IS NULL
"""
_LINES: LiteralString = """
    SELECT e.id::text || '|' || e.business_date || '|' || (extract(epoch FROM e.posted_at) * 1000000)::bigint
           || '|' || e.kind || '|' || coalesce(e.reverses_id::text, '') || '|' || coalesce(p.legs, '')
      FROM journal_entry AS e
      LEFT JOIN (SELECT entry_id, string_agg(line || ':' || ledger_account_id || ':' || coalesce(part, 0) || ':'
                                             || amount_fen, ',' ORDER BY line) AS legs
                   FROM posting WHERE business_date = %(day)s GROUP BY entry_id) AS p ON p.entry_id = e.id
     WHERE e.business_date = %(day)s ORDER BY e.id
"""


@dataclass(frozen=True, slots=True)
class Chain:
    """The head of a day's chain and how many entries it runs through."""

    head: bytes
    entry_count: int


async def close_day(database: Database, *, today: date, now: datetime) -> list[date]:
    """Bring the books to business date `today`: cut and seal every day before it; the days sealed, oldest first.

    Safe to repeat and to run in several processes. A day that was cut when a process died is sealed by the next run.
    """
    async with database.read() as uow:
        due: bool = await uow.value(_OPEN_DAY) < today
    if due:  # The fence holds every desk up, so it is not taken to look.
        async with database.transaction() as uow:
            await uow.execute(_TAKE_FENCE, {"fence": FENCE})
            open_day: date = await uow.value(_OPEN_DAY)
            if open_day < today:
                await uow.execute(_CUT, {"day": open_day, "now": now})
                await uow.execute(_OPEN_NEXT, {"day": today, "now": now})
                log.info("ledger.day_cut", business_date=str(open_day), opened=str(today))
    return await seal_cut_days(database, now=now)


async def seal_cut_days(database: Database, *, now: datetime) -> list[date]:
    """Seal every day that is cut and not sealed, oldest first."""
    sealed: list[date] = []
    while True:
        async with database.transaction() as uow:
            await uow.execute(_SEAL_LOCK, {"fence": FENCE})
            day: date | None = await uow.value(_UNSEALED)
            if day is None:
                return sealed
            await uow.execute(_BALANCES, {"day": day})
            chain = await chain_of(uow, day)
            await uow.execute(_SEAL, {"day": day, "now": now, "count": chain.entry_count, "head": chain.head})
        log.info("ledger.day_sealed", business_date=str(day), entries=chain.entry_count, head=chain.head.hex())
        sealed.append(day)


async def chain_of(uow: UnitOfWork, day: date) -> Chain:
    """The chain of a day's entries, computed from the journal as it is now and the head of the day before."""
    head = bytes(await uow.value(_HEAD_BEFORE, {"day": day}) or GENESIS)
    count = 0
    async for line in _lines(uow, day):
        head = hashlib.sha256(head + line.encode()).digest()
        count += 1
    return Chain(head, count)


async def _lines(uow: UnitOfWork, day: date) -> AsyncIterator[str]:
    async with uow.connection.cursor(name="day_chain") as cursor:
        cursor.itersize = 10_000
        await cursor.execute(_LINES, {"day": day})
        async for record in cursor:
            yield record[0]
