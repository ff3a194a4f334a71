"""A month of a mobile-money service, read from its aggregates and drawn again: hours, amounts, clients.

The folder holds `aggregatedTransactions.csv` (for each hour and action a count, mean and standard deviation) and its
siblings `clientsProfiles.csv` (how often clients act), `initialBalancesDistribution.csv` (opening balances) and
`maxOccurrencesPerClient.csv`. Pure but for reading the files; what is drawn follows from the seed.
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpss.kernel.errors import MpssError

CASH_IN = "CASH_IN"
CASH_OUT = "CASH_OUT"
DEBIT = "DEBIT"
PAYMENT = "PAYMENT"
TRANSFER = "TRANSFER"
ACTIONS = (CASH_IN, PAYMENT, TRANSFER, CASH_OUT, DEBIT)
_FEN = 100


class MonthUnreadable(MpssError):
    """A file is missing or not of its form; the message names the file and, where there is one, the line."""


@dataclass(frozen=True, slots=True)
class Hour:
    """What happened of one action in one hour; `step` is the hour of the month, from 1. Amounts in units of money."""

    step: int
    action: str
    count: int
    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Share:
    """A range of values, both ends included, and how many have one of them."""

    low: int
    high: int
    share: float


@dataclass(frozen=True, slots=True)
class Month:
    """`most` is the most actions of each kind by one client."""

    hours: tuple[Hour, ...]
    profiles: dict[str, tuple[Share, ...]]
    openings: tuple[Share, ...]
    most: dict[str, int]

    def total(self, action: str) -> int:
        return sum(hour.count for hour in self.hours if hour.action == action)


def read_month(folder: Path) -> Month:
    """
    Raises:
        MonthUnreadable: a file is missing or not of its form.
    """
    hours = [
        Hour(int(row["step"]), row["action"], int(row["count"]), float(row["avg"]), float(row["std"]))
        for row in _rows(folder / "aggregatedTransactions.csv", ("action", "count", "avg", "std", "step"))
        if row["action"] in ACTIONS
    ]
    if not hours:
        raise MonthUnreadable(f"{folder / 'aggregatedTransactions.csv'} has no {' or '.join(ACTIONS)}")
    profiles: dict[str, tuple[Share, ...]] = dict.fromkeys(ACTIONS, ())
    for row in _rows(folder / "clientsProfiles.csv", ("action", "maxCount", "minCount", "freq")):
        if row["action"] in profiles:
            # The two columns' names do not say which is the lower; the rows have it either way.
            low, high = sorted((int(row["minCount"]), int(row["maxCount"])))
            profiles[row["action"]] += (Share(low, high, float(row["freq"])),)
    openings = tuple(
        Share(int(row["range_start"]), int(row["range_end"]), float(row["percentage"]))
        for row in _rows(folder / "initialBalancesDistribution.csv", ("range_start", "range_end", "percentage"))
    )
    most = {
        row["action"]: int(row["max(numTrans)"])
        for row in _rows(folder / "maxOccurrencesPerClient.csv", ("action", "max(numTrans)"))
    }
    return Month(tuple(sorted(hours, key=lambda hour: (hour.step, hour.action))), profiles, openings, most)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or [])]
            if missing:
                raise MonthUnreadable(f"{path}: the columns {', '.join(missing)} are missing")
            for row in reader:
                for name in columns:
                    if name != "action" and not _is_number(row[name]):
                        raise MonthUnreadable(f"{path}, line {reader.line_num}: {name} is no number")
                yield row
    except FileNotFoundError:
        raise MonthUnreadable(f"{path} is missing") from None


def _is_number(text: str | None) -> bool:
    try:
        return math.isfinite(float(text or ""))
    except ValueError:
        return False


class Draw:
    """One drawing of a month: which clients act, how often, with what amounts. The same seed draws the same."""

    def __init__(self, month: Month, *, counts: float, amounts: float, seed: int) -> None:
        self._month = month
        self._counts = counts
        self._amounts = amounts
        self._random = random.Random(seed)  # noqa: S311 - a simulation's draw
        self.clients = max(2, round(month.total(PAYMENT) * counts / _mean(month.profiles[PAYMENT])))
        self._weights = {action: self._client_weights(action) for action in ACTIONS}
        self._carry = dict.fromkeys(ACTIONS, 0.0)

    def opening_fen(self) -> int:
        """An opening balance, scaled; often zero."""
        range_ = self._random.choices(self._month.openings, [each.share for each in self._month.openings])[0]
        return round(self._random.uniform(range_.low, range_.high) * self._amounts * _FEN)

    def count(self, hour: Hour) -> int:
        """How many to do in this hour. What rounding leaves over is carried on, so the month's total is right."""
        self._carry[hour.action] += hour.count * self._counts
        whole = int(self._carry[hour.action])
        self._carry[hour.action] -= whole
        return whole

    def amounts_fen(self, hour: Hour, count: int) -> list[int]:
        """Amounts with the hour's mean and deviation, log-normal, scaled, at least one fen."""
        mean = max(hour.mean, 1e-9)
        variance = math.log(1 + (hour.deviation / mean) ** 2)
        center = math.log(mean) - variance / 2
        return [
            max(1, round(self._random.lognormvariate(center, math.sqrt(variance)) * self._amounts * _FEN))
            for _ in range(count)
        ]

    def actors(self, action: str, count: int) -> list[int]:
        """The clients, from 0, who act; each as often as clients of its kind do."""
        return self._random.choices(range(self.clients), self._weights[action], k=count)

    def other(self, client: int) -> int:
        """Another client than this one, from 0."""
        drawn = self._random.randrange(self.clients - 1)
        return drawn + (drawn >= client)

    def shop(self, shops: int) -> int:
        """One of so many shops, from 0; the first are the busiest, as 1 : 1/2 : 1/3 …"""
        return self._random.choices(range(shops), [1 / (place + 1) for place in range(shops)])[0]

    def _client_weights(self, action: str) -> list[int]:
        shares = self._month.profiles[action]
        if not shares:
            # No profile of the action: everybody does it alike.
            return [1] * self.clients
        most = self._month.most.get(action, 1_000_000)
        chosen = self._random.choices(shares, [each.share for each in shares], k=self.clients)
        return [min(self._random.randint(each.low, each.high), most) for each in chosen]


def _mean(shares: Sequence[Share]) -> float:
    return sum(each.share * (each.low + each.high) / 2 for each in shares) / sum(each.share for each in shares)
