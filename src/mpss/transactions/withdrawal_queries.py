"""Reads of withdrawals for flows, customers and operators."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.transactions.withdrawal_model import WithdrawalRow
from mpss.transactions.withdrawal_store import make_withdrawal

_ONE: LiteralString = """
    SELECT transaction_id, account_id, card_id, card, bank, mode, amount_fen, fee_fen, hold_id, ordered_at, batch_id,
           ended_at, bank_status, bank_said_at, reason
      FROM withdrawal WHERE transaction_id = %(id)s
"""
_COLUMNS: LiteralString = """
    w.transaction_id AS id, w.account_id, t.state, w.amount_fen, w.fee_fen, w.card_id, w.card, w.bank, w.mode,
    w.ordered_at, w.batch_id, b.placed_at AS sent_at, w.ended_at, w.bank_status, w.reason, t.created_at
"""
_LINE: LiteralString = (
    "SELECT "
    + _COLUMNS
    + """
      FROM withdrawal AS w JOIN transaction AS t ON t.id = w.transaction_id
      LEFT JOIN payment_batch AS b ON b.id = w.batch_id
     WHERE w.transaction_id = %(id)s
"""
)
_OF_ACCOUNT: LiteralString = (
    "SELECT "
    + _COLUMNS
    + """
      FROM withdrawal AS w JOIN transaction AS t ON t.id = w.transaction_id
      LEFT JOIN payment_batch AS b ON b.id = w.batch_id
     WHERE w.account_id = %(account_id)s AND (%(before)s::uuid IS NULL OR w.transaction_id < %(before)s)
     ORDER BY w.transaction_id DESC LIMIT %(limit)s
"""
)


class WithdrawalLine(NamedTuple):
    """A withdrawal as it stands; `state` is the transaction's, `sent_at` when its file was placed."""

    id: UUID
    account_id: UUID
    state: str
    amount_fen: int
    fee_fen: int
    card_id: UUID
    card: str
    bank: str
    mode: str
    ordered_at: datetime | None
    batch_id: UUID | None
    sent_at: datetime | None
    ended_at: datetime | None
    bank_status: str
    reason: str
    created_at: datetime


async def get_withdrawal(uow: UnitOfWork, transaction_id: UUID) -> WithdrawalRow | None:
    """The row beside a withdrawal's transaction."""
    cursor = await uow.connection.execute(_ONE, {"id": transaction_id})
    record = await cursor.fetchone()
    return None if record is None else make_withdrawal(record)[1]


async def withdrawal_line(uow: UnitOfWork, transaction_id: UUID) -> WithdrawalLine | None:
    """One withdrawal as it stands."""
    return await uow.row(WithdrawalLine, _LINE, {"id": transaction_id})


async def withdrawals_of(uow: UnitOfWork, *, account_id: UUID, before: UUID | None, limit: int) -> list[WithdrawalLine]:
    """What an account withdrew or asked to, newest first; one that was refused at once is not in it."""
    params = {"account_id": account_id, "before": before, "limit": limit}
    return await uow.rows(WithdrawalLine, _OF_ACCOUNT, params)
