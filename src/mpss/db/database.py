"""PostgreSQL behind one door: a unit of work is one transaction of the database.

Only `Database.transaction()` makes a `UnitOfWork`; while one is open, a flag in the task's context is up,
at which the ports refuse (no call to another system inside a unit of work).
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.rows import class_row, dict_row, scalar_row
from psycopg_pool import AsyncConnectionPool

from mpss.kernel.unit_flag import unit_of_work_open

T = TypeVar("T")
Connection = psycopg.AsyncConnection[Any]
Params = Mapping[str, Any] | Sequence[Any] | None

_FRESH_SECONDS = 1.0
_BEGIN_READ: LiteralString = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_NOTICE_SILENCE: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # ms
}
"""So that a server which went away without a word is noticed within half a minute."""


class UnitOfWork:
    """An open transaction of the database. Everything written through it commits together or not at all."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def execute(self, sql: LiteralString, params: Params = None) -> int:
        """Run a statement; the number of rows it touched."""
        cursor = await self.connection.execute(sql, params)
        return cursor.rowcount

    async def rows(self, kind: type[T], sql: LiteralString, params: Params = None) -> list[T]:
        """Every row as a `kind`, whose fields are named as the columns."""
        async with self.connection.cursor(row_factory=class_row(kind)) as cursor:
            await cursor.execute(sql, params)
            return await cursor.fetchall()

    async def row(self, kind: type[T], sql: LiteralString, params: Params = None) -> T | None:
        """The first row as a `kind`, or None."""
        async with self.connection.cursor(row_factory=class_row(kind)) as cursor:
            await cursor.execute(sql, params)
            return await cursor.fetchone()

    async def dicts(self, sql: LiteralString, params: Params = None) -> list[dict[str, Any]]:
        async with self.connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(sql, params)
            return await cursor.fetchall()

    async def value(self, sql: LiteralString, params: Params = None) -> Any:
        """The first column of the first row, or None."""
        async with self.connection.cursor(row_factory=scalar_row) as cursor:
            await cursor.execute(sql, params)
            return await cursor.fetchone()


class _Pooled(psycopg.AsyncConnection[Any]):
    """`used_at` is when it was last given back, by the monotonic clock."""

    used_at = 0.0


class Database:
    """A pool of connections as the lesser role."""

    def __init__(self, url: str, *, pool_size: int = 8, timeout_seconds: float = 10.0) -> None:
        self.url = url
        self._pool: AsyncConnectionPool[_Pooled] = AsyncConnectionPool(
            url, connection_class=_Pooled, min_size=1, max_size=pool_size, open=False, timeout=timeout_seconds,
            configure=_configure, check=_check,
        )  # fmt: skip

    async def open(self) -> None:
        await self._pool.open(wait=True, timeout=30)

    async def close(self) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[UnitOfWork]:
        """Open a unit of work; commits at the end, rolls back on an exception."""
        async with self._connection() as connection, unit_of_work(connection) as uow:
            yield uow

    @asynccontextmanager
    async def read(self) -> AsyncIterator[UnitOfWork]:
        """A read-only unit of work: one snapshot, nothing written."""
        async with self._connection() as connection:
            # Ended by the pool's own commit or rollback; a statement less than a transaction block and its setting.
            await connection.execute(_BEGIN_READ)
            yield UnitOfWork(connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[_Pooled]:
        async with self._pool.connection() as connection:
            try:
                yield connection
            finally:
                connection.used_at = time.monotonic()

    async def connect(self) -> Connection:
        """A connection of one's own, outside the pool: a desk's, a listener's. The caller closes it."""
        connection = await psycopg.AsyncConnection.connect(self.url, autocommit=True, **_NOTICE_SILENCE)
        await _configure(connection)
        return connection


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database for one task, with one connection; closed at the end."""
    database = Database(url, pool_size=1)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def unit_of_work(connection: Connection) -> AsyncIterator[UnitOfWork]:
    """A unit of work on a connection one already has."""
    token = unit_of_work_open.set(True)
    try:
        async with connection.transaction():
            yield UnitOfWork(connection)
    finally:
        unit_of_work_open.reset(token)


async def _check(connection: _Pooled) -> None:
    """Whether the server still holds the connection; one that was in use a moment ago is not asked."""
    if time.monotonic() - connection.used_at >= _FRESH_SECONDS:
        await AsyncConnectionPool.check_connection(connection)


async def _configure(connection: Connection) -> None:
    await connection.set_autocommit(True)
    connection.prepare_threshold = 3
