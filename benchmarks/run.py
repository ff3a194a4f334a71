"""The benchmarks: our rates as ratios to pgbench's TPC-B-like script, on one server, in one call, taking turns.

    python -m benchmarks.run [--json] [--quick] [--part desk] [--part http] [--part funded] [--part growth]

Progress goes to standard error; standard output gets a table, or with --json one JSON object. Unless --quick, a section
is added to RESULTS.md. Exits 1 when the books of a world do not hold afterwards or a payment was refused.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.compare import compare
from benchmarks.desk import run_desk
from benchmarks.funded import KINDS as FUNDED
from benchmarks.funded import funded_service
from benchmarks.growth import measure_growth
from benchmarks.http import KINDS, MISSING, http_service, is_available
from benchmarks.machine import describe
from benchmarks.measure import figure_of, rounded
from benchmarks.report import goals_of, markdown, show
from benchmarks.server import BenchServer
from benchmarks.tpcb import CLIENTS, TpcB
from benchmarks.world import fill_lists
from mpss.observability import configure_logging

PARTS = ("desk", "http", "funded", "growth")
RESULTS = Path(__file__).with_name("RESULTS.md")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. Times in seconds, of one run."""

    tpcb_scale: int
    tpcb_seconds: float
    seconds: float
    rounds: int
    settle_seconds: float
    callers: int
    desk_accounts: int
    list_entries: int
    http_accounts: int
    http_payers: int
    funded_accounts: int
    funded_callers: int
    waiting_calls: int
    waiting_seconds: float
    waiting_rounds: int
    growth_accounts: tuple[int, int, int]
    growth_payments: int
    growth_rounds: int


FULL = Plan(
    tpcb_scale=100,
    tpcb_seconds=8,
    seconds=10,
    rounds=2,
    settle_seconds=1.0,
    callers=256,
    desk_accounts=100_000,
    list_entries=10_000,
    http_accounts=10_000,
    http_payers=2_000,
    funded_accounts=10_000,
    funded_callers=64,
    waiting_calls=2_000,
    waiting_seconds=2.0,
    waiting_rounds=5,
    growth_accounts=(10_000, 100_000, 1_000_000),
    growth_payments=1_000_000,
    growth_rounds=2,
)
QUICK = Plan(
    tpcb_scale=1,
    tpcb_seconds=1,
    seconds=0.5,
    rounds=1,
    settle_seconds=0.0,
    callers=32,
    desk_accounts=500,
    list_entries=100,
    http_accounts=200,
    http_payers=100,
    funded_accounts=200,
    funded_callers=8,
    waiting_calls=50,
    waiting_seconds=0.3,
    waiting_rounds=1,
    growth_accounts=(200, 400, 800),
    growth_payments=500,
    growth_rounds=1,
)
"""For the smoke test: everything runs, and the figures mean nothing."""


class Benchmark:
    """One call of the benchmarks; `result` is what --json prints."""

    def __init__(self, server: BenchServer, plan: Plan, progress: Console) -> None:
        self._server = server
        self._plan = plan
        self._progress = progress
        self._started = time.monotonic()
        self.result: dict[str, Any] = {}

    def run(self, parts: tuple[str, ...], *, quick: bool) -> None:
        server, plan = self._server, self._plan
        self.result |= describe(server, quick=quick)
        self.result["disk"] = {"commit_latency": rounded(server.commit_latency_ms())}
        self._tell(f"pgbench: scale {plan.tpcb_scale}")
        tpcb = TpcB(server, scale=plan.tpcb_scale, seconds=plan.tpcb_seconds)
        for part in PARTS:
            self.result[part] = getattr(self, f"_{part}")(tpcb) if part in parts else None
        figures = {f"clients_{clients}": figure_of(tpcb.runs[clients]).as_json() for clients in CLIENTS}
        self.result["tpcb"] = {**figures, "better_rate": max(figure["rate"] for figure in figures.values())}
        self.result["goals"] = goals_of(self.result)
        self.result["verify"] = self._verified()
        self.result["refused"] = _refused(self.result)
        self.result["seconds"] = round(time.monotonic() - self._started, 1)

    def _desk(self, tpcb: TpcB) -> dict[str, Any]:
        world = self._server.make_world("desk", self._plan.desk_accounts)
        self._tell(f"desk: {world.accounts:,} accounts")
        load = partial(run_desk, self._server, callers=self._plan.callers, seconds=self._plan.seconds)
        parts = {
            f"{name}_{desks}": partial(load, world, desks=desks, hot=name == "hot")
            for name in ("random", "hot")
            for desks in (1, 2)
        }
        screened = self._server.make_world("screened", self._plan.desk_accounts)
        fill_lists(screened.owner_url, count=self._plan.list_entries)
        self._tell(f"desk: {2 * self._plan.list_entries:,} entries on the lists, every rule on")
        parts["screened_2"] = partial(load, screened, desks=2, hot=False)
        found = compare(tpcb, parts, rounds=self._plan.rounds, tell=self._tell)
        return {name: figure.as_json() for name, figure in found.items()}

    def _http(self, tpcb: TpcB) -> dict[str, Any]:
        if not is_available():
            self._tell(f"http: {MISSING}")
            return {**dict.fromkeys(KINDS), "reason": MISSING}
        plan = self._plan
        with http_service(self._server, accounts=plan.http_accounts, payers=plan.http_payers) as service:
            self._tell(f"http: {plan.http_payers:,} payers are signed in")
            parts = {kind: partial(service.run, kind, seconds=plan.seconds) for kind in KINDS}
            found = compare(tpcb, parts, rounds=plan.rounds, tell=self._tell)
        return {**{name: figure.as_json() for name, figure in found.items()}, "reason": None}

    def _funded(self, tpcb: TpcB) -> dict[str, Any]:
        plan = self._plan
        with funded_service(self._server, accounts=plan.funded_accounts, cards=plan.funded_accounts) as service:
            self._tell(f"funded: {plan.funded_accounts:,} accounts with a bound card; an OCS and a bank")
            parts = {
                name: partial(service.run, name, seconds=plan.seconds, callers=plan.funded_callers) for name in FUNDED
            }
            found = compare(tpcb, parts, rounds=plan.rounds, tell=self._tell)
            waiting = service.waiting(
                calls=plan.waiting_calls, callers=plan.callers, seconds=plan.waiting_seconds, rounds=plan.waiting_rounds
            )
            self._tell(f"wallet payments beside {waiting['calls']:,} waiting calls: {waiting['ratio']} of those alone")
        return {**{name: figure.as_json() for name, figure in found.items()}, "waiting": waiting}

    def _growth(self, tpcb: TpcB) -> dict[str, Any]:
        plan = self._plan
        return measure_growth(
            self._server,
            tpcb,
            sizes=plan.growth_accounts,
            payments=plan.growth_payments,
            callers=plan.callers,
            seconds=plan.seconds,
            rounds=plan.growth_rounds,
            tell=self._tell,
        )

    def _verified(self) -> dict[str, Any]:
        self._tell("verify: every invariant of every world")
        breaches = [
            f"{world}: {check.name} ({check.breaches})"
            for world, checks in self._server.verify().items()
            for check in checks
            if not check.holds
        ]
        return {"holds": not breaches, "breaches": breaches, "worlds": len(self._server.worlds)}

    def _tell(self, line: str) -> None:
        self._progress.print(f"[dim]{time.monotonic() - self._started:5.0f} s[/]  {line}", highlight=False)


def _refused(result: dict[str, Any]) -> int:
    """Payments that were refused, of all parts."""
    figures = [figure for part in PARTS for figure in (result[part] or {}).values()]
    return sum(figure["refused"] for figure in figures if isinstance(figure, dict))


def main() -> None:
    parser = argparse.ArgumentParser(prog="mpss bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="a minute, at a tiny scale: the figures mean nothing")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be repeated")
    options = parser.parse_args()
    configure_logging("ERROR")
    # So that a stopped benchmark stops its server and removes its data.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    plan = QUICK if options.quick else FULL
    progress = Console(stderr=True)
    with BenchServer(settle_seconds=plan.settle_seconds) as server:
        benchmark = Benchmark(server, plan, progress)
        benchmark.run(tuple(options.part or PARTS), quick=options.quick)
    result = benchmark.result
    if options.json:
        print(json.dumps(result))
    else:
        show(Console(width=None if sys.stdout.isatty() else 120), result)
    if not options.quick:
        with RESULTS.open("a") as file:
            file.write(markdown(result))
        progress.print(f"Added to {RESULTS.relative_to(RESULTS.parent.parent)}.")
    for breach in result["verify"]["breaches"]:
        progress.print(f"[bold red]{breach}")
    if result["refused"]:
        progress.print(f"[bold red]{result['refused']} payments were refused or failed")
    if result["verify"]["breaches"] or result["refused"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
