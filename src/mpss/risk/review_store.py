"""The SQL of reviews: what a rule held, until somebody releases or refuses it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet
from mpss.risk.model import Order, Place, ReviewState


class ReviewRow(NamedTuple):
    """A transaction that a rule held. `held_fen` is its amount and fee, kept in the payer's wallet by `hold_id`."""

    account_id: UUID
    kind: str
    held_fen: int
    rule: str
    hold_id: UUID
    state: ReviewState
    held_at: datetime
    expires_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str = ""


class Review(NamedTuple):
    """A review as staff see it: the row, the transaction's state, the payer's number now."""

    transaction_id: UUID
    row: ReviewRow
    transaction_state: str
    phone: str


class ReviewSearch(NamedTuple):
    """What is looked for; None: whatever it is. `phone` is the payer's, in E.164; the dates are those of the
    holding, Asia/Shanghai."""

    state: str | None = None
    kind: str | None = None
    rule: str | None = None
    phone: str | None = None
    first_date: date | None = None
    last_date: date | None = None
    min_fen: int | None = None


def _make_row(columns: Sequence[Any]) -> ReviewRow:
    row = ReviewRow._make(columns)
    return row._replace(state=ReviewState(row.state))


def _make(record: Sequence[Any]) -> tuple[UUID, ReviewRow]:
    return record[0], _make_row(record[1:])


def _columns(rows: Sequence[tuple[UUID, ReviewRow]]) -> dict[str, list[Any]]:
    columns = {name: [row[place] for _, row in rows] for place, name in enumerate(ReviewRow._fields)}
    return {"ids": [key for key, _ in rows], **columns}


REVIEWS: RowSet[UUID, ReviewRow] = RowSet(
    name="risk_review",
    order=16,
    # Not locked: it changes with its transaction, which is locked before it.
    load="""
        SELECT transaction_id, account_id, kind, held_fen, rule, hold_id, state, held_at, expires_at, decided_by,
               decided_at, reason
          FROM risk_review WHERE transaction_id = ANY(%(keys)b::uuid[])
    """,
    make=_make,
    save="""
        INSERT INTO risk_review (transaction_id, account_id, kind, held_fen, rule, hold_id, state, held_at, expires_at,
                                 decided_by, decided_at, reason)
        SELECT * FROM unnest(%(ids)b::uuid[], %(account_id)b::uuid[], %(kind)b::text[], %(held_fen)b::bigint[],
                             %(rule)b::text[], %(hold_id)b::uuid[], %(state)b::text[], %(held_at)b::timestamptz[],
                             %(expires_at)b::timestamptz[], %(decided_by)b::text[], %(decided_at)b::timestamptz[],
                             %(reason)b::text[])
        ON CONFLICT (transaction_id) DO UPDATE
           SET state = EXCLUDED.state, decided_by = EXCLUDED.decided_by, decided_at = EXCLUDED.decided_at,
               reason = EXCLUDED.reason
    """,
    columns=_columns,
)

_COLUMNS: LiteralString = """
    SELECT r.transaction_id, r.account_id, r.kind, r.held_fen, r.rule, r.hold_id, r.state, r.held_at, r.expires_at,
           r.decided_by, r.decided_at, r.reason, t.state, a.phone
      FROM risk_review AS r JOIN transaction AS t ON t.id = r.transaction_id JOIN account AS a ON a.id = r.account_id
"""
_GET: LiteralString = _COLUMNS + " WHERE r.transaction_id = %(id)s"
_SEARCH: LiteralString = (
    _COLUMNS
    + """
     WHERE (%(state)s::text IS NULL OR r.state = %(state)s)
       AND (%(kind)s::text IS NULL OR r.kind = %(kind)s)
       AND (%(rule)s::text IS NULL OR r.rule = %(rule)s)
       AND (%(phone)s::text IS NULL OR a.phone = %(phone)s)
       AND (%(first_date)s::date IS NULL OR r.held_at >= %(first_date)s::timestamp AT TIME ZONE 'Asia/Shanghai')
       AND (%(last_date)s::date IS NULL
            OR r.held_at < (%(last_date)s::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai')
       AND (%(min_fen)s::bigint IS NULL OR r.held_fen >= %(min_fen)s)
       AND (%(after)s::uuid IS NULL OR
"""
)
_IN_ORDER: dict[Order, LiteralString] = {
    Order.NEWEST: _SEARCH + " r.transaction_id < %(after)s) ORDER BY r.transaction_id DESC LIMIT %(limit)s",
    Order.OLDEST: _SEARCH + " r.transaction_id > %(after)s) ORDER BY r.transaction_id LIMIT %(limit)s",
    Order.LARGEST: _SEARCH
    + " (r.held_fen, r.transaction_id) < (%(after_fen)s, %(after)s))"
    + " ORDER BY r.held_fen DESC, r.transaction_id DESC LIMIT %(limit)s",
}
_DUE: LiteralString = """
    SELECT transaction_id FROM risk_review WHERE state = 'open' AND expires_at <= %(now)s
     ORDER BY expires_at LIMIT %(limit)s
"""
_OPEN: LiteralString = "SELECT count(*) FROM risk_review WHERE state = 'open'"


def _make_review(record: Sequence[Any]) -> Review:
    return Review(record[0], _make_row(record[1:12]), record[12], record[13])


async def get_review(uow: UnitOfWork, transaction_id: UUID) -> Review | None:
    cursor = await uow.connection.execute(_GET, {"id": transaction_id})
    record = await cursor.fetchone()
    return None if record is None else _make_review(record)


async def find_reviews(
    uow: UnitOfWork, search: ReviewSearch, *, after: Place | None, limit: int, order: Order = Order.NEWEST
) -> list[Review]:
    """Reviews in an order, from after the place `after` on, which is what is held and the transaction."""
    after_fen, after_id = after or (None, None)
    values = {**search._asdict(), "after": after_id, "after_fen": after_fen, "limit": limit}
    cursor = await uow.connection.execute(_IN_ORDER[order], values)
    return [_make_review(record) for record in await cursor.fetchall()]


async def due_reviews(uow: UnitOfWork, *, now: datetime, limit: int) -> list[UUID]:
    """The transactions whose time to be released is over, the longest due first."""
    cursor = await uow.connection.execute(_DUE, {"now": now, "limit": limit})
    return [record[0] for record in await cursor.fetchall()]


async def open_review_count(uow: UnitOfWork) -> int:
    return int(await uow.value(_OPEN))
