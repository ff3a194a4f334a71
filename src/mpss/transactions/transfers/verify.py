"""Recomputing what transfers, the money that waits for payees, and the day's counters promise each other."""

from __future__ import annotations

from typing import LiteralString

from mpss.db.database import UnitOfWork
from mpss.ledger.verify import Check

_HELD: LiteralString = """
    SELECT (coalesce((SELECT -sum(amount_fen) FROM posting WHERE ledger_account_id = 31), 0)
            <> coalesce((SELECT sum(amount_fen) FROM transaction
                          WHERE kind = 'transfer' AND state = 'WAITING'), 0))::int
"""
_ROWS: LiteralString = """
    -- One row beside each transfer that was not refused at once, and of the same amount; what waits for its payee says
    -- when it goes back, and nothing else is open.
    SELECT count(*) FROM (SELECT * FROM transaction WHERE kind = 'transfer') AS t
      FULL JOIN transfer AS f ON f.transaction_id = t.id
     WHERE t.id IS NULL OR (f.transaction_id IS NULL AND t.state <> 'DECLINED')
        OR f.amount_fen <> t.amount_fen OR f.payer_id IS DISTINCT FROM t.account_id AND f.transaction_id IS NOT NULL
        OR (t.state = 'WAITING') <> (f.return_at IS NOT NULL AND f.ended_at IS NULL)
        OR (t.state = 'SUCCEEDED') <> (f.payee_id IS NOT NULL)
"""
_ENDS: LiteralString = """
    -- A transfer that waited has one end, of its own kind; one that did not wait has none.
    SELECT count(*)
      FROM (SELECT t.id, t.state, t.amount_fen, f.return_at
              FROM transaction AS t JOIN transfer AS f ON f.transaction_id = t.id) AS t
      FULL JOIN (SELECT original_id, count(*) AS ends, min(kind) AS kind, min(amount_fen) AS amount_fen FROM transaction
                  WHERE kind IN ('transfer_claim', 'transfer_return') AND state = 'SUCCEEDED' GROUP BY original_id) AS e
        ON e.original_id = t.id
     WHERE t.id IS NULL OR e.ends > 1 OR e.amount_fen <> t.amount_fen
        OR coalesce(e.kind, '') <> CASE
           WHEN t.return_at IS NOT NULL AND t.state = 'SUCCEEDED' THEN 'transfer_claim'
           WHEN t.state = 'RETURNED' THEN 'transfer_return' ELSE '' END
"""
_SENT: LiteralString = """
    -- What was returned does not count.
    SELECT count(*) FROM transfer_usage AS u
      LEFT JOIN (SELECT v.account_id,
                        coalesce(sum(t.amount_fen) FILTER (WHERE t.business_date = v.day), 0) AS sent_fen,
                        coalesce(sum(t.amount_fen) FILTER (
                            WHERE t.business_date = v.day AND f.payee_relation IS NULL), 0) AS free_fen,
                        count(*) FILTER (WHERE t.business_date = v.day) AS sent_count,
                        sum(t.amount_fen) AS month_fen
                   FROM transfer_usage AS v
                   JOIN transaction AS t ON t.account_id = v.account_id
                    AND date_trunc('month', t.business_date) = date_trunc('month', v.day)
                   JOIN transfer AS f ON f.transaction_id = t.id
                  WHERE t.state IN ('SUCCEEDED', 'WAITING') GROUP BY v.account_id) AS s
        ON s.account_id = u.account_id
     WHERE (u.sent_fen, u.free_fen, u.sent_count, u.month_fen)
        <> (coalesce(s.sent_fen, 0), coalesce(s.free_fen, 0), coalesce(s.sent_count, 0), coalesce(s.month_fen, 0))
"""
_BY_RELATION: LiteralString = """
    SELECT count(*) FROM payee AS p
      LEFT JOIN (SELECT f.payee_relation, t.business_date, sum(t.amount_fen) AS sent_fen
                   FROM transaction AS t JOIN transfer AS f ON f.transaction_id = t.id
                  WHERE t.state IN ('SUCCEEDED', 'WAITING') GROUP BY f.payee_relation, t.business_date) AS s
        ON s.payee_relation = p.id AND s.business_date = p.day
     WHERE p.sent_fen <> coalesce(s.sent_fen, 0)
"""


async def verify_transfers(uow: UnitOfWork) -> list[Check]:
    """Every invariant of transfers."""
    counters = int(await uow.value(_SENT)) + int(await uow.value(_BY_RELATION))
    return [
        Check("transfers held equal those that wait for their payee", int(await uow.value(_HELD))),
        Check("each transfer's row says what its state does", int(await uow.value(_ROWS))),
        Check("each transfer that waited ended once", int(await uow.value(_ENDS))),
        Check("transfer counters equal the day's transfers", counters),
    ]
