"""The risk rules, each a named pure function of facts and figures; which are on, and the figures, is in the database.

A rule says only whether it is hit; its version says what follows. Of all rules that are hit the gravest action counts:
challenge (an SMS code beside the password), hold (somebody looks first), refuse; `report` is of the patterns of a day.
A top-up that was paid before it came here is taken whatever the action is: it puts its account on the grey list.
Spec: CM 9.2, 9.3, 9.4, 9.5. Decision: ADR-0023.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from mpss.desk.model import TransactionKind

_MINUTE, _HOUR = 60_000, 3_600_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_MOVES = 40
"""How much of an account's past is kept for the rules."""
_PURCHASE = frozenset({TransactionKind.PURCHASE})
OUT = frozenset({*_PURCHASE, TransactionKind.TRANSFER, TransactionKind.WITHDRAWAL})
LEAVES = frozenset({TransactionKind.TRANSFER, TransactionKind.WITHDRAWAL})
IN = frozenset(
    {
        TransactionKind.CASH_TOPUP,
        TransactionKind.VOUCHER_TOPUP,
        TransactionKind.RECHARGE_TOPUP,
        TransactionKind.ONLINE_BANK_TOPUP,
        TransactionKind.BANK_CARD_TOPUP,
        TransactionKind.BANK_TOPUP,
    }
)
_CARDS_OF_ONE_USE = frozenset({TransactionKind.VOUCHER_TOPUP, TransactionKind.RECHARGE_TOPUP})
_SOURCES = {TransactionKind.BANK_CARD_TOPUP: "card_id", TransactionKind.BANK_TOPUP: "card"}
"""Where the metadata of a top-up names the card it came from."""


class Action(StrEnum):
    CHALLENGE = "challenge"
    HOLD = "hold"
    REFUSE = "refuse"
    REPORT = "report"


_GRAVITY = {Action.REPORT: 0, Action.CHALLENGE: 1, Action.HOLD: 2, Action.REFUSE: 3}


class Move(NamedTuple):
    """Something that an account did or tried; amounts in fen. As plain as it is kept, since the desk reads some ten of
    them a payment: `at` in milliseconds since 1970, `kind` a `TransactionKind`, `other` the merchant in hexadecimal or
    the card a top-up came from, `province` the letter code of where the payer was, if that was told."""

    at: int
    kind: str
    declined: bool
    amount_fen: int
    other: str | None
    province: str | None = None


def move_of(
    at: datetime,
    kind: str,
    amount_fen: int,
    merchant_id: UUID | None,
    *,
    declined: bool = False,
    province: str | None = None,
    metadata: str | None = None,
) -> Move:
    """The move that a transaction is; `metadata` is the transaction's."""
    other = _source_of(kind, metadata) if merchant_id is None else merchant_id.hex
    return Move(milliseconds(at), kind, declined, amount_fen, other, province)


def _source_of(kind: str, metadata: str | None) -> str | None:
    """The card that a top-up came from, where that is known."""
    if metadata is None or kind not in IN:
        return None
    named = _SOURCES.get(TransactionKind(kind))
    return None if named is None else json.loads(metadata).get(named)


def milliseconds(at: datetime) -> int:
    """An instant in milliseconds since 1970."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


class Facts(NamedTuple):
    """What a rule may look at: the move to decide, when the account was opened and woken (milliseconds since 1970), and
    what it did before the move, newest first."""

    move: Move
    opened_at: int
    woken_at: int | None
    before: tuple[Move, ...]


class Finding(NamedTuple):
    """A rule that is hit, and what its version says follows."""

    rule: str
    action: Action


Figures = Mapping[str, int]
Test = Callable[[Facts, Figures], bool]


class Rule(NamedTuple):
    """`of` are the kinds of moves that `test` is for; `figures` are the names of the figures with their defaults."""

    of: frozenset[TransactionKind]
    test: Test
    figures: Figures
    meaning: str


class RuleVersion(NamedTuple):
    """An approved version of a rule's figures."""

    rule: str
    action: Action
    enabled: bool
    figures: Figures
    effective_from: datetime


def velocity(facts: Facts, figures: Figures) -> bool:
    """So many payments out within so many minutes, this one among them."""
    return _enough(facts, OUT, count=figures["count"], minutes=figures["minutes"])


def same_merchant(facts: Facts, figures: Figures) -> bool:
    """So many purchases from one merchant within so many minutes, this one among them."""
    merchant, needed = facts.move.other, figures["count"] - 1
    recent = _within(facts, minutes=figures["minutes"], least=needed)
    return sum(move.other == merchant and not move.declined for move in recent) >= needed


def first_day(facts: Facts, figures: Figures) -> bool:
    """A large amount goes out, or comes in, within so many hours of the opening."""
    young = facts.move.at - facts.opened_at < _HOUR * figures["hours"]
    return young and facts.move.amount_fen >= figures["amount_fen"]


def in_and_out(facts: Facts, figures: Figures) -> bool:
    """Most of what came in within so many hours is transferred or withdrawn again, this included."""
    recent = _within(facts, minutes=60 * figures["hours"])
    came_fen = sum(move.amount_fen for move in recent if _went(move, IN))
    left_fen = facts.move.amount_fen + sum(move.amount_fen for move in recent if _went(move, LEAVES))
    large = came_fen >= figures["amount_fen"] and came_fen > 0
    return large and 100 * left_fen >= figures["percent"] * came_fen


def many_refusals(facts: Facts, figures: Figures) -> bool:
    """So many refusals came within so many minutes before this one."""
    recent = _within(facts, minutes=figures["minutes"], least=figures["count"])
    return sum(move.declined for move in recent) >= figures["count"]


def dormant_woken(facts: Facts, figures: Figures) -> bool:
    """A large amount goes out within so many hours after a dormant account was woken."""
    if facts.woken_at is None or facts.move.at - facts.woken_at >= _HOUR * figures["hours"]:
        return False
    return facts.move.amount_fen >= figures["amount_fen"]


def far_provinces(facts: Facts, figures: Figures) -> bool:
    """A payment out from one province, within so many minutes of one that went out from another."""
    province = facts.move.province
    if province is None:
        return False
    recent = _within(facts, minutes=figures["minutes"])
    return any(move.province not in (None, province) and not move.declined for move in recent)


def topup_velocity(facts: Facts, figures: Figures) -> bool:
    """So many top-ups within so many minutes, this one among them."""
    return _enough(facts, IN, count=figures["count"], minutes=figures["minutes"])


def topup_sources(facts: Facts, figures: Figures) -> bool:
    """Top-ups from so many cards within so many hours, this one's among them: bank cards, and each voucher and card of
    the recharge platform, which are used once."""
    moves = (facts.move, *_within(facts, minutes=60 * figures["hours"]))
    if not _from_card(facts.move):
        return False
    found = [move for move in moves if _from_card(move)]
    cards = {move.other for move in found if move.kind not in _CARDS_OF_ONE_USE}
    return len(cards) + sum(move.kind in _CARDS_OF_ONE_USE for move in found) >= figures["count"]


RULES: dict[str, Rule] = {
    "velocity": Rule(OUT, velocity, {"count": 10, "minutes": 10}, "count payments within minutes"),
    "same_merchant": Rule(
        _PURCHASE, same_merchant, {"count": 10, "minutes": 60}, "count purchases from one merchant in minutes"
    ),
    "first_day_large": Rule(
        OUT, first_day, {"hours": 24, "amount_fen": 100_000}, "amount_fen or more within hours of opening"
    ),
    "in_and_out": Rule(
        LEAVES,
        in_and_out,
        {"hours": 24, "amount_fen": 100_000, "percent": 90},
        "percent of amount_fen or more that came in leaves within hours",
    ),
    "many_refusals": Rule(OUT, many_refusals, {"count": 5, "minutes": 10}, "count refusals within minutes"),
    "dormant_woken": Rule(
        OUT, dormant_woken, {"hours": 72, "amount_fen": 100_000}, "amount_fen or more within hours of waking"
    ),
    "far_provinces": Rule(OUT, far_provinces, {"minutes": 60}, "payments from two provinces within minutes"),
    "topup_velocity": Rule(IN, topup_velocity, {"count": 6, "minutes": 60}, "count top-ups within minutes"),
    "topup_sources": Rule(IN, topup_sources, {"count": 4, "hours": 24}, "top-ups from count cards within hours"),
    "first_day_topup": Rule(
        IN,
        first_day,
        {"hours": 24, "amount_fen": 300_000},
        "a top-up of amount_fen or more within hours of opening",
    ),
}


def in_force(versions: Iterable[RuleVersion], at: datetime) -> list[RuleVersion]:
    """Of each rule the newest version that has begun, where that is enabled."""
    newest: dict[str, RuleVersion] = {}
    for version in versions:
        known = newest.get(version.rule)
        if version.effective_from <= at and (known is None or known.effective_from <= version.effective_from):
            newest[version.rule] = version
    return [version for version in newest.values() if version.enabled]


class RuleBook:
    """The approved versions; which are in force is worked out once for each time between two beginnings."""

    def __init__(self, versions: Iterable[RuleVersion]) -> None:
        self._versions = tuple(versions)
        self._begins = sorted({version.effective_from for version in self._versions})
        self._known: dict[int, list[RuleVersion]] = {}
        self.reach = max((_reach(version.figures) for version in self._versions), default=0)
        """How far back one of them looks, in milliseconds."""

    def in_force(self, at: datetime) -> list[RuleVersion]:
        """Of each rule the newest version that has begun, where that is enabled."""
        place = bisect_right(self._begins, at)
        found = self._known.get(place)
        if found is None:
            found = self._known[place] = in_force(self._versions, at)
        return found


NO_RULES = RuleBook(())


def findings(facts: Facts, versions: Sequence[RuleVersion]) -> list[Finding]:
    """Every rule of `versions`, which are in force, that is hit; the gravest action first."""
    kind = facts.move.kind
    hit = [
        Finding(rule, action)
        for rule, action, _, figures, _ in versions
        if kind in RULES[rule].of and RULES[rule].test(facts, figures)
    ]
    return sorted(hit, key=lambda finding: -_GRAVITY[finding.action]) if hit else hit


def _reach(figures: Figures) -> int:
    return _MINUTE * figures.get("minutes", 0) + _HOUR * figures.get("hours", 0)


def _enough(facts: Facts, kinds: frozenset[TransactionKind], *, count: int, minutes: int) -> bool:
    """Whether the move is at least the so-manieth of these kinds within so many minutes."""
    recent = _within(facts, minutes=minutes, least=count - 1)
    return sum(move.kind in kinds and not move.declined for move in recent) + 1 >= count


def _within(facts: Facts, *, minutes: int, least: int = 0) -> list[Move]:
    """What was done within so many minutes before the move; nothing where that is surely less than `least`."""
    since, before = facts.move.at - _MINUTE * minutes, facts.before
    # Newest first, so one of them tells: nearly always too few were made, and the rest need not be looked at.
    if least > 0 and (len(before) < least or before[least - 1].at <= since):
        return []
    return [move for move in before if move.at > since]


def _went(move: Move, kinds: frozenset[TransactionKind]) -> bool:
    return move.kind in kinds and not move.declined


def _from_card(move: Move) -> bool:
    return _went(move, IN) and (move.other is not None or move.kind in _CARDS_OF_ONE_USE)
