"""The SQL of which company a merchant is: its code, and what a list knows it by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString
from uuid import UUID

import psycopg

from mpss.db.database import UnitOfWork
from mpss.kernel.errors import MalformedField

_SET: LiteralString = "UPDATE merchant SET credit_code = %(code)s, person_digest = %(digest)s WHERE id = %(id)s"
_UNMARKED: LiteralString = """
    SELECT id, credit_code FROM merchant WHERE credit_code IS NOT NULL AND person_digest IS NULL
     ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
_MARK: LiteralString = """
    UPDATE merchant AS m SET person_digest = n.digest
      FROM unnest(%(ids)s::uuid[], %(digests)s::text[]) AS n (id, digest)
     WHERE m.id = n.id
"""


async def set_company(uow: UnitOfWork, merchant_id: UUID, credit_code: str, *, digest: str) -> None:
    """
    Raises:
        MalformedField: `credit_code` is another merchant's.
    """
    try:
        await uow.execute(_SET, {"id": merchant_id, "code": credit_code, "digest": digest})
    except psycopg.errors.UniqueViolation as problem:
        raise MalformedField(field="credit_code", problem="is taken by another merchant") from problem


async def codes_without_digest(uow: UnitOfWork, *, limit: int) -> list[tuple[UUID, str]]:
    """Merchants with a company's code and without its digest, locked."""
    cursor = await uow.connection.execute(_UNMARKED, {"limit": limit})
    return [(record[0], record[1]) for record in await cursor.fetchall()]


async def set_company_digests(uow: UnitOfWork, digests: Mapping[UUID, str]) -> None:
    await uow.execute(_MARK, {"ids": list(digests), "digests": list(digests.values())})
