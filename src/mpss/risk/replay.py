"""Rules over history: what they would have caught, before they are switched on (or with other figures).

History is read in order, a page at a time; each account's past is kept as the desk keeps it. Nothing is written.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from mpss.db.database import Database
from mpss.risk.replay_queries import HistoryLine, read_page
from mpss.risk.rules import IN, MOST_MOVES, OUT, Facts, Finding, Move, RuleVersion, findings, milliseconds, move_of

PAGE = 5_000
_LOOKED_AT = IN | OUT


class Replayed(NamedTuple):
    """How many payments out and top-ups were looked at; how many each rule would have caught, by rule and action."""

    payments: int
    caught: dict[Finding, int]
    any_rule: int
    topups: int


async def replay(
    database: Database, versions: Sequence[RuleVersion], *, since: datetime, until: datetime, page: int = PAGE
) -> Replayed:
    """Every payment out and top-up that went through from `since` to before `until`, under these versions whatever
    their dates."""
    past: dict[UUID, deque[Move]] = {}
    caught: Counter[Finding] = Counter()
    payments = topups = hit_at_all = 0
    async for line in _history(database, since=since, until=until, page=page):
        before = past.setdefault(line.account_id, deque(maxlen=MOST_MOVES))
        move = move_of(
            line.at, line.kind, line.amount_fen, line.merchant_id, declined=line.declined, province=line.province,
            metadata=line.metadata,
        )  # fmt: skip
        if move.kind in _LOOKED_AT and not move.declined:
            found = findings(_facts(move, line, before), versions)
            payments += move.kind in OUT
            topups += move.kind in IN
            hit_at_all += bool(found)
            caught.update(found)
        before.appendleft(move)
    return Replayed(payments, dict(caught), hit_at_all, topups)


def _facts(move: Move, line: HistoryLine, before: Iterable[Move]) -> Facts:
    woken_at = None if line.woken_at is None else milliseconds(line.woken_at)
    return Facts(move, milliseconds(line.opened_at), woken_at, tuple(before))


async def _history(database: Database, *, since: datetime, until: datetime, page: int) -> AsyncIterator[HistoryLine]:
    after: UUID | None = None
    while True:
        async with database.read() as uow:
            found = await read_page(uow, after=after, since=since, until=until, limit=page)
        for line in found:
            yield line
        if len(found) < page:
            return
        after = found[-1].id
