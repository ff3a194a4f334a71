"""A storm between us, the charging system and the banks: whatever was lost, late, doubled or killed, the books agree.

`MPSS_DOUBT_OPERATIONS` plays that many in each storm; `MPSS_SIM_SEEDS` storms, from seed `MPSS_SIM_FIRST`.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import traceback
from pathlib import Path

from tests.simulation.doubt.run import play
from tests.simulation.processes import Cluster
from tests.support.clauses import clause
from tests.support.postgres import PostgresForTests

SEEDS = 2
OPERATIONS = int(os.environ.get("MPSS_DOUBT_OPERATIONS", "100"))


@clause("CT 5.1", "CT 6.3.2")
class TestAStorm:
    def test_leaves_all_books_agreeing_line_by_line(
        self, seed: int, cluster: Cluster, durable: PostgresForTests
    ) -> None:
        name, urls = durable.create_database()
        with tempfile.TemporaryDirectory(prefix="mpss-doubt-") as folder:
            try:
                counts = asyncio.run(play(seed, OPERATIONS, cluster, urls.run_url, Path(folder)))
            except BaseException:
                print(f"storm {seed}: MPSS_SIM_FIRST={seed} MPSS_SIM_SEEDS=1 pytest tests/simulation/test_doubt.py")
                traceback.print_exc()
                raise
        durable.drop_database(name)
        print(f"storm {seed}", dict(sorted(counts.items())))
        assert counts["our processes killed"] >= 1
        assert min(counts[f"{name} killed"] for name in ("ocs", "NANCHENG", "BEIHU")) >= 1
