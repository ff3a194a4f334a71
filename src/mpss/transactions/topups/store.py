"""The SQL of top-ups from outside: found by their caller's key, or by the number the other side knows them by."""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.desk.store import key_digest

_OF_KEY: LiteralString = "SELECT id FROM transaction WHERE key_digest = %(key)s"
_BY_SESSION: LiteralString = """
    SELECT id FROM funding_request WHERE counterpart = %(counterpart)s AND session = %(session)s AND number = 0
"""


async def transaction_of_key(uow: UnitOfWork, caller: str, key: str) -> UUID | None:
    """The transaction that the caller has under this key."""
    found: UUID | None = await uow.value(_OF_KEY, {"key": key_digest(caller, key)})
    return found


async def request_by_session(uow: UnitOfWork, counterpart: str, session: str) -> UUID | None:
    """The request that a counterpart's own message speaks of."""
    found: UUID | None = await uow.value(_BY_SESSION, {"counterpart": counterpart, "session": session})
    return found
