"""Purchases from the phone bill over Diameter, purchases and top-ups from bank cards over ISO 8583, against the town's
OCS and a bank of the town, each a process of its own; and what 2,000 calls that wait for a slow bank do to wallet
payments.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from benchmarks.measure import Run, rounded, tree_cpu_seconds
from benchmarks.server import SELLERS, BenchServer, World
from benchmarks.world import PASSWORD, account_id, card_id, phone
from mpss.accounts.cards import card_digests
from mpss.accounts.password_rules import new_digest
from mpss.adapters.key_store_file import FileKeyStore
from mpss.bootstrap import transport_key_of
from mpss.cli.processes import Child
from mpss.kernel.masking import mask_tail
from mpss.simulators.bank_store import BankStore
from mpss.wire.iso8583.directory import BankEntry
from mpss.wire.iso8583.fields import ProfileName

KINDS = {"phone_bill": "bill", "bank_card": "card", "bank_topup": "topup"}
"""A figure's name → what the load is called."""
_BANK = "BENCH"
_HOLDER = "李小明"
_CARD_FEN = 10**9
_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class FundedService:
    """A world, an OCS and a bank; `simulators` are the processes of the last two."""

    server: BenchServer
    world: World
    data: Path
    cards: int
    peers: str
    banks: str
    bank_control: str
    simulators: tuple[int, ...]

    def run(self, kind: str, *, seconds: float, callers: int) -> Run:
        """Purchases, or top-ups, for `seconds` after a warm-up; `client_cpu` is the simulators'."""
        self.server.settle()
        before = self._simulators_cpu()
        with self.server.metered() as meter:
            told = self._told(KINDS[kind], seconds, callers=callers)
        return Run(
            rate=told["rate"],
            p50_ms=told["p50_ms"],
            p99_ms=told["p99_ms"],
            made=told["made"],
            refused=told["refused"],
            wal_bytes=meter.wal_bytes,
            own_cpu=told["cpu_seconds"],
            postgres_cpu=meter.postgres_cpu,
            client_cpu=self._simulators_cpu() - before,
        )

    def waiting(self, *, calls: int, callers: int, seconds: float, rounds: int) -> dict[str, Any]:
        """Wallet payments with and without `calls` that wait: the medians of the rounds, and the extremes."""
        self.server.settle()
        told = self._told("waiting", seconds, callers=callers, calls=calls, rounds=rounds)
        found = told["rounds"]
        medians = {
            name: {figure: median(one[name][figure] for one in found) for figure in ("rate", "p50_ms", "p99_ms")}
            for name in ("alone", "beside")
        }
        result = {
            **medians,
            "ratio": median(one["beside"]["rate"] / one["alone"]["rate"] for one in found),
            "calls": told["calls"],
            "waiting_least": min(one["waiting_least"] for one in found),
            "connections_open": max(one["open_most"] for one in found),
            "connections_in_use": max(one["in_use_most"] for one in found),
            "refused": told["refused"],
        }
        return {name: rounded(value) for name, value in result.items()}

    def _told(self, kind: str, seconds: float, **options: int) -> dict[str, Any]:
        numbers = {"accounts": self.world.accounts, "cards": self.cards, "sellers": SELLERS, "seconds": seconds}
        arguments = ["--data", str(self.data), "--peers", self.peers, "--banks", self.banks]
        arguments += ["--bank-control", self.bank_control]
        for name, value in {**numbers, **options}.items():
            arguments += [f"--{name}", str(value)]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.funded_load", kind, self.world.run_url, *arguments],
            env={name: value for name, value in os.environ.items() if not name.startswith("MPSS_")},
            stdout=subprocess.PIPE, text=True, timeout=_PATIENCE_SECONDS + seconds, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"the load ended with {done.returncode}")
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def _simulators_cpu(self) -> float:
        return sum(tree_cpu_seconds(pid) for pid in self.simulators)


@contextmanager
def funded_service(server: BenchServer, *, accounts: int, cards: int) -> Iterator[FundedService]:
    """A world whose first `cards` accounts have a bound card, and the other side's processes."""
    data = server.folder / "funded"
    data.mkdir(mode=0o700)
    keys = FileKeyStore.open_or_make(data / "keys.json")
    world = server.make_world(
        "funded", accounts, digest_of=lambda number: new_digest(keys, account_id(number), PASSWORD)[0]
    )
    _bind(world, keys, cards)
    _open_cards(data / f"bank-{_BANK}.sqlite", cards)
    key_file = data / "transport.key"
    key_file.touch(mode=0o600)
    key_file.write_text(transport_key_of(keys, _BANK).hex())
    ocs = ["-m", "mpss.simulators.ocs", "--data", str(data)]
    bank = ["-m", "mpss.simulators.bank", "--data", str(data), "--code", _BANK, "--key-file", str(key_file)]
    with (
        Child("ocs", ocs, log=None, read_output=True) as ocs_child,
        Child("bank", bank, log=None, read_output=True) as bank_child,
    ):
        at_ocs, at_bank = json.loads(ocs_child.first_line()), json.loads(bank_child.first_line())
        entry = BankEntry(_BANK, "Bench", "127.0.0.1", at_bank["port"], ProfileName.ASCII, real_time_credit=True)
        yield FundedService(
            server, world, data, cards, at_ocs["peers"], str(entry), at_bank["control_url"],
            (ocs_child.pid, bank_child.pid),
        )  # fmt: skip


def _number(card: int) -> str:
    return f"62220200{card:08d}"


def _bind(world: World, keys: FileKeyStore, cards: int) -> None:
    now = datetime.now(UTC)
    with (
        psycopg.connect(world.owner_url) as connection,
        connection.cursor().copy(
            "COPY bank_card (id, account_id, bank, number_sealed, number_digest, masked, name_sealed, purposes, state,"
            " requested_at, bound_at) FROM STDIN"
        ) as copy,
    ):
        for card in range(1, cards + 1):
            number = _number(card)
            copy.write_row(
                (card_id(card), account_id(card), _BANK, keys.seal(number.encode()), card_digests(keys, number)[-1],
                 mask_tail(number), keys.seal(_HOLDER.encode()), ["top_up", "pay", "withdraw"], "bound", now, now)
            )  # fmt: skip


def _open_cards(path: Path, cards: int) -> None:
    store = BankStore(path)
    for card in range(1, cards + 1):
        store.open_card(_number(card), holder_name=_HOLDER, phone=phone(card), balance_fen=_CARD_FEN)
    store.close()
