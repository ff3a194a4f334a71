"""What the journal says was moved: by kind of entry and hour."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString, NamedTuple

from mpss.db.database import UnitOfWork
from mpss.ledger.chart import Code

_BY_HOUR: LiteralString = """
    SELECT e.kind, date_trunc('hour', e.posted_at) AS hour, count(DISTINCT e.id)::bigint AS entries,
           sum(abs(p.amount_fen))::bigint AS amount_fen
      FROM journal_entry AS e
      JOIN posting AS p ON p.entry_id = e.id
      JOIN ledger_account AS a ON a.id = p.ledger_account_id AND a.code = %(code)s
     WHERE e.posted_at >= %(since)s
     GROUP BY e.kind, hour ORDER BY hour, e.kind
"""


class HourTurnover(NamedTuple):
    """Entries of one kind in one hour that touch accounts of a code, and what they moved there, either way."""

    kind: str
    hour: datetime
    entries: int
    amount_fen: int


async def turnover_by_hour(uow: UnitOfWork, code: Code, *, since: datetime) -> list[HourTurnover]:
    """One line for each hour and kind of entry, in order of time."""
    return await uow.rows(HourTurnover, _BY_HOUR, {"code": code, "since": since})
