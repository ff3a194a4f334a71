"""One durable PostgreSQL for the simulations of a worker. MPSS_SIM_SEEDS: how many seeds; MPSS_SIM_FIRST: the first."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from mpss.db.embedded import EmbeddedPostgres
from tests.simulation.processes import Cluster
from tests.support.postgres import PostgresForTests, bin_dir, data_folder

SEEDS = 3
TUNE = {"shared_buffers": "64MB", "checkpoint_timeout": "30s", "max_connections": "60"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        first = int(os.environ.get("MPSS_SIM_FIRST", "0"))
        count = int(os.environ.get("MPSS_SIM_SEEDS", str(getattr(metafunc.module, "SEEDS", SEEDS))))
        metafunc.parametrize("seed", range(first, first + count))


@pytest.fixture(scope="session")
def durable() -> Iterator[PostgresForTests]:
    """A server whose commits are durable, to be killed."""
    with data_folder() as folder:
        server = EmbeddedPostgres(folder, tune=TUNE, bin_dir=bin_dir())
        server.start()
        try:
            ready = PostgresForTests(server)
            ready.make_template()
            yield ready
        finally:
            server.stop()


@pytest.fixture
def cluster(durable: PostgresForTests) -> Cluster:
    if not durable.server.is_running():  # killed by a seed that failed before it was started again
        durable.server.start()
    return Cluster(durable.server)
