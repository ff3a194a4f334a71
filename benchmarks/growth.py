"""Whether the desk slows as it fills: the same load on few accounts, on more, on many, and after many more payments.

The worlds stand side by side and take turns, so that what the machine does meanwhile is not taken for growth.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any

from benchmarks.compare import Tell, compare
from benchmarks.desk import run_desk
from benchmarks.measure import Figure, rounded
from benchmarks.server import BenchServer
from benchmarks.tpcb import TpcB

SIZES = ("small", "medium", "large")
AFTER = "after"
_DESKS = 2
_FILLING_SECONDS = 180.0
"""On a machine that cannot make them in time there are fewer; how many is told."""


def measure_growth(
    server: BenchServer,
    tpcb: TpcB,
    *,
    sizes: Sequence[int],
    payments: int,
    callers: int,
    seconds: float,
    rounds: int,
    tell: Tell,
) -> dict[str, dict[str, Any]]:
    """Figures for "small", "medium" and "large", and for the large world "after" `payments` more.

    Each with `accounts`, `payments_before`, and `slower_percent` than the small world in the same rounds.
    """
    worlds = {name: server.make_world(f"growth_{name}", count) for name, count in zip(SIZES, sizes, strict=True)}
    tell(f"growth: worlds of {', '.join(f'{count:,}' for count in sizes)} accounts")
    large = worlds["large"]

    def load(name: str) -> Any:
        return partial(run_desk, server, worlds[name], desks=_DESKS, callers=callers, hot=False, seconds=seconds)

    first = compare(tpcb, {name: load(name) for name in SIZES}, rounds=rounds, tell=tell)
    filling = run_desk(
        server, large, desks=_DESKS, callers=callers, hot=False, seconds=_FILLING_SECONDS, payments=payments
    )
    tell(f"growth: {filling.made:,} more payments at {filling.rate:,.0f}/s")
    before = large.purchases()
    again = compare(tpcb, {"small": load("small"), AFTER: load("large")}, rounds=rounds, tell=tell)

    found = {name: _told(first[name], first["small"], worlds[name].accounts, 0) for name in SIZES}
    found[AFTER] = _told(again[AFTER], again["small"], large.accounts, before)
    return found


def _told(figure: Figure, small: Figure, accounts: int, payments_before: int) -> dict[str, Any]:
    slower = [1 - own / other for own, other in zip(figure.rates, small.rates, strict=True)]
    return {
        **figure.as_json(),
        "accounts": accounts,
        "payments_before": payments_before,
        "slower_percent": rounded(100 * median(slower)),
    }
