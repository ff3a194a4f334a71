"""Reads of withdrawals for flows, customers and operators."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.ledger.chart import WITHDRAWALS_IN_TRANSIT
from mpss.transactions.withdrawals.model import WithdrawalRow
from mpss.transactions.withdrawals.store import make_withdrawal

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
_OPEN: LiteralString = "SELECT count(*) FROM withdrawal WHERE hold_id IS NOT NULL AND ended_at IS NULL"
_PAID_BY_HOUR: LiteralString = """
    SELECT w.mode, date_trunc('hour', w.ordered_at) AS hour, count(DISTINCT e.id)::bigint AS entries,
           sum(-p.amount_fen)::bigint AS amount_fen
      FROM withdrawal AS w JOIN journal_entry AS e ON e.id = w.transaction_id
      JOIN posting AS p ON p.entry_id = e.id AND p.ledger_account_id = %(account)s
     WHERE w.ordered_at >= %(since)s
     GROUP BY w.mode, hour ORDER BY hour, w.mode
"""


class PaidHour(NamedTuple):
    """Entries of withdrawals of one mode that were asked for in one hour, and what the banks paid by them."""

    mode: str
    hour: datetime
    entries: int
    amount_fen: int


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


async def open_withdrawals(uow: UnitOfWork) -> int:
    """How many are held, and not yet paid or refused."""
    return int(await uow.value(_OPEN))


async def paid_by_hour(uow: UnitOfWork, *, since: datetime) -> list[PaidHour]:
    """What banks paid, from the journal, by the hour in which it was asked for."""
    return await uow.rows(PaidHour, _PAID_BY_HOUR, {"since": since, "account": WITHDRAWALS_IN_TRANSIT})
