"""The market behind its HTTP API, reached without a socket; rates as good as without limit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mpss.db.database import Database
from tests.support.http import Counter, counter
from tests.support.market import market


@pytest.fixture
async def shop(database: Database, tmp_path: Path) -> AsyncIterator[Counter]:
    async with (
        market(database, tmp_path) as opened,
        counter(opened, rate_per_second=0, source_rate_per_second=0) as api,
    ):
        yield api
