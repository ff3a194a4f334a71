"""Holds (冻结一笔金额): money of a wallet that is spoken for and not yet moved.

    open ──collect──► collected      the entry that moves the money is in the same decision; the rest is free at once
         ──release──► released       by the one it was held for
         ──lapse──► lapsed           its time ran out

Invariants: (1) a balance's `held_fen` is the sum of its open holds; (2) what is held is there: the available balance
is never below zero; (3) a hold ends once. Pure: each function gives the rows that a decision puts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from mpss.db.rows import RowSet
from mpss.kernel.ids import HoldId
from mpss.ledger.machine import HOLD, HoldEvent, HoldState
from mpss.ledger.model import Balance
from mpss.ledger.post import BALANCES, BelowFloor


class Hold(NamedTuple):
    """`amount_fen` of a floored account, held for a transaction; without `expires_at` until it is ended by name."""

    id: UUID
    ledger_account_id: int
    transaction_id: UUID
    amount_fen: int
    state: HoldState
    created_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None


Puts = list[tuple[RowSet[Any, Any], Any, Any]]
"""As in `desk.model.Decision.puts`; the desk applies them before the decision's entry."""


def _make(record: Sequence[Any]) -> tuple[UUID, Hold]:
    row = Hold._make((*record[:4], HoldState(record[4]), *record[5:]))
    return row.id, row


def _columns(rows: Sequence[tuple[UUID, Hold]]) -> dict[str, list[Any]]:
    return {name: [row[place] for _, row in rows] for place, name in enumerate(Hold._fields)}


HOLDS: RowSet[UUID, Hold] = RowSet(
    name="hold",
    order=22,
    load="""
        SELECT id, ledger_account_id, transaction_id, amount_fen, state, created_at, expires_at, ended_at
          FROM hold WHERE id = ANY(%(keys)b::uuid[]) ORDER BY id FOR UPDATE
    """,
    make=_make,
    save="""
        INSERT INTO hold (id, ledger_account_id, transaction_id, amount_fen, state, created_at, expires_at, ended_at)
        SELECT * FROM unnest(%(id)b::uuid[], %(ledger_account_id)b::bigint[], %(transaction_id)b::uuid[],
                             %(amount_fen)b::bigint[], %(state)b::text[], %(created_at)b::timestamptz[],
                             %(expires_at)b::timestamptz[], %(ended_at)b::timestamptz[])
        ON CONFLICT (id) DO UPDATE SET state = EXCLUDED.state, ended_at = EXCLUDED.ended_at
    """,
    columns=_columns,
    leads=((BALANCES, lambda row: row.ledger_account_id),),
)


def reserve(
    balance: Balance,
    *,
    ledger_account_id: int,
    transaction_id: UUID,
    amount_fen: int,
    at: datetime,
    expires_at: datetime | None = None,
) -> Puts:
    """Hold an amount; the decision has seen that it is available.

    Raises:
        BelowFloor: it is not; a defect of the decision.
    """
    assert amount_fen > 0
    if balance.available_fen < amount_fen:
        raise BelowFloor(ledger_account_id, balance)
    hold = Hold(HoldId.new(at), ledger_account_id, transaction_id, amount_fen, HoldState.OPEN, at, expires_at, None)
    held = balance._replace(held_fen=balance.held_fen + amount_fen)
    return [(HOLDS, hold.id, hold), (BALANCES, ledger_account_id, held)]


def collect(hold: Hold, balance: Balance, *, amount_fen: int, at: datetime) -> Puts:
    """End a hold because its money moves: `amount_fen`, at most what is held, by the decision's own entry.

    Raises:
        IllegalMove: it has ended.
    """
    assert 0 < amount_fen <= hold.amount_fen
    return _end(hold, balance, HoldEvent.COLLECT, at)


def release(hold: Hold, balance: Balance, *, at: datetime) -> Puts:
    """End a hold because its money is not wanted.

    Raises:
        IllegalMove: it has ended.
    """
    return _end(hold, balance, HoldEvent.RELEASE, at)


def lapse(hold: Hold, balance: Balance, *, at: datetime) -> Puts:
    """End a hold because its time ran out; the decision has compared `at` with `expires_at`.

    Raises:
        IllegalMove: it has ended.
    """
    assert hold.expires_at is not None
    assert hold.expires_at <= at
    return _end(hold, balance, HoldEvent.LAPSE, at)


def _end(hold: Hold, balance: Balance, event: HoldEvent, at: datetime) -> Puts:
    ended = hold._replace(state=HOLD.move(hold.state, event), ended_at=at)
    freed = balance._replace(held_fen=balance.held_fen - hold.amount_fen)
    return [(HOLDS, hold.id, ended), (BALANCES, hold.ledger_account_id, freed)]
