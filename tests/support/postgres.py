"""One PostgreSQL for a test session, and a fresh migrated database from a template for whoever asks."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

from mpss.db.database import Database
from mpss.db.embedded import OWNER_ROLE, RUN_ROLE, EmbeddedPostgres
from mpss.db.migrate import migrate
from mpss.ledger.seed import seed
from tests.support.instants import NOON, TODAY

TEMPLATE = "mpss_template"

NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "max_connections": "200",
}
"""For tests that kill nothing: a commit does not wait for the disk."""


class DatabaseUrls(NamedTuple):
    owner_url: str
    run_url: str


def bin_dir() -> Path | None:
    """The programs of the PostgreSQL to test against, by MPSS_TEST_POSTGRES_BIN; None is the wheel's."""
    named = os.environ.get("MPSS_TEST_POSTGRES_BIN")
    return Path(named) if named else None


@contextmanager
def data_folder() -> Iterator[Path]:
    """A folder that the OS user running PostgreSQL can reach, also when the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="mpss-test-"))
    try:
        folder.chmod(0o711)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class PostgresForTests:
    """A running server with a template that is migrated and seeded."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self._numbers = itertools.count(1)

    def make_template(self) -> None:
        create = sql.SQL("CREATE DATABASE {} OWNER {}")
        self._admin(create.format(sql.Identifier(TEMPLATE), sql.Identifier(OWNER_ROLE)))
        asyncio.run(prepare(self._urls(TEMPLATE)))

    def create_database(self) -> tuple[str, DatabaseUrls]:
        """A fresh copy of the template: its name, and its URLs."""
        name = f"test_{next(self._numbers)}"
        create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}")
        self._admin(create.format(*map(sql.Identifier, (name, OWNER_ROLE, TEMPLATE))))
        return name, self._urls(name)

    def create_empty_database(self) -> tuple[str, DatabaseUrls]:
        """A database without any table: its name, and its URLs."""
        name = f"empty_{next(self._numbers)}"
        self._admin(sql.SQL("CREATE DATABASE {} OWNER {}").format(*map(sql.Identifier, (name, OWNER_ROLE))))
        return name, self._urls(name)

    def drop_database(self, name: str) -> None:
        self._admin(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _urls(self, name: str) -> DatabaseUrls:
        return DatabaseUrls(self.server.url(OWNER_ROLE, name), self.server.url(RUN_ROLE, name))

    def _admin(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.server.admin_url, autocommit=True) as connection:
            connection.execute(statement)


async def prepare(urls: DatabaseUrls) -> None:
    """Migrate and seed, with the business day of `TODAY` open."""
    await migrate(urls.owner_url, run_role=RUN_ROLE)
    database = Database(urls.run_url, pool_size=1)
    await database.open()
    try:
        async with database.transaction() as uow:
            await seed(uow, today=TODAY, now=NOON)
    finally:
        await database.close()
