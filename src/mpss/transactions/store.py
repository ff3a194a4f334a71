"""The SQL of transactions beside the desk's: merchant orders, confirmations, what a CP/SP answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from mpss.accounts.group_model import GroupSource
from mpss.db.database import UnitOfWork
from mpss.db.rows import InsertSet, RowSet
from mpss.desk.store import key_digest
from mpss.kernel.ids import MerchantId


class MerchantOrderRow(NamedTuple):
    """A merchant's order number in use. `transaction_id` None is a tombstone: its reversal came first."""

    transaction_id: UUID | None
    created_at: datetime


def order_key(merchant_id: UUID, order_no: str) -> str:
    return f"{MerchantId.from_uuid(merchant_id)}/{order_no}"


def _make_order(record: Sequence[Any]) -> tuple[str, MerchantOrderRow]:
    return record[0], MerchantOrderRow(record[1], record[2])


def _order_columns(rows: Sequence[tuple[str, MerchantOrderRow]]) -> dict[str, list[Any]]:
    return {
        "keys": [key for key, _ in rows],
        "transactions": [row.transaction_id for _, row in rows],
        "times": [row.created_at for _, row in rows],
    }


MERCHANT_ORDERS: RowSet[str, MerchantOrderRow] = RowSet(
    name="merchant_order",
    order=50,
    load="""
        SELECT order_key, transaction_id, created_at FROM merchant_order
         WHERE order_key = ANY(%(keys)b::text[])
    """,
    make=_make_order,
    # Rows are only ever added; two desks that add one number at once meet the primary key, and one decides again.
    save="""
        INSERT INTO merchant_order (order_key, transaction_id, created_at)
        SELECT * FROM unnest(%(keys)b::text[], %(transactions)b::uuid[], %(times)b::timestamptz[])
    """,
    columns=_order_columns,
)


OPEN_CONFIRMATION = "confirmation_open"
"""The unique index that keeps the codes of one number's waiting sales apart."""


class ConfirmationRow(NamedTuple):
    phone: str
    code: str
    expires_at: datetime
    answered_at: datetime | None


def _make_confirmation(record: Sequence[Any]) -> tuple[UUID, ConfirmationRow]:
    return record[0], ConfirmationRow(*record[1:])


def _confirmation_columns(rows: Sequence[tuple[UUID, ConfirmationRow]]) -> dict[str, list[Any]]:
    return {
        "ids": [key for key, _ in rows],
        "phones": [row.phone for _, row in rows],
        "codes": [row.code for _, row in rows],
        "expiries": [row.expires_at for _, row in rows],
        "answers": [row.answered_at for _, row in rows],
    }


CONFIRMATIONS: RowSet[UUID, ConfirmationRow] = RowSet(
    name="confirmation",
    order=6,
    load="""
        SELECT transaction_id, phone, code, expires_at, answered_at FROM confirmation
         WHERE transaction_id = ANY(%(keys)b::uuid[]) ORDER BY transaction_id FOR UPDATE
    """,
    make=_make_confirmation,
    save="""
        INSERT INTO confirmation (transaction_id, phone, code, expires_at, answered_at)
        SELECT * FROM unnest(%(ids)b::uuid[], %(phones)b::text[], %(codes)b::text[], %(expiries)b::timestamptz[],
                             %(answers)b::timestamptz[])
        ON CONFLICT (transaction_id) DO UPDATE SET answered_at = EXCLUDED.answered_at
    """,
    columns=_confirmation_columns,
)

GROUP_PURCHASES = InsertSet(
    name="group_purchase",
    copy="""
        COPY group_purchase (transaction_id, member_id, master_account_id, member_account_id)
        FROM STDIN (FORMAT BINARY)
    """,
    types=("uuid", "uuid", "uuid", "uuid"),
)
"""What members bought with their company's money, and what of it was reversed."""

_GROUP: LiteralString = """
    SELECT member_id, master_account_id FROM group_purchase WHERE transaction_id = %(id)s
"""
_OPEN_CONFIRMATION: LiteralString = """
    SELECT transaction_id FROM confirmation
     WHERE phone = %(phone)s AND code = %(code)s AND answered_at IS NULL
"""
_LAST_CONFIRMATION: LiteralString = """
    SELECT transaction_id FROM confirmation
     WHERE phone = %(phone)s AND code = %(code)s ORDER BY expires_at DESC LIMIT 1
"""
_CODES: LiteralString = """
    SELECT code, answered_at IS NULL AS waits FROM confirmation
     WHERE phone = %(phone)s AND (answered_at IS NULL OR expires_at > %(since)s)
"""
_LAPSED: LiteralString = """
    SELECT t.id FROM transaction AS t JOIN confirmation AS c ON c.transaction_id = t.id
     WHERE t.state = 'CONFIRMING' AND c.expires_at <= %(now)s ORDER BY t.created_at LIMIT %(limit)s
"""


async def find_confirmation(uow: UnitOfWork, *, phone: str, code: str) -> UUID | None:
    """The sale waiting for this reply, else the last that waited for it (a reply sent twice), else None."""
    found: UUID | None = await uow.value(_OPEN_CONFIRMATION, {"phone": phone, "code": code})
    if found is None:
        found = await uow.value(_LAST_CONFIRMATION, {"phone": phone, "code": code})
    return found


class ReplyCodes(NamedTuple):
    """Of one number: the codes not to be given again, and how many sales wait for a reply."""

    taken: set[str]
    waiting: int


async def reply_codes(uow: UnitOfWork, *, phone: str, since: datetime) -> ReplyCodes:
    """Codes that a sale waits for, or waited for after `since`: a reply sent twice or late must not pay another one."""
    rows = await uow.dicts(_CODES, {"phone": phone, "since": since})
    return ReplyCodes({row["code"] for row in rows}, sum(row["waits"] for row in rows))


async def lapsed(uow: UnitOfWork, *, now: datetime, limit: int) -> list[UUID]:
    """Sales whose payer did not reply in time, oldest first."""
    return [row["id"] for row in await uow.dicts(_LAPSED, {"now": now, "limit": limit})]


_KEY_TAKEN: LiteralString = "SELECT EXISTS (SELECT FROM transaction WHERE key_digest = %(key)s)"


async def key_taken(uow: UnitOfWork, caller: str, key: str) -> bool:
    """Whether the caller used this key before."""
    return bool(await uow.value(_KEY_TAKEN, {"key": key_digest(caller, key)}))


async def group_of(uow: UnitOfWork, transaction_id: UUID) -> GroupSource | None:
    """Whose money a member's purchase was paid with."""
    return await uow.row(GroupSource, _GROUP, {"id": transaction_id})
