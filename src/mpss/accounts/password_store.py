"""The SQL of passwords beside the account itself: those that were, and the one for signing in."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork

_RETIRE: LiteralString = """
    INSERT INTO password_history (account_id, replaced_at, digest, key)
    SELECT id, %(now)s, password_digest, password_key FROM account
     WHERE id = %(account_id)s AND password_digest IS NOT NULL
    ON CONFLICT DO NOTHING
"""
_RETIRED: LiteralString = """
    SELECT digest, key FROM password_history WHERE account_id = %(account_id)s ORDER BY replaced_at DESC LIMIT %(most)s
"""
_CLEAR: LiteralString = "UPDATE account SET password_digest = NULL, password_key = NULL WHERE id = %(account_id)s"
_SET_LOGIN: LiteralString = """
    INSERT INTO login_password (account_id, hash, set_at) VALUES (%(account_id)s, %(hash)s, %(now)s)
    ON CONFLICT (account_id)
        DO UPDATE SET hash = excluded.hash, set_at = excluded.set_at, wrong = 0, locked_until = NULL
"""
_LOCK_LOGIN: LiteralString = """
    SELECT l.hash, l.wrong, l.locked_until, a.language
      FROM login_password AS l JOIN account AS a ON a.id = l.account_id
     WHERE l.account_id = %(account_id)s FOR UPDATE OF l
"""
_COUNT_LOGIN: LiteralString = """
    UPDATE login_password SET wrong = %(wrong)s, locked_until = %(locked_until)s WHERE account_id = %(account_id)s
"""
_CLEAR_LOGIN: LiteralString = """
    -- Nothing where it was replaced while it was being compared.
    UPDATE login_password SET wrong = 0, locked_until = NULL WHERE account_id = %(account_id)s AND hash = %(hash)s
"""


class Retired(NamedTuple):
    """A payment password that was replaced."""

    digest: bytes
    key: int


class LoginRow(NamedTuple):
    """`wrong` tries since the last right one or the last lock."""

    hash: str
    wrong: int
    locked_until: datetime | None
    language: str


async def retire_password(uow: UnitOfWork, account_id: UUID, *, now: datetime) -> None:
    """Keep the digest of the payment password that is about to be replaced, where there is one."""
    await uow.execute(_RETIRE, {"account_id": account_id, "now": now})


async def retired_passwords(uow: UnitOfWork, account_id: UUID, *, most: int) -> list[Retired]:
    """The last ones, newest first."""
    return await uow.rows(Retired, _RETIRED, {"account_id": account_id, "most": most})


async def clear_password(uow: UnitOfWork, account_id: UUID) -> None:
    """Leave the account without a payment password."""
    await uow.execute(_CLEAR, {"account_id": account_id})


async def set_login(uow: UnitOfWork, account_id: UUID, *, hashed: str, now: datetime) -> None:
    await uow.execute(_SET_LOGIN, {"account_id": account_id, "hash": hashed, "now": now})


async def lock_login(uow: UnitOfWork, account_id: UUID) -> LoginRow | None:
    return await uow.row(LoginRow, _LOCK_LOGIN, {"account_id": account_id})


async def count_login(uow: UnitOfWork, account_id: UUID, *, wrong: int, locked_until: datetime | None) -> None:
    await uow.execute(_COUNT_LOGIN, {"account_id": account_id, "wrong": wrong, "locked_until": locked_until})


async def clear_login(uow: UnitOfWork, account_id: UUID, *, hashed: str) -> bool:
    """Forget the wrong tries; False where the password was replaced meanwhile."""
    return bool(await uow.execute(_CLEAR_LOGIN, {"account_id": account_id, "hash": hashed}))
