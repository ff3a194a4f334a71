"""Migrations, and what the lesser role may do, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import psycopg
import pytest

from mpss.db.embedded import RUN_ROLE
from mpss.db.migrate import (
    APPEND,
    CHANGE,
    GRANTS,
    MIGRATION_LOCK,
    Migration,
    MigrationChanged,
    NoSuchRole,
    migrate,
    packaged_migrations,
    role_of,
)
from tests.support.postgres import DatabaseUrls

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


async def query(url: str, text: str) -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        return await (await connection.execute(text.encode())).fetchall()


class TestMigrate:
    async def test_applies_every_file_once_in_order(self, empty_database_urls: DatabaseUrls) -> None:
        names = tuple(migration.name for migration in packaged_migrations())
        assert names == tuple(sorted(names))
        assert len({name[:4] for name in names}) == len(names)
        assert await migrate(empty_database_urls.owner_url, run_role=RUN_ROLE) == names
        assert await migrate(empty_database_urls.owner_url, run_role=RUN_ROLE) == ()
        recorded = await query(empty_database_urls.run_url, "SELECT name, digest FROM schema_migration ORDER BY name")
        assert recorded == [(migration.name, migration.digest) for migration in packaged_migrations()]

    async def test_applies_each_file_once_when_two_processes_start_together(
        self, empty_database_urls: DatabaseUrls
    ) -> None:
        runs = [migrate(empty_database_urls.owner_url, run_role=RUN_ROLE) for _ in range(3)]
        applied = await asyncio.gather(*runs)
        assert sorted(len(names) for names in applied) == [0, 0, len(packaged_migrations())]

    async def test_refuses_an_applied_file_that_was_edited(self, database_urls: DatabaseUrls) -> None:
        first, *others = packaged_migrations()
        edited = (replace(first, text=first.text + "\n"), *others)
        with pytest.raises(MigrationChanged, match=first.name):
            await migrate(database_urls.owner_url, run_role=RUN_ROLE, migrations=edited)

    async def test_leaves_nothing_of_a_file_that_fails(self, empty_database_urls: DatabaseUrls) -> None:
        broken = Migration("0001_broken.sql", "CREATE TABLE half (id integer); SELECT 1/0;")
        with pytest.raises(psycopg.errors.DivisionByZero):
            await migrate(empty_database_urls.owner_url, run_role=RUN_ROLE, migrations=(broken,))
        assert await query(empty_database_urls.owner_url, TABLES) == [("schema_migration",)]
        assert await query(empty_database_urls.owner_url, "SELECT name FROM schema_migration") == []

    async def test_leaves_the_next_release_migrations_alone(self, database_urls: DatabaseUrls) -> None:
        assert await migrate(database_urls.owner_url, run_role=RUN_ROLE, migrations=packaged_migrations()[:2]) == ()

    async def test_has_merchants_that_were_closed_owing_close_again(self, empty_database_urls: DatabaseUrls) -> None:
        before = tuple(each for each in packaged_migrations() if each.name < "0047")
        await migrate(empty_database_urls.owner_url, run_role=RUN_ROLE, migrations=before)
        merchants = """
            INSERT INTO merchant (id, name, province, state, ledger_account_id, api_key_digest, public_key, notify_url,
                                  webhook_secret, created_at, credit_code)
            SELECT md5(n::text)::uuid, 'Shop ' || n, 'GD', CASE WHEN n < 3 THEN 'closed' ELSE 'active' END, 200000 + n,
                   n::text::bytea, '', '', '', now(), CASE WHEN n > 0 THEN '91110000600037341L' END
              FROM generate_series(0, 3) AS n
        """
        async with await psycopg.AsyncConnection.connect(empty_database_urls.owner_url, autocommit=True) as connection:
            await connection.execute(merchants)
        await migrate(empty_database_urls.owner_url, run_role=RUN_ROLE)
        found = await query(
            empty_database_urls.run_url,
            "SELECT m.name, m.state, m.credit_code IS NULL, m.api_key_digest = right(m.name, 1)::bytea, c.reason"
            " FROM merchant AS m LEFT JOIN merchant_closing AS c ON c.merchant_id = m.id ORDER BY m.name",
        )
        coded = "closed before, credit code 91110000600037341L"
        assert found == [
            ("Shop 0", "closing", True, False, "closed before"),
            ("Shop 1", "closing", True, False, coded),
            ("Shop 2", "closing", True, False, coded),
            ("Shop 3", "active", False, True, None),
        ]

    async def test_gives_up_soon_on_a_table_that_is_locked(
        self, database_urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mpss.db.migrate.LOCK_TIMEOUT_MILLISECONDS", 50)
        added = (*packaged_migrations(), Migration("9999_more.sql", "ALTER TABLE outbox ADD COLUMN more text;"))
        async with await psycopg.AsyncConnection.connect(database_urls.run_url) as busy:
            await busy.execute("SELECT count(*) FROM outbox")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                await migrate(database_urls.owner_url, run_role=RUN_ROLE, migrations=added)

    async def test_waits_for_another_process_that_migrates(self, database_urls: DatabaseUrls) -> None:
        async with await psycopg.AsyncConnection.connect(database_urls.owner_url, autocommit=True) as other:
            await other.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
            waiting = asyncio.create_task(migrate(database_urls.owner_url, run_role=RUN_ROLE))
            await asyncio.sleep(0.1)
            assert not waiting.done()
        assert await waiting == ()

    async def test_names_a_lesser_role_that_is_not_there(self, empty_database_urls: DatabaseUrls) -> None:
        with pytest.raises(NoSuchRole, match="nobody_here"):
            await migrate(empty_database_urls.owner_url, run_role="nobody_here")

    async def test_works_with_one_role_for_everything(self, empty_database_urls: DatabaseUrls) -> None:
        url = empty_database_urls.owner_url
        assert await migrate(url, run_role=role_of(url))


class TestTheLesserRole:
    async def test_has_what_the_table_says_and_no_more(self, database_urls: DatabaseUrls) -> None:
        tables = {str(name) for (name,) in await query(database_urls.owner_url, TABLES)}
        assert set(GRANTS) <= tables
        granted: dict[str, set[str]] = {name: set() for name in tables}
        listed = (
            f"SELECT table_name, privilege_type FROM information_schema.role_table_grants WHERE grantee = '{RUN_ROLE}'"
        )
        for name, privilege in await query(database_urls.owner_url, listed):
            granted[str(name)].add(str(privilege))
        assert granted == {name: set(GRANTS.get(name, CHANGE)) for name in tables}

    async def test_gets_back_what_was_taken_and_loses_what_was_added(self, database_urls: DatabaseUrls) -> None:
        async with await psycopg.AsyncConnection.connect(database_urls.owner_url, autocommit=True) as owner:
            await owner.execute("GRANT DELETE ON posting TO mpss_run")
            await owner.execute("REVOKE ALL ON outbox FROM mpss_run")
        await migrate(database_urls.owner_url, run_role=RUN_ROLE)
        await self.test_has_what_the_table_says_and_no_more(database_urls)

    @pytest.mark.parametrize("table", ["journal_entry", "posting", "audit_record"])
    @pytest.mark.parametrize("change", ["UPDATE {} SET kind = ''", "DELETE FROM {}", "TRUNCATE {}"])
    async def test_cannot_change_the_books(self, database_urls: DatabaseUrls, table: str, change: str) -> None:
        assert GRANTS[table] == APPEND
        column = {"journal_entry": "kind", "posting": "line", "audit_record": "actor"}[table]
        statement = change.replace("kind = ''", f"{column} = {column}").format(table)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await query(database_urls.run_url, statement)
        with pytest.raises(psycopg.errors.RestrictViolation):
            await query(database_urls.owner_url, statement)

    async def test_cannot_make_tables(self, database_urls: DatabaseUrls) -> None:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await query(database_urls.run_url, "CREATE TABLE mine (id integer)")
