"""The books are written once: the running role may not change them, and the owner is refused too."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest

from mpss.db.database import Database
from tests.support.clauses import clause
from tests.support.postgres import DatabaseUrls
from tests.support.world import count, pay, shop

CHANGES: list[LiteralString] = [
    "UPDATE journal_entry SET posted_at = now()",
    "UPDATE journal_entry SET kind = 'x' WHERE false",
    "DELETE FROM journal_entry",
    "TRUNCATE journal_entry",
    "UPDATE posting SET amount_fen = 1",
    "DELETE FROM posting WHERE amount_fen > 0",
    "TRUNCATE posting",
    "TRUNCATE posting, journal_entry",
]


@clause("CT 10.3")
class TestTheBooks:
    @pytest.mark.parametrize("change", CHANGES)
    async def test_cannot_be_changed_by_the_running_role(
        self, database: Database, database_urls: DatabaseUrls, change: LiteralString
    ) -> None:
        await self._refused(database, database_urls.run_url, change, psycopg.errors.InsufficientPrivilege)

    @pytest.mark.parametrize("change", CHANGES)
    async def test_cannot_be_changed_by_the_owner(
        self, database: Database, database_urls: DatabaseUrls, change: LiteralString
    ) -> None:
        await self._refused(database, database_urls.owner_url, change, psycopg.errors.RestrictViolation)

    async def _refused(self, database: Database, url: str, change: LiteralString, problem: type[psycopg.Error]) -> None:
        async with shop(database, people=1) as made:
            await made.serve(pay(made.people[0], made.goods))
        before = [await count(database, f"SELECT count(*) FROM {table}") for table in ("journal_entry", "posting")]
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            with pytest.raises(problem):
                await connection.execute(change)
        assert before == [
            await count(database, f"SELECT count(*) FROM {table}") for table in ("journal_entry", "posting")
        ]

    @pytest.mark.parametrize(
        "change",
        [
            "ALTER TABLE posting DISABLE TRIGGER posting_immutable",
            "DROP TRIGGER journal_entry_immutable ON journal_entry",
            "ALTER TABLE posting ALTER COLUMN amount_fen TYPE numeric",
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        ],
    )
    async def test_cannot_be_unlocked_by_the_running_role(
        self, database_urls: DatabaseUrls, change: LiteralString
    ) -> None:
        async with await psycopg.AsyncConnection.connect(database_urls.run_url, autocommit=True) as connection:
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ProgrammingError)):
                await connection.execute(change)
