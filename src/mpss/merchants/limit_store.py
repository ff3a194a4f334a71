"""The SQL of merchants' limits: the desks' portions of a day, gathered; the limits, set and counted anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet
from mpss.kernel.ids import Id
from mpss.merchants.limit_model import MerchantUsageRow, gathered

_LOCK_LIMITS: LiteralString = """
    -- First and by itself: whoever gathers waits here, and sees in the next statement what the one before it made.
    SELECT m.id, m.daily_limit_fen, d.business_date FROM merchant AS m CROSS JOIN business_day AS d
     WHERE m.id = ANY(%(ids)s::uuid[]) AND d.cut_at IS NULL ORDER BY m.id FOR NO KEY UPDATE OF m
"""
_LOCK_PORTIONS: LiteralString = """
    SELECT merchant_id, slot, day, paid_fen, left_fen FROM merchant_usage
     WHERE merchant_id = ANY(%(ids)s::uuid[]) ORDER BY merchant_id, slot FOR UPDATE
"""
_SAVE_PORTIONS: LiteralString = """
    INSERT INTO merchant_usage (merchant_id, slot, day, paid_fen, left_fen)
    SELECT * FROM unnest(%(ids)s::uuid[], %(slots)s::int2[], %(days)s::date[], %(paid)s::bigint[], %(left)s::bigint[])
    ON CONFLICT (merchant_id, slot) DO UPDATE
       SET day = EXCLUDED.day, paid_fen = EXCLUDED.paid_fen, left_fen = EXCLUDED.left_fen
"""
_STAND_STILL: LiteralString = """
    -- The fence of the desks' batches: none is under way that read the limits before.
    SELECT pg_advisory_xact_lock(%(fence)s)
"""
_LOCK: LiteralString = "SELECT state, single_limit_fen, daily_limit_fen FROM merchant WHERE id = %(id)s FOR UPDATE"
_SET: LiteralString = """
    UPDATE merchant SET single_limit_fen = %(single_fen)s, daily_limit_fen = %(daily_fen)s WHERE id = %(id)s
"""
_FORGET: LiteralString = "UPDATE merchant_usage SET paid_fen = 0, left_fen = 0 WHERE merchant_id = %(id)s"
_OPENED: LiteralString = "SELECT opened_at FROM business_day WHERE cut_at IS NULL"
_COUNT: LiteralString = """
    -- What counts today was asked for since a day before it began: a payment is confirmed within minutes.
    INSERT INTO merchant_usage (merchant_id, slot, day, paid_fen, left_fen)
    SELECT %(id)s, 0, d.business_date, coalesce(sum(t.amount_fen), 0), 0
      FROM business_day AS d
      LEFT JOIN transaction AS t ON t.merchant_id = %(id)s AND t.business_date = d.business_date
       AND t.id >= %(first)s AND t.kind = 'purchase'
       AND (t.state = 'SUCCEEDED' OR t.funding NOT IN ('wallet', 'group')
            AND t.state IN ('FUNDING', 'IN_DOUBT', 'AUTHORIZED', 'COMPLETING', 'RELEASING', 'REVERSING'))
     WHERE d.cut_at IS NULL GROUP BY d.business_date
    ON CONFLICT (merchant_id, slot) DO UPDATE SET day = EXCLUDED.day, paid_fen = EXCLUDED.paid_fen
"""
_FOUND: LiteralString = """
    SELECT m.single_limit_fen, m.daily_limit_fen,
           coalesce((SELECT sum(u.paid_fen) FROM merchant_usage AS u JOIN business_day AS d ON d.business_date = u.day
                      WHERE u.merchant_id = m.id AND d.cut_at IS NULL), 0)::bigint AS paid_fen
      FROM merchant AS m WHERE m.id = %(id)s
"""
DIFFER: LiteralString = """
    SELECT count(*) FROM (
        SELECT m.daily_limit_fen, coalesce(sum(u.paid_fen), 0) AS paid_fen, coalesce(sum(u.left_fen), 0) AS left_fen,
               (SELECT coalesce(sum(t.amount_fen), 0) FROM transaction AS t
                 WHERE t.merchant_id = m.id AND t.business_date = d.business_date AND t.kind = 'purchase'
                   AND (t.state = 'SUCCEEDED' OR t.funding NOT IN ('wallet', 'group')
                        AND t.state IN ('FUNDING', 'IN_DOUBT', 'AUTHORIZED', 'COMPLETING', 'RELEASING', 'REVERSING'))
               ) AS paid_sum
          FROM merchant AS m
          JOIN business_day AS d ON d.cut_at IS NULL
          LEFT JOIN merchant_usage AS u ON u.merchant_id = m.id AND u.day = d.business_date
         WHERE m.daily_limit_fen IS NOT NULL
         GROUP BY m.id, d.business_date) AS counted
     WHERE paid_fen <> paid_sum OR left_fen > greatest(daily_limit_fen - paid_fen, 0)
"""


@dataclass(frozen=True, slots=True)
class MerchantLimits:
    """In fen; None is no limit. `paid_fen` is what was paid on the open business day, where a daily limit counts it."""

    single_limit_fen: int | None
    daily_limit_fen: int | None
    paid_fen: int


def _usage(record: Sequence[Any]) -> tuple[UUID, MerchantUsageRow]:
    return record[0], MerchantUsageRow(*record[1:])


def _columns(rows: Sequence[tuple[UUID, MerchantUsageRow]]) -> dict[str, list[Any]]:
    return {
        "ids": [key for key, _ in rows],
        "days": [row.day for _, row in rows],
        "paid": [row.paid_fen for _, row in rows],
        "left": [row.left_fen for _, row in rows],
    }


async def refill(uow: UnitOfWork, needs: Iterable[tuple[UUID, int]], slot: int) -> dict[UUID, MerchantUsageRow]:
    """Gather into the portions of desk `slot` what is needed, under the lock of each merchant."""
    wanted = dict(needs)
    ids = sorted(wanted)
    limits = await uow.dicts(_LOCK_LIMITS, {"ids": ids})
    portions: dict[UUID, dict[int, MerchantUsageRow]] = defaultdict(dict)
    for held in await uow.dicts(_LOCK_PORTIONS, {"ids": ids}):
        portion = MerchantUsageRow(held["day"], held["paid_fen"], held["left_fen"])
        portions[held["merchant_id"]][held["slot"]] = portion
    result: dict[UUID, MerchantUsageRow] = {}
    changed: list[tuple[UUID, int, date, int, int]] = []
    for found in limits:
        key = found["id"]
        made = gathered(found["daily_limit_fen"], wanted[key], found["business_date"], slot, portions[key])
        result[key] = made[slot]
        for place, row in sorted(made.items()):
            if row._replace(exhausted=False) != portions[key].get(place):
                changed.append((key, place, row.day, row.paid_fen, row.left_fen))
    if changed:
        names = ("ids", "slots", "days", "paid", "left")
        await uow.execute(_SAVE_PORTIONS, dict(zip(names, map(list, zip(*changed, strict=True)), strict=True)))
    return result


MERCHANT_USAGE: RowSet[UUID, MerchantUsageRow] = RowSet(
    name="merchant_usage",
    order=41,
    load="""
        SELECT merchant_id, day, paid_fen, left_fen FROM merchant_usage
         WHERE merchant_id = ANY(%(keys)b::uuid[]) AND slot = %(slot)s ORDER BY merchant_id FOR UPDATE
    """,
    make=_usage,
    save="""
        INSERT INTO merchant_usage (merchant_id, slot, day, paid_fen, left_fen)
        SELECT given.id, %(slot)s, given.day, given.paid_fen, given.left_fen
          FROM unnest(%(ids)b::uuid[], %(days)b::date[], %(paid)b::bigint[], %(left)b::bigint[])
               AS given (id, day, paid_fen, left_fen)
        ON CONFLICT (merchant_id, slot) DO UPDATE
           SET day = EXCLUDED.day, paid_fen = EXCLUDED.paid_fen, left_fen = EXCLUDED.left_fen
    """,
    columns=_columns,
    refill=refill,
)
"""Loaded for merchants with a daily limit alone."""


async def stand_still(uow: UnitOfWork, fence: int) -> None:
    """Wait until no batch of a desk is under way, and let none begin before this unit of work ends."""
    await uow.execute(_STAND_STILL, {"fence": fence})


async def lock_limits(uow: UnitOfWork, merchant_id: UUID) -> tuple[str, int | None, int | None] | None:
    """The merchant's state and its limits, locked; None where there is no such merchant."""
    rows = await uow.dicts(_LOCK, {"id": merchant_id})
    return (rows[0]["state"], rows[0]["single_limit_fen"], rows[0]["daily_limit_fen"]) if rows else None


async def save_limits(uow: UnitOfWork, merchant_id: UUID, *, single_fen: int | None, daily_fen: int | None) -> None:
    """Set both; a daily limit counts what the merchant was paid on the open business day already."""
    await uow.execute(_SET, {"id": merchant_id, "single_fen": single_fen, "daily_fen": daily_fen})
    await uow.execute(_FORGET, {"id": merchant_id})
    if daily_fen is not None:
        opened_at: datetime | None = await uow.value(_OPENED)
        if opened_at is not None:
            first = Id.of(int((opened_at - timedelta(days=1)).timestamp() * 1000) << 80)
            await uow.execute(_COUNT, {"id": merchant_id, "first": first})


async def find_limits(uow: UnitOfWork, merchant_id: UUID) -> MerchantLimits | None:
    return await uow.row(MerchantLimits, _FOUND, {"id": merchant_id})
