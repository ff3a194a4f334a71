"""The demo on an operator's own server, Debian's PostgreSQL 15: an owner role migrates, a lesser role runs."""

from __future__ import annotations

import psycopg
import pytest

from mpss.db.embedded import EmbeddedPostgres
from tests.integration.db.test_peers import DEBIAN
from tests.support.postgres import data_folder
from tests.support.programs import run

pytestmark = pytest.mark.peers


def test_postgres_15_serves_the_demo_by_its_url() -> None:
    with data_folder() as cluster, data_folder() as data, EmbeddedPostgres(cluster, bin_dir=DEBIAN) as server:
        place = {"MPSS_DATABASE_URL": server.run_url, "MPSS_OWNER_DATABASE_URL": server.owner_url}
        done = run("demo", "--once", "--data", str(data), **place)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not (data / "postgres.json").exists()
        verified = run("verify", "--data", str(data), **place)
        assert verified.returncode == 0, verified.stdout
        with psycopg.connect(server.run_url) as connection:
            assert 150_000 <= connection.info.server_version < 160_000
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DELETE FROM posting")
