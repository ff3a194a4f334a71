"""Rules and patterns over history: what they would have caught, before they are switched on (or with other figures).

History is read in order, a page at a time; each account's past is kept as the desk keeps it. A day's books are searched
as when it was cut, but for reports that waited. Nothing is written.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from mpss.db.database import Database
from mpss.risk.patterns import figures_of, patterns_of
from mpss.risk.replay_queries import HistoryLine, read_page
from mpss.risk.report_store import day_sums, merchant_sums
from mpss.risk.rules import (
    IN,
    MOST_MOVES,
    OUT,
    Facts,
    Figures,
    Finding,
    Move,
    RuleVersion,
    findings,
    milliseconds,
    move_of,
)

PAGE = 5_000
_LOOKED_AT = IN | OUT


class Replayed(NamedTuple):
    """How many payments out and top-ups were looked at; how many each rule would have caught, by rule and action; and
    whether that is all there was."""

    payments: int
    caught: dict[Finding, int]
    any_rule: int
    topups: int
    complete: bool = True


async def replay(
    database: Database,
    versions: Sequence[RuleVersion],
    *,
    since: datetime,
    until: datetime,
    page: int = PAGE,
    most: int | None = None,
) -> Replayed:
    """Every payment out and top-up that went through from `since` to before `until`, under these versions whatever
    their dates; with `most`, of the first so many transactions."""
    past: dict[UUID, deque[Move]] = {}
    caught: Counter[Finding] = Counter()
    payments = topups = hit_at_all = read = 0
    async for line in _history(database, since=since, until=until, page=page):
        if read == most:
            return Replayed(payments, dict(caught), hit_at_all, topups, complete=False)
        read += 1
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


async def replay_patterns(
    database: Database, figures: Mapping[str, Figures], *, first: date, last: date
) -> dict[str, int]:
    """How many lines each pattern would have put in the queue, from one business date to another, both included."""
    caught: Counter[str] = Counter(dict.fromkeys(figures, 0))
    persons, merchants = figures_of(figures, merchants=False), figures_of(figures, merchants=True)
    least_fen = min((told["amount_fen"] for told in persons.values()), default=0)
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        async with database.read() as uow:
            if persons:
                async for sums in day_sums(uow, day, least_fen=least_fen):
                    caught.update(each.pattern for each in patterns_of(sums, persons))
            for name, told in merchants.items():
                found = await merchant_sums(
                    uow, day, pattern=name, days=told["days"], least_fen=told["amount_fen"], again=True
                )
                caught[name] += sum(bool(patterns_of(each, {name: told})) for each in found)
    return dict(caught)


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
