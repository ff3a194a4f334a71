"""A backup restores into another database with the same rows, the same books and the same keys."""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import psycopg
import pytest

from mpss.adapters.key_store_file import FileKeyStore
from mpss.db.backup import DUMP, KEYS, MANIFEST, BackupDamaged, BackupFailed, NotEmpty, backup, read_manifest, restore
from mpss.db.database import Database
from mpss.db.embedded import RUN_ROLE
from mpss.ledger.chart import CHART, Code
from mpss.ledger.open import open_ledger_account
from tests.support.instants import NOON
from tests.support.postgres import DatabaseUrls, bin_dir

EVERYTHING = "SELECT id, code, name, has_floor, opened_at FROM ledger_account ORDER BY id"
ENTRY = """
    WITH entry AS (
        INSERT INTO journal_entry (id, business_date, posted_at, kind)
        VALUES (gen_random_uuid(), '2026-03-01', now(), 'cash_topup') RETURNING id
    )
    INSERT INTO posting (entry_id, line, ledger_account_id, amount_fen, business_date)
    SELECT id, line, account, fen, '2026-03-01' FROM entry, (VALUES (1, 3, 100), (2, 2, -100)) legs (line, account, fen)
"""


def rows_of(url: str, text: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(text.encode()).fetchall()


@pytest.fixture
async def filled(database: Database, database_urls: DatabaseUrls) -> DatabaseUrls:
    """A database with two hundred wallets and an entry."""
    async with database.transaction() as uow:
        for number in range(200):
            name = f"SET transaction_timeout = 0;\n\\. {number} 钱包"  # what a careless restore would trip over
            await open_ledger_account(uow, Code.WALLET, name=name, now=NOON + timedelta(seconds=number))
        await uow.execute(ENTRY)
    return database_urls


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    FileKeyStore.open_or_make(path).rotate("voucher")
    return path


@pytest.fixture
def saved(filled: DatabaseUrls, key_file: Path, tmp_path: Path) -> Iterator[Path]:
    target = tmp_path / "mpss.backup"
    backup(filled.owner_url, key_file, target, now=NOON, bin_dir=bin_dir())
    yield target
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")) == []


def restored(urls: DatabaseUrls, key_file: Path, source: Path) -> None:
    restore(urls.owner_url, key_file, source, run_role=RUN_ROLE, bin_dir=bin_dir())


class TestBackup:
    def test_is_for_its_owner_alone_and_says_what_it_holds(self, saved: Path) -> None:
        assert saved.stat().st_mode & 0o777 == 0o600
        manifest = read_manifest(saved)
        house = [line for line in CHART.values() if line.house_account_id is not None]
        assert manifest.rows["ledger_account"] == 200 + len(house)
        assert manifest.rows["posting"] == 2
        assert manifest.created_at == NOON.isoformat()

    def test_overwrites_nothing(self, filled: DatabaseUrls, key_file: Path, saved: Path) -> None:
        before = saved.read_bytes()
        with pytest.raises(FileExistsError):
            backup(filled.owner_url, key_file, saved, now=NOON, bin_dir=bin_dir())
        assert saved.read_bytes() == before

    def test_leaves_nothing_when_it_fails(self, filled: DatabaseUrls, key_file: Path, tmp_path: Path) -> None:
        with pytest.raises(BackupFailed, match="pg_dump"):
            backup(filled.owner_url, key_file, tmp_path / "b", now=NOON, bin_dir=tmp_path)
        with pytest.raises(FileNotFoundError):
            backup(filled.owner_url, tmp_path / "no-keys.json", tmp_path / "b", now=NOON, bin_dir=bin_dir())
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["keys.json", "keys.json.lock"]

    async def test_counts_in_the_snapshot_it_dumps(
        self,
        filled: DatabaseUrls,
        database: Database,
        key_file: Path,
        tmp_path: Path,
        empty_database_urls: DatabaseUrls,
    ) -> None:
        async def keep_opening() -> None:
            while True:
                async with database.transaction() as uow:
                    await open_ledger_account(uow, Code.WALLET, name="meanwhile", now=NOON)

        opening = asyncio.create_task(keep_opening())
        target = tmp_path / "mpss.backup"
        manifest = await asyncio.to_thread(backup, filled.owner_url, key_file, target, now=NOON, bin_dir=bin_dir())
        opening.cancel()
        await asyncio.wait([opening])
        await asyncio.to_thread(restored, empty_database_urls, tmp_path / "other.json", target)
        count = rows_of(empty_database_urls.run_url, "SELECT count(*) FROM ledger_account")
        assert count == [(manifest.rows["ledger_account"],)]


class TestRestore:
    def test_brings_back_every_row_and_key(
        self, filled: DatabaseUrls, saved: Path, key_file: Path, tmp_path: Path, empty_database_urls: DatabaseUrls
    ) -> None:
        other = tmp_path / "restored" / "keys.json"
        restored(empty_database_urls, other, saved)
        assert rows_of(empty_database_urls.run_url, EVERYTHING) == rows_of(filled.run_url, EVERYTHING)
        assert other.read_bytes() == key_file.read_bytes()
        assert FileKeyStore(other).current("voucher") == 2

    async def test_leaves_a_database_that_works_and_whose_books_stay_closed(
        self, saved: Path, tmp_path: Path, empty_database_urls: DatabaseUrls
    ) -> None:
        await asyncio.to_thread(restored, empty_database_urls, tmp_path / "other.json", saved)
        last = rows_of(empty_database_urls.owner_url, "SELECT max(id) FROM ledger_account")[0][0]
        database = Database(empty_database_urls.run_url)
        await database.open()
        async with database.transaction() as uow:
            assert await open_ledger_account(uow, Code.WALLET, name="next", now=NOON) == int(str(last)) + 1
        await database.close()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows_of(empty_database_urls.run_url, "DELETE FROM posting")
        with pytest.raises(psycopg.errors.RestrictViolation):
            rows_of(empty_database_urls.owner_url, "DELETE FROM posting")

    def test_refuses_a_database_with_tables(self, saved: Path, tmp_path: Path, filled: DatabaseUrls) -> None:
        with pytest.raises(NotEmpty, match="tables"):
            restored(filled, tmp_path / "other.json", saved)
        assert not (tmp_path / "other.json").exists()

    def test_refuses_to_replace_other_keys(
        self, saved: Path, tmp_path: Path, empty_database_urls: DatabaseUrls
    ) -> None:
        other = tmp_path / "other.json"
        FileKeyStore.open_or_make(other)
        before = other.read_bytes()
        with pytest.raises(NotEmpty, match="keys"):
            restored(empty_database_urls, other, saved)
        assert other.read_bytes() == before

    def test_accepts_its_own_keys_that_are_there_already(
        self, saved: Path, key_file: Path, empty_database_urls: DatabaseUrls
    ) -> None:
        restored(empty_database_urls, key_file, saved)

    @pytest.mark.parametrize("part", [MANIFEST, KEYS, DUMP])
    @pytest.mark.parametrize("how", ["changed", "missing"])
    def test_refuses_a_damaged_backup(
        self, saved: Path, tmp_path: Path, empty_database_urls: DatabaseUrls, part: str, how: str
    ) -> None:
        damaged = tmp_path / "damaged.backup"
        with tarfile.open(saved) as whole, tarfile.open(damaged, "w") as target:
            for entry in whole:
                content = whole.extractfile(entry)
                assert content is not None
                data = bytearray(content.read())
                if entry.name == part:
                    if how == "missing":
                        continue
                    data[len(data) // 2] ^= 0x80
                target.addfile(entry, BytesIO(data))
        with pytest.raises(BackupDamaged):
            restored(empty_database_urls, tmp_path / "other.json", damaged)
        assert (
            rows_of(empty_database_urls.owner_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []
        )
        assert not (tmp_path / "other.json").exists()

    def test_refuses_a_torn_backup_and_what_is_none(
        self, saved: Path, tmp_path: Path, empty_database_urls: DatabaseUrls
    ) -> None:
        torn = tmp_path / "torn.backup"
        whole = saved.read_bytes()
        for length in (0, 10, 600, len(whole) // 2):
            torn.write_bytes(whole[:length])
            with pytest.raises(BackupDamaged):
                restored(empty_database_urls, tmp_path / "other.json", torn)

    def test_leaves_nothing_where_the_database_fails(
        self, saved: Path, tmp_path: Path, empty_database_urls: DatabaseUrls
    ) -> None:
        with psycopg.connect(empty_database_urls.owner_url, autocommit=True) as connection:
            connection.execute("CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'")
        with pytest.raises(BackupFailed, match="refuse_change"):
            restored(empty_database_urls, tmp_path / "other.json", saved)
        assert (
            rows_of(empty_database_urls.owner_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []
        )
        assert not (tmp_path / "other.json").exists()
