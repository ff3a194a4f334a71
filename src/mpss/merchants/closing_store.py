"""The SQL of merchants' closings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet
from mpss.kernel.ids import MerchantId
from mpss.ledger.balances import gathered_balance_fen
from mpss.merchants.closing_model import Closing, MerchantStanding, OwedRow
from mpss.merchants.model import Merchant

_COLUMNS: LiteralString = """
    SELECT merchant_id, reason, asked_by, asked_at, begun_at, ends_at, called_off_at, owed_fen, closed_at
      FROM merchant_closing
"""
_FIND: LiteralString = _COLUMNS + " WHERE merchant_id = %(id)s"
_LOCK: LiteralString = "SELECT state FROM merchant WHERE id = %(id)s FOR UPDATE"
_LOCK_OWED: LiteralString = "SELECT owed_fen FROM merchant_closing WHERE merchant_id = %(id)s FOR UPDATE"
_SAVE_OWED: LiteralString = "UPDATE merchant_closing SET owed_fen = %(owed_fen)s WHERE merchant_id = %(id)s"
_STANDING: LiteralString = (
    _COLUMNS + " WHERE called_off_at IS NULL AND closed_at IS NULL ORDER BY asked_at, merchant_id LIMIT 500"
)
_ASK: LiteralString = """
    INSERT INTO merchant_closing (merchant_id, reason, asked_by, asked_at)
    VALUES (%(id)s, %(reason)s, %(by)s, %(now)s)
    ON CONFLICT (merchant_id) DO UPDATE
       SET reason = EXCLUDED.reason, asked_by = EXCLUDED.asked_by, asked_at = EXCLUDED.asked_at, begun_at = NULL,
           ends_at = NULL, called_off_at = NULL
"""
_BEGIN: LiteralString = """
    UPDATE merchant_closing SET begun_at = %(now)s, ends_at = %(ends_at)s WHERE merchant_id = %(id)s
"""
_CALL_OFF: LiteralString = "UPDATE merchant_closing SET called_off_at = %(now)s WHERE merchant_id = %(id)s"
_DUE: LiteralString = """
    SELECT m.id FROM merchant AS m JOIN merchant_closing AS c ON c.merchant_id = m.id
     WHERE m.state = 'ending' OR m.state = 'closing' AND c.ends_at <= %(now)s
     ORDER BY m.id LIMIT 500
"""
_COUNTS: LiteralString = """
    SELECT (SELECT count(*) FROM transaction
             WHERE merchant_id = %(id)s AND merchant_id IS NOT NULL
               AND state IN ('CONFIRMING', 'REVIEWING', 'FUNDING', 'IN_DOUBT', 'AUTHORIZED', 'COMPLETING', 'RELEASING',
                             'REVERSING')) AS open_sales,
           (SELECT count(*) FROM outbox
             WHERE kind = 'delivery' AND state = 'pending' AND recipient = %(outside)s) AS undelivered,
           (SELECT count(*) FROM outbox
             WHERE kind = 'webhook' AND state = 'pending' AND recipient = %(outside)s) AS webhooks,
           (SELECT count(*) FROM risk_report WHERE merchant_id = %(id)s AND state = 'open') AS risk_reports
"""
_CLOSED: LiteralString = "UPDATE merchant_closing SET closed_at = %(now)s WHERE merchant_id = %(id)s"
_TAKE_KEY: LiteralString = "UPDATE merchant SET api_key_digest = %(digest)s WHERE id = %(id)s"
_WITHDRAW: LiteralString = """
    UPDATE product SET state = 'withdrawn' WHERE merchant_id = %(id)s AND state <> 'withdrawn'
"""
OWED: LiteralString = """
    SELECT count(*) FROM merchant AS m
      LEFT JOIN (SELECT p.ledger_account_id, sum(p.amount_fen) AS balance_fen
                   FROM posting AS p JOIN merchant AS c ON c.ledger_account_id = p.ledger_account_id
                  WHERE c.state = 'closed' GROUP BY p.ledger_account_id) AS b
        ON b.ledger_account_id = m.ledger_account_id
     WHERE m.state = 'closed'
       AND (coalesce(b.balance_fen, 0) <> 0
            OR EXISTS (SELECT FROM transaction AS t
                        WHERE t.merchant_id = m.id AND t.merchant_id IS NOT NULL
                          AND t.state IN ('CONFIRMING', 'REVIEWING', 'FUNDING', 'IN_DOUBT', 'AUTHORIZED', 'COMPLETING',
                                          'RELEASING', 'REVERSING')))
"""
WITHOUT: LiteralString = """
    SELECT count(*) FROM merchant AS m LEFT JOIN merchant_closing AS c ON c.merchant_id = m.id
     WHERE (m.state IN ('closing', 'ending', 'closed')) <> (c.begun_at IS NOT NULL AND c.called_off_at IS NULL)
        OR (m.state = 'closed') <> (c.closed_at IS NOT NULL)
"""


def _owed(record: Sequence[Any]) -> tuple[UUID, OwedRow]:
    return record[0], OwedRow(record[1])


def _columns(rows: Sequence[tuple[UUID, OwedRow]]) -> dict[str, list[Any]]:
    return {"ids": [key for key, _ in rows], "owed": [row.owed_fen for _, row in rows]}


OWED_TO_MERCHANTS: RowSet[UUID, OwedRow] = RowSet(
    name="merchant_closing",
    order=42,
    load="""
        SELECT merchant_id, owed_fen FROM merchant_closing
         WHERE merchant_id = ANY(%(keys)b::uuid[]) ORDER BY merchant_id FOR UPDATE
    """,
    make=_owed,
    save="""
        UPDATE merchant_closing AS c SET owed_fen = given.owed_fen
          FROM unnest(%(ids)b::uuid[], %(owed)b::bigint[]) AS given (id, owed_fen) WHERE c.merchant_id = given.id
    """,
    columns=_columns,
)
"""What is still to be settled with merchants that are ending."""


async def lock_state(uow: UnitOfWork, merchant_id: UUID) -> str | None:
    """The merchant's state, which stays so until the unit of work ends; None where there is no such merchant."""
    state: str | None = await uow.value(_LOCK, {"id": merchant_id})
    return state


async def lock_owed(uow: UnitOfWork, merchant_id: UUID) -> int | None:
    """What is still to be settled with the merchant, locked; None: it was not counted yet."""
    owed_fen: int | None = await uow.value(_LOCK_OWED, {"id": merchant_id})
    return owed_fen


async def save_owed(uow: UnitOfWork, merchant_id: UUID, owed_fen: int) -> None:
    await uow.execute(_SAVE_OWED, {"id": merchant_id, "owed_fen": owed_fen})


async def find_closing(uow: UnitOfWork, merchant_id: UUID) -> Closing | None:
    """The merchant's closing, the last one where several were called off."""
    return await uow.row(Closing, _FIND, {"id": merchant_id})


async def standing_closings(uow: UnitOfWork) -> list[Closing]:
    """What was asked for and neither called off nor carried out, at most 500, oldest first."""
    return await uow.rows(Closing, _STANDING)


async def insert_closing(uow: UnitOfWork, merchant_id: UUID, *, reason: str, by: str, now: datetime) -> None:
    await uow.execute(_ASK, {"id": merchant_id, "reason": reason, "by": by, "now": now})


async def begin(uow: UnitOfWork, merchant_id: UUID, *, now: datetime, ends_at: datetime) -> None:
    await uow.execute(_BEGIN, {"id": merchant_id, "now": now, "ends_at": ends_at})


async def call_off(uow: UnitOfWork, merchant_id: UUID, *, now: datetime) -> None:
    await uow.execute(_CALL_OFF, {"id": merchant_id, "now": now})


async def due_closings(uow: UnitOfWork, *, now: datetime) -> list[UUID]:
    """Merchants whose notice period is over and who are not closed, at most 500."""
    return [row["id"] for row in await uow.dicts(_DUE, {"now": now})]


async def standing_of(uow: UnitOfWork, merchant: Merchant, *, payable_fen: int | None = None) -> MerchantStanding:
    """What a closing of the merchant looks at now; `payable_fen` None is gathered, which reads the day's postings."""
    values = {"id": merchant.id, "outside": MerchantId.outside(merchant.id)}
    (counts,) = await uow.dicts(_COUNTS, values)
    if payable_fen is None:
        # After the counts: where nothing was open, nothing is posted any more.
        payable_fen = -await gathered_balance_fen(uow, merchant.ledger_account_id)
    return MerchantStanding(**counts, payable_fen=payable_fen)


async def close_for_good(uow: UnitOfWork, merchant_id: UUID, *, key_digest: bytes, now: datetime) -> None:
    """Write the end down; the API key is replaced by one that nobody has, and the goods are withdrawn."""
    await uow.execute(_CLOSED, {"id": merchant_id, "now": now})
    await uow.execute(_TAKE_KEY, {"id": merchant_id, "digest": key_digest})
    await uow.execute(_WITHDRAW, {"id": merchant_id})
