"""The references of requests to banks: numbers that a process keeps in hand, each given once (ADR-0016)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from mpss.db.database import Database, UnitOfWork
from mpss.kernel.clock import FixedClock
from mpss.transactions.funding.bank_request import new_request
from tests.support.house import house
from tests.support.instants import NOON


class Killed(Database):
    """Its server is killed before the first commit."""

    alive = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[UnitOfWork]:
        async with super().transaction() as uow:
            yield uow
            if not self.alive:
                self.alive = True
                raise psycopg.OperationalError("the server was killed")


async def test_numbers_whose_taking_was_not_committed_are_not_used(database: Database, tmp_path: Path) -> None:
    """A crash sets the sequence back to what is on disk, and another process takes them again."""
    killed = Killed(database.url, pool_size=1)
    await killed.open()
    try:
        async with house(database, tmp_path, FixedClock(NOON)) as runtime:
            runtime = replace(runtime, database=killed)
            with pytest.raises(psycopg.OperationalError):
                await new_request(runtime)
            uncommitted = {f"{number:012d}" for number in range(1, 65)}
            given = [(await new_request(runtime)).reference for _ in range(100)]
            assert len({*given} - uncommitted) == len(given)
    finally:
        await killed.close()
