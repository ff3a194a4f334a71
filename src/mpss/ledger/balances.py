"""Balances: now, at an instant, at a day's close; the trial balance (试算平衡).

A floored account's balance now is stored. Everything else is the last day close's figure and the postings since, so a
busy account is nowhere a busy row. Figures are signed as postings are, debit above zero, unless said.
"""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString, NamedTuple

from mpss.db.database import UnitOfWork
from mpss.ledger.model import Balance

_STORED: LiteralString = """
    SELECT balance_fen, restricted_fen, held_fen, frozen_fen FROM ledger_balance WHERE ledger_account_id = %(id)s
"""
_GATHERED: LiteralString = """
    SELECT coalesce(b.balance_fen, 0) + coalesce((
               SELECT sum(p.amount_fen) FROM posting AS p
                WHERE p.ledger_account_id = %(id)s AND p.business_date > coalesce(b.business_date, '-infinity')), 0)
      FROM (SELECT 1) AS one
      LEFT JOIN LATERAL (SELECT d.balance_fen, s.business_date FROM business_day AS s
                           LEFT JOIN LATERAL (SELECT balance_fen FROM ledger_day_balance
                                               WHERE ledger_account_id = %(id)s AND business_date <= s.business_date
                                               ORDER BY business_date DESC LIMIT 1) AS d ON true
                          WHERE s.sealed_at IS NOT NULL ORDER BY s.business_date DESC LIMIT 1) AS b ON true
"""
_AT: LiteralString = """
    WITH base AS (
        -- The last day whose every entry was posted by then. An entry bears the instant its command came in, which may
        -- be a little after the cut was asked for: it was served while the cut waited for the fence.
        SELECT s.business_date FROM business_day AS s
         WHERE s.sealed_at IS NOT NULL AND s.cut_at <= %(at)s - interval '1 hour'
         ORDER BY s.business_date DESC LIMIT 1)
    SELECT coalesce((SELECT d.balance_fen FROM ledger_day_balance AS d, base
                      WHERE d.ledger_account_id = %(id)s AND d.business_date <= base.business_date
                      ORDER BY d.business_date DESC LIMIT 1), 0)
         + coalesce((SELECT sum(p.amount_fen) FROM posting AS p JOIN journal_entry AS e ON e.id = p.entry_id
                      WHERE p.ledger_account_id = %(id)s AND e.posted_at <= %(at)s
                        AND p.business_date > coalesce((SELECT business_date FROM base), '-infinity')), 0)
"""
_TRIAL: LiteralString = """
    WITH last_seal AS (
        SELECT coalesce(max(business_date), '-infinity') AS business_date
          FROM business_day WHERE sealed_at IS NOT NULL),
    sealed AS (
        SELECT DISTINCT ON (ledger_account_id) ledger_account_id, balance_fen FROM ledger_day_balance
         ORDER BY ledger_account_id, business_date DESC),
    moved AS (
        SELECT ledger_account_id, sum(amount_fen) AS change_fen FROM posting
         WHERE business_date > (SELECT business_date FROM last_seal) GROUP BY ledger_account_id)
    SELECT a.code, count(*)::bigint AS accounts,
           sum(greatest(coalesce(s.balance_fen, 0) + coalesce(m.change_fen, 0), 0))::bigint AS debit_fen,
           sum(greatest(-(coalesce(s.balance_fen, 0) + coalesce(m.change_fen, 0)), 0))::bigint AS credit_fen
      FROM ledger_account AS a
      LEFT JOIN sealed AS s ON s.ledger_account_id = a.id
      LEFT JOIN moved AS m ON m.ledger_account_id = a.id
     GROUP BY a.code ORDER BY a.code
"""


class TrialLine(NamedTuple):
    """One ledger account code: how many accounts, the sum of their debit balances and of their credit balances."""

    code: str
    accounts: int
    debit_fen: int
    credit_fen: int


async def stored_balance(uow: UnitOfWork, ledger_account_id: int) -> Balance | None:
    """The balance of a floored account now, in its own direction (what we owe); None for an account without a floor."""
    return await uow.row(Balance, _STORED, {"id": ledger_account_id})


async def gathered_balance_fen(uow: UnitOfWork, ledger_account_id: int) -> int:
    """The balance now of any account: last day close plus the postings since."""
    return int(await uow.value(_GATHERED, {"id": ledger_account_id}))


async def balance_at_fen(uow: UnitOfWork, ledger_account_id: int, at: datetime) -> int:
    """The balance of any account at an instant, `at` included."""
    return int(await uow.value(_AT, {"id": ledger_account_id, "at": at}))


async def trial_balance(uow: UnitOfWork) -> list[TrialLine]:
    """One line for each code, in code order; the debits of all lines equal the credits."""
    return await uow.rows(TrialLine, _TRIAL)


def difference_fen(lines: list[TrialLine]) -> int:
    """Debits less credits: zero, or the books are wrong."""
    return sum(line.debit_fen - line.credit_fen for line in lines)
