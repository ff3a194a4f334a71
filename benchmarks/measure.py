"""What one run of a part measured, and the median of several; CPU time from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `rate` is payments a second after the warm-up; `made` counts those of the warm-up too, as log bytes and
    CPU seconds do. `own_cpu` is of the processes measured (desks, HTTP workers), `client_cpu` of pgbench or wrk.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    made: int
    refused: int
    wal_bytes: int
    own_cpu: float
    postgres_cpu: float
    client_cpu: float


@dataclass(frozen=True, slots=True)
class Figure:
    """The medians of a part's runs. `cpu_*` are shares of the CPU time used, 0 to 1; `ratio` is to the better of the
    TPC-B-like scripts run just before and just after, None for these themselves."""

    rate: float
    ratio: float | None
    p50_ms: float
    p99_ms: float
    wal_bytes_per_payment: float
    cpu_own: float
    cpu_postgres: float
    cpu_client: float
    cpu_us_per_payment: float
    refused: int
    rates: tuple[float, ...]
    ratios: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """The fields, with figures rounded to what they mean."""
        return {name: rounded(value) for name, value in asdict(self).items()}


def figure_of(runs: Sequence[Run], ratios: Sequence[float] = ()) -> Figure:
    """The median of each figure over the runs; refusals are added up."""
    cpu = [run.own_cpu + run.postgres_cpu + run.client_cpu or 1.0 for run in runs]
    made = [max(run.made, 1) for run in runs]
    return Figure(
        rate=median(run.rate for run in runs),
        ratio=median(ratios) if ratios else None,
        p50_ms=median(run.p50_ms for run in runs),
        p99_ms=median(run.p99_ms for run in runs),
        wal_bytes_per_payment=median(run.wal_bytes / count for run, count in zip(runs, made, strict=True)),
        cpu_own=median(run.own_cpu / used for run, used in zip(runs, cpu, strict=True)),
        cpu_postgres=median(run.postgres_cpu / used for run, used in zip(runs, cpu, strict=True)),
        cpu_client=median(run.client_cpu / used for run, used in zip(runs, cpu, strict=True)),
        cpu_us_per_payment=median(used * 1e6 / count for used, count in zip(cpu, made, strict=True)),
        refused=sum(run.refused for run in runs),
        rates=tuple(run.rate for run in runs),
        ratios=tuple(ratios),
    )


def rounded(value: Any) -> Any:
    """Numbers at any depth with four significant figures after the point, or none where they are large."""
    if isinstance(value, float):
        return round(value, 1) if abs(value) >= 1000 else float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    return value


def percentile(counts: Iterable[tuple[float, int]], share: float) -> float:
    """The value below which `share` of the counted values lie; `counts` in ascending order, 0.0 for none."""
    counted = list(counts)
    wanted = share * sum(count for _, count in counted)
    seen = 0
    for value, count in counted:
        seen += count
        if seen >= wanted:
            return value
    return 0.0


def tree_cpu_seconds(root: int) -> float:
    """CPU time of a process and all its descendants, those that ended and were waited for too."""
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # The name in parentheses may hold anything; what follows its end starts with the state.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        parents[int(folder.name)] = int(fields[1])
        used[int(folder.name)] = sum(map(int, fields[11:15]))  # own user and system time, reaped children's
    return sum(ticks for pid, ticks in used.items() if _descends(pid, root, parents)) / _TICKS


def _descends(pid: int, root: int, parents: dict[int, int]) -> bool:
    while pid != root:
        if pid not in parents:
            return False
        pid = parents[pid]
    return True
