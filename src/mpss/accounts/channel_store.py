"""The SQL of what channels let through: a row for an account, an operation and a channel that some table limits.

Whoever changes a row holds the account's usage row, which the desk locked before it read this. A row that is missing
is counted from the transactions of the day and its month, which are found by the account's postings, by what is pending
and by what phone bill or card paid. From then on it is kept, as its channel is counted for good. Decision: ADR-0026.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, LiteralString
from uuid import UUID

from mpss.accounts.limit_model import ChannelKey, Counts, is_counted
from mpss.accounts.limit_store import LIMITS
from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet

_LOAD: LiteralString = """
    SELECT k.account_id, k.operation, k.channel, coalesce(u.day, n.day), coalesce(u.day_fen, n.day_fen),
           coalesce(u.day_count, n.day_count)::int, coalesce(u.month_fen, n.month_fen)
      FROM (SELECT split_part(named, ' ', 1)::uuid AS account_id, split_part(named, ' ', 2) AS operation,
                   split_part(named, ' ', 3) AS channel
              FROM unnest(%(keys)b::text[]) AS named) AS k
      LEFT JOIN channel_usage AS u
        ON u.account_id = k.account_id AND u.operation = k.operation AND u.channel = k.channel
     CROSS JOIN LATERAL (
            -- What counts this month was asked for since 40 days before it began, which the first id stands for.
            SELECT business_date AS day, date_trunc('month', business_date)::date AS month,
                   (lpad(to_hex((extract(epoch FROM date_trunc('month', business_date) - INTERVAL '40 days')
                                 * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid AS first
              FROM business_day WHERE cut_at IS NULL) AS d
      LEFT JOIN LATERAL (
            SELECT d.day, coalesce(sum(t.amount_fen) FILTER (WHERE t.business_date = d.day), 0)::bigint AS day_fen,
                   count(*) FILTER (WHERE t.business_date = d.day) AS day_count,
                   coalesce(sum(t.amount_fen), 0)::bigint AS month_fen
              FROM (SELECT p.entry_id AS id
                      FROM account AS a JOIN posting AS p ON p.ledger_account_id = a.ledger_account_id
                     WHERE a.id = k.account_id AND p.part IS NOT NULL AND p.entry_id >= d.first
                     UNION
                    SELECT o.id FROM transaction AS o
                     WHERE o.account_id = k.account_id
                       AND o.state IN ('CONFIRMING', 'REVIEWING', 'FUNDING', 'IN_DOUBT', 'AUTHORIZED', 'COMPLETING',
                                       'RELEASING', 'REVERSING', 'WAITING')
                     UNION
                    SELECT o.id FROM transaction AS o
                     WHERE o.account_id = k.account_id AND o.funding NOT IN ('wallet', 'group') AND o.id >= d.first
                   ) AS found
              JOIN transaction AS t ON t.id = found.id
             WHERE u.account_id IS NULL AND t.account_id = k.account_id AND t.channel = k.channel
               AND t.business_date >= d.month
               AND CASE k.operation
                   WHEN 'payment' THEN t.kind = 'purchase' AND t.funding <> 'group'
                    AND (t.state = 'SUCCEEDED' OR t.funding <> 'wallet'
                         AND t.state IN ('FUNDING', 'IN_DOUBT', 'AUTHORIZED', 'COMPLETING', 'RELEASING', 'REVERSING'))
                   WHEN 'transfer' THEN t.kind = 'transfer' AND t.state IN ('SUCCEEDED', 'WAITING')
                   WHEN 'withdrawal' THEN t.kind = 'withdrawal' AND t.state IN ('FUNDING', 'IN_DOUBT', 'SUCCEEDED')
                   ELSE t.kind IN ('cash_topup', 'voucher_topup', 'recharge_topup', 'online_bank_topup',
                                   'bank_card_topup', 'bank_topup')
                    AND t.state IN ('FUNDING', 'IN_DOUBT', 'RELEASING', 'SUCCEEDED') END) AS n
        ON u.account_id IS NULL
"""
_DIFFER: LiteralString = """
    -- Counted by channel over all transactions, without the ways by which one account's are found.
    SELECT count(*) FROM (
        SELECT u.day_fen, u.day_count, u.month_fen,
               coalesce(sum(t.amount_fen) FILTER (WHERE t.business_date = u.day), 0) AS day_sum,
               count(*) FILTER (WHERE t.business_date = u.day) AS day_number,
               coalesce(sum(t.amount_fen), 0) AS month_sum
          FROM channel_usage AS u
          LEFT JOIN (
                SELECT account_id, channel, business_date, amount_fen,
                       CASE kind WHEN 'purchase' THEN 'payment' WHEN 'transfer' THEN kind
                                 WHEN 'withdrawal' THEN kind ELSE 'topup' END AS operation
                  FROM transaction
                 WHERE kind = 'purchase' AND (state = 'SUCCEEDED' AND funding <> 'group'
                        OR funding NOT IN ('wallet', 'group')
                        AND state IN ('FUNDING', 'IN_DOUBT', 'AUTHORIZED', 'COMPLETING', 'RELEASING', 'REVERSING'))
                    OR kind = 'transfer' AND state IN ('SUCCEEDED', 'WAITING')
                    OR kind = 'withdrawal' AND state IN ('FUNDING', 'IN_DOUBT', 'SUCCEEDED')
                    OR kind IN ('cash_topup', 'voucher_topup', 'recharge_topup', 'online_bank_topup',
                                'bank_card_topup', 'bank_topup')
                       AND state IN ('FUNDING', 'IN_DOUBT', 'RELEASING', 'SUCCEEDED')) AS t
            ON t.account_id = u.account_id AND t.operation = u.operation AND t.channel = u.channel
           AND date_trunc('month', t.business_date) = date_trunc('month', u.day)
         GROUP BY u.account_id, u.operation, u.channel) AS counted
     WHERE (day_fen, day_count, month_fen) <> (day_sum, day_number, month_sum)
"""


def _make(record: Sequence[Any]) -> tuple[ChannelKey, Counts]:
    return (record[0], record[1], record[2]), Counts._make(record[3:])


def _columns(rows: Sequence[tuple[ChannelKey, Counts]]) -> dict[str, list[Any]]:
    columns = {name: [row[place] for _, row in rows] for place, name in enumerate(Counts._fields)}
    keys = {name: [key[place] for key, _ in rows] for place, name in enumerate(("ids", "operations", "channels"))}
    return {**keys, **columns}


def _named(key: ChannelKey) -> str:
    account_id, operation, channel = key
    return f"{account_id.hex} {operation} {channel}"


def _counted(snapshot: Any, keys: Iterable[ChannelKey]) -> list[str]:
    tables, asked = snapshot[LIMITS], list(keys)
    kinds = {(operation, channel) for _, operation, channel in asked}
    counted = {kind for kind in kinds if is_counted(tables.get(kind[0]), kind[1])}
    return [_named(key) for key in asked if key[1:] in counted] if counted else []


CHANNEL_USAGE: RowSet[ChannelKey, Counts] = RowSet(
    name="channel_usage",
    order=17,
    load=_LOAD,
    make=_make,
    save="""
        INSERT INTO channel_usage (account_id, operation, channel, day, day_fen, day_count, month_fen)
        SELECT * FROM unnest(%(ids)b::uuid[], %(operations)b::text[], %(channels)b::text[], %(day)b::date[],
                             %(day_fen)b::bigint[], %(day_count)b::integer[], %(month_fen)b::bigint[])
        ON CONFLICT (account_id, operation, channel) DO UPDATE
           SET day = EXCLUDED.day, day_fen = EXCLUDED.day_fen, day_count = EXCLUDED.day_count,
               month_fen = EXCLUDED.month_fen
    """,
    columns=_columns,
    sift=_counted,
)
"""Loaded for channels that some table limits by day or month, and for them always, so that none goes uncounted."""


async def used_by_channel(
    uow: UnitOfWork, account_id: UUID, operations: Iterable[str], channel: str
) -> dict[str, Counts]:
    """What a channel let through for an account, by operation."""
    keys = [_named((account_id, operation, channel)) for operation in operations]
    if not keys:
        return {}
    cursor = await uow.connection.execute(CHANNEL_USAGE.load, {"keys": keys})
    return {operation: counts for (_, operation, _), counts in map(_make, await cursor.fetchall())}


async def channels_differ(uow: UnitOfWork) -> int:
    """How many rows are not what the transactions come to."""
    return int(await uow.value(_DIFFER))
