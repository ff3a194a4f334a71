"""A house on a fresh database, its clock standing at `NOON`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mpss.db.database import Database
from mpss.kernel.clock import FixedClock
from mpss.runtime import Runtime
from tests.support.house import house
from tests.support.instants import NOON


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
async def runtime(database: Database, tmp_path: Path, clock: FixedClock) -> AsyncIterator[Runtime]:
    async with house(database, tmp_path, clock) as built:
        yield built
