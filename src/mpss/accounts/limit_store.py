"""The SQL of limits: the tables in force, and what is counted for customers, top-ups and withdrawals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, LiteralString
from uuid import UUID

from mpss.accounts.limit_model import Counts, CustomerUsageRow, Measure, Tables, make_table
from mpss.db.rows import RowSet


def _make_tables(record: Sequence[Any]) -> tuple[str, Tables]:
    operation, *columns = record
    by_beginning = groupby(zip(*columns, strict=True), key=itemgetter(0))
    return operation, tuple(
        (begins_at, make_table([(of, channel, Measure(measure), value) for _, of, channel, measure, value in rules]))
        for begins_at, rules in by_beginning
    )


LIMITS: RowSet[str, Tables] = RowSet(
    name="limit_rule",
    order=33,
    load="""
        -- All tables of an operation, few in a lifetime: which is in force is told by the command's own instant.
        SELECT k.operation, array_agg(v.effective_from ORDER BY v.effective_from DESC),
               array_agg(r.account_class ORDER BY v.effective_from DESC),
               array_agg(r.channel ORDER BY v.effective_from DESC),
               array_agg(r.measure ORDER BY v.effective_from DESC), array_agg(r.value ORDER BY v.effective_from DESC)
          FROM unnest(%(keys)b::text[]) AS k (operation)
          JOIN limit_rule AS r ON r.operation IN (k.operation, '*')
          JOIN limit_version AS v ON v.version = r.version
         GROUP BY k.operation
    """,
    make=_make_tables,
    kept=True,
)
"""The tables of an operation, with what is limited for all operations together."""


def _customer(record: Sequence[Any]) -> tuple[UUID, CustomerUsageRow]:
    return record[0], CustomerUsageRow._make(record[1:])


def _customer_columns(rows: Sequence[tuple[UUID, CustomerUsageRow]]) -> dict[str, list[Any]]:
    return {
        "ids": [key for key, _ in rows],
        "day": [row.day for _, row in rows],
        "year_fen": [row.year_fen for _, row in rows],
    }


CUSTOMER_USAGE: RowSet[UUID, CustomerUsageRow] = RowSet(
    name="customer_usage",
    order=18,
    load="""
        SELECT customer_id, day, year_fen
          FROM customer_usage WHERE customer_id = ANY(%(keys)b::uuid[]) ORDER BY customer_id FOR UPDATE
    """,
    make=_customer,
    save="""
        UPDATE customer_usage AS c SET day = n.day, year_fen = n.year_fen
          FROM unnest(%(ids)b::uuid[], %(day)b::date[], %(year_fen)b::bigint[]) AS n (id, day, year_fen)
         WHERE c.customer_id = n.id
    """,
    columns=_customer_columns,
)


def _counts(record: Sequence[Any]) -> tuple[UUID, Counts]:
    return record[0], Counts._make(record[1:])


def _counts_columns(rows: Sequence[tuple[UUID, Counts]]) -> dict[str, list[Any]]:
    columns = {name: [row[place] for _, row in rows] for place, name in enumerate(Counts._fields)}
    return {"ids": [key for key, _ in rows], **columns}


def counts_of(name: str, *, load: LiteralString, save: LiteralString) -> RowSet[UUID, Counts]:
    """What accounts did of one operation, a row an account.

    Not locked: whoever changes it holds the account's usage row, which the desk locked before it read this. `save`
    takes `ids` and the fields of `Counts`.
    """
    return RowSet(name=name, order=14, load=load, make=_counts, save=save, columns=_counts_columns)


TOPPED = counts_of(
    "topup_usage",
    load="""
        SELECT account_id, day, day_fen, day_count, month_fen
          FROM topup_usage WHERE account_id = ANY(%(keys)b::uuid[])
    """,
    save="""
        INSERT INTO topup_usage (account_id, day, day_fen, day_count, month_fen)
        SELECT * FROM unnest(%(ids)b::uuid[], %(day)b::date[], %(day_fen)b::bigint[], %(day_count)b::integer[],
                             %(month_fen)b::bigint[])
        ON CONFLICT (account_id) DO UPDATE
           SET day = EXCLUDED.day, day_fen = EXCLUDED.day_fen, day_count = EXCLUDED.day_count,
               month_fen = EXCLUDED.month_fen
    """,
)
WITHDRAWN = counts_of(
    "withdrawal_usage",
    load="""
        SELECT account_id, day, asked_fen, asked_count, month_fen
          FROM withdrawal_usage WHERE account_id = ANY(%(keys)b::uuid[])
    """,
    save="""
        INSERT INTO withdrawal_usage (account_id, day, asked_fen, asked_count, month_fen)
        SELECT * FROM unnest(%(ids)b::uuid[], %(day)b::date[], %(day_fen)b::bigint[], %(day_count)b::integer[],
                             %(month_fen)b::bigint[])
        ON CONFLICT (account_id) DO UPDATE
           SET day = EXCLUDED.day, asked_fen = EXCLUDED.asked_fen, asked_count = EXCLUDED.asked_count,
               month_fen = EXCLUDED.month_fen
    """,
)
"""Without fees, and without what failed."""
