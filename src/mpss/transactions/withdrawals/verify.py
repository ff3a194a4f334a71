"""Recomputing what withdrawals, their holds, the banks' answers and the payment-order files promise each other."""

from __future__ import annotations

from typing import LiteralString

from mpss.db.database import UnitOfWork
from mpss.ledger.verify import Check

_ROWS: LiteralString = """
    -- One row beside each withdrawal that was not refused at once, of the same amounts; ended with it.
    SELECT count(*) FROM (SELECT * FROM transaction WHERE kind = 'withdrawal') AS t
      FULL JOIN withdrawal AS w ON w.transaction_id = t.id
     WHERE t.id IS NULL OR (w.transaction_id IS NULL AND t.state <> 'DECLINED')
        OR w.amount_fen <> t.amount_fen OR w.fee_fen <> t.fee_fen OR w.account_id <> t.account_id
        OR (w.hold_id IS NULL AND t.state NOT IN ('CONFIRMING', 'REVIEWING', 'DECLINED', 'EXPIRED', 'CANCELLED'))
        OR (w.hold_id IS NOT NULL AND (w.ended_at IS NULL) <> (t.state IN ('FUNDING', 'IN_DOUBT')))
"""
_HOLDS: LiteralString = """
    -- While a bank may pay, amount and fee are held; what was paid was collected, what was not is free.
    SELECT count(*) FROM withdrawal AS w JOIN transaction AS t ON t.id = w.transaction_id
      LEFT JOIN hold AS h ON h.id = w.hold_id
     WHERE w.hold_id IS NOT NULL
       AND (h.id IS NULL OR h.transaction_id <> t.id OR h.amount_fen <> w.amount_fen + w.fee_fen
            OR h.state <> CASE WHEN t.state IN ('FUNDING', 'IN_DOUBT') THEN 'open'
                               WHEN t.state IN ('SUCCEEDED', 'RETURNED') THEN 'collected' ELSE 'released' END)
"""
_MOVED: LiteralString = """
    -- What moves it: the one request to a bank with real-time credit, else the order that waits or went out in a file.
    SELECT count(*) FROM withdrawal AS w JOIN transaction AS t ON t.id = w.transaction_id
      LEFT JOIN (SELECT transaction_id, count(*) AS requests, min(state) AS state, min(amount_fen) AS amount_fen,
                        min(operation) AS operation
                   FROM funding_request GROUP BY transaction_id) AS f ON f.transaction_id = t.id
      LEFT JOIN payment_batch AS b ON b.id = w.batch_id AND b.bank = w.bank
     WHERE w.hold_id IS NOT NULL
       AND CASE w.mode
           WHEN 'real_time' THEN coalesce(f.requests, 0) <> 1 OR f.operation <> 'credit'
                OR f.amount_fen <> w.amount_fen OR w.batch_id IS NOT NULL
                OR NOT CASE WHEN t.state IN ('FUNDING', 'IN_DOUBT') THEN f.state IN ('SENT', 'IN_DOUBT')
                            WHEN t.state IN ('SUCCEEDED', 'RETURNED') THEN f.state = 'APPROVED'
                            ELSE f.state = 'DECLINED' END
           ELSE f.requests IS NOT NULL OR (w.batch_id IS NOT NULL AND b.id IS NULL)
                OR (t.state <> 'FUNDING' AND b.placed_at IS NULL) END
"""
_RETURNS: LiteralString = """
    SELECT count(*) FROM (SELECT * FROM transaction WHERE kind = 'withdrawal' AND state = 'RETURNED') AS t
      FULL JOIN (SELECT original_id, count(*) AS returns, min(amount_fen) AS amount_fen FROM transaction
                  WHERE kind = 'withdrawal_return' AND state = 'SUCCEEDED' GROUP BY original_id) AS r
        ON r.original_id = t.id
     WHERE t.id IS NULL OR r.returns IS DISTINCT FROM 1 OR r.amount_fen <> t.amount_fen
"""
_IN_TRANSIT: LiteralString = """
    SELECT (coalesce((SELECT -sum(amount_fen) FROM posting WHERE ledger_account_id = 32), 0)
            <> coalesce((SELECT sum(amount_fen) FROM transaction
                          WHERE kind = 'withdrawal' AND state = 'SUCCEEDED'), 0))::int
"""
_BATCHES: LiteralString = """
    SELECT count(*) FROM payment_batch AS b
      FULL JOIN (SELECT batch_id, count(*) AS orders, sum(amount_fen) AS sum_fen FROM withdrawal
                  WHERE batch_id IS NOT NULL GROUP BY batch_id) AS w ON w.batch_id = b.id
     WHERE b.orders IS DISTINCT FROM w.orders OR b.control_sum_fen IS DISTINCT FROM w.sum_fen
"""
_COUNTERS: LiteralString = """
    SELECT count(*) FROM withdrawal_usage AS u
      LEFT JOIN (SELECT v.account_id,
                        coalesce(sum(t.amount_fen) FILTER (WHERE t.business_date = v.day), 0) AS asked_fen,
                        count(*) FILTER (WHERE t.business_date = v.day) AS asked_count,
                        sum(t.amount_fen) AS month_fen
                   FROM withdrawal_usage AS v
                   JOIN transaction AS t ON t.account_id = v.account_id
                    AND date_trunc('month', t.business_date) = date_trunc('month', v.day)
                  WHERE t.kind = 'withdrawal' AND t.state IN ('FUNDING', 'IN_DOUBT', 'SUCCEEDED')
                  GROUP BY v.account_id) AS t
        ON t.account_id = u.account_id
     WHERE (u.asked_fen, u.asked_count, u.month_fen)
        <> (coalesce(t.asked_fen, 0), coalesce(t.asked_count, 0), coalesce(t.month_fen, 0))
"""


async def verify_withdrawals(uow: UnitOfWork) -> list[Check]:
    """Every invariant of withdrawals."""
    return [
        Check("each withdrawal's row says what its state does", int(await uow.value(_ROWS))),
        Check("each withdrawal holds amount and fee while a bank may pay", int(await uow.value(_HOLDS))),
        Check("each withdrawal rests on its request or its order", int(await uow.value(_MOVED))),
        Check("each withdrawal that came back has one return", int(await uow.value(_RETURNS))),
        Check("withdrawals in transit equal what banks paid", int(await uow.value(_IN_TRANSIT))),
        Check("each payment-order file sums to its orders", int(await uow.value(_BATCHES))),
        Check("withdrawal counters equal the day's withdrawals", int(await uow.value(_COUNTERS))),
    ]
