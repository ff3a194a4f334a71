"""The yardstick: pgbench's TPC-B-like script, on the same server, next to every run of ours."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import time
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from benchmarks.measure import Run, percentile
from benchmarks.server import BenchServer
from mpss.db.embedded import OWNER_ROLE

CLIENTS = (8, 32)
_DATABASE = "tpcb"
_RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_MADE = re.compile(r"actually processed: ([0-9]+)")
_SAMPLING = "0.1"
_MOMENT_SECONDS = 5.0


class TpcB:
    """The script with 8 and with 32 clients; keeps its runs."""

    def __init__(self, server: BenchServer, *, scale: int, seconds: float) -> None:
        self._server = server
        self._seconds = max(1, round(seconds))
        self.runs: dict[int, list[Run]] = {clients: [] for clients in CLIENTS}
        self._measured_at: float | None = None
        server.create_database(_DATABASE)
        known = conninfo_to_dict(server.postgres.url(OWNER_ROLE, _DATABASE))
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
        self._environment = {**os.environ, **{names[name]: str(known[name]) for name in names}}
        self._pgbench("--initialize", "--quiet", "--scale", str(scale))

    def recent(self) -> dict[int, Run] | None:
        """The last runs, where nothing but a moment passed since."""
        if self._measured_at is None or time.monotonic() - self._measured_at > _MOMENT_SECONDS:
            return None
        return {clients: runs[-1] for clients, runs in self.runs.items()}

    def measure(self) -> dict[int, Run]:
        """One run for each number of clients."""
        measured = {clients: self._run(clients) for clients in CLIENTS}
        for clients, run in measured.items():
            self.runs[clients].append(run)
        self._measured_at = time.monotonic()
        return measured

    def _run(self, clients: int) -> Run:
        self._server.settle()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with self._server.metered() as meter:
            said = self._pgbench(
                "--protocol", "prepared", "--client", str(clients), "--jobs", str(min(clients, os.cpu_count() or 1)),
                "--time", str(self._seconds), "--no-vacuum", "--log", "--sampling-rate", _SAMPLING,
                "--log-prefix", str(self._server.folder / "tpcb"),
            )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        rate, made = _RATE.search(said), _MADE.search(said)
        assert rate is not None
        assert made is not None, said
        latencies = self._latencies_ms()
        return Run(
            rate=float(rate.group(1)),
            p50_ms=percentile(latencies, 0.5),
            p99_ms=percentile(latencies, 0.99),
            made=int(made.group(1)),
            refused=0,
            wal_bytes=meter.wal_bytes,
            own_cpu=0.0,
            postgres_cpu=meter.postgres_cpu,
            client_cpu=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        )

    def _latencies_ms(self) -> list[tuple[float, int]]:
        times: list[float] = []
        for log in self._server.folder.glob("tpcb.*"):
            times += [int(line.split()[2]) / 1000 for line in log.read_text().splitlines()]
            log.unlink()
        return [(value, 1) for value in sorted(times)]

    def _pgbench(self, *options: str) -> str:
        program: Path = self._server.postgres.program("pgbench")
        done = subprocess.run(
            [str(program), *options], env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"pgbench ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout


def better_rate(before: dict[int, Run], after: dict[int, Run]) -> float:
    """The better of the two scripts, each the mean of the runs before and after one of ours."""
    return max((before[clients].rate + after[clients].rate) / 2 for clients in CLIENTS)
