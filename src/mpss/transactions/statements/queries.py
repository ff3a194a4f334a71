"""Statements read from the wallet's postings, which are indexed; a purchase from both parts is one line."""

from __future__ import annotations

from datetime import date
from typing import Any, LiteralString
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.desk.store import make_transaction
from mpss.kernel.masking import mask_phone
from mpss.transactions.queries import COLUMNS
from mpss.transactions.statements.model import Line, Search, Sort, Summary

_LINES: LiteralString = (
    "SELECT "
    + COLUMNS
    + """, l.change_fen, l.booked_on,
           CASE WHEN t.funding = 'group' THEN
                     (SELECT o.phone FROM group_purchase AS g
                        JOIN account AS o ON o.id = CASE l.change_fen WHEN 0 THEN g.master_account_id
                                                                      ELSE g.member_account_id END
                       WHERE g.transaction_id = t.id)
                WHEN l.change_fen < 0 OR t.kind = 'transfer_return' THEN f.payee_phone ELSE f.payer_phone END,
           m.name
      FROM (SELECT p.entry_id, -sum(p.amount_fen)::bigint AS change_fen, min(p.business_date) AS booked_on
              FROM posting AS p
             WHERE p.ledger_account_id = %(ledger_account_id)s AND p.part IS NOT NULL
               AND (%(since)s::date IS NULL OR p.business_date >= %(since)s)
               AND (%(until)s::date IS NULL OR p.business_date <= %(until)s)
               AND (%(older_than)s::uuid IS NULL OR p.entry_id < %(older_than)s)
               AND (%(newer_than)s::uuid IS NULL OR p.entry_id > %(newer_than)s)
             GROUP BY p.entry_id
             UNION ALL
            SELECT g.transaction_id, 0::bigint, b.business_date
              FROM group_purchase AS g JOIN transaction AS b ON b.id = g.transaction_id
             WHERE g.member_account_id = %(account_id)s
               AND (%(since)s::date IS NULL OR b.business_date >= %(since)s)
               AND (%(until)s::date IS NULL OR b.business_date <= %(until)s)
               AND (%(older_than)s::uuid IS NULL OR g.transaction_id < %(older_than)s)
               AND (%(newer_than)s::uuid IS NULL OR g.transaction_id > %(newer_than)s)) AS l
      JOIN transaction AS t ON t.id = l.entry_id
      LEFT JOIN merchant AS m ON m.id = t.merchant_id
      LEFT JOIN transfer AS f
        ON f.transaction_id = CASE t.kind WHEN 'transfer' THEN t.id WHEN 'transfer_claim' THEN t.original_id
                                          WHEN 'transfer_return' THEN t.original_id END
     WHERE (%(kind)s::text IS NULL OR t.kind = %(kind)s) AND (%(state)s::text IS NULL OR t.state = %(state)s)
       AND (%(min_fen)s::bigint IS NULL OR abs(l.change_fen) >= %(min_fen)s)
       AND (%(max_fen)s::bigint IS NULL OR abs(l.change_fen) <= %(max_fen)s)
       AND (%(less_than)s::bigint IS NULL OR (abs(l.change_fen), l.entry_id) < (%(less_than)s, %(last)s::uuid))
       AND (%(more_than)s::bigint IS NULL OR (abs(l.change_fen), l.entry_id) > (%(more_than)s, %(last)s::uuid))
"""
)
_SORTED: dict[Sort, LiteralString] = {
    Sort.NEWEST: _LINES + "ORDER BY l.entry_id DESC LIMIT %(limit)s",
    Sort.OLDEST: _LINES + "ORDER BY l.entry_id LIMIT %(limit)s",
    Sort.LARGEST: _LINES + "ORDER BY abs(l.change_fen) DESC, l.entry_id DESC LIMIT %(limit)s",
    Sort.SMALLEST: _LINES + "ORDER BY abs(l.change_fen), l.entry_id LIMIT %(limit)s",
}
_NOWHERE: dict[str, Any] = {
    "older_than": None, "newer_than": None, "less_than": None, "more_than": None, "last": None,
}  # fmt: skip
_SUMMARY: LiteralString = """
    SELECT count(*) FILTER (WHERE booked_on BETWEEN %(since)s AND %(until)s) AS lines,
           coalesce(sum(change_fen) FILTER (WHERE booked_on < %(since)s), 0)::bigint AS opening_fen,
           coalesce(sum(change_fen) FILTER (WHERE booked_on >= %(since)s AND change_fen > 0), 0)::bigint AS in_fen,
           coalesce(-sum(change_fen) FILTER (WHERE booked_on >= %(since)s AND change_fen < 0), 0)::bigint AS out_fen,
           coalesce(sum(change_fen), 0)::bigint AS closing_fen
      FROM (SELECT -sum(amount_fen)::bigint AS change_fen, min(business_date) AS booked_on
              FROM posting
             WHERE ledger_account_id = %(ledger_account_id)s AND part IS NOT NULL AND business_date <= %(until)s
             GROUP BY entry_id) AS line
"""


async def search_lines(
    uow: UnitOfWork,
    *,
    ledger_account_id: int,
    account_id: UUID,
    search: Search,
    after: tuple[int, UUID] | None,
    limit: int,
) -> list[Line]:
    """A page of a wallet's movements in the order of `search`; `after` is what the last line before changed, without
    its sign, and its id. Refusals are not in it: they move nothing."""
    params = {
        "ledger_account_id": ledger_account_id, "account_id": account_id, "since": search.since,
        "until": search.until, "kind": search.kind,
        "state": search.state, "min_fen": search.min_fen, "max_fen": search.max_fen, "limit": limit,
        **_NOWHERE, **_place(search.sort, after),
    }  # fmt: skip
    cursor = await uow.connection.execute(_SORTED[search.sort], params)
    return [
        Line(make_transaction(record), change_fen, booked_on, None if phone is None else mask_phone(phone), merchant)
        for *record, change_fen, booked_on, phone, merchant in await cursor.fetchall()
    ]


async def summarize(uow: UnitOfWork, *, ledger_account_id: int, since: date, until: date) -> Summary:
    """The wallet's business dates from `since` to `until`, both included, in figures."""
    params = {"ledger_account_id": ledger_account_id, "since": since, "until": until}
    found = await uow.row(Summary, _SUMMARY, params)
    assert found is not None
    return found


def _place(sort: Sort, after: tuple[int, UUID] | None) -> dict[str, Any]:
    if after is None:
        return {}
    change_fen, last = after
    match sort:
        case Sort.NEWEST:
            return {"older_than": last}
        case Sort.OLDEST:
            return {"newer_than": last}
        case Sort.LARGEST:
            return {"less_than": change_fen, "last": last}
        case Sort.SMALLEST:
            return {"more_than": change_fen, "last": last}
