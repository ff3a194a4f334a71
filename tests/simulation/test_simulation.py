"""Seeds of the simulation. On demand many: `MPSS_SIM_SEEDS=200 pytest tests/simulation`; one: MPSS_SIM_FIRST=17 …=1."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.simulation.processes import Cluster
from tests.simulation.run import run
from tests.support.clauses import clause
from tests.support.postgres import PostgresForTests


@clause("CT 5.3", "CT 6.3.2", "CT 6.5.1", "CT 10.3")
def test_nothing_acknowledged_is_lost_and_nothing_happens_twice(
    seed: int, cluster: Cluster, durable: PostgresForTests
) -> None:
    name, urls = durable.create_database()
    with tempfile.TemporaryDirectory(prefix="mpss-sim-") as folder:
        try:
            counts = asyncio.run(run(seed, cluster, urls.run_url, Path(folder)))
        except BaseException:
            print(f"seed {seed}: MPSS_SIM_FIRST={seed} MPSS_SIM_SEEDS=1 pytest tests/simulation")
            raise
    durable.drop_database(name)
    print(f"seed {seed}", dict(sorted(counts.items())))
    assert counts["databases killed"] >= 1
    assert counts["processes killed"] >= 2
