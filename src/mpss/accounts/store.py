"""The SQL of accounts: rows for the desk, and the writes of opening, passwords and limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, LiteralString, TypeVar
from uuid import UUID

from mpss.accounts.limit_store import CUSTOMER_USAGE
from mpss.accounts.model import AccountClass, AccountKind, AccountRow, FreezeKind, Life, Loss, UsageRow
from mpss.db.database import UnitOfWork
from mpss.db.rows import InsertSet, RowSet
from mpss.ledger.post import BALANCES

R = TypeVar("R")

_KINDS = {kind.value: kind for kind in AccountKind}
_LIVES = {life.value: life for life in Life}
_CLASSES = {each.value: each for each in AccountClass}
_LOSSES = {loss.value: loss for loss in Loss}
_NO_FREEZES: tuple[FreezeKind, ...] = ()


def _account(record: Sequence[Any]) -> tuple[UUID, AccountRow]:
    row = AccountRow._make(
        (
            *record[:3],
            _KINDS[record[3]],
            _LIVES[record[4]],
            *record[5:10],
            _CLASSES[record[10]],
            record[11],
            _LOSSES[record[12]],
            *record[13:16],
            tuple(map(FreezeKind, record[16])) if record[16] else _NO_FREEZES,
            *record[17:],
        )
    )
    return row.id, row


def _usage(record: Sequence[Any]) -> tuple[UUID, UsageRow]:
    return record[0], UsageRow._make(record[1:-1])


def _usage_columns(rows: Sequence[tuple[UUID, UsageRow]]) -> dict[str, list[Any]]:
    return dict(zip(UsageRow._fields, map(list, zip(*(row for _, row in rows), strict=True)), strict=True))


ACCOUNTS: RowSet[UUID, AccountRow] = RowSet(
    name="account",
    order=12,
    # Not locked: whoever changes an account holds its usage row, which the desk locked before it read this.
    load="""
        SELECT id, phone, home_province, kind, life, ledger_account_id,
               password_digest, password_key, daily_limit_fen, language, account_class, customer_id,
               loss, loss_until, boss_stopped, dormant_since, freezes, user_freeze_until,
               own_payment_single_fen, own_transfer_single_fen, own_transfer_daily_fen,
               own_withdrawal_single_fen, own_withdrawal_daily_fen, document_expired_since
          FROM account WHERE id = ANY(%(keys)b::uuid[])
    """,
    make=_account,
    leads=((BALANCES, lambda row: row.ledger_account_id), (CUSTOMER_USAGE, lambda row: row.customer_id)),
)

USAGE: RowSet[UUID, UsageRow] = RowSet(
    name="account_usage",
    order=10,
    load="""
        SELECT account_id, day, spent_fen, spent_count,
               wrong_day, wrong_today, wrong_in_a_row, voucher_wrong, locked_until,
               month_fen, year_fen, life_fen, ctid
          FROM account_usage WHERE account_id = ANY(%(keys)b::uuid[]) ORDER BY account_id FOR UPDATE
    """,
    make=_usage,
    save="""
        UPDATE account_usage u
           SET day = n.day, spent_fen = n.spent_fen, spent_count = n.spent_count, wrong_day = n.wrong_day,
               wrong_today = n.wrong_today, wrong_in_a_row = n.wrong_in_a_row, voucher_wrong = n.voucher_wrong,
               locked_until = n.locked_until, month_fen = n.month_fen, year_fen = n.year_fen, life_fen = n.life_fen
          FROM unnest(%(places)b::tid[], %(day)b::date[], %(spent_fen)b::bigint[], %(spent_count)b::integer[],
                      %(wrong_day)b::date[], %(wrong_today)b::smallint[], %(wrong_in_a_row)b::smallint[],
                      %(voucher_wrong)b::smallint[], %(locked_until)b::timestamptz[],
                      %(month_fen)b::bigint[], %(year_fen)b::bigint[], %(life_fen)b::bigint[])
            AS n (place, day, spent_fen, spent_count, wrong_day, wrong_today, wrong_in_a_row, voucher_wrong,
                  locked_until, month_fen, year_fen, life_fen)
         WHERE u.ctid = n.place
    """,
    columns=_usage_columns,
    by_place=True,
)

PASSWORD_FAILURES = InsertSet(
    name="password_failure",
    copy="COPY password_failure (at, account_id, fingerprint, source) FROM STDIN (FORMAT BINARY)",
    types=("timestamptz", "uuid", "bytea", "text"),
)

_INSERT_ACCOUNT: LiteralString = """
    -- Nothing where the number has an account of the kind: account_phone is unique among those that have it.
    INSERT INTO account (id, phone, home_province, kind, life, ledger_account_id, password_digest, password_key,
                         daily_limit_fen, language, terms_version, channel, opened_at, account_class, customer_id)
    VALUES (%(id)s, %(phone)s, %(home_province)s, %(kind)s, %(life)s, %(ledger_account_id)s, %(password_digest)s,
            %(password_key)s, %(daily_limit_fen)s, %(language)s, %(terms_version)s, %(channel)s, %(now)s,
            %(account_class)s, %(customer_id)s)
    ON CONFLICT (phone, kind) WHERE life <> 'closed' AND number_left_at IS NULL DO NOTHING
"""
_INSERT_USAGE: LiteralString = (
    "INSERT INTO account_usage (account_id, day, wrong_day) VALUES (%(id)s, %(day)s, %(day)s)"
)
_SAVE_USAGE: LiteralString = """
    UPDATE account_usage
       SET day = %(day)s, spent_fen = %(spent_fen)s, spent_count = %(spent_count)s, wrong_day = %(wrong_day)s,
           wrong_today = %(wrong_today)s, wrong_in_a_row = %(wrong_in_a_row)s, voucher_wrong = %(voucher_wrong)s,
           locked_until = %(locked_until)s, month_fen = %(month_fen)s, year_fen = %(year_fen)s, life_fen = %(life_fen)s
     WHERE account_id = %(id)s
"""
_FIND_BY_PHONE: LiteralString = """
    SELECT id FROM account WHERE phone = %(phone)s AND kind = 'wallet' AND life <> 'closed'
       AND number_left_at IS NULL
"""
_PHONE: LiteralString = "SELECT phone FROM account WHERE id = %(id)s"
_REPLACE_DIGEST: LiteralString = """
    UPDATE account SET password_digest = %(digest)s, password_key = %(key)s,
           life = CASE life WHEN 'pending' THEN 'active' ELSE life END
     WHERE id = %(id)s AND life <> 'closed'
"""
_SET_OWN_LIMITS: LiteralString = """
    UPDATE account SET own_payment_single_fen = %(payment_single)s, daily_limit_fen = %(payment_daily)s,
           own_transfer_single_fen = %(transfer_single)s, own_transfer_daily_fen = %(transfer_daily)s,
           own_withdrawal_single_fen = %(withdrawal_single)s, own_withdrawal_daily_fen = %(withdrawal_daily)s
     WHERE id = %(id)s
"""


async def insert_account(
    uow: UnitOfWork, account: AccountRow, *, terms_version: str, channel: str, today: date, now: datetime
) -> bool:
    """Write a new account and its usage; False where the number already has one of the kind."""
    values = {**account._asdict(), "terms_version": terms_version, "channel": channel, "now": now}
    if not await uow.execute(_INSERT_ACCOUNT, values):
        return False
    await uow.execute(_INSERT_USAGE, {"id": account.id, "day": today})
    return True


async def find_wallet(uow: UnitOfWork, *, phone: str) -> UUID | None:
    """The wallet that the number has, whatever its state; none that is closed, or that the number has left."""
    found: UUID | None = await uow.value(_FIND_BY_PHONE, {"phone": phone})
    return found


async def phone_of(uow: UnitOfWork, account_id: UUID) -> str | None:
    """The number of an account, E.164."""
    found: str | None = await uow.value(_PHONE, {"id": account_id})
    return found


async def lock_account(uow: UnitOfWork, account_id: UUID) -> tuple[AccountRow, UsageRow] | None:
    """The account and its usage, the usage row locked first; None where there is no such account."""
    usage = await _load_one(uow, USAGE, account_id)
    account = await _load_one(uow, ACCOUNTS, account_id)
    return None if account is None or usage is None else (account, usage)


async def _load_one(uow: UnitOfWork, rows: RowSet[UUID, R], key: UUID) -> R | None:
    cursor = await uow.connection.execute(rows.load, {"keys": [key]})
    record = await cursor.fetchone()
    return None if record is None else rows.make(record)[1]


async def save_usage(uow: UnitOfWork, account_id: UUID, usage: UsageRow) -> None:
    """Write the usage of an account that is locked."""
    await uow.execute(_SAVE_USAGE, {"id": account_id, **usage._asdict()})


async def set_password(uow: UnitOfWork, account_id: UUID, *, digest: bytes, key: int) -> None:
    """Replace the payment password's digest; a pending account becomes active."""
    await uow.execute(_REPLACE_DIGEST, {"id": account_id, "digest": digest, "key": key})


async def set_own_limits(
    uow: UnitOfWork,
    account_id: UUID,
    payment_single: int | None,
    payment_daily: int | None,
    transfer_single: int | None,
    transfer_daily: int | None,
    withdrawal_single: int | None,
    withdrawal_daily: int | None,
) -> None:
    """Replace the own limits of a locked account, in fen; a day's payments always have one."""
    await uow.execute(
        _SET_OWN_LIMITS,
        {
            "id": account_id,
            "payment_single": payment_single,
            "payment_daily": payment_daily,
            "transfer_single": transfer_single,
            "transfer_daily": transfer_daily,
            "withdrawal_single": withdrawal_single,
            "withdrawal_daily": withdrawal_daily,
        },
    )
