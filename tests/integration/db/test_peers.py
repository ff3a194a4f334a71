"""Debian's PostgreSQL 15, set up by Debian's packages: the oldest server the platform promises to run on."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from mpss.adapters.key_store_file import FileKeyStore
from mpss.db.backup import backup, restore
from mpss.db.embedded import RUN_ROLE, EmbeddedPostgres
from mpss.ledger.chart import CHART
from tests.support.instants import NOON
from tests.support.postgres import NOT_DURABLE, DatabaseUrls, PostgresForTests, data_folder

DEBIAN = Path("/usr/lib/postgresql/15/bin")
HOUSE = sum(line.house_account_id is not None for line in CHART.values())
"""The ledger accounts that every database begins with."""

pytestmark = pytest.mark.peers


class TestPostgres15:
    def test_is_migrated_survives_a_crash_and_is_restored_by_either_release(self, tmp_path: Path) -> None:
        keys = tmp_path / "keys.json"
        FileKeyStore.open_or_make(keys)
        with data_folder() as folder, EmbeddedPostgres(folder, bin_dir=DEBIAN) as server:
            ready = PostgresForTests(server)
            ready.make_template()
            _, full = ready.create_database()
            server.kill()
            server.start()
            with psycopg.connect(full.run_url) as connection:
                assert 150_000 <= connection.info.server_version < 160_000
                assert connection.execute("SELECT count(*) FROM ledger_account").fetchone() == (HOUSE,)
            for number, bin_dir in enumerate((DEBIAN, None)):  # Debian's own programs, and the wheel's newer ones
                _, empty = ready.create_empty_database()
                target = tmp_path / f"{number}.backup"
                backup(full.owner_url, keys, target, now=NOON, bin_dir=bin_dir)
                manifest = restore(empty.owner_url, keys, target, run_role=RUN_ROLE, bin_dir=bin_dir)
                assert manifest.rows["ledger_account"] == HOUSE

    def test_is_left_for_the_embedded_release_by_a_backup(
        self, tmp_path: Path, empty_database_urls: DatabaseUrls
    ) -> None:
        keys, target = tmp_path / "keys.json", tmp_path / "mpss.backup"
        FileKeyStore.open_or_make(keys)
        with data_folder() as folder, EmbeddedPostgres(folder, tune=NOT_DURABLE, bin_dir=DEBIAN) as server:
            old = PostgresForTests(server)
            old.make_template()
            _, urls = old.create_database()
            backup(urls.owner_url, keys, target, now=NOON)
        restore(empty_database_urls.owner_url, keys, target, run_role=RUN_ROLE)
        with psycopg.connect(empty_database_urls.run_url) as connection:
            assert connection.execute("SELECT count(*) FROM ledger_account").fetchone() == (HOUSE,)
