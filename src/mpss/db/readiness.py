"""Is the database at this release?"""

from __future__ import annotations

from functools import lru_cache
from typing import LiteralString

from mpss.db.database import UnitOfWork
from mpss.db.migrate import packaged_migrations

_APPLIED: LiteralString = "SELECT count(*) FROM schema_migration WHERE name = ANY(%(names)s::text[])"


@lru_cache(maxsize=1)
def _wanted() -> list[str]:
    return [migration.name for migration in packaged_migrations()]


async def is_current(uow: UnitOfWork) -> bool:
    """Whether every migration of this release is applied; those of a later release do no harm."""
    return bool(await uow.value(_APPLIED, {"names": _wanted()}) == len(_wanted()))
