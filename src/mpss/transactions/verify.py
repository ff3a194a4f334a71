"""Recomputing what the books and the transactions promise each other (ARCHITECTURE §11: 4, 5, 6, 8, 9)."""

from __future__ import annotations

from typing import LiteralString

from mpss.accounts.freeze_store import freezes_differ, frozen_differs
from mpss.accounts.verify import verify_limits
from mpss.db.database import UnitOfWork
from mpss.ledger.verify import Check, verify_ledger
from mpss.merchants.close import verify_merchant_closings
from mpss.merchants.limits import verify_merchant_limits
from mpss.transactions.purchases.verify import verify_funding
from mpss.transactions.topups.verify import verify_topups
from mpss.transactions.transfers.verify import verify_transfers
from mpss.transactions.withdrawals.verify import verify_withdrawals

_STUCK: LiteralString = """
    SELECT count(*) FROM transaction AS t LEFT JOIN confirmation AS c ON c.transaction_id = t.id
     WHERE t.state = 'CONFIRMING' AND (c.transaction_id IS NULL OR c.answered_at IS NOT NULL)
"""
_REVIEWS: LiteralString = """
    -- What is looked at is held, and only that; afterwards its hold has ended.
    SELECT count(*) FROM risk_review AS r
      FULL JOIN (SELECT * FROM transaction WHERE state = 'REVIEWING') AS t ON t.id = r.transaction_id
      LEFT JOIN hold AS h ON h.id = r.hold_id
     WHERE (t.id IS NULL) = (r.state IS NOT DISTINCT FROM 'open')
        OR (t.id IS NOT NULL AND r.held_fen IS DISTINCT FROM t.amount_fen + t.fee_fen)
        OR h.amount_fen IS DISTINCT FROM r.held_fen OR (h.state = 'open') <> (r.state = 'open')
"""
_ENTRIES: LiteralString = """
    SELECT count(*) FROM transaction AS t
      LEFT JOIN journal_entry AS e ON e.id = t.id
      LEFT JOIN journal_entry AS r ON r.reverses_id = t.id
     WHERE CASE
        -- A reversal of what never moved money, a tombstone or a cancelled question, moves none.
        WHEN t.state = 'SUCCEEDED' AND (t.amount_fen > 0 OR t.kind <> 'reversal') THEN e.id IS NULL OR r.id IS NOT NULL
        WHEN t.state IN ('WAITING', 'REVERSING') THEN e.id IS NULL OR r.id IS NOT NULL
        WHEN t.state IN ('REVERSED', 'RETURNED') THEN e.id IS NULL OR r.id IS NULL
        ELSE e.id IS NOT NULL OR r.id IS NOT NULL END
"""
_ENTRY_WITHOUT: LiteralString = """
    SELECT count(*) FROM journal_entry AS e LEFT JOIN transaction AS t ON t.id = e.id WHERE t.id IS NULL
"""
_REVERSALS_DIFFER: LiteralString = """
    SELECT count(*) FROM (
        SELECT pair.id FROM (
            SELECT e.reverses_id AS id, p.ledger_account_id, p.part, p.amount_fen
              FROM journal_entry AS e JOIN posting AS p ON p.entry_id = e.id WHERE e.reverses_id IS NOT NULL
             UNION ALL
            SELECT e.reverses_id, p.ledger_account_id, p.part, p.amount_fen
              FROM journal_entry AS e JOIN posting AS p ON p.entry_id = e.reverses_id) AS pair
         GROUP BY pair.id, pair.ledger_account_id, pair.part HAVING sum(pair.amount_fen) <> 0) AS uncancelled
     -- What a closed phone bill or card had paid goes to the wallet; `verify_funding` looks at those.
     WHERE NOT EXISTS (SELECT FROM transaction AS r JOIN funding_request AS f ON f.transaction_id = r.id
                        WHERE r.original_id = uncancelled.id AND r.state = 'SUCCEEDED'
                        GROUP BY r.id HAVING bool_and(f.state = 'DECLINED'))
"""
_SPENT_DIFFER: LiteralString = """
    SELECT count(*) FROM account_usage AS u
      LEFT JOIN (SELECT account_id, business_date, sum(amount_fen) AS spent_fen, count(*) AS spent_count
              FROM transaction
             WHERE kind = 'purchase' AND funding <> 'group' AND (state = 'SUCCEEDED' OR funding <> 'wallet'
                AND state IN ('FUNDING', 'IN_DOUBT', 'AUTHORIZED', 'COMPLETING', 'RELEASING', 'REVERSING'))
             GROUP BY account_id, business_date) AS t
        ON t.account_id = u.account_id AND t.business_date = u.day
     WHERE u.spent_fen <> coalesce(t.spent_fen, 0) OR u.spent_count <> coalesce(t.spent_count, 0)
"""
_NOTICES: LiteralString = """
    SELECT count(*) FROM transaction AS t
      LEFT JOIN (SELECT reference, count(*) AS copies FROM outbox
                  WHERE kind = 'notice'
                    AND payload::jsonb ->> 'event' IN ('paid', 'topped_up', 'topup_undone', 'reversed', 'adjusted',
                                                          'closing_paid', 'closing_paid_to_bill', 'deducted',
                                                          'group_paid', 'group_reversed',
                                                          'bill_paid', 'bill_refunded', 'card_paid', 'card_refunded',
                                                          'refunded_to_wallet',
                                                          'bank_topup_reversed',
                                                          'transfer_sent', 'transfer_received', 'transfer_held',
                                                          'transfer_waiting', 'transfer_claimed', 'transfer_returned',
                                                          'transfer_cancelled', 'transfer_withdrawn',
                                                          'transfer_lapsed', 'withdrawal_paid', 'withdrawal_returned')
                  GROUP BY reference) AS n ON n.reference = t.id
     WHERE t.account_id IS NOT NULL AND t.amount_fen > 0
       AND coalesce(n.copies, 0) <> CASE
           -- The number of a closed account may be another's.
           WHEN t.kind = 'closing_rest' THEN 0
           WHEN t.state NOT IN ('SUCCEEDED', 'REVERSED', 'REVERSING', 'WAITING', 'RETURNED') THEN 0
           -- Both phones are told of a transfer, of its claim and of its return.
           WHEN t.kind IN ('transfer', 'transfer_claim', 'transfer_return') THEN 2 ELSE 1 END
"""
_DELIVERIES: LiteralString = """
    SELECT count(*) FROM transaction AS t
      LEFT JOIN outbox AS o ON o.id = t.id AND o.kind = 'delivery'
     WHERE t.kind = 'purchase' AND t.product_id IS NOT NULL
       AND (o.id IS NOT NULL) <> (t.state IN ('SUCCEEDED', 'REVERSED', 'AUTHORIZED', 'COMPLETING', 'REVERSING'))
       -- What a phone bill or a card did not pay may have been ordered and refused, or never reserved.
       AND NOT (t.funding <> 'wallet' AND t.state IN ('RELEASING', 'CANCELLED'))
"""
_VOUCHERS: LiteralString = """
    SELECT (coalesce((SELECT -sum(amount_fen) FROM posting WHERE ledger_account_id = 12), 0)
            <> coalesce((SELECT sum(b.face_fen) FROM voucher AS v JOIN voucher_batch AS b ON b.id = v.batch_id
                          WHERE b.state = 'activated' AND v.redeemed_by IS NULL), 0))::int
"""
_REDEEMED: LiteralString = """
    SELECT count(*) FROM voucher AS v FULL JOIN
           (SELECT id FROM transaction WHERE kind = 'voucher_topup' AND state = 'SUCCEEDED') AS t
        ON t.id = v.transaction_id
     WHERE (v.digest IS NULL) OR (t.id IS NULL AND v.redeemed_by IS NOT NULL)
"""
_CLOSED_WITH_MONEY: LiteralString = """
    SELECT count(*) FROM account AS a JOIN ledger_balance AS b ON b.ledger_account_id = a.ledger_account_id
     WHERE a.life = 'closed' AND (b.balance_fen <> 0 OR b.held_fen <> 0 OR b.frozen_fen <> 0)
"""
_UNCLAIMED: LiteralString = """
    SELECT (coalesce((SELECT -sum(amount_fen) FROM posting WHERE ledger_account_id = 35), 0)
            <> coalesce((SELECT sum(amount_fen) FROM transaction
                          WHERE kind = 'closing_rest' AND state = 'WAITING'), 0))::int
"""
_DEDUCTED: LiteralString = """
    -- A deduction puts its amount there; correcting entries pay it over.
    SELECT (coalesce((SELECT -sum(p.amount_fen) FROM posting AS p JOIN journal_entry AS e ON e.id = p.entry_id
                       WHERE p.ledger_account_id = 34 AND e.kind <> 'adjustment'), 0)
            <> coalesce((SELECT sum(amount_fen) FROM transaction
                          WHERE kind = 'law_deduction' AND state = 'SUCCEEDED'), 0))::int
"""
_KEYS: LiteralString = """
    SELECT count(*) FROM (SELECT caller, idempotency_key FROM transaction
                           GROUP BY caller, idempotency_key HAVING count(*) > 1) AS twice
"""


async def verify(uow: UnitOfWork) -> list[Check]:
    """Every invariant there is; reads all the books."""
    return [
        *await verify_ledger(uow),
        *await verify_transfers(uow),
        *await verify_funding(uow),
        *await verify_topups(uow),
        *await verify_withdrawals(uow),
        *await verify_limits(uow),
        *await verify_merchant_limits(uow),
        *await verify_merchant_closings(uow),
        Check("each account says which whole freezes stand", await freezes_differ(uow)),
        Check("of each wallet as much is frozen as its freezes say", await frozen_differs(uow)),
        Check("a closed account has nothing", int(await uow.value(_CLOSED_WITH_MONEY))),
        Check("what is unclaimed of closed accounts are the rests that wait", int(await uow.value(_UNCLAIMED))),
        Check("deductions by law are what is owed to authorities", int(await uow.value(_DEDUCTED))),
        Check("every transaction is final or a job moves it", int(await uow.value(_STUCK))),
        Check("what is held for review has its hold", int(await uow.value(_REVIEWS))),
        Check("each state has the entries it should", int(await uow.value(_ENTRIES))),
        Check("every entry has its transaction", int(await uow.value(_ENTRY_WITHOUT))),
        Check("a reversal cancels its original leg by leg", int(await uow.value(_REVERSALS_DIFFER))),
        Check("spending counters equal the day's purchases", int(await uow.value(_SPENT_DIFFER))),
        Check("each change has one notice", int(await uow.value(_NOTICES))),
        Check("each sale of a product has one delivery order", int(await uow.value(_DELIVERIES))),
        Check("vouchers sold equal the unredeemed ones", int(await uow.value(_VOUCHERS))),
        Check("each redeemed voucher has its top-up", int(await uow.value(_REDEEMED))),
        Check("no key moved money twice", int(await uow.value(_KEYS))),
    ]
