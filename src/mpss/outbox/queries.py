"""Reads of the outbox: what waits, and the log of what was tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mpss.db.database import UnitOfWork

ITEMS_OF = """
    SELECT id, kind, reference, recipient, payload, serial, state, attempts, created_at, due_at, finished_at, last_error
      FROM outbox WHERE reference = %(reference)s AND kind = ANY(%(kinds)s::text[]) ORDER BY serial
"""
ITEM = """
    SELECT id, kind, reference, recipient, payload, serial, state, attempts, created_at, due_at, finished_at, last_error
      FROM outbox WHERE id = %(id)s
"""
ATTEMPTS_OF = """
    SELECT outbox_id, attempt, at, outcome, detail, duration_ms FROM outbox_attempt
     WHERE outbox_id = ANY(%(ids)s::uuid[]) ORDER BY outbox_id, attempt
"""
DEAD = """
    SELECT id, kind, reference, recipient, payload, serial, state, attempts, created_at, due_at, finished_at, last_error
      FROM outbox WHERE state = 'dead' AND (%(before)s::uuid IS NULL OR id < %(before)s)
     ORDER BY id DESC LIMIT %(limit)s
"""
WAITING = "SELECT kind, count(*) AS count FROM outbox WHERE state = 'pending' GROUP BY kind"


@dataclass(frozen=True, slots=True)
class LoggedItem:
    """A message with where it stands. `due_at` speaks of a pending one, `finished_at` of the others."""

    id: UUID
    kind: str
    reference: UUID
    recipient: str
    payload: str
    serial: int
    state: str
    attempts: int
    created_at: datetime
    due_at: datetime
    finished_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class LoggedAttempt:
    """One attempt at a message. `outcome`: approved, declined or in_doubt."""

    outbox_id: UUID
    attempt: int
    at: datetime
    outcome: str
    detail: str
    duration_ms: int


async def items_of(uow: UnitOfWork, reference: UUID, kinds: Sequence[str]) -> list[LoggedItem]:
    """The messages of these kinds about one transaction or account, oldest first."""
    return await uow.rows(LoggedItem, ITEMS_OF, {"reference": reference, "kinds": list(kinds)})


async def item(uow: UnitOfWork, item_id: UUID) -> LoggedItem | None:
    return await uow.row(LoggedItem, ITEM, {"id": item_id})


async def attempts_of(uow: UnitOfWork, item_ids: Sequence[UUID]) -> list[LoggedAttempt]:
    """Every attempt at these messages, by message, first to last."""
    return await uow.rows(LoggedAttempt, ATTEMPTS_OF, {"ids": list(item_ids)})


async def waiting(uow: UnitOfWork) -> dict[str, int]:
    """How many messages of each kind have yet to leave."""
    return {row["kind"]: row["count"] for row in await uow.dicts(WAITING)}


async def dead(uow: UnitOfWork, *, before: UUID | None, limit: int) -> list[LoggedItem]:
    """Messages that were refused or given up, newest first; `before` is the last id of the page before."""
    return await uow.rows(LoggedItem, DEAD, {"before": before, "limit": limit})
