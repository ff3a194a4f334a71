"""The dialogues of a call as a table: at each place what is asked, and where each answer leads. Pure.

    main ──1──► the balance is told          ──4──► loss: this phone, another number, lift it
         ──2──► daily limit: hear, set       ──5──► payment password: old, new, new again
         ──3──► freeze (days), unfreeze      ──6──► a card's digits      ──7──► open      ──8──► close

A caller whose number is not told comes to `stranger`, where loss of a number can be reported and nothing else. In a
menu `0` says it again; `*` goes back wherever one is. `TRIES` answers in a row that are silent, no answer or refused as
mistyped end the call, and so do `MOST_STEPS` steps.

Invariant: what proves the holder (payment password, the document's end) is in no `Standing`. Spec: CT 5.2; CM 6.7.1.
Decision: ADR-0036.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from mpss.wire.voicexml import Heard

TRIES = 3
MOST_STEPS = 200
AGAIN = "0"


class Place(StrEnum):
    """Where a call stands."""

    MAIN = "main"
    STRANGER = "stranger"
    LIMIT = "limit"
    LIMIT_AMOUNT = "limit_amount"
    LIMIT_PASSWORD = "limit_password"  # noqa: S105 - a place, not a password
    FREEZE = "freeze"
    FREEZE_DAYS = "freeze_days"
    UNFREEZE = "unfreeze"
    LOSS = "loss"
    LOSS_OTHER = "loss_other"
    LIFT_LOSS = "lift_loss"
    PASSWORD = "password"  # noqa: S105
    CARD = "card"
    OPEN = "open"
    CLOSE = "close"
    ENDED = "ended"


class Do(StrEnum):
    """What an answer asks for."""

    TELL_BALANCE = "tell_balance"
    TELL_LIMIT = "tell_limit"
    SET_LIMIT = "set_limit"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    REPORT_OWN_LOSS = "report_own_loss"
    REPORT_OTHER_LOSS = "report_other_loss"
    LIFT_LOSS = "lift_loss"
    CHANGE_PASSWORD = "change_password"  # noqa: S105
    TOP_UP = "top_up"
    OPEN = "open"
    ASK_CLOSING = "ask_closing"
    CLOSE = "close"


class Remark(StrEnum):
    """What the table itself has to say."""

    SILENT = "silent"
    NO_MATCH = "no_match"
    TOO_OFTEN = "too_often"


class Field(NamedTuple):
    """Digits that are asked for; `star`: the last may be `*`, which stands for the letter X."""

    name: str
    least: int
    most: int
    star: bool = False

    def fits(self, keyed: str) -> bool:
        digits = keyed[:-1] if self.star and keyed.endswith("*") else keyed
        right = digits.isascii() and (digits.isdigit() or not digits)
        return right and bool(digits) and self.least <= len(keyed) <= self.most


PASSWORD = Field("password", 6, 6)


@dataclass(frozen=True, slots=True)
class Row:
    """`keys`: a menu; `fields`: digits, asked one after the other, for `do`. `back` None: there is nowhere to go."""

    back: Place | None
    keys: Mapping[str, Place | Do] = field(default_factory=dict)
    fields: tuple[Field, ...] = ()
    do: Do | None = None


TABLE: dict[Place, Row] = {
    Place.MAIN: Row(
        None,
        {
            "1": Do.TELL_BALANCE,
            "2": Place.LIMIT,
            "3": Place.FREEZE,
            "4": Place.LOSS,
            "5": Place.PASSWORD,
            "6": Place.CARD,
            "7": Place.OPEN,
            "8": Do.ASK_CLOSING,
        },
    ),
    Place.STRANGER: Row(None, {"4": Place.LOSS_OTHER}),
    Place.LIMIT: Row(Place.MAIN, {"1": Do.TELL_LIMIT, "2": Place.LIMIT_AMOUNT}),
    Place.LIMIT_AMOUNT: Row(Place.LIMIT, fields=(Field("yuan", 1, 7),), do=Do.SET_LIMIT),
    Place.LIMIT_PASSWORD: Row(Place.LIMIT, fields=(PASSWORD,), do=Do.SET_LIMIT),
    Place.FREEZE: Row(Place.MAIN, {"1": Place.FREEZE_DAYS, "2": Place.UNFREEZE}),
    Place.FREEZE_DAYS: Row(Place.FREEZE, fields=(Field("days", 1, 4),), do=Do.FREEZE),
    Place.UNFREEZE: Row(Place.FREEZE, fields=(PASSWORD,), do=Do.UNFREEZE),
    Place.LOSS: Row(Place.MAIN, {"1": Do.REPORT_OWN_LOSS, "2": Place.LOSS_OTHER, "3": Place.LIFT_LOSS}),
    Place.LOSS_OTHER: Row(Place.LOSS, fields=(Field("phone", 11, 11), Field("proof", 6, 6, True)),
                          do=Do.REPORT_OTHER_LOSS),
    Place.LIFT_LOSS: Row(Place.LOSS, fields=(PASSWORD,), do=Do.LIFT_LOSS),
    Place.PASSWORD: Row(Place.MAIN, fields=(Field("old_password", 6, 6), Field("new_password", 6, 6),
                                            Field("once_more", 6, 6)), do=Do.CHANGE_PASSWORD),
    Place.CARD: Row(Place.MAIN, fields=(Field("card", 10, 32),), do=Do.TOP_UP),
    Place.OPEN: Row(Place.MAIN, {"1": Do.OPEN}),
    Place.CLOSE: Row(Place.MAIN, fields=(Field("choice", 1, 1), PASSWORD), do=Do.CLOSE),
    Place.ENDED: Row(None),
}  # fmt: skip
"""Every place. An ended call has nothing to be asked."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a call stands. `memory` is what an earlier answer of the same errand left; `misses` are in a row."""

    language: str
    place: Place
    home: Place
    memory: Mapping[str, str] = field(default_factory=dict)
    misses: int = 0
    steps: int = 0
    remarks: tuple[Remark, ...] = ()
    said: tuple[str, ...] = ()

    def written(self) -> str:
        found = {
            "language": self.language, "place": self.place, "home": self.home, "memory": dict(self.memory),
            "misses": self.misses, "steps": self.steps, "remarks": self.remarks, "said": self.said,
        }  # fmt: skip
        return json.dumps(found, ensure_ascii=False)


def read_standing(text: str) -> Standing:
    """What `written` wrote."""
    found = json.loads(text)
    return Standing(
        found["language"], Place(found["place"]), Place(found["home"]), found["memory"], found["misses"],
        found["steps"], tuple(map(Remark, found["remarks"])), tuple(found["said"]),
    )  # fmt: skip


def began(language: str, *, known: bool) -> Standing:
    """A call that begins; `known`: the caller's number is told."""
    home = Place.MAIN if known else Place.STRANGER
    return Standing(language, home, home)


class Move(NamedTuple):
    """Where an answer leads, and what is to be done before it is told there."""

    standing: Standing
    do: Do | None = None


def hear(standing: Standing, event: str, keyed: Mapping[str, str]) -> Move:
    """Where what was heard leads. `event` is one of `Heard`, "" where the question was answered with `keyed`.

    With something to do the standing is where it was asked for; `done` or `refused` goes on from there.
    """
    row = TABLE[standing.place]
    standing = replace(standing, remarks=(), said=(), steps=standing.steps + 1)
    if standing.place is Place.ENDED or event == Heard.HANG_UP:
        return Move(replace(standing, place=Place.ENDED, memory={}))
    if standing.steps >= MOST_STEPS:
        return Move(_ended(standing))
    if event == Heard.BACK:
        return Move(_at(standing, _back(standing)))
    if event:
        return Move(_missed(standing, Remark.SILENT if event == Heard.SILENCE else Remark.NO_MATCH))
    if row.keys:
        key = keyed.get("key", "")
        if key == AGAIN:
            return Move(replace(standing, misses=0))
        led = row.keys.get(key)
        if led is None:
            return Move(_missed(standing, Remark.NO_MATCH))
        return Move(_at(standing, led)) if isinstance(led, Place) else Move(standing, led)
    if not all(field.fits(keyed.get(field.name, "")) for field in row.fields):
        return Move(_missed(standing, Remark.NO_MATCH))
    return Move(standing, row.do)


def done(
    standing: Standing, said: str, *, place: Place | None = None, memory: Mapping[str, str] | None = None
) -> Standing:
    """It was done, or more must be asked at `place` for it; where that is not told, the call goes home."""
    return replace(_at(standing, place or standing.home, memory), said=(said,) if said else ())


def refused(standing: Standing, said: str, *, mistyped: bool) -> Standing:
    """It was refused. What was `mistyped` is asked for again, and counts as a miss."""
    if not mistyped:
        return done(standing, said)
    missed = _missed(standing, None)
    return replace(missed, said=(said,))


def _back(standing: Standing) -> Place:
    back = TABLE[standing.place].back
    # Whoever is a stranger has no menus but one.
    return standing.home if back is None or standing.home is Place.STRANGER else back


def _at(standing: Standing, place: Place, memory: Mapping[str, str] | None = None) -> Standing:
    return replace(standing, place=place, memory=memory or {}, misses=0)


def _missed(standing: Standing, remark: Remark | None) -> Standing:
    misses = standing.misses + 1
    if misses >= TRIES:
        return _ended(replace(standing, misses=misses))
    return replace(standing, misses=misses, remarks=(remark,) if remark else ())


def _ended(standing: Standing) -> Standing:
    return replace(standing, place=Place.ENDED, memory={}, remarks=(Remark.TOO_OFTEN,))
