"""The market behind its HTTP API, without limits of rate: reached without a socket, and by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mpss.db.database import Database
from tests.support.http import Counter, counter
from tests.support.market import market
from tests.support.postgres import DatabaseUrls
from tests.support.serving import Served, populate, serving


@pytest.fixture
async def shop(database: Database, tmp_path: Path) -> AsyncIterator[Counter]:
    async with (
        market(database, tmp_path) as opened,
        counter(opened, rate_per_second=0, source_rate_per_second=0) as api,
    ):
        yield api


@pytest.fixture
def served(database_urls: DatabaseUrls, tmp_path: Path) -> Iterator[Served]:
    """The API in a process of its own, reached by sockets."""
    people = asyncio.run(populate(database_urls, tmp_path))
    with serving(database_urls, tmp_path, people) as api:
        yield api
