"""Recomputing what is counted for limits from the transactions themselves, one query for each table of counters."""

from __future__ import annotations

from typing import LiteralString

from mpss.accounts.channel_store import channels_differ
from mpss.db.database import UnitOfWork
from mpss.ledger.verify import Check

_LEFT: LiteralString = """
    -- What left an account and still counts: its own payments of all sources; from the balance, payments and transfers,
    -- and what members of a corporate account paid with its money.
    SELECT account_id, business_date AS day, amount_fen,
           kind = 'purchase' AS payment, funding = 'wallet' AS from_balance
      FROM transaction
     WHERE account_id IS NOT NULL
       AND (kind = 'purchase' AND (state = 'SUCCEEDED' AND funding <> 'group' OR funding NOT IN ('wallet', 'group')
              AND state IN ('FUNDING', 'IN_DOUBT', 'AUTHORIZED', 'COMPLETING', 'RELEASING', 'REVERSING'))
         OR kind = 'transfer' AND state IN ('SUCCEEDED', 'WAITING'))
     UNION ALL
    SELECT g.master_account_id, t.business_date, t.amount_fen, false, true
      FROM group_purchase AS g JOIN transaction AS t ON t.id = g.transaction_id
     WHERE t.kind = 'purchase' AND t.state = 'SUCCEEDED'
"""
_ACCOUNTS: LiteralString = (
    "SELECT count(*) FROM (SELECT u.month_fen, u.year_fen, u.life_fen,"
    """ coalesce(sum(t.amount_fen) FILTER (
                   WHERE t.payment AND date_trunc('month', t.day) = date_trunc('month', u.day)), 0) AS month_sum,
               coalesce(sum(t.amount_fen) FILTER (
                   WHERE t.from_balance AND date_trunc('year', t.day) = date_trunc('year', u.day)), 0) AS year_sum,
               coalesce(sum(t.amount_fen) FILTER (WHERE t.from_balance), 0) AS life_sum
          FROM account_usage AS u LEFT JOIN ("""
    + _LEFT
    + """) AS t ON t.account_id = u.account_id GROUP BY u.account_id) AS counted
     WHERE (month_fen, year_fen, life_fen) <> (month_sum, year_sum, life_sum)
"""
)
_CUSTOMERS: LiteralString = (
    "SELECT count(*) FROM (SELECT c.year_fen, coalesce(sum(t.amount_fen), 0) AS year_sum"
    " FROM customer_usage AS c LEFT JOIN account AS a ON a.customer_id = c.customer_id LEFT JOIN ("
    + _LEFT
    + """) AS t ON t.account_id = a.id AND t.from_balance AND date_trunc('year', t.day) = date_trunc('year', c.day)
         GROUP BY c.customer_id) AS counted
     WHERE year_fen <> year_sum
"""
)
_TOPUPS: LiteralString = """
    SELECT count(*) FROM (
        SELECT u.day_fen, u.day_count, u.month_fen,
               coalesce(sum(t.amount_fen) FILTER (WHERE t.business_date = u.day), 0) AS day_sum,
               count(*) FILTER (WHERE t.business_date = u.day) AS day_number,
               coalesce(sum(t.amount_fen), 0) AS month_sum
          FROM topup_usage AS u
          LEFT JOIN transaction AS t ON t.account_id = u.account_id
           AND date_trunc('month', t.business_date) = date_trunc('month', u.day)
           AND t.kind IN ('cash_topup', 'voucher_topup', 'recharge_topup', 'online_bank_topup', 'bank_card_topup',
                          'bank_topup')
           AND t.state IN ('FUNDING', 'IN_DOUBT', 'RELEASING', 'SUCCEEDED')
         GROUP BY u.account_id) AS counted
     WHERE (day_fen, day_count, month_fen) <> (day_sum, day_number, month_sum)
"""
_UNCOUNTED: LiteralString = """
    SELECT count(*) FROM transaction AS t LEFT JOIN topup_usage AS u ON u.account_id = t.account_id
     WHERE t.kind IN ('cash_topup', 'voucher_topup', 'recharge_topup', 'online_bank_topup', 'bank_card_topup',
                      'bank_topup')
       AND t.state IN ('FUNDING', 'IN_DOUBT', 'RELEASING', 'SUCCEEDED') AND u.account_id IS NULL
"""


async def verify_limits(uow: UnitOfWork) -> list[Check]:
    """Reads every transaction that is counted. Spec: CM 9.1, 9.3."""
    topups = int(await uow.value(_TOPUPS)) + int(await uow.value(_UNCOUNTED))
    return [
        Check("month, year and lifetime counters equal what was paid and transferred", int(await uow.value(_ACCOUNTS))),
        Check("the customers' year counters equal those of their accounts", int(await uow.value(_CUSTOMERS))),
        Check("top-up counters equal the top-ups", topups),
        Check("channels' counters equal what they let through", await channels_differ(uow)),
    ]
