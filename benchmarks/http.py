"""Purchases over HTTP: the real `mpss serve`, and `wrk` with keep-alive connections and a script that costs little."""

from __future__ import annotations

import json
import os
import resource
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.measure import Run, tree_cpu_seconds
from benchmarks.server import SELLERS, BenchServer, World
from benchmarks.world import PASSWORD, account_id, merchant_id, phone, product_id
from mpss.accounts.password_rules import new_digest
from mpss.adapters.key_store_file import FileKeyStore
from mpss.cli.processes import Child, free_port, wait_ready
from mpss.kernel.ids import MerchantId, ProductId
from mpss.security.tokens import new_token, token_digest

KINDS = ("amount", "product")
CONNECTIONS = 128
WORKERS = 2
MISSING = "wrk is not installed; on Debian: apt-get install wrk"
_SCRIPT = Path(__file__).with_name("purchases.lua")
_WARM_UP_SECONDS = 2.0
_DRAIN_SECONDS = 0.5
_PRICE_FEN = 25


def is_available() -> bool:
    """Whether `wrk` is there."""
    return shutil.which("wrk") is not None


@dataclass(frozen=True, slots=True)
class HttpService:
    """`mpss serve --role http` over a world, with signed-in payers; `pid` is its first process."""

    server: BenchServer
    world: World
    url: str
    pid: int
    payers: Path

    def run(self, kind: str, *, seconds: float, connections: int = CONNECTIONS) -> Run:
        """Purchases of a free amount or of a product for `seconds`, after a warm-up.

        `refused` counts what was not answered 201: connections that failed, statuses above 399, and answers without a
        purchase that succeeded behind them. (wrk leaves as many answers unread at the end as it has connections.)
        """
        self.server.settle()
        warm_up = self._wrk(kind, min(_WARM_UP_SECONDS, seconds / 4), connections)
        time.sleep(_DRAIN_SECONDS)
        succeeded, own = self.world.purchases(), tree_cpu_seconds(self.pid)
        client = resource.getrusage(resource.RUSAGE_CHILDREN)
        with self.server.metered() as meter:
            told = self._wrk(kind, seconds, connections)
            time.sleep(_DRAIN_SECONDS)
        own = tree_cpu_seconds(self.pid) - own
        client_after = resource.getrusage(resource.RUSAGE_CHILDREN)
        made = self.world.purchases() - succeeded
        answered, failed = int(told["requests"]), int(told["failed"]) + int(warm_up["failed"])
        return Run(
            rate=answered / told["seconds"],
            p50_ms=told["p50_ms"],
            p99_ms=told["p99_ms"],
            made=made,
            refused=max(failed, answered - made),
            wal_bytes=meter.wal_bytes,
            own_cpu=own,
            postgres_cpu=meter.postgres_cpu,
            client_cpu=client_after.ru_utime + client_after.ru_stime - client.ru_utime - client.ru_stime,
        )

    def _wrk(self, kind: str, seconds: float, connections: int) -> dict[str, Any]:
        arguments = [self.payers, kind, secrets.token_hex(6), SELLERS, _PRICE_FEN, PASSWORD]
        seconds = max(1, round(seconds))
        done = subprocess.run(
            ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
             "--timeout", "10s", "--script", str(_SCRIPT), self.url, "--", *map(str, arguments)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"wrk ended with {done.returncode}:\n{done.stderr[-2000:]}")
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told


@contextmanager
def http_service(server: BenchServer, *, accounts: int, payers: int) -> Iterator[HttpService]:
    """A world whose payment passwords are under the key store's key, `payers` sessions, and the service over it."""
    data = server.folder / "http"
    data.mkdir(mode=0o700)
    key_store = FileKeyStore.open_or_make(data / "keys.json")
    world = server.make_world(
        "http", accounts, digest_of=lambda number: new_digest(key_store, account_id(number), PASSWORD)[0]
    )
    file = data / "payers.txt"
    _sign_in(world, payers, file)
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MPSS_")},
        "MPSS_DATABASE_URL": world.run_url,
        "MPSS_DATA_DIR": str(data),
        "MPSS_PORT": str(port),
        "MPSS_RATE_PER_SECOND": "0",
        "MPSS_SOURCE_RATE_PER_SECOND": "0",
    }
    arguments = ["-m", "mpss", "serve", "--role", "http", "--workers", str(WORKERS)]
    arguments += ["--follow-parent", str(os.getpid())]
    url = f"http://127.0.0.1:{port}"
    with Child("http", arguments, environment=environment, log=data / "http.log") as child:
        wait_ready(f"{url}/readyz", children=[child])
        yield HttpService(server, world, url, child.pid, file)


def _sign_in(world: World, payers: int, file: Path) -> None:
    """Sessions of accounts 1 to `payers`; the script's file: the merchants' and products' ids, then a token a line."""
    now = datetime.now(UTC)
    tokens = [new_token("ses") for _ in range(payers)]
    with (
        psycopg.connect(world.owner_url) as connection,
        connection.cursor().copy(
            "COPY account_session (token_digest, phone, account_id, created_at, expires_at) FROM STDIN"
        ) as copy,
    ):
        for number, token in enumerate(tokens, start=1):
            copy.write_row((token_digest(token), phone(number), account_id(number), now, now + timedelta(days=1)))
    goods = [
        f"{MerchantId.from_uuid(merchant_id(number))} {ProductId.from_uuid(product_id(number))}"
        for number in range(1, SELLERS + 1)
    ]
    file.write_text("\n".join([*goods, *tokens]) + "\n")
    file.chmod(0o600)
