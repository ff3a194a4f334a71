"""The desk with the full decision, driven by `desk_load` processes in a closed loop."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

from benchmarks.measure import Run, percentile
from benchmarks.server import SELLERS, BenchServer, World

_PATIENCE_SECONDS = 120


def run_desk(
    server: BenchServer, world: World, *, desks: int, callers: int, hot: bool, seconds: float, payments: int = 0
) -> Run:
    """Payments for `seconds`, or until there are `payments`, from random payers to random merchants; `hot`: to one."""
    server.settle()
    options = ["--accounts", str(world.accounts), "--sellers", str(SELLERS), "--callers", str(callers // desks)]
    options += ["--seconds", str(seconds), "--payments", str(-(-payments // desks))]
    options += ["--hot"] if hot else []
    with server.metered() as meter:
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.desk_load", world.run_url, *options, "--seed", str(number)],
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(1, desks + 1)
        ]
        try:
            told = [_told(process, seconds) for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.wait()
    latencies: Counter[int] = Counter()
    for one in told:
        latencies.update(dict(one["latencies"]))
    tenths = sorted(latencies.items())
    return Run(
        rate=sum(one["rate"] for one in told),
        p50_ms=percentile(tenths, 0.5) / 10,
        p99_ms=percentile(tenths, 0.99) / 10,
        made=sum(one["made"] for one in told),
        refused=sum(one["refused"] for one in told),
        wal_bytes=meter.wal_bytes,
        own_cpu=sum(one["cpu_seconds"] for one in told),
        postgres_cpu=meter.postgres_cpu,
        client_cpu=0.0,
    )


def _told(process: subprocess.Popen[str], seconds: float) -> dict[str, Any]:
    output, _ = process.communicate(timeout=_PATIENCE_SECONDS + seconds)
    if process.returncode:
        raise RuntimeError(f"a desk ended with {process.returncode}")
    told: dict[str, Any] = json.loads(output)
    return told
