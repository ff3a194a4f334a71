"""What staff see of the grey and black lists."""

from __future__ import annotations

from typing import LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.risk.model import Entry
from mpss.risk.store import make_entry

_NEWEST_FIRST: LiteralString = """
    SELECT id, colour, scope, value, subject_id, shown, state, reason, evidence, entered_by, entered_at, listed_at,
           until, approval_id, released_by, released_at, release_reason
      FROM risk_entry
     WHERE (%(after)s::uuid IS NULL OR id < %(after)s)
       AND (%(colour)s::text IS NULL OR colour = %(colour)s)
       AND (%(scope)s::text IS NULL OR scope = %(scope)s)
       AND (%(state)s::text IS NULL OR state = %(state)s)
       AND (%(ends_with)s::text IS NULL OR right(shown, length(%(ends_with)s)) = %(ends_with)s)
     ORDER BY id DESC LIMIT %(limit)s
"""
_OLDEST_FIRST: LiteralString = """
    SELECT id, colour, scope, value, subject_id, shown, state, reason, evidence, entered_by, entered_at, listed_at,
           until, approval_id, released_by, released_at, release_reason
      FROM risk_entry
     WHERE (%(after)s::uuid IS NULL OR id > %(after)s)
       AND (%(colour)s::text IS NULL OR colour = %(colour)s)
       AND (%(scope)s::text IS NULL OR scope = %(scope)s)
       AND (%(state)s::text IS NULL OR state = %(state)s)
       AND (%(ends_with)s::text IS NULL OR right(shown, length(%(ends_with)s)) = %(ends_with)s)
     ORDER BY id LIMIT %(limit)s
"""


class Search(NamedTuple):
    """What is looked for; None: whatever it is. `ends_with` are the last characters of the value as it is shown."""

    colour: str | None = None
    scope: str | None = None
    state: str | None = None
    ends_with: str | None = None


async def entries(
    uow: UnitOfWork, search: Search, *, after: UUID | None, limit: int, oldest_first: bool = False
) -> list[Entry]:
    """Entries of the lists, newest first unless asked otherwise, from after the entry `after` on."""
    sql = _OLDEST_FIRST if oldest_first else _NEWEST_FIRST
    cursor = await uow.connection.execute(sql, {**search._asdict(), "after": after, "limit": limit})
    return [make_entry(record) for record in await cursor.fetchall()]
