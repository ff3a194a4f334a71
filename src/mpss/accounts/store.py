"""The SQL of accounts: rows for the desk, and the writes of opening, passwords, codes and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from mpss.accounts.model import AccountKind, AccountRow, Life, UsageRow
from mpss.db.rows import InsertSet, RowSet
from mpss.ledger.post import BALANCES

_KINDS = {kind.value: kind for kind in AccountKind}
_LIVES = {life.value: life for life in Life}


def _account(record: Sequence[Any]) -> tuple[UUID, AccountRow]:
    row = AccountRow._make((*record[:3], _KINDS[record[3]], _LIVES[record[4]], *record[5:]))
    return row.id, row


def _usage(record: Sequence[Any]) -> tuple[UUID, UsageRow]:
    return record[0], UsageRow._make(record[1:])


def _usage_columns(rows: Sequence[tuple[UUID, UsageRow]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"id": [account_id for account_id, _ in rows]}
    for place, name in enumerate(UsageRow._fields):
        columns[name] = [row[place] for _, row in rows]
    return columns


ACCOUNTS: RowSet[UUID, AccountRow] = RowSet(
    name="account",
    order=12,
    # Not locked: whoever changes an account holds its usage row, which the desk locked before it read this.
    load="""
        SELECT id, phone, home_province, kind, life, ledger_account_id,
               password_digest, password_key, daily_limit_fen, language
          FROM account WHERE id = ANY(%(keys)b)
    """,
    make=_account,
    leads=(BALANCES, lambda row: row.ledger_account_id),
)

USAGE: RowSet[UUID, UsageRow] = RowSet(
    name="account_usage",
    order=10,
    load="""
        SELECT account_id, day, spent_fen, spent_count,
               wrong_day, wrong_today, wrong_in_a_row, voucher_wrong, locked_until
          FROM account_usage WHERE account_id = ANY(%(keys)b) ORDER BY account_id FOR UPDATE
    """,
    make=_usage,
    save="""
        UPDATE account_usage u
           SET day = n.day, spent_fen = n.spent_fen, spent_count = n.spent_count, wrong_day = n.wrong_day,
               wrong_today = n.wrong_today, wrong_in_a_row = n.wrong_in_a_row, voucher_wrong = n.voucher_wrong,
               locked_until = n.locked_until
          FROM unnest(%(id)b::uuid[], %(day)b::date[], %(spent_fen)b::bigint[], %(spent_count)b::integer[],
                      %(wrong_day)b::date[], %(wrong_today)b::smallint[], %(wrong_in_a_row)b::smallint[],
                      %(voucher_wrong)b::smallint[], %(locked_until)b::timestamptz[])
            AS n (id, day, spent_fen, spent_count, wrong_day, wrong_today, wrong_in_a_row, voucher_wrong, locked_until)
         WHERE u.account_id = n.id
    """,
    columns=_usage_columns,
)

PASSWORD_FAILURES = InsertSet(
    name="password_failure",
    copy="COPY password_failure (at, account_id, fingerprint, source) FROM STDIN (FORMAT BINARY)",
    types=("timestamptz", "uuid", "bytea", "text"),
)
