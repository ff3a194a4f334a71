"""What operators see of withdrawals, of payment-order files and of the answers to them."""

from __future__ import annotations

from datetime import date, datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork

_WITHDRAWALS: LiteralString = """
    SELECT w.transaction_id AS id, a.phone, t.state, w.amount_fen, w.fee_fen, w.card, w.bank, w.mode, w.batch_id,
           b.file_name, b.placed_at AS sent_at, w.ended_at, w.bank_status, w.reason, t.channel, t.created_at
      FROM withdrawal AS w JOIN transaction AS t ON t.id = w.transaction_id JOIN account AS a ON a.id = w.account_id
      LEFT JOIN payment_batch AS b ON b.id = w.batch_id
     WHERE (%(before)s::uuid IS NULL OR w.transaction_id < %(before)s)
       AND (%(state)s::text IS NULL OR t.state = %(state)s)
       AND (%(bank)s::text IS NULL OR w.bank = %(bank)s)
       AND (%(phone)s::text IS NULL OR a.phone = %(phone)s)
       AND (%(batch_id)s::uuid IS NULL OR w.batch_id = %(batch_id)s)
     ORDER BY w.transaction_id DESC LIMIT %(limit)s
"""
_BATCHES: LiteralString = """
    SELECT b.id, b.bank, b.cut_date, b.number, b.message_id, b.file_name, b.orders, b.control_sum_fen, b.made_at,
           b.placed_at, w.open, w.paid, w.rejected, w.returned
      FROM payment_batch AS b
      JOIN LATERAL (SELECT count(*) FILTER (WHERE t.state = 'FUNDING') AS open,
                           count(*) FILTER (WHERE t.state = 'SUCCEEDED') AS paid,
                           count(*) FILTER (WHERE t.state = 'DECLINED') AS rejected,
                           count(*) FILTER (WHERE t.state = 'RETURNED') AS returned
                      FROM withdrawal AS o JOIN transaction AS t ON t.id = o.transaction_id
                     WHERE o.batch_id = b.id) AS w ON true
     WHERE (%(before)s::uuid IS NULL OR b.id < %(before)s) AND (%(bank)s::text IS NULL OR b.bank = %(bank)s)
     ORDER BY b.id DESC LIMIT %(limit)s
"""
_ANSWERS: LiteralString = """
    SELECT id, bank, file_name, batch_id, outcome, problem, paid, rejected, returned, read_at FROM payment_answer
     WHERE (%(before)s::uuid IS NULL OR id < %(before)s) AND (%(bank)s::text IS NULL OR bank = %(bank)s)
     ORDER BY id DESC LIMIT %(limit)s
"""


class Search(NamedTuple):
    """What an operator looks for; None: whatever it is. `phone` is E.164."""

    state: str | None = None
    bank: str | None = None
    phone: str | None = None
    batch_id: UUID | None = None


class FoundWithdrawal(NamedTuple):
    """A withdrawal as an operator sees it; `sent_at` is when its file was placed."""

    id: UUID
    phone: str
    state: str
    amount_fen: int
    fee_fen: int
    card: str
    bank: str
    mode: str
    batch_id: UUID | None
    file_name: str | None
    sent_at: datetime | None
    ended_at: datetime | None
    bank_status: str
    reason: str
    channel: str
    created_at: datetime


class FoundBatch(NamedTuple):
    """A file of payment orders, and what became of its orders; `open` are not answered."""

    id: UUID
    bank: str
    cut_date: date
    number: int
    message_id: str
    file_name: str
    orders: int
    control_sum_fen: int
    made_at: datetime
    placed_at: datetime | None
    open: int
    paid: int
    rejected: int
    returned: int


class FoundAnswer(NamedTuple):
    """An answer file that was read; the counts are of the orders that it changed."""

    id: UUID
    bank: str
    file_name: str
    batch_id: UUID | None
    outcome: str
    problem: str
    paid: int
    rejected: int
    returned: int
    read_at: datetime


async def withdrawals(uow: UnitOfWork, search: Search, *, before: UUID | None, limit: int) -> list[FoundWithdrawal]:
    """Withdrawals, newest first; `before` is the last id of the page before."""
    return await uow.rows(FoundWithdrawal, _WITHDRAWALS, {**search._asdict(), "before": before, "limit": limit})


async def batches(uow: UnitOfWork, *, bank: str | None, before: UUID | None, limit: int) -> list[FoundBatch]:
    """Files of payment orders, newest first."""
    return await uow.rows(FoundBatch, _BATCHES, {"bank": bank, "before": before, "limit": limit})


async def answers(uow: UnitOfWork, *, bank: str | None, before: UUID | None, limit: int) -> list[FoundAnswer]:
    """Answer files that were read, newest first."""
    return await uow.rows(FoundAnswer, _ANSWERS, {"bank": bank, "before": before, "limit": limit})
