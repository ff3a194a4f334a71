"""The SQL of withdrawals: the row beside each transaction and what an account asked for in a day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from mpss.db.rows import RowSet
from mpss.transactions.withdrawals.model import Mode, WithdrawalRow, WithdrawnRow


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


def _make_withdrawn(record: Sequence[Any]) -> tuple[UUID, WithdrawnRow]:
    return record[0], WithdrawnRow._make(record[1:])


def _withdrawn_columns(rows: Sequence[tuple[UUID, WithdrawnRow]]) -> dict[str, list[Any]]:
    columns = {name: [row[place] for _, row in rows] for place, name in enumerate(WithdrawnRow._fields)}
    return {"ids": [key for key, _ in rows], **columns}


WITHDRAWN: RowSet[UUID, WithdrawnRow] = RowSet(
    name="withdrawal_usage",
    order=14,
    # Not locked: whoever changes it holds the account's usage row, which the desk locked before it read this.
    load="""
        SELECT account_id, day, asked_fen, asked_count, month_fen
          FROM withdrawal_usage WHERE account_id = ANY(%(keys)b::uuid[])
    """,
    make=_make_withdrawn,
    save="""
        INSERT INTO withdrawal_usage (account_id, day, asked_fen, asked_count, month_fen)
        SELECT * FROM unnest(%(ids)b::uuid[], %(day)b::date[], %(asked_fen)b::bigint[], %(asked_count)b::integer[],
                             %(month_fen)b::bigint[])
        ON CONFLICT (account_id) DO UPDATE
           SET day = EXCLUDED.day, asked_fen = EXCLUDED.asked_fen, asked_count = EXCLUDED.asked_count,
               month_fen = EXCLUDED.month_fen
    """,
    columns=_withdrawn_columns,
)
