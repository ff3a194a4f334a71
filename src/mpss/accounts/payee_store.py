"""The SQL of directed relations: the row for the desk, and the writes of setting up, limiting and dissolving."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, LiteralString
from uuid import UUID

from mpss.accounts.payee_model import Payee, PayeeRow
from mpss.accounts.state_store import Owner
from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet
from mpss.kernel.ids import PayeeId


def _make(record: Sequence[Any]) -> tuple[UUID, PayeeRow]:
    return record[0], PayeeRow._make(record[1:])


def _columns(rows: Sequence[tuple[UUID, PayeeRow]]) -> dict[str, list[Any]]:
    return {
        "ids": [key for key, _ in rows],
        "days": [row.day for _, row in rows],
        "sent": [row.sent_fen for _, row in rows],
    }


PAYEES: RowSet[UUID, PayeeRow] = RowSet(
    name="payee",
    order=11,
    # Not locked: whoever changes a relation holds its payer's usage row, which the desk locked before it read this.
    load="""
        SELECT id, account_id, phone, single_limit_fen, daily_limit_fen, usable_from, dissolved_at, day, sent_fen
          FROM payee WHERE id = ANY(%(keys)b::uuid[])
    """,
    make=_make,
    save="""
        UPDATE payee SET day = n.day, sent_fen = n.sent_fen
          FROM unnest(%(ids)b::uuid[], %(days)b::date[], %(sent)b::bigint[]) AS n (id, day, sent_fen)
         WHERE payee.id = n.id
    """,
    columns=_columns,
)

_INSERT: LiteralString = """
    INSERT INTO payee (id, account_id, phone, single_limit_fen, daily_limit_fen, created_at, usable_from, day)
    VALUES (%(id)s, %(account_id)s, %(phone)s, %(single_limit_fen)s, %(daily_limit_fen)s, %(created_at)s,
            %(usable_from)s, %(day)s)
"""
_STANDING: LiteralString = """
    SELECT id, phone, single_limit_fen, daily_limit_fen, created_at, usable_from FROM payee
     WHERE account_id = %(account_id)s AND dissolved_at IS NULL ORDER BY id
"""
_FIND: LiteralString = """
    SELECT id FROM payee WHERE account_id = %(account_id)s AND phone = %(phone)s AND dissolved_at IS NULL
"""
_SET_LIMITS: LiteralString = """
    UPDATE payee SET single_limit_fen = %(single_limit_fen)s, daily_limit_fen = %(daily_limit_fen)s WHERE id = %(id)s
"""
_DISSOLVE: LiteralString = "UPDATE payee SET dissolved_at = %(now)s WHERE id = %(id)s AND dissolved_at IS NULL"
_DISSOLVE_TO: LiteralString = """
    WITH gone AS (
        UPDATE payee SET dissolved_at = %(now)s WHERE phone = %(phone)s AND dissolved_at IS NULL RETURNING account_id)
    SELECT a.id, a.phone, a.language FROM gone JOIN account AS a ON a.id = gone.account_id
     WHERE a.life <> 'closed' AND a.number_left_at IS NULL ORDER BY a.id
"""


async def insert_payee(uow: UnitOfWork, payee: Payee, *, account_id: UUID, day: date) -> None:
    """Write a new relation of an account that is locked."""
    values = {
        "id": PayeeId.from_uuid(payee.id),
        "account_id": account_id,
        "phone": payee.phone,
        "single_limit_fen": payee.single_limit_fen,
        "daily_limit_fen": payee.daily_limit_fen,
        "created_at": payee.created_at,
        "usable_from": payee.usable_from,
        "day": day,
    }
    await uow.execute(_INSERT, values)


async def payees_of(uow: UnitOfWork, account_id: UUID) -> list[Payee]:
    """The relations of an account that stand, oldest first."""
    return await uow.rows(Payee, _STANDING, {"account_id": account_id})


async def find_payee(uow: UnitOfWork, *, account_id: UUID, phone: str) -> UUID | None:
    """The account's relation to the number, where one stands."""
    found: UUID | None = await uow.value(_FIND, {"account_id": account_id, "phone": phone})
    return found


async def set_limits(uow: UnitOfWork, payee_id: UUID, *, single_limit_fen: int, daily_limit_fen: int) -> None:
    """Of a relation whose account is locked."""
    params = {"id": payee_id, "single_limit_fen": single_limit_fen, "daily_limit_fen": daily_limit_fen}
    await uow.execute(_SET_LIMITS, params)


async def dissolve(uow: UnitOfWork, payee_id: UUID, *, now: datetime) -> None:
    """End a relation whose account is locked."""
    await uow.execute(_DISSOLVE, {"id": payee_id, "now": now})


async def dissolve_to(uow: UnitOfWork, phone: str, *, now: datetime) -> list[Owner]:
    """End every relation that pays the number; whose they were. A transfer decided just now still goes by it."""
    return [Owner(**row) for row in await uow.dicts(_DISSOLVE_TO, {"phone": phone, "now": now})]
