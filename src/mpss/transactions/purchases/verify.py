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
                          AND f.operation = ANY (CASE
                              WHEN t.kind = 'reversal' THEN ARRAY['refund', 'credit']
                              WHEN t.kind = 'closing_payout' THEN ARRAY['refund']
                              WHEN t.kind = 'purchase' THEN
                                  CASE t.state WHEN 'COMPLETING' THEN ARRAY['commit', 'collect']
                                               WHEN 'RELEASING' THEN ARRAY['release', 'unfreeze', 'reverse']
                                               ELSE ARRAY['reserve', 'freeze', 'debit'] END
                              WHEN t.kind = 'card_verification_return' THEN ARRAY['reverse']
                              WHEN t.kind IN ('bank_card_topup', 'card_verification') THEN
                                  CASE t.state WHEN 'RELEASING' THEN ARRAY['reverse'] ELSE ARRAY['debit'] END
                              ELSE ARRAY['collect'] END))
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
    -- Each state rests on answers: charged, or released, or neither. A debit in real time is its own charge.
    SELECT count(*) FROM transaction AS t
      LEFT JOIN (SELECT transaction_id, count(*) FILTER (WHERE operation IN ('commit', 'collect')) AS charges,
                        count(*) FILTER (WHERE operation = 'debit') AS debits,
                        count(*) FILTER (WHERE operation IN ('release', 'unfreeze', 'reverse')) AS releases
                   FROM funding_request WHERE state = 'APPROVED' GROUP BY transaction_id) AS f
        ON f.transaction_id = t.id
     WHERE t.kind = 'purchase' AND t.funding IN ('phone_bill', 'bank_card')
       AND (coalesce(f.releases, 0) <> CASE WHEN t.state = 'CANCELLED' THEN 1 ELSE 0 END
            OR CASE WHEN t.state IN ('SUCCEEDED', 'REVERSING', 'REVERSED')
                    THEN coalesce(f.charges + f.debits, 0) <> 1
                    WHEN t.state IN ('AUTHORIZED', 'RELEASING', 'CANCELLED') THEN coalesce(f.charges, 0) <> 0
                    ELSE coalesce(f.charges + f.debits, 0) <> 0 END)
"""
_BANK_CLAIM: LiteralString = """
    -- Debited or collected and kept: of a purchase that ends unpaid, the debit is reversed.
    SELECT (coalesce((SELECT sum(amount_fen) FROM posting WHERE ledger_account_id = 10), 0)
            <> coalesce((SELECT sum(CASE f.operation WHEN 'credit' THEN -f.amount_fen ELSE f.amount_fen END)
                           FROM funding_request AS f JOIN transaction AS t ON t.id = f.transaction_id
                          WHERE f.state = 'APPROVED' AND f.operation IN ('debit', 'collect', 'credit')
                            AND f.counterpart NOT IN ('charging', 'recharge', 'online_bank')
                            AND (t.kind IN ('bank_card_topup', 'reversal')
                                 -- What verified a card is reversed at its bank once the card is bound or is not.
                                 OR t.kind = 'card_verification' AND t.state = 'SUCCEEDED'
                                 OR t.kind = 'purchase' AND t.state IN ('SUCCEEDED', 'REVERSING', 'REVERSED'))),
                        0))::int
"""
_TO_WALLETS: LiteralString = """
    -- Refunds whose every request was declined: the wallet has what was paid, and the merchant owes it no more.
    SELECT count(*) FROM (
        SELECT r.id, r.account_id, r.amount_fen + r.fee_fen AS total_fen, array_agg(f.reason) AS reasons
          FROM transaction AS r JOIN funding_request AS f ON f.transaction_id = r.id
         WHERE r.kind = 'reversal' AND r.state = 'SUCCEEDED'
         GROUP BY r.id HAVING bool_and(f.state = 'DECLINED')) AS back
      JOIN account AS a ON a.id = back.account_id
     WHERE NOT EXISTS (SELECT FROM unnest(back.reasons) AS reason
                        WHERE reason LIKE '5030%%' OR reason LIKE '14 %%' OR reason LIKE '42 %%')
        OR back.total_fen <> coalesce((SELECT -sum(p.amount_fen) FROM posting AS p
                                        WHERE p.entry_id = back.id AND p.ledger_account_id = a.ledger_account_id), 0)
        OR EXISTS (SELECT FROM posting AS p WHERE p.entry_id = back.id AND p.ledger_account_id IN (5, 10))
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


_BILL_PAYOUTS: LiteralString = """
    -- A payout to a phone bill is held until the charging system says, and is what it said.
    SELECT count(*) FROM transaction AS t JOIN funding_request AS f ON f.transaction_id = t.id
      LEFT JOIN hold AS h ON h.transaction_id = t.id
     WHERE t.kind = 'closing_payout'
       AND (f.amount_fen <> t.amount_fen OR h.amount_fen IS DISTINCT FROM t.amount_fen
            OR CASE t.state WHEN 'SUCCEEDED' THEN f.state <> 'APPROVED' OR h.state <> 'collected'
                            WHEN 'DECLINED' THEN f.state <> 'DECLINED' OR h.state <> 'released'
                            ELSE f.state NOT IN ('SENT', 'IN_DOUBT') OR h.state <> 'open' END)
"""
_QUOTAS_DIFFER: LiteralString = """
    SELECT count(*) FROM group_member AS m
      LEFT JOIN (SELECT g.member_id, date_trunc('month', t.business_date)::date AS month,
                        sum(t.amount_fen + t.fee_fen) AS used_fen
                   FROM group_purchase AS g JOIN transaction AS t ON t.id = g.transaction_id
                  WHERE t.kind = 'purchase' AND t.state = 'SUCCEEDED' GROUP BY g.member_id, 2) AS u
        ON u.member_id = m.id AND u.month = m.used_month
     WHERE m.used_fen <> coalesce(u.used_fen, 0)
"""
_GROUP_UNPAIRED: LiteralString = """
    -- Who bought is on record, and the company's wallet is the one that paid.
    SELECT count(*) FROM transaction AS t
      LEFT JOIN group_purchase AS g ON g.transaction_id = t.id
      LEFT JOIN account AS a ON a.id = g.master_account_id
     WHERE t.funding = 'group' AND t.state IN ('SUCCEEDED', 'REVERSED')
       AND NOT EXISTS (SELECT FROM posting AS p
                        WHERE p.entry_id = t.id AND p.ledger_account_id = a.ledger_account_id)
"""


async def verify_funding(uow: UnitOfWork) -> list[Check]:
    """Reads every purchase from outside and every request."""
    unmoved = [int(await uow.value(query)) for query in (_UNMOVED, _UNDELIVERED, _UNREVERSED)]
    return [
        Check("every pending purchase from outside has what moves it", sum(unmoved)),
        Check("each purchase from outside rests on its answers", int(await uow.value(_APPROVED))),
        Check("the claim on banks is what they debited less refunds", int(await uow.value(_BANK_CLAIM))),
        Check("what a closed source had paid is in the wallet", int(await uow.value(_TO_WALLETS))),
        Check("the phone-bill receivable is what was charged less refunds", int(await uow.value(_RECEIVABLE))),
        Check("each payout to a phone bill is what the charging system said", int(await uow.value(_BILL_PAYOUTS))),
        Check("members' quotas equal what they bought", int(await uow.value(_QUOTAS_DIFFER))),
        Check("a member's purchase is paid by the company", int(await uow.value(_GROUP_UNPAIRED))),
        Check("the months' caps equal the purchases from phone bills", int(await uow.value(_BILLS_DIFFER))),
    ]
