"""Reads of limits: what an account used, the versions of the table, their rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from mpss.accounts.limit_model import Caps, LimitOperation, caps_of
from mpss.accounts.limit_store import LIMITS
from mpss.db.database import UnitOfWork

_USED: LiteralString = """
    SELECT 'payment' AS operation, day, spent_fen AS day_fen, spent_count AS day_count, month_fen
      FROM account_usage WHERE account_id = %(id)s
     UNION ALL
    SELECT 'transfer', day, sent_fen, sent_count, month_fen FROM transfer_usage WHERE account_id = %(id)s
     UNION ALL
    SELECT 'topup', day, day_fen, day_count, month_fen FROM topup_usage WHERE account_id = %(id)s
     UNION ALL
    SELECT 'withdrawal', day, asked_fen, asked_count, month_fen FROM withdrawal_usage WHERE account_id = %(id)s
"""
_LONGER: LiteralString = """
    SELECT u.day, u.year_fen, u.life_fen, c.day AS customer_day, c.year_fen AS customer_year_fen, b.balance_fen,
           coalesce((SELECT business_date FROM business_day WHERE cut_at IS NULL), %(today)s) AS today
      FROM account AS a
      JOIN account_usage AS u ON u.account_id = a.id
      JOIN ledger_balance AS b ON b.ledger_account_id = a.ledger_account_id
      LEFT JOIN customer_usage AS c ON c.customer_id = a.customer_id
     WHERE a.id = %(id)s
"""
_VERSIONS: LiteralString = """
    SELECT v.version, v.effective_from, v.approval_id, v.note, count(r.version)::int AS rules
      FROM limit_version AS v LEFT JOIN limit_rule AS r ON r.version = v.version
     GROUP BY v.version ORDER BY v.effective_from DESC
"""
_RULES: LiteralString = """
    SELECT account_class, channel, operation, measure, value FROM limit_rule WHERE version = %(version)s
     ORDER BY account_class, operation, channel, measure
"""
_TAKEN: LiteralString = "SELECT count(*) FROM limit_version WHERE effective_from = %(begins)s"
_INSERT_VERSION: LiteralString = """
    INSERT INTO limit_version (version, effective_from, approval_id, note)
    SELECT max(version) + 1, %(begins)s, %(approval_id)s, %(note)s FROM limit_version RETURNING version
"""
_INSERT_RULES: LiteralString = """
    INSERT INTO limit_rule (version, account_class, channel, operation, measure, value)
    SELECT %(version)s, * FROM unnest(%(classes)s::text[], %(channels)s::text[], %(operations)s::text[],
                                      %(measures)s::text[], %(figures)s::bigint[])
"""
_LOCK: LiteralString = "LOCK TABLE limit_version IN SHARE ROW EXCLUSIVE MODE"


@dataclass(frozen=True, slots=True)
class Used:
    """What an account did of one operation on business date `day`, and in its month."""

    operation: str
    day: date
    day_fen: int
    day_count: int
    month_fen: int


@dataclass(frozen=True, slots=True)
class UsedLonger:
    """What left the balance in the year of `day` and ever; `customer_…` of all the customer's accounts together."""

    day: date
    year_fen: int
    life_fen: int
    customer_day: date | None
    customer_year_fen: int | None
    balance_fen: int
    today: date


@dataclass(frozen=True, slots=True)
class LimitVersion:
    """A version of the table; `rules` is how many it has."""

    version: int
    effective_from: datetime
    approval_id: UUID | None
    note: str
    rules: int


class LimitRule(NamedTuple):
    """One figure: fen, or a count."""

    account_class: str
    channel: str
    operation: str
    measure: str
    value: int


async def used_of(uow: UnitOfWork, account_id: UUID, *, today: date) -> tuple[list[Used], UsedLonger | None]:
    """What the account used; `today` is the business date where no day is open."""
    used = await uow.rows(Used, _USED, {"id": account_id})
    return used, await uow.row(UsedLonger, _LONGER, {"id": account_id, "today": today})


async def caps_now(
    uow: UnitOfWork, account_class: str, operations: Iterable[LimitOperation], *, at: datetime, channel: str
) -> dict[LimitOperation, Caps]:
    """What the table in force allows a class, by operation."""
    wanted = list(operations)
    cursor = await uow.connection.execute(LIMITS.load, {"keys": [each.value for each in wanted]})
    tables = dict(map(LIMITS.make, await cursor.fetchall()))
    return {each: caps_of(tables.get(each.value), account_class, channel, at) for each in wanted}


async def limit_versions(uow: UnitOfWork) -> list[LimitVersion]:
    """Every version, the latest to begin first."""
    return await uow.rows(LimitVersion, _VERSIONS, {})


async def limit_rules(uow: UnitOfWork, version: int) -> list[LimitRule]:
    """The rules of a version, by class and operation."""
    return [LimitRule(**row) for row in await uow.dicts(_RULES, {"version": version})]


async def begins_taken(uow: UnitOfWork, begins: datetime) -> bool:
    """Whether a version begins at that instant."""
    return bool(await uow.value(_TAKEN, {"begins": begins}))


async def insert_limit_version(
    uow: UnitOfWork, rules: list[LimitRule], *, begins: datetime, approval_id: UUID, note: str
) -> int:
    """Add a version; its number."""
    await uow.execute(_LOCK, {})
    row = {"begins": begins, "approval_id": approval_id, "note": note}
    version = int(await uow.value(_INSERT_VERSION, row))
    columns = {
        "version": version,
        "classes": [rule.account_class for rule in rules],
        "channels": [rule.channel for rule in rules],
        "operations": [rule.operation for rule in rules],
        "measures": [rule.measure for rule in rules],
        "figures": [rule.value for rule in rules],
    }
    await uow.execute(_INSERT_RULES, columns)
    return version
