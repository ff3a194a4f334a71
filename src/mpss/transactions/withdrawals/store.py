"""The SQL of withdrawals: the row beside each transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from mpss.db.rows import RowSet
from mpss.transactions.withdrawals.model import Mode, WithdrawalRow


def make_withdrawal(record: Sequence[Any]) -> tuple[UUID, WithdrawalRow]:
    """The row from its columns, in their order."""
    identity, *rest = record
    rest[4] = Mode(rest[4])
    return identity, WithdrawalRow(*rest)


def _columns(rows: Sequence[tuple[UUID, WithdrawalRow]]) -> dict[str, list[Any]]:
    columns = {name: [row[place] for _, row in rows] for place, name in enumerate(WithdrawalRow._fields)}
    return {"ids": [key for key, _ in rows], **columns}


WITHDRAWALS: RowSet[UUID, WithdrawalRow] = RowSet(
    name="withdrawal",
    order=7,
    # Not locked: it changes with its transaction, which is locked before it. Only the file it goes out in is written
    # beside the desk, which never writes that column again.
    load="""
        SELECT transaction_id, account_id, card_id, card, bank, mode, amount_fen, fee_fen, hold_id, ordered_at,
               batch_id, ended_at, bank_status, bank_said_at, reason
          FROM withdrawal WHERE transaction_id = ANY(%(keys)b::uuid[])
    """,
    make=make_withdrawal,
    save="""
        INSERT INTO withdrawal (transaction_id, account_id, card_id, card, bank, mode, amount_fen, fee_fen, hold_id,
                                ordered_at, batch_id, ended_at, bank_status, bank_said_at, reason)
        SELECT * FROM unnest(%(ids)b::uuid[], %(account_id)b::uuid[], %(card_id)b::uuid[], %(card)b::text[],
                             %(bank)b::text[], %(mode)b::text[], %(amount_fen)b::bigint[], %(fee_fen)b::bigint[],
                             %(hold_id)b::uuid[], %(ordered_at)b::timestamptz[], %(batch_id)b::uuid[],
                             %(ended_at)b::timestamptz[], %(bank_status)b::text[], %(bank_said_at)b::timestamptz[],
                             %(reason)b::text[])
        ON CONFLICT (transaction_id) DO UPDATE
           SET fee_fen = EXCLUDED.fee_fen, hold_id = EXCLUDED.hold_id, ordered_at = EXCLUDED.ordered_at,
               ended_at = EXCLUDED.ended_at, bank_status = EXCLUDED.bank_status,
               bank_said_at = EXCLUDED.bank_said_at, reason = EXCLUDED.reason
    """,
    columns=_columns,
)
