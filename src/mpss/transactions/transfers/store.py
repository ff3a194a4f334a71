"""The SQL of transfers: whom each goes to, what a wallet sent in a day, what waits for its payee."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from mpss.accounts.limit_model import Counts
from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet


class TransferRow(NamedTuple):
    """Beside the transaction of a transfer that was not refused. `payee_id` is the wallet that has the money;
    `return_at` is set where the payee had none; `ended_at` is None while it waits, for a reply or for the payee."""

    payer_id: UUID
    payer_phone: str
    payee_phone: str
    payee_id: UUID | None
    relation_id: UUID | None
    amount_fen: int
    return_at: datetime | None
    ended_at: datetime | None


class SentRow(NamedTuple):
    """What a wallet sent on business date `day`: in all, of it without a relation, how often; and in its month."""

    day: date
    sent_fen: int
    free_fen: int
    sent_count: int = 0
    month_fen: int = 0

    @property
    def counts(self) -> Counts:
        return Counts(self.day, self.sent_fen, self.sent_count, self.month_fen)

    @classmethod
    def of(cls, counts: Counts, free_fen: int) -> SentRow:
        """The row of these counts, `free_fen` of the day's amount without a relation."""
        return cls(counts.day, counts.day_fen, free_fen, counts.day_count, counts.month_fen)


def _make_transfer(record: Sequence[Any]) -> tuple[UUID, TransferRow]:
    return record[0], TransferRow._make(record[1:])


def _transfer_columns(rows: Sequence[tuple[UUID, TransferRow]]) -> dict[str, list[Any]]:
    columns = {name: [row[place] for _, row in rows] for place, name in enumerate(TransferRow._fields)}
    return {"ids": [key for key, _ in rows], **columns}


TRANSFERS: RowSet[UUID, TransferRow] = RowSet(
    name="transfer",
    order=7,
    # Not locked: it changes with its transaction, which is locked before it.
    load="""
        SELECT transaction_id, payer_id, payer_phone, payee_phone, payee_id, payee_relation, amount_fen, return_at,
               ended_at
          FROM transfer WHERE transaction_id = ANY(%(keys)b::uuid[])
    """,
    make=_make_transfer,
    save="""
        INSERT INTO transfer (transaction_id, payer_id, payer_phone, payee_phone, payee_id, payee_relation, amount_fen,
                              return_at, ended_at)
        SELECT * FROM unnest(%(ids)b::uuid[], %(payer_id)b::uuid[], %(payer_phone)b::text[], %(payee_phone)b::text[],
                             %(payee_id)b::uuid[], %(relation_id)b::uuid[], %(amount_fen)b::bigint[],
                             %(return_at)b::timestamptz[], %(ended_at)b::timestamptz[])
        ON CONFLICT (transaction_id) DO UPDATE
           SET payee_id = EXCLUDED.payee_id, payee_relation = EXCLUDED.payee_relation,
               return_at = EXCLUDED.return_at, ended_at = EXCLUDED.ended_at
    """,
    columns=_transfer_columns,
)


def _make_sent(record: Sequence[Any]) -> tuple[UUID, SentRow]:
    return record[0], SentRow._make(record[1:])


def _sent_columns(rows: Sequence[tuple[UUID, SentRow]]) -> dict[str, list[Any]]:
    columns = {name: [row[place] for _, row in rows] for place, name in enumerate(SentRow._fields)}
    return {"ids": [key for key, _ in rows], **columns}


SENT: RowSet[UUID, SentRow] = RowSet(
    name="transfer_usage",
    order=14,
    # Not locked: whoever changes it holds the account's usage row, which the desk locked before it read this.
    load="""
        SELECT account_id, day, sent_fen, free_fen, sent_count, month_fen
          FROM transfer_usage WHERE account_id = ANY(%(keys)b::uuid[])
    """,
    make=_make_sent,
    save="""
        INSERT INTO transfer_usage (account_id, day, sent_fen, free_fen, sent_count, month_fen)
        SELECT * FROM unnest(%(ids)b::uuid[], %(day)b::date[], %(sent_fen)b::bigint[], %(free_fen)b::bigint[],
                             %(sent_count)b::integer[], %(month_fen)b::bigint[])
        ON CONFLICT (account_id) DO UPDATE
           SET day = EXCLUDED.day, sent_fen = EXCLUDED.sent_fen, free_fen = EXCLUDED.free_fen,
               sent_count = EXCLUDED.sent_count, month_fen = EXCLUDED.month_fen
    """,
    columns=_sent_columns,
)

_CLAIMABLE: LiteralString = """
    -- What would lift a wallet above its highest balance, ours or its class's, waits on. So does what was sent before
    -- the number left its owner: whoever has it now was not meant, and it goes back when its time is over.
    SELECT f.transaction_id AS id, a.id AS payee_id
      FROM transfer AS f
      JOIN transaction AS t ON t.id = f.transaction_id
      JOIN account AS a ON a.phone = f.payee_phone AND a.kind = 'wallet' AND a.life = 'active'
      JOIN ledger_balance AS b ON b.ledger_account_id = a.ledger_account_id
      LEFT JOIN limit_rule AS r
        ON r.version = (SELECT version FROM limit_version
                         WHERE effective_from <= %(now)s ORDER BY effective_from DESC LIMIT 1)
       AND r.account_class = a.account_class AND r.measure = 'balance'
     WHERE f.return_at > %(now)s AND f.ended_at IS NULL
       AND b.balance_fen + f.amount_fen <= least(%(highest_fen)s, r.value)
       AND NOT EXISTS (SELECT FROM boss_event AS e
                        WHERE e.phone = f.payee_phone AND e.occurred_at > t.created_at
                          AND e.kind IN ('cancel_user', 'cancel_system', 'transfer_owner', 'change_number'))
     ORDER BY f.transaction_id LIMIT %(limit)s
"""
_RETURNABLE: LiteralString = """
    SELECT transaction_id AS id FROM transfer
     WHERE return_at <= %(now)s AND ended_at IS NULL ORDER BY return_at LIMIT %(limit)s
"""


async def claimable(uow: UnitOfWork, *, now: datetime, highest_fen: int, limit: int) -> list[tuple[UUID, UUID]]:
    """Waiting transfers whose payee has an active wallet by now: the transfer's id and the wallet's, oldest first."""
    rows = await uow.dicts(_CLAIMABLE, {"now": now, "highest_fen": highest_fen, "limit": limit})
    return [(row["id"], row["payee_id"]) for row in rows]


async def returnable(uow: UnitOfWork, *, now: datetime, limit: int) -> list[UUID]:
    """Waiting transfers that are to go back, the longest due first."""
    return [row["id"] for row in await uow.dicts(_RETURNABLE, {"now": now, "limit": limit})]
