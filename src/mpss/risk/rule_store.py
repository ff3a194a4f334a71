"""The SQL of the rules: their versions, and what each account did last, loaded with the desk's batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import starmap
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import orjson

from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet
from mpss.risk.rules import MOST_MOVES, Action, Move, RuleBook, RuleVersion, milliseconds

EVERY_RULE = "every"


class Recent(NamedTuple):
    """When an account was opened and woken, and what it did last, newest first: the facts of a rule but the move."""

    opened_at: int
    woken_at: int | None
    moves: tuple[Move, ...]

    def with_move(self, move: Move, *, reach: int) -> Recent:
        """With the move, without those that are older by more than `reach`, in milliseconds."""
        moves, since = self.moves[: MOST_MOVES - 1], move.at - reach
        if moves and moves[-1].at <= since:
            moves = tuple(each for each in moves if each.at > since)
        return Recent(self.opened_at, self.woken_at, (move, *moves))


class RuleLine(NamedTuple):
    """A version as staff see it. Columns of table `risk_rule_version`, in its order."""

    id: UUID
    rule: str
    action: str
    enabled: bool
    figures: str
    effective_from: datetime
    state: str
    approval_id: UUID
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None

    def version(self) -> RuleVersion:
        return RuleVersion(
            self.rule, Action(self.action), self.enabled, orjson.loads(self.figures), self.effective_from
        )


def _make_versions(record: Sequence[Any]) -> tuple[str, RuleBook]:
    key, *columns = record
    versions = (
        RuleVersion(rule, Action(action), enabled, orjson.loads(figures), effective_from)
        for rule, action, enabled, figures, effective_from in zip(*columns, strict=True)
    )
    return key, RuleBook(versions)


def _make_recent(record: Sequence[Any]) -> tuple[UUID, Recent]:
    account_id, opened_at, woken_at, text = record
    woken = None if woken_at is None else milliseconds(woken_at)
    kept = orjson.loads(text)
    try:
        moves = tuple(map(Move._make, kept))
    except TypeError:  # Some are from before provinces were kept: five fields, which _make, the faster, does not take.
        moves = tuple(starmap(Move, kept))
    return account_id, Recent(milliseconds(opened_at), woken, moves)


def _text(moves: Sequence[Move]) -> str:
    return orjson.dumps(list(map(tuple, moves))).decode()


def _recent_columns(rows: Sequence[tuple[UUID, Recent]]) -> dict[str, list[Any]]:
    return {"ids": [key for key, _ in rows], "moves": [_text(recent.moves) for _, recent in rows]}


def _screened(snapshot: Any, keys: Iterable[UUID]) -> Iterable[UUID]:
    return keys if EVERY_RULE in snapshot[RULE_VERSIONS] else ()


RULE_VERSIONS: RowSet[str, RuleBook] = RowSet(
    name="risk_rule_version",
    order=38,
    # All that were approved, few in a lifetime: which is in force is told by the command's own instant.
    load="""
        -- In the order they were approved: of two that begin at one instant the later counts.
        SELECT k.key, array_agg(v.rule ORDER BY v.decided_at, v.id), array_agg(v.action ORDER BY v.decided_at, v.id),
               array_agg(v.enabled ORDER BY v.decided_at, v.id), array_agg(v.figures ORDER BY v.decided_at, v.id),
               array_agg(v.effective_from ORDER BY v.decided_at, v.id)
          FROM unnest(%(keys)b::text[]) AS k (key), risk_rule_version AS v
         WHERE v.state = 'approved' AND v.action <> 'report' GROUP BY k.key
    """,
    make=_make_versions,
    kept=True,
)

RECENT: RowSet[UUID, Recent] = RowSet(
    name="risk_recent",
    order=15,
    # Not locked: whoever writes it holds the account's usage row. OFFSET 0: a plan made while few accounts had moves
    # would else go through all of them for each.
    load="""
        SELECT a.id, a.opened_at, a.woken_at, coalesce(r.moves, '[]')
          FROM account AS a LEFT JOIN LATERAL (
               SELECT p.moves FROM risk_recent AS p WHERE p.account_id = a.id OFFSET 0) AS r ON true
         WHERE a.id = ANY(%(keys)b::uuid[])
    """,
    make=_make_recent,
    save="""
        INSERT INTO risk_recent (account_id, moves) SELECT * FROM unnest(%(ids)b::uuid[], %(moves)b::text[])
        ON CONFLICT (account_id) DO UPDATE SET moves = EXCLUDED.moves
    """,
    columns=_recent_columns,
    sift=_screened,
)
"""Loaded and written where some rule was ever approved."""

_COLUMNS: LiteralString = """
    SELECT id, rule, action, enabled, figures, effective_from, state, approval_id, proposed_by, proposed_at,
           decided_by, decided_at FROM risk_rule_version
"""
_INSERT: LiteralString = """
    INSERT INTO risk_rule_version (id, rule, action, enabled, figures, effective_from, state, approval_id, proposed_by,
                                   proposed_at)
    VALUES (%(id)s, %(rule)s, %(action)s, %(enabled)s, %(figures)s, %(effective_from)s, 'proposed', %(approval_id)s,
            %(proposed_by)s, %(proposed_at)s)
"""
_DECIDE: LiteralString = """
    UPDATE risk_rule_version SET state = %(state)s, decided_by = %(by)s, decided_at = %(now)s,
           effective_from = greatest(effective_from, %(now)s)
     WHERE id = %(id)s AND state = 'proposed'
"""
_LOCK: LiteralString = _COLUMNS + " WHERE id = %(id)s FOR UPDATE"
_PAGE: LiteralString = (
    _COLUMNS + " WHERE (%(before)s::uuid IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(limit)s"
)


async def insert_version(uow: UnitOfWork, line: RuleLine) -> None:
    await uow.execute(_INSERT, line._asdict())


async def lock_version(uow: UnitOfWork, version_id: UUID) -> RuleLine | None:
    cursor = await uow.connection.execute(_LOCK, {"id": version_id})
    record = await cursor.fetchone()
    return None if record is None else RuleLine._make(record)


async def decide_version(uow: UnitOfWork, version_id: UUID, *, state: str, by: str, now: datetime) -> None:
    """Write the decision of a version that is locked; none begins before it was approved."""
    await uow.execute(_DECIDE, {"id": version_id, "state": state, "by": by, "now": now})


async def rule_lines(uow: UnitOfWork, *, before: UUID | None, limit: int) -> list[RuleLine]:
    """Every version, newest first."""
    cursor = await uow.connection.execute(_PAGE, {"before": before, "limit": limit})
    return [RuleLine._make(record) for record in await cursor.fetchall()]
