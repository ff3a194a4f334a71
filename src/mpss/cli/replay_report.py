"""What a replay did, hour by hour, beside what the books say of it: tables, CSV and a chart."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import vl_convert
from rich.console import Console
from rich.table import Table

from mpss.kernel.money import Money
from mpss.ledger.verify import Check


@dataclass(slots=True)
class Line:
    """One action in one hour: what was asked of the API, what it answered, and the journal's own figures.

    `moved_fen` is the sum of the accepted amounts; `books_*` are read from the journal afterwards.
    """

    step: int
    action: str
    asked: int = 0
    accepted: int = 0
    moved_fen: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    books_entries: int = 0
    books_fen: int = 0

    @property
    def agrees(self) -> bool:
        return (self.books_entries, self.books_fen) == (self.accepted, self.moved_fen)


def totals(lines: Iterable[Line]) -> list[Line]:
    """One line for each action, `step` 0."""
    by_action: dict[str, Line] = {}
    for line in lines:
        total = by_action.setdefault(line.action, Line(0, line.action))
        total.asked += line.asked
        total.accepted += line.accepted
        total.moved_fen += line.moved_fen
        total.refused.update(line.refused)
        total.books_entries += line.books_entries
        total.books_fen += line.books_fen
    return list(by_action.values())


def table(lines: Iterable[Line], *, title: str) -> Table:
    """A table to print; a line that the books contradict is red."""
    drawn = Table("hour", "type", "asked", "accepted", "refused", "yuan moved", "yuan in the books", title=title)
    for column in drawn.columns:
        column.overflow = "fold"
    for line in lines:
        drawn.add_row(
            str(line.step or "all"),
            line.action,
            f"{line.asked:,}",
            f"{line.accepted:,}",
            ", ".join(f"{count:,} {reason}" for reason, count in line.refused.most_common()) or "-",
            str(Money(line.moved_fen)),
            str(Money(line.books_fen)),
            style=None if line.agrees else "bold red",
        )
    return drawn


def write_csv(lines: Iterable[Line], path: Path) -> None:
    """One row for each hour and type; a column for each reason of refusal that came up."""
    kept = list(lines)
    reasons = sorted({reason for line in kept for reason in line.refused})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        head = ["hour", "type", "asked", "accepted", "moved_fen", "books_entries", "books_fen", "agrees"]
        writer.writerow([*head, *(f"refused_{reason}" for reason in reasons)])
        for line in kept:
            figures = [line.asked, line.accepted, line.moved_fen, line.books_entries, line.books_fen, line.agrees]
            writer.writerow([line.step, line.action, *figures, *(line.refused[reason] for reason in reasons)])


def write_chart(lines: Iterable[Line], path: Path, *, title: str) -> None:
    """An SVG of the month: operations an hour, accepted and refused, and the money moved."""
    values = [
        {
            "hour": line.step,
            "type": line.action,
            "answer": answer,
            "operations": count,
            "yuan": line.moved_fen / 100 if answer == "accepted" else 0,
        }
        for line in lines
        for answer, count in (("accepted", line.accepted), ("refused", line.asked - line.accepted))
    ]
    path.write_text(vl_convert.vegalite_to_svg(json.dumps(_chart(values, title))), encoding="utf-8")


def _chart(values: list[dict[str, Any]], title: str) -> dict[str, Any]:
    last = max((value["hour"] for value in values), default=1)
    scale = {"domain": [0, last], "nice": False}
    hour = {"field": "hour", "type": "quantitative", "title": "hour of the month", "scale": scale}
    colors = {"field": "answer", "type": "nominal", "title": None, "scale": {"range": ["#2a6f97", "#c8553d"]}}
    operations = {
        "mark": {"type": "bar", "width": 1},
        "width": 860,
        "height": 150,
        "encoding": {
            "x": hour,
            "y": {"field": "operations", "type": "quantitative", "title": "operations an hour"},
            "color": colors,
            "row": {"field": "type", "type": "nominal", "title": None},
        },
    }
    money = {
        "mark": {"type": "bar", "width": 1},
        "width": 860,
        "height": 150,
        "encoding": {
            "x": hour,
            "y": {"field": "yuan", "type": "quantitative", "aggregate": "sum", "title": "yuan moved an hour"},
            "color": {"field": "type", "type": "nominal", "title": None, "scale": {"range": ["#468c5b", "#7b5ea7"]}},
        },
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": title,
        "data": {"values": values},
        "vconcat": [operations, money],
        "resolve": {"scale": {"color": "independent"}},
    }


def report(console: Console, folder: Path, title: str, lines: list[Line], checks: list[Check]) -> None:
    """Print tables of the month, its totals and what differs; write `hours.csv` and `month.svg` into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    month = [line for line in lines if line.step]
    write_csv(lines, folder / "hours.csv")
    write_chart(month, folder / "month.svg", title=title)
    console.print(table(month, title="Hour by hour"))
    console.print(table(totals(line for line in lines if not line.step), title="Opening balances"))
    console.print(table(totals(month), title=title))
    differing = [line for line in lines if not line.agrees]
    if differing:
        console.print(table(differing, title="Hours where the API and the books differ"))
    else:
        console.print(f"In each of {len(lines)} hours and types the books equal what the API answered, to the fen.")
    broken = [check for check in checks if not check.holds]
    for check in broken:
        console.print(f"[bold red]Broken: {check.name}: {check.breaches}[/]")
    if not broken:
        console.print(f"All {len(checks)} invariants hold.")
    console.print(f"Hour by hour: {folder / 'hours.csv'}\nChart: {folder / 'month.svg'}")
