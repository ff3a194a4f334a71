"""Reads of transactions for channels: one, by order number, a subscriber's or a merchant's, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.desk.model import Transaction
from mpss.desk.store import make_transaction
from mpss.transactions.store import order_key

COLUMNS: LiteralString = """
    t.id, t.kind, t.state, t.first_state, t.refusal, t.caller, t.idempotency_key, t.digest, t.account_id, t.merchant_id,
    t.product_id, t.quantity, t.amount_fen, t.fee_fen, t.restricted_fen, t.channel, t.merchant_order_no, t.original_id,
    t.business_date, t.created_at, t.finished_at, t.metadata, t.funding, t.province
"""
_ONE: LiteralString = "SELECT " + COLUMNS + " FROM transaction AS t WHERE t.id = %(id)s"
_SOME: LiteralString = "SELECT " + COLUMNS + " FROM transaction AS t WHERE t.id = ANY(%(ids)s)"
_BY_ORDER: LiteralString = "SELECT transaction_id FROM merchant_order WHERE order_key = %(order_key)s"
_OF_MERCHANT: LiteralString = (
    "SELECT "
    + COLUMNS
    + """ FROM transaction AS t
     WHERE t.merchant_id = %(merchant_id)s AND (%(before)s::uuid IS NULL OR t.id < %(before)s)
       AND (%(state)s::text IS NULL OR t.state = %(state)s)
       AND (%(since)s::timestamptz IS NULL OR t.created_at >= %(since)s)
     ORDER BY t.id DESC LIMIT %(limit)s
"""
)
_DELIVERY: LiteralString = """
    SELECT coalesce(d.state, CASE o.state WHEN 'pending' THEN 'ordered' ELSE o.state END) AS state,
           coalesce(d.content, '') AS content, coalesce(d.reason, '') AS reason, o.attempts, d.answered_at
      FROM outbox AS o LEFT JOIN delivery AS d ON d.transaction_id = o.id
     WHERE o.id = %(id)s AND o.kind = 'delivery'
"""
# Through the merchant's transactions, which are indexed; a delivery order's id is its transaction's.
_DELIVERIES: LiteralString = """
    SELECT t.id, t.state AS sale_state, t.product_id, t.quantity, t.amount_fen, t.merchant_order_no, t.created_at,
           coalesce(d.state, CASE o.state WHEN 'pending' THEN 'ordered' ELSE o.state END) AS state,
           coalesce(d.content, '') AS content, coalesce(d.reason, '') AS reason, o.attempts, d.answered_at
      FROM transaction AS t JOIN outbox AS o ON o.id = t.id AND o.kind = 'delivery'
      LEFT JOIN delivery AS d ON d.transaction_id = t.id
     WHERE t.merchant_id = %(merchant_id)s AND (%(before)s::uuid IS NULL OR t.id < %(before)s)
     ORDER BY t.id DESC LIMIT %(limit)s
"""


class DeliveryStatus(NamedTuple):
    """How the delivery of a sale stands: ordered, delivered, refused, expired or dead."""

    state: str
    content: str
    reason: str
    attempts: int
    answered_at: datetime | None


class DeliveryLine(NamedTuple):
    """One sale with goods and how its delivery stands; `state` as in `DeliveryStatus`, `sale_state` the sale's."""

    id: UUID
    sale_state: str
    product_id: UUID
    quantity: int
    amount_fen: int
    merchant_order_no: str | None
    created_at: datetime
    state: str
    content: str
    reason: str
    attempts: int
    answered_at: datetime | None


async def _records(uow: UnitOfWork, sql: LiteralString, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    cursor = await uow.connection.execute(sql, params)
    return list(await cursor.fetchall())


async def get_transaction(uow: UnitOfWork, transaction_id: UUID) -> Transaction | None:
    """The transaction as it stands, or None."""
    found = await _records(uow, _ONE, {"id": transaction_id})
    return make_transaction(found[0]) if found else None


async def get_transactions(uow: UnitOfWork, ids: Sequence[UUID]) -> dict[UUID, Transaction]:
    """The transactions of these ids as they stand."""
    found = [make_transaction(record) for record in await _records(uow, _SOME, {"ids": list(ids)})]
    return {transaction.id: transaction for transaction in found}


async def find_order(uow: UnitOfWork, *, merchant_id: UUID, order_no: str) -> UUID | None:
    """The transaction that took this merchant order number; None where none did (or its reversal came first)."""
    found: UUID | None = await uow.value(_BY_ORDER, {"order_key": order_key(merchant_id, order_no)})
    return found


async def merchant_transactions(
    uow: UnitOfWork,
    *,
    merchant_id: UUID,
    before: UUID | None,
    limit: int,
    state: str | None = None,
    since: datetime | None = None,
) -> list[Transaction]:
    """A merchant's transactions, refusals too, newest first."""
    params = {"merchant_id": merchant_id, "before": before, "limit": limit, "state": state, "since": since}
    return [make_transaction(record) for record in await _records(uow, _OF_MERCHANT, params)]


async def delivery_status(uow: UnitOfWork, transaction_id: UUID) -> DeliveryStatus | None:
    """How the delivery of a product sale stands; None where nothing is to be delivered."""
    found = await _records(uow, _DELIVERY, {"id": transaction_id})
    return DeliveryStatus(*found[0]) if found else None


async def merchant_deliveries(
    uow: UnitOfWork, *, merchant_id: UUID, before: UUID | None, limit: int
) -> list[DeliveryLine]:
    """A merchant's sales with goods, newest first; `before` is the last id of the page before."""
    return await uow.rows(DeliveryLine, _DELIVERIES, {"merchant_id": merchant_id, "before": before, "limit": limit})
