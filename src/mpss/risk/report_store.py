"""The SQL of the reports: the sums of a day's books, what was found in them, what became of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.desk.model import TransactionKind
from mpss.risk.model import Order, Place, ReportState
from mpss.risk.patterns import DaySums, MerchantSums
from mpss.risk.rules import IN, Action, RuleVersion

_CASH = (TransactionKind.CASH_TOPUP, TransactionKind.CLOSING_PAYOUT)
_TRANSFERS = (TransactionKind.TRANSFER, TransactionKind.TRANSFER_CLAIM)
_COUNTED = sorted({*IN, *_CASH, *_TRANSFERS, TransactionKind.WITHDRAWAL})
_SOLD = [TransactionKind.PURCHASE.value, TransactionKind.REVERSAL.value]
_PAGE = 5_000


class Report(NamedTuple):
    """A line of the queue: of a person, with an account, or of a merchant. Columns of table `risk_report`, and the
    account's number now, or the merchant's name."""

    id: UUID
    business_date: date
    pattern: str
    subject_id: UUID
    account_id: UUID | None
    merchant_id: UUID | None
    movements: int
    amount_fen: int
    figures: str
    state: ReportState
    found_at: datetime
    reviewed_by: str | None
    reviewed_at: datetime | None
    reason: str
    phone: str | None = None
    merchant_name: str | None = None


class ReportSearch(NamedTuple):
    """What is looked for; None: whatever it is. `phone` is that of any account of the person, in E.164."""

    pattern: str | None = None
    state: str | None = None
    phone: str | None = None
    first_date: date | None = None
    last_date: date | None = None
    min_fen: int | None = None


_UNSEARCHED: LiteralString = """
    SELECT b.business_date, b.cut_at FROM business_day AS b
     WHERE b.cut_at IS NOT NULL
       AND NOT EXISTS (SELECT FROM risk_report_day AS d WHERE d.business_date = b.business_date)
     ORDER BY b.business_date LIMIT 1
"""
_TAKE_DAY: LiteralString = """
    INSERT INTO risk_report_day (business_date, searched_at, found) VALUES (%(day)s, %(now)s, 0) ON CONFLICT DO NOTHING
"""
_COUNT_DAY: LiteralString = "UPDATE risk_report_day SET found = %(found)s WHERE business_date = %(day)s"
_SUMS: LiteralString = """
    -- Of the books, so each movement counts on the day that it was posted; what was turned round counts not at all.
    -- A closing's payout without metadata is cash.
    WITH entry AS (
        SELECT e.id, e.kind FROM journal_entry AS e
         WHERE e.business_date = %(day)s AND e.kind = ANY(%(kinds)s) AND e.reverses_id IS NULL
           AND NOT EXISTS (SELECT FROM journal_entry AS r WHERE r.reverses_id = e.id)
    ), moved AS (
        SELECT e.id, e.kind, a.id AS account_id, coalesce(a.customer_id, a.id) AS subject_id, -sum(p.amount_fen) AS fen
          FROM entry AS e
          JOIN posting AS p ON p.entry_id = e.id AND p.business_date = %(day)s AND p.part IS NOT NULL
          JOIN account AS a ON a.ledger_account_id = p.ledger_account_id
         GROUP BY e.id, e.kind, a.id, coalesce(a.customer_id, a.id)
    ), told AS (
        SELECT m.*, m.kind = ANY(%(transfers)s) AS by_transfer,
               m.kind = 'cash_topup' OR (m.kind = 'closing_payout' AND t.metadata IS NULL) AS cash,
               CASE WHEN m.fen > 0 THEN f.payer_phone ELSE f.payee_phone END AS other
          FROM moved AS m
          LEFT JOIN transaction AS t ON t.id = m.id AND m.kind IN ('transfer_claim', 'closing_payout')
          LEFT JOIN transfer AS f ON m.kind = ANY(%(transfers)s) AND f.transaction_id = coalesce(t.original_id, m.id)
    )
    SELECT subject_id, (array_agg(account_id ORDER BY abs(fen) DESC))[1], count(*)::int,
           coalesce(sum(fen) FILTER (WHERE cash AND fen > 0), 0)::bigint,
           (count(*) FILTER (WHERE cash AND fen > 0))::int,
           coalesce(-sum(fen) FILTER (WHERE cash AND fen < 0), 0)::bigint,
           coalesce(sum(fen) FILTER (WHERE NOT cash AND fen > 0), 0)::bigint,
           coalesce(-sum(fen) FILTER (WHERE NOT cash AND fen < 0), 0)::bigint,
           (count(DISTINCT other) FILTER (WHERE by_transfer AND fen > 0))::int,
           (count(DISTINCT other) FILTER (WHERE by_transfer AND fen < 0))::int,
           coalesce(sum(fen) FILTER (WHERE by_transfer AND fen > 0), 0)::bigint,
           coalesce(-sum(fen) FILTER (WHERE by_transfer AND fen < 0), 0)::bigint
      FROM told GROUP BY subject_id
    HAVING greatest(sum(fen) FILTER (WHERE fen > 0), -sum(fen) FILTER (WHERE fen < 0)) >= %(least_fen)s
     ORDER BY subject_id
"""
_MERCHANT_SUMS: LiteralString = """
    -- Of the books of `days` days, the last of them `day`. A merchant who gave nothing back on that day was looked at
    -- before, and of one whose report waits another says nothing new.
    SELECT m.id, coalesce(sum(abs(p.amount_fen)) FILTER (WHERE e.reverses_id IS NULL), 0)::bigint AS sold,
           sum(abs(p.amount_fen)) FILTER (WHERE e.reverses_id IS NOT NULL)::bigint AS undone,
           (count(*) FILTER (WHERE e.reverses_id IS NOT NULL))::int
      FROM posting AS p
      JOIN journal_entry AS e ON e.id = p.entry_id AND e.kind = ANY(%(kinds)s)
       AND e.business_date > %(day)s - %(days)s::int AND e.business_date <= %(day)s
      JOIN merchant AS m ON m.ledger_account_id = p.ledger_account_id
     WHERE p.business_date > %(day)s - %(days)s::int AND p.business_date <= %(day)s
       AND (%(again)s OR NOT EXISTS (SELECT FROM risk_report AS r
                                      WHERE r.pattern = %(pattern)s AND r.subject_id = m.id AND r.state = 'open'))
     GROUP BY m.id
    HAVING sum(abs(p.amount_fen)) FILTER (WHERE e.reverses_id IS NOT NULL) >= %(least_fen)s
       AND bool_or(e.reverses_id IS NOT NULL AND e.business_date = %(day)s)
     ORDER BY m.id
"""
_VERSIONS: LiteralString = """
    SELECT rule, action, enabled, figures, effective_from FROM risk_rule_version
     WHERE state = 'approved' AND action = 'report' ORDER BY decided_at, id
"""
_INSERT: LiteralString = """
    INSERT INTO risk_report (id, business_date, pattern, subject_id, account_id, merchant_id, movements, amount_fen,
                             figures, state, found_at)
    SELECT n.*, 'open', %(now)s
      FROM unnest(%(ids)s::uuid[], %(days)s::date[], %(patterns)s::text[], %(subjects)s::uuid[], %(accounts)s::uuid[],
                  %(merchants)s::uuid[], %(movements)s::int[], %(amounts)s::bigint[], %(figures)s::text[]) AS n
    ON CONFLICT ON CONSTRAINT risk_report_once DO NOTHING
"""
_COLUMNS: LiteralString = """
    SELECT r.id, r.business_date, r.pattern, r.subject_id, r.account_id, r.merchant_id, r.movements, r.amount_fen,
           r.figures, r.state, r.found_at, r.reviewed_by, r.reviewed_at, r.reason, a.phone, m.name
      FROM risk_report AS r LEFT JOIN account AS a ON a.id = r.account_id
      LEFT JOIN merchant AS m ON m.id = r.merchant_id
"""
_LOCK: LiteralString = _COLUMNS + " WHERE r.id = %(id)s FOR UPDATE OF r"
_SEARCH: LiteralString = (
    _COLUMNS
    + """
     WHERE (%(pattern)s::text IS NULL OR r.pattern = %(pattern)s)
       AND (%(state)s::text IS NULL OR r.state = %(state)s)
       AND (%(first_date)s::date IS NULL OR r.business_date >= %(first_date)s)
       AND (%(last_date)s::date IS NULL OR r.business_date <= %(last_date)s)
       AND (%(phone)s::text IS NULL
            OR r.subject_id IN (SELECT coalesce(customer_id, id) FROM account WHERE phone = %(phone)s))
       AND (%(min_fen)s::bigint IS NULL OR r.amount_fen >= %(min_fen)s)
       AND (%(after)s::uuid IS NULL OR
"""
)
_IN_ORDER: dict[Order, LiteralString] = {
    Order.NEWEST: _SEARCH + " r.id < %(after)s) ORDER BY r.id DESC LIMIT %(limit)s",
    Order.OLDEST: _SEARCH + " r.id > %(after)s) ORDER BY r.id LIMIT %(limit)s",
    Order.LARGEST: _SEARCH
    + " (r.amount_fen, r.id) < (%(after_fen)s, %(after)s)) ORDER BY r.amount_fen DESC, r.id DESC LIMIT %(limit)s",
}
_SAVE: LiteralString = """
    UPDATE risk_report SET state = %(state)s, reviewed_by = %(reviewed_by)s, reviewed_at = %(reviewed_at)s,
           reason = %(reason)s
     WHERE id = %(id)s
"""
_OPEN_COUNTS: LiteralString = "SELECT pattern, count(*) FROM risk_report WHERE state = 'open' GROUP BY pattern"


def _make(record: Sequence[Any]) -> Report:
    report = Report._make(record)
    return report._replace(state=ReportState(report.state))


async def unsearched_day(uow: UnitOfWork) -> tuple[date, datetime] | None:
    """The oldest day that is cut and was not looked through, and when it was cut."""
    cursor = await uow.connection.execute(_UNSEARCHED)
    record = await cursor.fetchone()
    return None if record is None else (record[0], record[1])


async def take_day(uow: UnitOfWork, day: date, *, now: datetime) -> bool:
    """Mark the day as looked through; False where it was, then nothing is to be done."""
    return bool(await uow.execute(_TAKE_DAY, {"day": day, "now": now}))


async def count_day(uow: UnitOfWork, day: date, found: int) -> None:
    await uow.execute(_COUNT_DAY, {"day": day, "found": found})


async def pattern_versions(uow: UnitOfWork) -> list[RuleVersion]:
    """Every approved version of a pattern's figures."""
    cursor = await uow.connection.execute(_VERSIONS)
    return [
        RuleVersion(rule, Action(action), enabled, json.loads(figures), effective_from)
        for rule, action, enabled, figures, effective_from in await cursor.fetchall()
    ]


async def day_sums(uow: UnitOfWork, day: date, *, least_fen: int) -> AsyncIterator[DaySums]:
    """The sums of every person who moved this or more one way on the day, read in pages."""
    values = {"day": day, "kinds": _COUNTED, "transfers": list(_TRANSFERS), "least_fen": least_fen}
    async with uow.connection.cursor(name="risk_day_sums") as cursor:
        cursor.itersize = _PAGE
        await cursor.execute(_SUMS, values)
        async for record in cursor:
            yield DaySums._make(record)


async def merchant_sums(
    uow: UnitOfWork, day: date, *, pattern: str, days: int, least_fen: int, again: bool = False
) -> list[MerchantSums]:
    """The sums of the days up to `day` of every merchant who gave this or more back in them, some of it on `day`, and
    of whom no report of the pattern waits, but `again`."""
    values = {"day": day, "pattern": pattern, "days": days, "least_fen": least_fen, "kinds": _SOLD, "again": again}
    cursor = await uow.connection.execute(_MERCHANT_SUMS, values)
    return [MerchantSums._make(record) for record in await cursor.fetchall()]


async def insert_reports(uow: UnitOfWork, reports: Sequence[Report], *, now: datetime) -> int:
    """Write what was found; how many are new."""
    columns = {
        "ids": [report.id for report in reports],
        "days": [report.business_date for report in reports],
        "patterns": [report.pattern for report in reports],
        "subjects": [report.subject_id for report in reports],
        "accounts": [report.account_id for report in reports],
        "merchants": [report.merchant_id for report in reports],
        "movements": [report.movements for report in reports],
        "amounts": [report.amount_fen for report in reports],
        "figures": [report.figures for report in reports],
    }
    return await uow.execute(_INSERT, {**columns, "now": now}) if reports else 0


async def lock_report(uow: UnitOfWork, report_id: UUID) -> Report | None:
    cursor = await uow.connection.execute(_LOCK, {"id": report_id})
    record = await cursor.fetchone()
    return None if record is None else _make(record)


async def save_report(uow: UnitOfWork, report: Report) -> None:
    """Write what became of a report that is locked."""
    await uow.execute(_SAVE, report._asdict())


async def find_reports(
    uow: UnitOfWork, search: ReportSearch, *, after: Place | None, limit: int, order: Order = Order.NEWEST
) -> list[Report]:
    """Reports in an order, from after the place `after` on."""
    after_fen, after_id = after or (None, None)
    values = {**search._asdict(), "after": after_id, "after_fen": after_fen, "limit": limit}
    cursor = await uow.connection.execute(_IN_ORDER[order], values)
    return [_make(record) for record in await cursor.fetchall()]


async def open_report_counts(uow: UnitOfWork) -> dict[str, int]:
    """How many reports wait, by pattern."""
    cursor = await uow.connection.execute(_OPEN_COUNTS)
    return {record[0]: record[1] for record in await cursor.fetchall()}
