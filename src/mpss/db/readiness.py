"""Is the database at this release?"""

from __future__ import annotations

from functools import lru_cache
from typing import LiteralString

import psycopg

from mpss.db.database import UnitOfWork
from mpss.db.migrate import packaged_migrations

_APPLIED: LiteralString = "SELECT count(*) FROM schema_migration WHERE name = ANY(%(names)s::text[])"


_CONNECT_TIMEOUT_SECONDS = 10


class NotMigrated(RuntimeError):
    """The database is not at this release."""


@lru_cache(maxsize=1)
def _wanted() -> list[str]:
    return [migration.name for migration in packaged_migrations()]


async def is_current(uow: UnitOfWork) -> bool:
    """Whether every migration of this release is applied; those of a later release do no harm."""
    return bool(await uow.value(_APPLIED, {"names": _wanted()}) == len(_wanted()))


async def check_current(url: str) -> None:
    """Look before starting.

    Raises:
        NotMigrated: a migration of this release is not applied, or the role may not see them.
        psycopg.OperationalError: the database does not answer.
    """
    connection = await psycopg.AsyncConnection.connect(url, connect_timeout=_CONNECT_TIMEOUT_SECONDS)
    async with connection:
        try:
            cursor = await connection.execute(_APPLIED, {"names": _wanted()})
            current = await cursor.fetchone() == (len(_wanted()),)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
            current = False
    if not current:
        raise NotMigrated("the database is not at this release: run `mpss migrate`")
