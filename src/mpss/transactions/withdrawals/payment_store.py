"""The SQL of payment-order files: what waits for one, the files, what was read of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.transactions.withdrawals.model import WithdrawalRow
from mpss.transactions.withdrawals.store import make_withdrawal

_WAITING_BANKS: LiteralString = """
    SELECT DISTINCT bank FROM withdrawal
     WHERE mode = 'batch' AND hold_id IS NOT NULL AND batch_id IS NULL AND ended_at IS NULL
       AND (%(until)s::timestamptz IS NULL OR ordered_at < %(until)s)
     ORDER BY bank
"""
_NUMBERS: LiteralString = """
    SELECT coalesce(max(number) + 1, 0) FROM payment_batch WHERE bank = %(bank)s AND cut_date = %(cut_date)s
"""
_WAITING: LiteralString = """
    SELECT w.transaction_id, w.amount_fen, c.number_sealed, c.name_sealed
      FROM withdrawal AS w JOIN bank_card AS c ON c.id = w.card_id
     WHERE w.bank = %(bank)s AND w.mode = 'batch' AND w.hold_id IS NOT NULL AND w.batch_id IS NULL
       AND w.ended_at IS NULL
       AND (%(until)s::timestamptz IS NULL OR w.ordered_at < %(until)s)
     ORDER BY w.transaction_id
"""
_INSERT: LiteralString = """
    INSERT INTO payment_batch (id, bank, cut_date, number, message_id, orders, control_sum_fen, file_name, digest,
                               content_sealed, made_at)
    VALUES (%(id)s, %(bank)s, %(cut_date)s, %(number)s, %(message_id)s, %(orders)s, %(control_sum_fen)s, %(file_name)s,
            %(digest)s, %(content_sealed)s, %(made_at)s)
"""
_TAKE: LiteralString = """
    -- An order belongs to one file: what another has taken meanwhile is not taken again.
    UPDATE withdrawal SET batch_id = %(batch_id)s
     WHERE transaction_id = ANY(%(ids)s) AND batch_id IS NULL AND ended_at IS NULL
"""
_UNPLACED: LiteralString = """
    SELECT id, bank, file_name, digest, content_sealed FROM payment_batch WHERE placed_at IS NULL ORDER BY made_at
"""
_PLACED: LiteralString = "UPDATE payment_batch SET placed_at = %(now)s WHERE id = %(id)s AND placed_at IS NULL"
_OF_MESSAGE: LiteralString = """
    SELECT id FROM payment_batch WHERE bank = %(bank)s AND message_id = %(message_id)s
"""
_ORDERS: LiteralString = """
    SELECT transaction_id, account_id, card_id, card, bank, mode, amount_fen, fee_fen, hold_id, ordered_at, batch_id,
           ended_at, bank_status, bank_said_at, reason
      FROM withdrawal WHERE batch_id = %(batch_id)s
"""
_ANSWER: LiteralString = """
    INSERT INTO payment_answer (id, bank, file_name, digest, batch_id, outcome, problem, paid, rejected, returned,
                                read_at)
    VALUES (%(id)s, %(bank)s, %(file_name)s, %(digest)s, %(batch_id)s, %(outcome)s, %(problem)s, %(paid)s, %(rejected)s,
            %(returned)s, %(read_at)s)
    ON CONFLICT ON CONSTRAINT payment_answer_once DO NOTHING
"""


class WaitingOrder(NamedTuple):
    """An order that goes into its bank's next file; number and name of the card are sealed."""

    transaction_id: UUID
    amount_fen: int
    number_sealed: bytes
    name_sealed: bytes


class NewBatch(NamedTuple):
    """A file as it is written down before it is placed."""

    id: UUID
    bank: str
    cut_date: date
    number: int
    message_id: str
    orders: int
    control_sum_fen: int
    file_name: str
    digest: bytes
    content_sealed: bytes
    made_at: datetime


class UnplacedBatch(NamedTuple):
    """A file that is written down and not known to be placed."""

    id: UUID
    bank: str
    file_name: str
    digest: bytes
    content_sealed: bytes


class AnswerRow(NamedTuple):
    """What was read of one answer file; the counts are of orders that it changed."""

    id: UUID
    bank: str
    file_name: str
    digest: bytes
    batch_id: UUID | None
    outcome: str
    problem: str
    paid: int
    rejected: int
    returned: int
    read_at: datetime


async def waiting_banks(uow: UnitOfWork, *, until: datetime | None) -> list[str]:
    """The banks that orders from before `until`, or any orders, wait for."""
    return [row["bank"] for row in await uow.dicts(_WAITING_BANKS, {"until": until})]


async def next_number(uow: UnitOfWork, *, bank: str, cut_date: date) -> int:
    """The number of the bank's next file of this day, from 0."""
    return int(await uow.value(_NUMBERS, {"bank": bank, "cut_date": cut_date}))


async def waiting_orders(uow: UnitOfWork, *, bank: str, until: datetime | None) -> list[WaitingOrder]:
    """Orders for this bank that are in no file, from before `until` if that is given, oldest first."""
    return await uow.rows(WaitingOrder, _WAITING, {"bank": bank, "until": until})


async def write_batch(uow: UnitOfWork, batch: NewBatch, ids: Sequence[UUID]) -> bool:
    """Write a file down with its orders; False where another file has one of them, and nothing may be kept then.

    Raises:
        UniqueViolation: another process has made the bank's file of this number.
    """
    await uow.execute(_INSERT, batch._asdict())
    return await uow.execute(_TAKE, {"batch_id": batch.id, "ids": list(ids)}) == len(ids)


async def unplaced_batches(uow: UnitOfWork) -> list[UnplacedBatch]:
    """Files that are not known to be placed, oldest first."""
    return await uow.rows(UnplacedBatch, _UNPLACED)


async def mark_placed(uow: UnitOfWork, batch_id: UUID, *, now: datetime) -> None:
    await uow.execute(_PLACED, {"id": batch_id, "now": now})


async def batch_of(uow: UnitOfWork, *, bank: str, message_id: str) -> UUID | None:
    """The file that was placed at this bank under this message id."""
    found: UUID | None = await uow.value(_OF_MESSAGE, {"bank": bank, "message_id": message_id})
    return found


async def orders_of(uow: UnitOfWork, batch_id: UUID) -> dict[UUID, WithdrawalRow]:
    """The orders of a file."""
    cursor = await uow.connection.execute(_ORDERS, {"batch_id": batch_id})
    records: list[Any] = await cursor.fetchall()
    return dict(map(make_withdrawal, records))


async def insert_answer(uow: UnitOfWork, answer: AnswerRow) -> None:
    """Keep what was read of a file; once, however often it is read."""
    await uow.execute(_ANSWER, answer._asdict())
