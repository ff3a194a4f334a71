"""The figures for people: a table on the terminal, a section of RESULTS.md; and the goals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

_HEADINGS = ("part", "rate/s", "ratio", "p50 ms", "p99 ms", "WAL B", "CPU µs", "ours", "PostgreSQL", "client")
_MEANING = (
    "ratio: to the better TPC-B-like script just before and after; WAL and CPU are a payment's; "
    "ours, PostgreSQL and client (pgbench, wrk, of funded the OCS and the bank) are shares of the CPU used."
)


class Goal(NamedTuple):
    """A figure and what it is to reach; `at_most` says which way."""

    name: str
    bound: float
    at_most: bool = False


GOALS = (
    Goal("desk.random.ratio", 3.0),
    Goal("desk.hot_to_random", 1.0),
    Goal("desk.screened_to_random", 0.7),
    Goal("desk.p99_ms", 50.0, at_most=True),
    Goal("http.amount.ratio", 0.5),
    Goal("http.product.ratio", 0.5),
    Goal("funded.phone_bill.ratio", 0.1),
    Goal("funded.bank_card.ratio", 0.1),
    Goal("funded.bank_topup.ratio", 0.1),
    Goal("funded.waiting.ratio", 0.9),
    Goal("funded.waiting.connections_in_use", 2, at_most=True),
    Goal("growth.large.slower_percent", 15.0, at_most=True),
    Goal("growth.after.slower_percent", 15.0, at_most=True),
)


def goals_of(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What was reached of each goal; None where it was not measured. Of 1 and 2 desks, the better counts."""
    desk, funded, growth = result["desk"], result["funded"], result["growth"]
    reached: dict[str, float | None] = {goal.name: None for goal in GOALS}
    if desk is not None:
        best = {
            name: max((desk[f"{name}_{n}"] for n in (1, 2)), key=lambda f: f["ratio"]) for name in ("random", "hot")
        }
        reached["desk.random.ratio"] = best["random"]["ratio"]
        reached["desk.hot_to_random"] = round(best["hot"]["ratio"] / best["random"]["ratio"], 3)
        reached["desk.screened_to_random"] = round(desk["screened_2"]["ratio"] / desk["random_2"]["ratio"], 3)
        reached["desk.p99_ms"] = max(one["p99_ms"] for one in best.values())
    for kind, figure in (result["http"] or {}).items():
        if isinstance(figure, dict):
            reached[f"http.{kind}.ratio"] = figure["ratio"]
    if funded is not None:
        for name, figure in funded.items():
            reached[f"funded.{name}.ratio"] = figure["ratio"]
        reached["funded.waiting.connections_in_use"] = funded["waiting"]["connections_in_use"]
    if growth is not None:
        for name in ("large", "after"):
            reached[f"growth.{name}.slower_percent"] = growth[name]["slower_percent"]
    return {goal.name: _judged(goal, reached[goal.name]) for goal in GOALS}


def _judged(goal: Goal, figure: float | None) -> dict[str, Any]:
    met = None if figure is None else figure <= goal.bound if goal.at_most else figure >= goal.bound
    return {"figure": figure, "at_most" if goal.at_most else "at_least": goal.bound, "met": met}


def show(console: Console, result: dict[str, Any]) -> None:
    """Tables of the figures and of the goals."""
    console.print(_headline(result), highlight=False)
    table = Table(*_HEADINGS, box=SIMPLE)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in _rows(result):
        table.add_row(*row)
    console.print(table, _MEANING, *_notes(result), crop=False)
    goals = Table("goal", "wanted", "reached", "", box=SIMPLE)
    for row in _goal_rows(result):
        goals.add_row(*row, style="red" if row[-1] == "missed" else None)
    console.print(goals)


def markdown(result: dict[str, Any]) -> str:
    """The section that RESULTS.md gets."""
    lines = ["", f"## {result['at']} · {result['commit'] or 'no commit'}", "", _headline(result), ""]
    lines += [_line(_HEADINGS), _line(("---", *["---:"] * (len(_HEADINGS) - 1)))]
    lines += [_line(row) for row in _rows(result)]
    lines += ["", _MEANING, *(f"\n{note}" for note in _notes(result))]
    lines += ["", _line(("goal", "wanted", "reached", "")), _line(["---"] * 4)]
    lines += [_line(row) for row in _goal_rows(result)]
    return "\n".join(lines) + "\n"


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _headline(result: dict[str, Any]) -> str:
    machine, disk = result["machine"], result["disk"]["commit_latency"]
    verified = "the books hold" if result["verify"]["holds"] else "THE BOOKS DO NOT HOLD"
    return (
        f"{machine['cores']} × {machine['processor']}, {machine['memory_gib']} GiB, Linux {machine['kernel']}, "
        f"{machine['file_system']}; Python {machine['python']}, PostgreSQL {machine['postgresql']}; "
        f"8 KiB written and synced in {disk['p50_ms']} ms (p50), {disk['p99_ms']} ms (p99); "
        f"{verified}, {result['refused']} refused; {result['seconds']:.0f} s in all."
    )


def _rows(result: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for part in ("tpcb", "desk", "http", "funded", "growth"):
        for name, figure in (result[part] or {}).items():
            if name == "waiting":
                for where, wallet in (("alone", figure["alone"]), (_beside(figure), figure["beside"])):
                    yield _short_row(f"{part} wallet {where}", wallet)
            elif isinstance(figure, dict):
                yield _row(f"{part} {name.replace('_', ' ')}{_size(figure)}", figure)
        if part == "http" and result[part] and result[part]["reason"]:
            yield (f"http: {result[part]['reason']}", *[""] * (len(_HEADINGS) - 1))


def _size(figure: dict[str, Any]) -> str:
    if "accounts" not in figure:
        return ""
    before = f", {figure['payments_before']:,} payments" if figure["payments_before"] else ""
    return f" ({figure['accounts']:,} accounts{before})"


def _row(name: str, figure: dict[str, Any]) -> tuple[str, ...]:
    return (
        name,
        f"{figure['rate']:,.0f}",
        "" if figure["ratio"] is None else f"{figure['ratio']:.2f}",
        f"{figure['p50_ms']:.1f}",
        f"{figure['p99_ms']:.1f}",
        f"{figure['wal_bytes_per_payment']:,.0f}",
        f"{figure['cpu_us_per_payment']:,.0f}",
        *(f"{figure[share]:.0%}" for share in ("cpu_own", "cpu_postgres", "cpu_client")),
    )


def _short_row(name: str, figure: dict[str, Any]) -> tuple[str, ...]:
    figures = (f"{figure['rate']:,.0f}", "", f"{figure['p50_ms']:.1f}", f"{figure['p99_ms']:.1f}")
    return (name, *figures, *[""] * (len(_HEADINGS) - 1 - len(figures)))


def _beside(waiting: dict[str, Any]) -> str:
    return f"beside {waiting['calls']:,} waiting calls"


def _notes(result: dict[str, Any]) -> list[str]:
    """What a table does not hold."""
    waiting = (result["funded"] or {}).get("waiting")
    if waiting is None:
        return []
    return [
        f"Of {waiting['calls']:,} calls to a slow bank at least {waiting['waiting_least']:,} waited at any moment while"
        f" wallet payments went on at {waiting['ratio']:g} of their rate alone; meanwhile at most"
        f" {waiting['connections_in_use']} of {waiting['connections_open']} database connections were in use."
    ]


def _goal_rows(result: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, goal in result["goals"].items():
        wanted = f"at most {goal['at_most']:g}" if "at_most" in goal else f"at least {goal['at_least']:g}"
        reached = "not measured" if goal["figure"] is None else f"{goal['figure']:g}"
        yield name, wanted, reached, {True: "met", False: "missed", None: ""}[goal["met"]]
