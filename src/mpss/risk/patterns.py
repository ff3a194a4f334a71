"""What is reported of a person's or a merchant's business day: large values (大额交易), suspicious patterns (可疑交易).

Each is a named pure function of the day's sums and figures, as the risk rules are; a version of its figures, by two
people, replaces the defaults or switches it off. The model is the PBOC's: a person's movements are summed for the day,
money in and money out each by itself. Spec: CM 9. Decision: ADR-0031.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from mpss.risk.rules import Figures, RuleVersion, in_force


class DaySums(NamedTuple):
    """What a person's wallets moved on a business day, amounts in fen; `payers` and `payees` are how many others sent
    to them and got from them. `account_id` moved most of it."""

    subject_id: UUID
    account_id: UUID
    movements: int
    cash_in_fen: int
    cash_in_count: int
    cash_out_fen: int
    moved_in_fen: int
    moved_out_fen: int
    payers: int
    payees: int
    received_fen: int
    sent_fen: int

    @property
    def came_fen(self) -> int:
        return self.cash_in_fen + self.moved_in_fen

    @property
    def left_fen(self) -> int:
        return self.cash_out_fen + self.moved_out_fen


class MerchantSums(NamedTuple):
    """What a merchant sold in a number of days, and what of sales was given back in them, `undone` times."""

    merchant_id: UUID
    sold_fen: int
    undone_fen: int
    undone: int


class Pattern(NamedTuple):
    """`test` says which amount is to be reported, 0 for none; `figures` are the defaults. Those `of_merchants` look at
    `MerchantSums`, the others at `DaySums`."""

    test: Callable[[Any, Figures], int]
    figures: Figures
    meaning: str
    of_merchants: bool = False


class Found(NamedTuple):
    """A pattern that a day shows."""

    pattern: str
    amount_fen: int
    figures: Figures


def large_cash(day: DaySums, figures: Figures) -> int:
    """Cash paid in, or paid out, of this amount or more."""
    return _if(max(day.cash_in_fen, day.cash_out_fen), figures["amount_fen"])


def large_transfer(day: DaySums, figures: Figures) -> int:
    """Without cash, this amount or more came in, or left."""
    return _if(max(day.moved_in_fen, day.moved_out_fen), figures["amount_fen"])


def split_cash(day: DaySums, figures: Figures) -> int:
    """Cash paid in many times, and much in all."""
    return _if(day.cash_in_fen, figures["amount_fen"]) if day.cash_in_count >= figures["count"] else 0


def gathered(day: DaySums, figures: Figures) -> int:
    """Many others sent money, and much of it in all."""
    return _if(day.received_fen, figures["amount_fen"]) if day.payers >= figures["count"] else 0


def scattered(day: DaySums, figures: Figures) -> int:
    """Money went to many others, and much of it in all."""
    return _if(day.sent_fen, figures["amount_fen"]) if day.payees >= figures["count"] else 0


def passed_through(day: DaySums, figures: Figures) -> int:
    """Much came in, and most of it left the same day."""
    most = 100 * day.left_fen >= figures["percent"] * day.came_fen
    return _if(day.came_fen, figures["amount_fen"]) if most else 0


def refund_share(sums: MerchantSums, figures: Figures) -> int:
    """Of what a merchant sold so much was given back: refunded or reversed."""
    most = 100 * sums.undone_fen >= figures["percent"] * sums.sold_fen
    return _if(sums.undone_fen, figures["amount_fen"]) if most else 0


def _if(amount_fen: int, least_fen: int) -> int:
    return amount_fen if amount_fen >= least_fen else 0


PATTERNS: dict[str, Pattern] = {
    "large_cash": Pattern(large_cash, {"amount_fen": 5_000_000}, "cash of amount_fen or more in a day, in or out"),
    "large_transfer": Pattern(
        large_transfer, {"amount_fen": 20_000_000}, "transfers, top-ups and withdrawals of amount_fen or more in a day"
    ),
    "split_cash": Pattern(
        split_cash, {"count": 5, "amount_fen": 1_000_000}, "cash of amount_fen or more paid in count times in a day"
    ),
    "gathered": Pattern(
        gathered, {"count": 10, "amount_fen": 1_000_000}, "amount_fen or more from count other people in a day"
    ),
    "scattered": Pattern(
        scattered, {"count": 10, "amount_fen": 1_000_000}, "amount_fen or more to count other people in a day"
    ),
    "passed_through": Pattern(
        passed_through,
        {"amount_fen": 1_000_000, "percent": 90},
        "percent of amount_fen or more that came in left the same day",
    ),
    "refund_share": Pattern(
        refund_share,
        {"days": 7, "amount_fen": 100_000, "percent": 30},
        "a merchant gave amount_fen or more back within days, percent of what it sold",
        of_merchants=True,
    ),
}


def figures_in_force(versions: Iterable[RuleVersion], at: datetime) -> dict[str, Figures]:
    """Of each pattern the figures: those of its newest version, the defaults where none has begun, none where it is
    switched off."""
    begun = [version for version in versions if version.rule in PATTERNS and version.effective_from <= at]
    enabled = {version.rule: version.figures for version in in_force(begun, at)}
    known = {version.rule for version in begun}
    standing = {name: pattern.figures for name, pattern in PATTERNS.items() if name not in known}
    return {name: {**standing, **enabled}[name] for name in PATTERNS if name in standing or name in enabled}


def figures_of(figures: Mapping[str, Figures], *, merchants: bool) -> dict[str, Figures]:
    """Those of the patterns of merchants, or of persons."""
    return {name: told for name, told in figures.items() if PATTERNS[name].of_merchants is merchants}


def patterns_of(sums: DaySums | MerchantSums, figures: Mapping[str, Figures]) -> list[Found]:
    """Every pattern that the sums show under these figures, which are of patterns that look at such."""
    found = (Found(name, PATTERNS[name].test(sums, told), told) for name, told in figures.items())
    return [each for each in found if each.amount_fen]
