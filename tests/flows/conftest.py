"""One center for all flows that leave it running; it starts once, on one worker."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.center import Center, center
from tests.support.postgres import PostgresForTests, data_folder


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def shared_center(postgres: PostgresForTests) -> AsyncIterator[Center]:
    """Tests that use it are in the xdist group `center` and the package's event loop."""
    name, urls = postgres.create_empty_database()
    with data_folder() as folder:
        async with center(urls, folder) as started:
            yield started
    postgres.drop_database(name)
