"""How a hold ends (holds.py)."""

from __future__ import annotations

from enum import StrEnum

from mpss.kernel.machine import Machine


class HoldState(StrEnum):
    OPEN = "open"
    COLLECTED = "collected"
    RELEASED = "released"
    LAPSED = "lapsed"


class HoldEvent(StrEnum):
    COLLECT = "collect"
    RELEASE = "release"
    LAPSE = "lapse"


HOLD = Machine(
    "hold",
    start=HoldState.OPEN,
    moves={
        (HoldState.OPEN, HoldEvent.COLLECT): HoldState.COLLECTED,
        (HoldState.OPEN, HoldEvent.RELEASE): HoldState.RELEASED,
        (HoldState.OPEN, HoldEvent.LAPSE): HoldState.LAPSED,
    },
)
