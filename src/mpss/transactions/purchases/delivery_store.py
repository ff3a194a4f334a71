"""What a CP/SP answered to the delivery order of a sale: one row for each sale, written once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from mpss.db.database import UnitOfWork

_SALE: LiteralString = """
    SELECT t.id, t.kind, t.state, t.merchant_id, t.merchant_order_no, t.amount_fen, a.phone, a.language,
           m.name AS merchant, m.state AS merchant_state, t.funding, t.created_at, coalesce(p.name, '') AS product,
           d.state AS delivery
      FROM transaction AS t
      JOIN account AS a ON a.id = t.account_id
      JOIN merchant AS m ON m.id = t.merchant_id
      LEFT JOIN product AS p ON p.id = t.product_id
      LEFT JOIN delivery AS d ON d.transaction_id = t.id
     WHERE t.id = %(id)s
"""
# Held until the answer is written, so that a reversal at the same moment comes before it or after it.
_HOLD: LiteralString = "SELECT state FROM transaction WHERE id = %(id)s FOR SHARE"
_INSERT: LiteralString = """
    INSERT INTO delivery (transaction_id, merchant_id, state, content, reason, answered_at)
    VALUES (%(id)s, %(merchant_id)s, %(state)s, %(content)s, %(reason)s, %(now)s)
    ON CONFLICT ON CONSTRAINT delivery_pk DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class SoldGoods:
    """A sale as its delivery needs to know it. `delivery` is the answer written down before, or None."""

    id: UUID
    kind: str
    state: str
    merchant_id: UUID
    merchant_order_no: str | None
    amount_fen: int
    phone: str
    language: str
    merchant: str
    merchant_state: str
    product: str
    funding: str
    created_at: datetime
    delivery: str | None


async def find_sale(uow: UnitOfWork, transaction_id: UUID) -> SoldGoods | None:
    return await uow.row(SoldGoods, _SALE, {"id": transaction_id})


async def hold_state(uow: UnitOfWork, transaction_id: UUID) -> str | None:
    """The transaction's state, which stays so until the unit of work ends."""
    state: str | None = await uow.value(_HOLD, {"id": transaction_id})
    return state


async def write_answer(
    uow: UnitOfWork, sale: SoldGoods, *, state: str, content: str = "", reason: str = "", now: datetime
) -> bool:
    """Write the answer down; False when there is one already, which stands."""
    row = {"id": sale.id, "merchant_id": sale.merchant_id, "state": state, "content": content, "reason": reason}
    return await uow.execute(_INSERT, {**row, "now": now}) == 1
