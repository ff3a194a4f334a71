"""One center for all flows that leave it running; it starts once, on one worker."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.center import Center, own_center
from tests.support.postgres import PostgresForTests


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def shared_center(postgres: PostgresForTests) -> AsyncIterator[Center]:
    """Tests that use it are in the xdist group `center` and the package's event loop."""
    async with own_center(postgres) as started:
        yield started
