"""Recomputing what purchases from outside and their requests promise each other (ARCHITECTURE §11: 4, 5)."""

from __future__ import annotations

from typing import LiteralString

from mpss.db.database import UnitOfWork
from mpss.ledger.verify import Check

_UNMOVED: LiteralString = """
    SELECT count(*) FROM transaction AS t
     WHERE t.state IN ('FUNDING', 'IN_DOUBT', 'COMPLETING', 'RELEASING') AND t.kind <> 'withdrawal'
       AND NOT EXISTS (SELECT FROM funding_request AS f
                        WHERE f.transaction_id = t.id AND f.state IN ('SENT', 'IN_DOUBT')
                          AND f.operation = CASE WHEN t.kind = 'reversal' THEN 'refund'
                                                 WHEN t.kind = 'bank_card_topup'
                                                 THEN CASE t.state WHEN 'RELEASING' THEN 'reverse' ELSE 'debit' END
                                                 WHEN t.state = 'COMPLETING' THEN 'commit'
                                                 WHEN t.state = 'RELEASING' THEN 'release'
                                                 WHEN t.kind <> 'purchase' THEN 'collect'
                                                 ELSE 'reserve' END)
"""
_UNDELIVERED: LiteralString = """
    SELECT count(*) FROM transaction AS t LEFT JOIN outbox AS o ON o.id = t.id AND o.kind = 'delivery'
     WHERE t.state = 'AUTHORIZED' AND o.state IS DISTINCT FROM 'pending'
"""
_UNREVERSED: LiteralString = """
    SELECT count(*) FROM transaction AS t
     WHERE t.state = 'REVERSING'
       AND NOT EXISTS (SELECT FROM transaction AS r WHERE r.original_id = t.id AND r.kind = 'reversal'
                          AND r.state = 'COMPLETING')
"""
_APPROVED: LiteralString = """
    -- Each state rests on answers: charged, or released, or neither.
    SELECT count(*) FROM transaction AS t
      LEFT JOIN (SELECT transaction_id, count(*) FILTER (WHERE operation = 'commit') AS commits,
                        count(*) FILTER (WHERE operation = 'release') AS releases
                   FROM funding_request WHERE state = 'APPROVED' GROUP BY transaction_id) AS f
        ON f.transaction_id = t.id
     WHERE t.kind = 'purchase' AND t.funding = 'phone_bill'
       AND (coalesce(f.commits, 0) <> CASE WHEN t.state IN ('SUCCEEDED', 'REVERSING', 'REVERSED') THEN 1 ELSE 0 END
            OR coalesce(f.releases, 0) <> CASE WHEN t.state = 'CANCELLED' THEN 1 ELSE 0 END)
"""
_RECEIVABLE: LiteralString = """
    SELECT (coalesce((SELECT sum(amount_fen) FROM posting WHERE ledger_account_id = 5), 0)
            <> coalesce((SELECT sum(CASE operation WHEN 'commit' THEN amount_fen ELSE -amount_fen END)
                           FROM funding_request
                          WHERE counterpart = 'charging' AND state = 'APPROVED'
                            AND operation IN ('commit', 'refund')), 0))::int
"""
_BILLS_DIFFER: LiteralString = """
    SELECT count(*) FROM phone_bill_usage AS u
      LEFT JOIN (SELECT account_id, date_trunc('month', business_date)::date AS month,
                        sum(amount_fen + fee_fen) AS spent_fen
                   FROM transaction
                  WHERE kind = 'purchase' AND funding = 'phone_bill'
                    AND state NOT IN ('DECLINED', 'CANCELLED', 'REVERSED')
                  GROUP BY account_id, 2) AS t
        ON t.account_id = u.account_id AND t.month = u.month
     WHERE u.spent_fen <> coalesce(t.spent_fen, 0)
"""


async def verify_funding(uow: UnitOfWork) -> list[Check]:
    """Reads every purchase from outside and every request."""
    unmoved = [int(await uow.value(query)) for query in (_UNMOVED, _UNDELIVERED, _UNREVERSED)]
    return [
        Check("every pending purchase from outside has what moves it", sum(unmoved)),
        Check("each purchase from the phone bill rests on its answers", int(await uow.value(_APPROVED))),
        Check("the phone-bill receivable is what was charged less refunds", int(await uow.value(_RECEIVABLE))),
        Check("the months' caps equal the purchases from phone bills", int(await uow.value(_BILLS_DIFFER))),
    ]
