"""The SQL of funding requests and of what accounts paid from their phone bills."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet
from mpss.transactions.funding.model import BillUsageRow, FundingRow, FundingState

_COLUMNS: LiteralString = """
    id, transaction_id, counterpart, operation, session, number, subject, amount_fen, original_session, state, attempts,
    due_at, created_at, answered_at, reason, foreign_reference
"""


def _make(record: Sequence[Any]) -> tuple[UUID, FundingRow]:
    identity, *rest = record
    rest[8] = FundingState(rest[8])
    return identity, FundingRow(*rest)


def _columns(rows: Sequence[tuple[UUID, FundingRow]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {"ids": [key for key, _ in rows]}
    for place, name in enumerate(FundingRow._fields):
        found[name] = [row[place] for _, row in rows]
    return found


FUNDING_REQUESTS: RowSet[UUID, FundingRow] = RowSet(
    name="funding_request",
    order=7,
    load="SELECT " + _COLUMNS + " FROM funding_request WHERE id = ANY(%(keys)b::uuid[]) ORDER BY id FOR UPDATE",
    make=_make,
    save="INSERT INTO funding_request ("
    + _COLUMNS
    + """)
        SELECT * FROM unnest(%(ids)b::uuid[], %(transaction_id)b::uuid[], %(counterpart)b::text[],
                             %(operation)b::text[], %(session)b::text[], %(number)b::integer[], %(subject)b::text[],
                             %(amount_fen)b::bigint[], %(original_session)b::text[], %(state)b::text[],
                             %(attempts)b::integer[], %(due_at)b::timestamptz[], %(created_at)b::timestamptz[],
                             %(answered_at)b::timestamptz[], %(reason)b::text[], %(foreign_reference)b::text[])
        ON CONFLICT (id) DO UPDATE
           SET state = EXCLUDED.state, due_at = EXCLUDED.due_at, answered_at = EXCLUDED.answered_at,
               reason = EXCLUDED.reason, foreign_reference = EXCLUDED.foreign_reference
    """,
    columns=_columns,
)


def _make_usage(record: Sequence[Any]) -> tuple[UUID, BillUsageRow]:
    return record[0], BillUsageRow(record[1], record[2])


def _usage_columns(rows: Sequence[tuple[UUID, BillUsageRow]]) -> dict[str, list[Any]]:
    return {
        "ids": [key for key, _ in rows],
        "months": [row.month for _, row in rows],
        "spent": [row.spent_fen for _, row in rows],
    }


BILL_USAGE: RowSet[UUID, BillUsageRow] = RowSet(
    name="phone_bill_usage",
    # After the account's usage, whose lock keeps two desks from adding one account's first row at once.
    order=14,
    load="""
        SELECT account_id, month, spent_fen FROM phone_bill_usage
         WHERE account_id = ANY(%(keys)b::uuid[]) ORDER BY account_id FOR UPDATE
    """,
    make=_make_usage,
    save="""
        INSERT INTO phone_bill_usage (account_id, month, spent_fen)
        SELECT * FROM unnest(%(ids)b::uuid[], %(months)b::date[], %(spent)b::bigint[])
        ON CONFLICT (account_id) DO UPDATE SET month = EXCLUDED.month, spent_fen = EXCLUDED.spent_fen
    """,
    columns=_usage_columns,
)

_ONE: LiteralString = "SELECT " + _COLUMNS + " FROM funding_request WHERE id = %(id)s"
_TAKING: LiteralString = (
    "SELECT "
    + _COLUMNS
    + """
      FROM funding_request WHERE transaction_id = %(id)s AND operation IN ('reserve', 'freeze', 'debit')
     ORDER BY id LIMIT 1
"""
)
_CLAIM: LiteralString = """
    -- A claim is a lease: a request is due again where the claimer has not written an answer by then.
    WITH due AS (
        SELECT id FROM funding_request
         WHERE state IN ('SENT', 'IN_DOUBT') AND due_at <= %(now)s
         ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    UPDATE funding_request AS f SET attempts = attempts + 1, due_at = %(until)s
      FROM due, transaction AS t WHERE f.id = due.id AND t.id = f.transaction_id
    RETURNING f.id, t.kind
"""
_PAUSE: LiteralString = """
    UPDATE funding_request SET due_at = %(until)s WHERE id = %(id)s AND state = 'IN_DOUBT' RETURNING attempts
"""
_OPEN: LiteralString = """
    -- The amount that verifies a card is its owner's to name, so nobody is shown it.
    SELECT f.id, f.transaction_id, f.counterpart, f.operation, f.session,
           CASE WHEN t.kind IN ('card_verification', 'card_verification_return') THEN 0 ELSE f.amount_fen END
           AS amount_fen, f.state, t.state AS transaction_state, f.attempts, f.due_at, f.created_at, f.reason
      FROM funding_request AS f JOIN transaction AS t ON t.id = f.transaction_id
     WHERE f.state IN ('SENT', 'IN_DOUBT') AND (%(after)s::uuid IS NULL OR f.id > %(after)s)
     ORDER BY f.id LIMIT %(limit)s
"""
_COUNTS: LiteralString = """
    SELECT counterpart, operation, count(*) AS requests, min(created_at) AS oldest_at FROM funding_request
     WHERE state IN ('SENT', 'IN_DOUBT') GROUP BY counterpart, operation
"""


class OpenRequest(NamedTuple):
    """A request that is not settled, as an operator sees it."""

    id: UUID
    transaction_id: UUID
    counterpart: str
    operation: str
    session: str
    amount_fen: int
    state: str
    transaction_state: str
    attempts: int
    due_at: datetime
    created_at: datetime
    reason: str


class OpenCount(NamedTuple):
    """How many requests of one operation to one counterpart are not settled, and since when the oldest."""

    counterpart: str
    operation: str
    requests: int
    oldest_at: datetime


async def get_request(uow: UnitOfWork, request_id: UUID) -> FundingRow | None:
    cursor = await uow.connection.execute(_ONE, {"id": request_id})
    record = await cursor.fetchone()
    return None if record is None else _make(record)[1]


class DueRequest(NamedTuple):
    """A request that was claimed to be asked about, and the kind of the transaction it serves."""

    id: UUID
    kind: str


async def taking_request(uow: UnitOfWork, transaction_id: UUID) -> FundingRow | None:
    """The request that took, or was to take, a transaction's money; those that end it or give it back speak of it."""
    cursor = await uow.connection.execute(_TAKING, {"id": transaction_id})
    record = await cursor.fetchone()
    return None if record is None else _make(record)[1]


async def claim_due(uow: UnitOfWork, *, now: datetime, limit: int, lease_seconds: float) -> list[DueRequest]:
    """Take up to `limit` requests that nobody answered in time, the longest due first."""
    until = now + timedelta(seconds=lease_seconds)
    return await uow.rows(DueRequest, _CLAIM, {"now": now, "until": until, "limit": limit})


async def ask_not_before(uow: UnitOfWork, request_id: UUID, *, until: datetime) -> int | None:
    """Ask about a request in doubt no sooner than `until`; how often it was asked, None: it is not in doubt."""
    attempts: int | None = await uow.value(_PAUSE, {"id": request_id, "until": until})
    return attempts


async def open_requests(uow: UnitOfWork, *, after: UUID | None, limit: int) -> list[OpenRequest]:
    """What is not settled, oldest first; `after` is the last id of the page before."""
    return await uow.rows(OpenRequest, _OPEN, {"after": after, "limit": limit})


async def open_counts(uow: UnitOfWork) -> list[OpenCount]:
    """What is not settled, by counterpart and operation."""
    return await uow.rows(OpenCount, _COUNTS)
