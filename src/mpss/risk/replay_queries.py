"""History as the rules look at it."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork

_PAGE: LiteralString = """
    -- By id, which grows with time: what was asked for in the same millisecond is in the order of its making.
    SELECT t.id, t.account_id, t.created_at, t.kind, t.state IN ('DECLINED', 'EXPIRED', 'CANCELLED'), t.amount_fen,
           t.merchant_id, t.province,
           CASE WHEN t.merchant_id IS NULL THEN t.metadata END, a.opened_at, a.woken_at
      FROM transaction AS t JOIN account AS a ON a.id = t.account_id
     WHERE (%(after)s::uuid IS NULL OR t.id > %(after)s) AND t.id >= %(first)s
       AND t.created_at >= %(since)s AND t.created_at < %(until)s
     ORDER BY t.id LIMIT %(limit)s
"""


class HistoryLine(NamedTuple):
    """A transaction, and when its account was opened and woken."""

    id: UUID
    account_id: UUID
    at: datetime
    kind: str
    declined: bool
    amount_fen: int
    merchant_id: UUID | None
    province: str | None
    metadata: str | None
    opened_at: datetime
    woken_at: datetime | None


async def read_page(
    uow: UnitOfWork, *, after: UUID | None, since: datetime, until: datetime, limit: int
) -> list[HistoryLine]:
    """A page of history, oldest first."""
    first = UUID(int=(int(since.timestamp() * 1000) - 1) << 80)
    cursor = await uow.connection.execute(
        _PAGE, {"after": after, "first": first, "since": since, "until": until, "limit": limit}
    )
    return [HistoryLine._make(record) for record in await cursor.fetchall()]
