"""Fixtures of the whole suite: one PostgreSQL for a session (for each xdist worker), a fresh database for a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import hypothesis
import pytest

from mpss.db.database import Database
from mpss.db.embedded import EmbeddedPostgres
from mpss.observability import configure_logging
from tests.support.postgres import NOT_DURABLE, DatabaseUrls, PostgresForTests, bin_dir, data_folder

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

configure_logging("INFO")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresForTests]:
    """A server whose commits are not durable; tests that kill a server start one of their own."""
    with data_folder() as folder, EmbeddedPostgres(folder, tune=NOT_DURABLE, bin_dir=bin_dir()) as server:
        ready = PostgresForTests(server)
        ready.make_template()
        yield ready


@pytest.fixture
def database_urls(postgres: PostgresForTests) -> Iterator[DatabaseUrls]:
    """A fresh database, migrated and seeded; dropped after the test."""
    name, urls = postgres.create_database()
    yield urls
    postgres.drop_database(name)


@pytest.fixture
def empty_database_urls(postgres: PostgresForTests) -> Iterator[DatabaseUrls]:
    """A fresh database without any table; dropped after the test."""
    name, urls = postgres.create_empty_database()
    yield urls
    postgres.drop_database(name)


@pytest.fixture
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """A fresh database, opened as the lesser role."""
    opened = Database(database_urls.run_url)
    await opened.open()
    yield opened
    await opened.close()
