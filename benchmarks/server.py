"""The one server every part runs on, with a database for each world; made for the run and removed after it."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from benchmarks.measure import percentile, tree_cpu_seconds
from benchmarks.world import TUNE, digest, fill_accounts, fill_merchants
from mpss.db.database import Database
from mpss.db.embedded import OWNER_ROLE, RUN_ROLE, EmbeddedPostgres
from mpss.db.migrate import migrate
from mpss.kernel.clock import business_date
from mpss.ledger.seed import seed
from mpss.ledger.verify import Check
from mpss.transactions.verify import verify

SELLERS = 100
_SETTLE_SECONDS = 1.0
_VERIFY_MEMORY = "256MB"
_BLOCK = b"\0" * 8192


@dataclass(frozen=True, slots=True)
class World:
    """A database with that many wallets."""

    name: str
    accounts: int
    owner_url: str
    run_url: str

    def purchases(self) -> int:
        """How many succeeded so far."""
        with psycopg.connect(self.run_url) as connection:
            row = connection.execute(
                "SELECT count(*) FROM transaction WHERE kind = 'purchase' AND state = 'SUCCEEDED'"
            ).fetchone()
        assert row is not None
        return int(row[0])


@dataclass(slots=True)
class Meter:
    """What the server did while it was metered."""

    wal_bytes: int = 0
    postgres_cpu: float = 0.0


class BenchServer:
    """The embedded PostgreSQL in a temporary folder of its own."""

    def __init__(self, *, settle_seconds: float = _SETTLE_SECONDS) -> None:
        self._settle_seconds = settle_seconds
        self.folder = _temporary_folder()
        self.postgres = EmbeddedPostgres(self.folder, tune=TUNE)
        self.worlds: list[World] = []

    def __enter__(self) -> Self:
        try:
            self.postgres.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.postgres.stop()
        finally:
            self._remove()

    def create_database(self, name: str) -> None:
        self._admin(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(OWNER_ROLE)))

    def make_world(self, name: str, accounts: int, *, digest_of: Callable[[int], bytes] = digest) -> World:
        """A migrated database with an open business day, `accounts` wallets and `SELLERS` merchants."""
        self.create_database(name)
        world = World(name, accounts, self.postgres.url(OWNER_ROLE, name), self.postgres.url(RUN_ROLE, name))
        now = datetime.now(UTC)
        today = business_date(now)
        asyncio.run(_prepare(world, today, now))
        fill_accounts(world.owner_url, first=1, last=accounts, today=today, digest_of=digest_of)
        fill_merchants(world.owner_url, count=SELLERS)
        self.worlds.append(world)
        return world

    def settle(self) -> None:
        """Start the next run from a clean slate: nothing dirty, and the disk at rest."""
        self._admin(sql.SQL("CHECKPOINT"))
        time.sleep(self._settle_seconds)

    @contextmanager
    def metered(self) -> Iterator[Meter]:
        """Meter what the server writes and uses meanwhile."""
        meter = Meter()
        log_before, cpu_before = self._log_position(), tree_cpu_seconds(self._postmaster)
        yield meter
        meter.wal_bytes = self._log_position() - log_before
        meter.postgres_cpu = tree_cpu_seconds(self._postmaster) - cpu_before

    def verify(self) -> dict[str, list[Check]]:
        """Every invariant of every world, recomputed."""
        return {world.name: asyncio.run(_verify(world)) for world in self.worlds}

    def commit_latency_ms(self, *, seconds: float = 1.0) -> dict[str, float]:
        """How long this disk takes to write 8 KiB and be sure of it: "p50_ms" and "p99_ms"."""
        times: list[float] = []
        path = self.folder / "disk.probe"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(handle, _BLOCK * 64, 0)
            os.fsync(handle)
            until = time.perf_counter() + seconds
            while time.perf_counter() < until:
                started = time.perf_counter()
                os.pwrite(handle, _BLOCK, len(times) % 64 * len(_BLOCK))
                os.fdatasync(handle)
                times.append((time.perf_counter() - started) * 1000)
        finally:
            os.close(handle)
            path.unlink()
        counts = [(value, 1) for value in sorted(times)]
        return {"p50_ms": percentile(counts, 0.5), "p99_ms": percentile(counts, 0.99)}

    def version(self) -> str:
        """PostgreSQL's version, "18.1"."""
        return str(self._value("SHOW server_version")).split()[0]

    @property
    def _postmaster(self) -> int:
        return int((self.postgres.cluster / "postmaster.pid").read_text().splitlines()[0])

    def _log_position(self) -> int:
        return int(self._value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))

    def _value(self, statement: str) -> Any:
        with psycopg.connect(self.postgres.admin_url, autocommit=True) as connection:
            row = connection.execute(statement).fetchone()
        assert row is not None
        return row[0]

    def _admin(self, statement: sql.Composable) -> None:
        with psycopg.connect(self.postgres.admin_url, autocommit=True) as connection:
            connection.execute(sql.Composed([statement]))

    def _remove(self) -> None:
        if (self.folder / "postgres.json").exists():
            shutil.rmtree(self.postgres.cluster, ignore_errors=True)  # may be in the service folder
        shutil.rmtree(self.folder, ignore_errors=True)


def _temporary_folder() -> Path:
    """On a disk where that can be had: /tmp may be memory, where a commit costs nothing."""
    parent = os.environ.get("TMPDIR") or ("/var/tmp" if os.access("/var/tmp", os.W_OK) else None)  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix="mpss-bench-", dir=parent))
    folder.chmod(0o711)  # the OS user that runs PostgreSQL walks through it
    return folder


async def _prepare(world: World, today: date, now: datetime) -> None:
    await migrate(world.owner_url, run_role=RUN_ROLE)
    database = Database(world.run_url, pool_size=1)
    await database.open()
    try:
        async with database.transaction() as uow:
            await seed(uow, today=today, now=now)
    finally:
        await database.close()


async def _verify(world: World) -> list[Check]:
    # Everything was written in minutes: without fresh statistics the planner takes the journal for a small table.
    with psycopg.connect(world.owner_url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    database = Database(make_conninfo(world.run_url, options=f"-c work_mem={_VERIFY_MEMORY}"), pool_size=1)
    await database.open()
    try:
        async with database.read() as uow:
            return await verify(uow)
    finally:
        await database.close()
