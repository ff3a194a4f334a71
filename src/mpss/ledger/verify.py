"""Recomputing the books' invariants from the postings (ARCHITECTURE §11: 1, 2, 3, 6, 10, and the hash chain)."""

from __future__ import annotations

from typing import LiteralString, NamedTuple

from mpss.db.database import UnitOfWork
from mpss.ledger.balances import difference_fen, trial_balance
from mpss.ledger.chart import CHART, Code
from mpss.ledger.day_close import chain_of
from mpss.ledger.model import Side

_UNBALANCED: LiteralString = """
    SELECT count(*) FROM (SELECT entry_id FROM posting GROUP BY entry_id HAVING sum(amount_fen) <> 0) AS broken
"""
_ORPHANS: LiteralString = """
    SELECT (SELECT count(*) FROM (SELECT DISTINCT entry_id FROM posting) AS p
             LEFT JOIN journal_entry AS e ON e.id = p.entry_id WHERE e.id IS NULL)
         + (SELECT count(*) FROM journal_entry AS e WHERE NOT EXISTS (
              SELECT FROM (SELECT DISTINCT entry_id FROM posting) AS p WHERE p.entry_id = e.id))
         + (SELECT count(*) FROM (SELECT DISTINCT ledger_account_id FROM posting) AS p
             LEFT JOIN ledger_account AS a ON a.id = p.ledger_account_id WHERE a.id IS NULL)
         + (SELECT count(*) FROM posting AS p JOIN journal_entry AS e ON e.id = p.entry_id
             WHERE e.business_date <> p.business_date)
"""
_BELOW_FLOOR: LiteralString = """
    SELECT count(*) FROM ledger_balance
     WHERE balance_fen < held_fen OR held_fen < 0 OR restricted_fen NOT BETWEEN 0 AND balance_fen
"""
_STORED_DIFFER: LiteralString = """
    SELECT count(*) FROM (
        SELECT ledger_account_id, -sum(amount_fen) AS balance_fen,
               -coalesce(sum(amount_fen) FILTER (WHERE part = 2), 0) AS restricted_fen,
               bool_or(part IS NULL) AS partless
          FROM posting WHERE ledger_account_id IN (SELECT id FROM ledger_account WHERE has_floor)
         GROUP BY ledger_account_id) AS p
      FULL JOIN ledger_balance AS b USING (ledger_account_id)
     WHERE coalesce(p.balance_fen, 0) <> coalesce(b.balance_fen, 0)
        OR coalesce(p.restricted_fen, 0) <> coalesce(b.restricted_fen, 0)
        OR b.ledger_account_id IS NULL OR coalesce(p.partless, false)
"""
_HELD_DIFFER: LiteralString = """
    SELECT count(*) FROM ledger_balance AS b
      FULL JOIN (SELECT ledger_account_id, sum(amount_fen) AS held_fen FROM hold WHERE state = 'open'
                  GROUP BY ledger_account_id) AS h USING (ledger_account_id)
     WHERE coalesce(b.held_fen, 0) <> coalesce(h.held_fen, 0)
"""
_DAY_BALANCES_DIFFER: LiteralString = """
    WITH last_seal AS (
        SELECT coalesce(max(business_date), '-infinity') AS business_date FROM business_day WHERE sealed_at IS NOT NULL)
    SELECT count(*) FROM (
        SELECT ledger_account_id, sum(amount_fen) AS balance_fen FROM posting
         WHERE business_date <= (SELECT business_date FROM last_seal) GROUP BY ledger_account_id) AS p
      FULL JOIN (SELECT DISTINCT ON (ledger_account_id) ledger_account_id, balance_fen FROM ledger_day_balance
                  ORDER BY ledger_account_id, business_date DESC) AS d USING (ledger_account_id)
     WHERE coalesce(p.balance_fen, 0) <> coalesce(d.balance_fen, 0)
"""
_SEALED_DAYS: LiteralString = """
    SELECT business_date, entry_count, chain_hash FROM business_day WHERE sealed_at IS NOT NULL ORDER BY business_date
"""


class Check(NamedTuple):
    """One invariant: its name, how many breaches were found, and a figure worth showing."""

    name: str
    breaches: int
    figure: str = ""

    @property
    def holds(self) -> bool:
        return self.breaches == 0


async def verify_ledger(uow: UnitOfWork) -> list[Check]:
    """Every invariant of the books, recomputed; reads the whole journal."""
    checks = [
        Check("every entry sums to zero", int(await uow.value(_UNBALANCED))),
        Check("every posting has its entry, account and day", int(await uow.value(_ORPHANS))),
        Check("no floored account is below its floor", int(await uow.value(_BELOW_FLOOR))),
        Check("stored balances equal the sum of postings", int(await uow.value(_STORED_DIFFER))),
        Check("held amounts equal the open holds", int(await uow.value(_HELD_DIFFER))),
        Check("day balances equal the sum of postings", int(await uow.value(_DAY_BALANCES_DIFFER))),
    ]
    lines = await trial_balance(uow)
    difference = difference_fen(lines)
    checks.append(Check("the trial balance is zero", int(difference != 0), f"{difference / 100:.2f}"))
    checks.append(await _safeguarding(uow))
    checks.append(await _chains(uow))
    return checks


async def _safeguarding(uow: UnitOfWork) -> Check:
    """What we owe customers equals the reserve at banks and what is on its way there (备付金)."""
    backing = owed = wallets = 0
    for line in await trial_balance(uow):
        known = CHART.get(Code(line.code)) if line.code in set(Code) else None
        if known is None or not known.customer_money:
            continue
        if known.side is Side.DEBIT:
            backing += line.debit_fen - line.credit_fen
        else:
            owed += line.credit_fen - line.debit_fen
        if known.code is Code.WALLET:
            wallets = line.credit_fen - line.debit_fen
    figure = f"wallets {wallets / 100:.2f}, owed in all {owed / 100:.2f}, backed by {backing / 100:.2f}"
    return Check(
        "wallets and other customer money are backed (备付金)", int(backing != owed or wallets > backing), figure
    )


async def _chains(uow: UnitOfWork) -> Check:
    """Each sealed day's entries still hash to the head it was sealed with."""
    broken = 0
    days = await uow.dicts(_SEALED_DAYS)
    for day in days:
        chain = await chain_of(uow, day["business_date"])
        if chain.head != bytes(day["chain_hash"]) or chain.entry_count != day["entry_count"]:
            broken += 1
    return Check("sealed days hash to their chain's head", broken, f"{len(days)} days")
