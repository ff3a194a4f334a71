"""The SQL of top-ups from outside: found by their caller's key, or by the number the other side knows them by."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.desk.store import key_digest

_OF_KEY: LiteralString = "SELECT id FROM transaction WHERE key_digest = %(key)s"
_BY_SESSION: LiteralString = """
    SELECT id FROM funding_request WHERE counterpart = %(counterpart)s AND session = %(session)s AND number = 0
"""
_OF_TRANSACTION: LiteralString = """
    SELECT id FROM funding_request WHERE transaction_id = %(id)s AND number = 0
"""


async def transaction_of_key(uow: UnitOfWork, caller: str, key: str) -> UUID | None:
    """The transaction that the caller has under this key."""
    found: UUID | None = await uow.value(_OF_KEY, {"key": key_digest(caller, key)})
    return found


async def request_by_session(uow: UnitOfWork, counterpart: str, session: str) -> UUID | None:
    """The request that a counterpart's own message speaks of."""
    return _only(await uow.dicts(_BY_SESSION, {"counterpart": counterpart, "session": session}))


async def request_of(uow: UnitOfWork, transaction_id: UUID) -> UUID | None:
    """The request that a top-up waits for."""
    return _only(await uow.dicts(_OF_TRANSACTION, {"id": transaction_id}))


def _only(rows: list[dict[str, Any]]) -> UUID | None:
    return rows[0]["id"] if rows else None
