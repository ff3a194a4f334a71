"""Runs of ours, each between two runs of the yardstick: what the machine does to one it does to the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.measure import Figure, Run, figure_of
from benchmarks.tpcb import TpcB, better_rate

Tell = Callable[[str], None]
"""Takes a line about how it goes."""


def compare(tpcb: TpcB, parts: Mapping[str, Callable[[], Run]], *, rounds: int, tell: Tell) -> dict[str, Figure]:
    """Each part's medians over the rounds. A round is the yardstick, every part in turn, the yardstick again."""
    runs: dict[str, list[Run]] = {name: [] for name in parts}
    ratios: dict[str, list[float]] = {name: [] for name in parts}
    before = tpcb.recent() or tpcb.measure()
    for _ in range(rounds):
        for name, part in parts.items():
            run = part()
            runs[name].append(run)
            tell(f"{name}: {run.rate:,.0f}/s, p99 {run.p99_ms:.1f} ms")
        after = tpcb.measure()
        yardstick = better_rate(before, after)
        tell(f"TPC-B-like: {yardstick:,.0f}/s")
        for name in parts:
            ratios[name].append(runs[name][-1].rate / yardstick)
        before = after
    return {name: figure_of(runs[name], ratios[name]) for name in parts}
