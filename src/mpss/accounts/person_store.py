"""The SQL of what a list knows customers by, for those who were written before it was kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString
from uuid import UUID

from mpss.db.database import UnitOfWork

_UNMARKED: LiteralString = """
    SELECT id, number_sealed FROM customer WHERE person_digest IS NULL ORDER BY id LIMIT %(limit)s
       FOR UPDATE SKIP LOCKED
"""
_MARK: LiteralString = """
    UPDATE customer AS c SET person_digest = n.digest
      FROM unnest(%(ids)s::uuid[], %(digests)s::text[]) AS n (id, digest)
     WHERE c.id = n.id
"""


async def numbers_without_digest(uow: UnitOfWork, *, limit: int) -> list[tuple[UUID, bytes]]:
    """Customers without a person's digest, locked, with their document's number, sealed."""
    cursor = await uow.connection.execute(_UNMARKED, {"limit": limit})
    return [(record[0], record[1]) for record in await cursor.fetchall()]


async def set_person_digests(uow: UnitOfWork, digests: Mapping[UUID, str]) -> None:
    await uow.execute(_MARK, {"ids": list(digests), "digests": list(digests.values())})
