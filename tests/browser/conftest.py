"""One center and one browser for all pages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from tests.support.browser import browser
from tests.support.center import Center, center
from tests.support.postgres import PostgresForTests, data_folder


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def shared_center(postgres: PostgresForTests) -> AsyncIterator[Center]:
    name, urls = postgres.create_empty_database()
    with data_folder() as folder:
        async with center(urls, folder) as started:
            yield started
    postgres.drop_database(name)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def chromium() -> AsyncIterator[Browser]:
    async with browser() as made:
        yield made
