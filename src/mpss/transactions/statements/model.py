"""A wallet's statement (账单): what is looked for, in which order, and what one line says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from mpss.desk.model import Transaction, TransactionKind, TransactionState
from mpss.kernel.errors import MalformedField


class Sort(StrEnum):
    """`largest` and `smallest` go by what a movement changed, whether in or out."""

    NEWEST = "newest"
    OLDEST = "oldest"
    LARGEST = "largest"
    SMALLEST = "smallest"


class Format(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class Search:
    """Which movements: `since` and `until` are business dates, both included; `min_fen` and `max_fen` bound what a
    movement changed, whether in or out. None looks at all."""

    since: date | None = None
    until: date | None = None
    kind: TransactionKind | None = None
    state: TransactionState | None = None
    min_fen: int | None = None
    max_fen: int | None = None
    sort: Sort = Sort.NEWEST

    def check(self) -> None:
        """
        Raises:
            MalformedField: `to` is before `from`, or `max_fen` below `min_fen`.
        """
        if self.since is not None and self.until is not None and self.until < self.since:
            raise MalformedField(field="to", problem="must not be before from")
        if self.min_fen is not None and self.max_fen is not None and self.max_fen < self.min_fen:
            raise MalformedField(field="max_fen", problem="must not be below min_fen")


class Line(NamedTuple):
    """One movement of a wallet; `change_fen` is above zero where it grew, `booked_on` the accounting day on which it
    did, `counterpart` the other side's masked number where it was a transfer, `merchant` the shop's name.

    What a member bought with the company's money changed nothing in the member's wallet; it is a line of both, and the
    counterpart is the company's number, in the company's statement the member's.
    """

    transaction: Transaction
    change_fen: int
    booked_on: date
    counterpart: str | None
    merchant: str | None


class Summary(NamedTuple):
    """A period in four figures, in fen: opening and what came in less what went out is closing."""

    lines: int
    opening_fen: int
    in_fen: int
    out_fen: int
    closing_fen: int
