"""The phones of a working market."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mpss.db.database import Database
from tests.support.phones import Phones, phones_of


@pytest.fixture
async def phones(database: Database, tmp_path: Path) -> AsyncIterator[Phones]:
    async with phones_of(database, tmp_path) as built:
        yield built
