"""Recomputing what top-ups from outside, their requests and the house's claims promise each other."""

from __future__ import annotations

from typing import LiteralString

from mpss.db.database import UnitOfWork
from mpss.ledger.verify import Check

_ANSWERS: LiteralString = """
    SELECT count(*) FROM transaction AS t
      LEFT JOIN funding_request AS f ON f.transaction_id = t.id
     WHERE t.kind IN ('recharge_topup', 'online_bank_topup')
       AND CASE
           WHEN t.state = 'SUCCEEDED' THEN f.state IS DISTINCT FROM 'APPROVED' OR f.amount_fen <> t.amount_fen
           -- Declined before anybody was asked, or by who was asked.
           WHEN t.state = 'DECLINED' THEN coalesce(f.state, 'DECLINED') <> 'DECLINED'
           ELSE f.state IS NULL OR f.state NOT IN ('SENT', 'IN_DOUBT') END
"""
_CARDS: LiteralString = """
    SELECT count(*) FROM transaction AS t
      LEFT JOIN funding_request AS d ON d.transaction_id = t.id AND d.operation = 'debit'
      LEFT JOIN funding_request AS r ON r.transaction_id = t.id AND r.operation = 'reverse'
     WHERE t.kind = 'bank_card_topup'
       AND CASE
           WHEN t.state = 'SUCCEEDED' THEN d.state IS DISTINCT FROM 'APPROVED' OR d.amount_fen <> t.amount_fen
                OR r.id IS NOT NULL
           WHEN t.state = 'DECLINED' THEN coalesce(d.state, 'DECLINED') <> 'DECLINED' OR r.id IS NOT NULL
           -- What was given up is reversed, whatever the bank said before.
           WHEN t.state = 'RELEASING' THEN d.state IS DISTINCT FROM 'DECLINED' OR r.state IS NULL
                OR r.state NOT IN ('SENT', 'IN_DOUBT')
           WHEN t.state = 'CANCELLED' THEN d.state IS DISTINCT FROM 'DECLINED' OR r.state IS DISTINCT FROM 'APPROVED'
           ELSE d.state IS NULL OR d.state NOT IN ('SENT', 'IN_DOUBT') OR r.id IS NOT NULL END
"""
_TRANSFER_CLAIM: LiteralString = """
    SELECT (coalesce((SELECT sum(amount_fen) FROM posting WHERE ledger_account_id = 14), 0)
            <> coalesce((SELECT sum(amount_fen) FROM transaction
                          WHERE kind = 'bank_topup' AND state = 'SUCCEEDED'), 0))::int
"""
_TRANSFERS_BACK: LiteralString = """
    -- One reversal for each top-up that a bank took back, and none for another.
    SELECT count(*) FROM transaction AS t
      LEFT JOIN (SELECT original_id, count(*) AS backs FROM transaction
                  WHERE kind = 'bank_topup_reversal' AND state = 'SUCCEEDED' GROUP BY original_id) AS r
        ON r.original_id = t.id
     WHERE t.kind = 'bank_topup' AND coalesce(r.backs, 0) <> CASE t.state WHEN 'REVERSED' THEN 1 ELSE 0 END
"""
_VERIFICATIONS: LiteralString = """
    -- What verified a card stands on its debit, and goes back once.
    SELECT count(*) FROM transaction AS t
      LEFT JOIN funding_request AS d ON d.transaction_id = t.id AND d.operation = 'debit'
      LEFT JOIN funding_request AS r ON r.transaction_id = t.id AND r.operation = 'reverse'
      LEFT JOIN transaction AS b ON b.original_id = t.id AND b.kind = 'card_verification_return'
      LEFT JOIN funding_request AS g ON g.transaction_id = b.id
     WHERE t.kind = 'card_verification'
       AND CASE
           WHEN t.state = 'SUCCEEDED' THEN d.state IS DISTINCT FROM 'APPROVED' OR r.id IS NOT NULL
                OR b.id IS NOT NULL AND (b.state <> 'COMPLETING' OR g.state NOT IN ('SENT', 'IN_DOUBT'))
           WHEN t.state = 'REVERSED' THEN d.state IS DISTINCT FROM 'APPROVED' OR r.id IS NOT NULL
                OR b.state IS DISTINCT FROM 'SUCCEEDED' OR g.state IS DISTINCT FROM 'APPROVED'
           WHEN t.state = 'CANCELLED' THEN d.state IS DISTINCT FROM 'DECLINED' OR r.state IS DISTINCT FROM 'APPROVED'
                OR b.id IS NOT NULL
           ELSE b.id IS NOT NULL END
"""
_CLAIMS: LiteralString = """
    SELECT count(*) FROM (VALUES (8, 'recharge'), (9, 'online_bank')) AS claim (account, counterpart)
     WHERE coalesce((SELECT sum(amount_fen) FROM posting WHERE ledger_account_id = claim.account), 0)
        <> coalesce((SELECT sum(amount_fen) FROM funding_request
                      WHERE counterpart = claim.counterpart AND state = 'APPROVED'), 0)
"""


async def verify_topups(uow: UnitOfWork) -> list[Check]:
    """Reads every top-up from outside and its request."""
    return [
        Check("each top-up from outside rests on its answer", int(await uow.value(_ANSWERS))),
        Check("each top-up from a bank card rests on its debit and reversal", int(await uow.value(_CARDS))),
        Check("the claim on banks for transfers is what they sent", int(await uow.value(_TRANSFER_CLAIM))),
        Check("each transfer that a bank took back has one reversal", int(await uow.value(_TRANSFERS_BACK))),
        Check("each debit that verifies a card rests on its answers", int(await uow.value(_VERIFICATIONS))),
        Check("the claims on recharge platform and online bank are what they paid", int(await uow.value(_CLAIMS))),
    ]
