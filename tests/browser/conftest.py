"""One center and one browser for all pages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from tests.support.browser import browser
from tests.support.center import Center, own_center
from tests.support.postgres import PostgresForTests


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def shared_center(postgres: PostgresForTests) -> AsyncIterator[Center]:
    async with own_center(postgres) as started:
        yield started


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def chromium() -> AsyncIterator[Browser]:
    async with browser() as made:
        yield made
