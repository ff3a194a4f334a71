"""The SQL of vouchers: rows for the desk, and the writing of a new batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, LiteralString
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.db.rows import InsertSet, RowSet, copy_rows
from mpss.vouchers.model import BatchRow, BatchState, VoucherRow


def _make_voucher(record: Sequence[Any]) -> tuple[bytes, VoucherRow]:
    row = VoucherRow._make((*record[:4], BatchState(record[4]), *record[5:]))
    return row.digest, row


def _voucher_columns(rows: Sequence[tuple[bytes, VoucherRow]]) -> dict[str, list[Any]]:
    return {
        "digests": [key for key, _ in rows],
        "accounts": [row.redeemed_by for _, row in rows],
        "transactions": [row.transaction_id for _, row in rows],
        "times": [row.redeemed_at for _, row in rows],
    }


VOUCHERS: RowSet[bytes, VoucherRow] = RowSet(
    name="voucher",
    order=36,
    load="""
        SELECT v.digest, v.batch_id, v.serial, b.face_fen, b.state, b.valid_until,
               v.redeemed_by, v.transaction_id, v.redeemed_at
          FROM voucher AS v JOIN voucher_batch AS b ON b.id = v.batch_id
         WHERE v.digest = ANY(%(keys)b::bytea[]) ORDER BY v.digest FOR UPDATE OF v
    """,
    make=_make_voucher,
    save="""
        UPDATE voucher AS v
           SET redeemed_by = n.account_id, transaction_id = n.transaction_id, redeemed_at = n.redeemed_at
          FROM unnest(%(digests)b::bytea[], %(accounts)b::uuid[], %(transactions)b::uuid[], %(times)b::timestamptz[])
               AS n (digest, account_id, transaction_id, redeemed_at)
         WHERE v.digest = n.digest
    """,
    columns=_voucher_columns,
)


def _make_batch(record: Sequence[Any]) -> tuple[UUID, BatchRow]:
    row = BatchRow._make((*record[:3], BatchState(record[3]), *record[4:]))
    return row.id, row


def _batch_columns(rows: Sequence[tuple[UUID, BatchRow]]) -> dict[str, list[Any]]:
    return {
        "ids": [key for key, _ in rows],
        "states": [row.state.value for _, row in rows],
        "people": [row.activated_by for _, row in rows],
        "times": [row.activated_at for _, row in rows],
    }


BATCHES: RowSet[UUID, BatchRow] = RowSet(
    name="voucher_batch",
    order=35,
    load="""
        SELECT id, face_fen, quantity, state, valid_until, created_by, activated_by, activated_at
          FROM voucher_batch WHERE id = ANY(%(keys)b::uuid[]) ORDER BY id FOR UPDATE
    """,
    make=_make_batch,
    save="""
        UPDATE voucher_batch AS b SET state = n.state, activated_by = n.activated_by, activated_at = n.activated_at
          FROM unnest(%(ids)b::uuid[], %(states)b::text[], %(people)b::text[], %(times)b::timestamptz[])
               AS n (id, state, activated_by, activated_at)
         WHERE b.id = n.id
    """,
    columns=_batch_columns,
)

_NEW_VOUCHERS = InsertSet(
    name="voucher",
    copy="COPY voucher (digest, batch_id, serial) FROM STDIN (FORMAT BINARY)",
    types=("bytea", "uuid", "text"),
)
_INSERT_BATCH: LiteralString = """
    INSERT INTO voucher_batch (id, face_fen, quantity, state, valid_until, created_by, created_at)
    VALUES (%(id)s, %(face_fen)s, %(quantity)s, 'generated', %(valid_until)s, %(created_by)s, %(now)s)
    RETURNING number
"""
_DISCARD: LiteralString = "UPDATE voucher_batch SET state = 'void' WHERE id = %(id)s AND state = 'generated'"


async def insert_batch(
    uow: UnitOfWork,
    batch_id: UUID,
    *,
    face_fen: int,
    quantity: int,
    valid_until: date,
    created_by: str,
    now: datetime,
) -> int:
    """Write a batch without its vouchers; its number, which their serials begin with."""
    values = {"id": batch_id, "face_fen": face_fen, "quantity": quantity, "valid_until": valid_until}
    number: int = await uow.value(_INSERT_BATCH, {**values, "created_by": created_by, "now": now})
    return number


async def insert_vouchers(uow: UnitOfWork, batch_id: UUID, vouchers: Iterable[tuple[bytes, str]]) -> None:
    """Write the vouchers of a new batch, each as digest and serial."""
    await copy_rows(uow, _NEW_VOUCHERS, [(digest, batch_id, serial) for digest, serial in vouchers])


async def discard(uow: UnitOfWork, batch_id: UUID) -> bool:
    """Throw away a batch that is not on sale yet; False where it is, or there is none."""
    return bool(await uow.execute(_DISCARD, {"id": batch_id}))
