"""The API with the town's BOSS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mpss.db.database import Database
from mpss.simulators.boss import Boss
from tests.support.boss import with_boss
from tests.support.http import Counter
from tests.support.market import market


@pytest.fixture
async def linked(database: Database, tmp_path: Path) -> AsyncIterator[tuple[Counter, Boss]]:
    async with market(database, tmp_path) as opened, with_boss(opened, tmp_path) as both:
        yield both


@pytest.fixture
async def shop(linked: tuple[Counter, Boss]) -> Counter:
    return linked[0]
