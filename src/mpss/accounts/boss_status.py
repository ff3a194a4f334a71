"""What BOSS says of a subscription, and what that does to the account: the table of CM 7.8. Pure.

An event changes one aspect of a subscription: its status, its number, its card (SIM), or its end. Within an aspect the
highest sequence wins, so that an event that comes late never undoes a newer one; an end is final whenever it comes.
Decision: ADR-0027.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from mpss.notices.model import Event


class BossKind(StrEnum):
    """The events of a subscription (CM 5.2.4, 5.2.6-5.2.8)."""

    STOP_1WAY = "stop_1way"
    STOP_2WAY = "stop_2way"
    RESUME = "resume"
    CANCEL_USER = "cancel_user"
    CANCEL_SYSTEM = "cancel_system"
    TRANSFER_OWNER = "transfer_owner"
    CHANGE_NUMBER = "change_number"
    SIM_SWAP = "sim_swap"


class Aspect(StrEnum):
    """What of a subscription an event changes."""

    STATUS = "status"
    NUMBER = "number"
    CARD = "card"
    END = "end"


class BossEffect(NamedTuple):
    """`status` is what BOSS has it in then, None: as before. `stopped`: the account's stop, None: as before.

    `notice` is None where an SMS would reach somebody else.
    """

    aspect: Aspect
    status: str | None
    stopped: bool | None
    pre_closed: bool
    sessions_ended: bool
    notice: Event | None
    meaning: str


BOSS_EFFECTS: dict[BossKind, BossEffect] = {
    BossKind.STOP_1WAY: BossEffect(
        Aspect.STATUS, "stopped_1way", True, False, False, Event.NUMBER_STOPPED, "no calls out (单向停机)"
    ),
    BossKind.STOP_2WAY: BossEffect(
        Aspect.STATUS, "stopped_2way", True, False, False, Event.NUMBER_STOPPED, "no calls at all (双向停机)"
    ),
    BossKind.RESUME: BossEffect(
        Aspect.STATUS, "active", False, False, False, Event.NUMBER_RESUMED, "in service again (复机)"
    ),
    BossKind.CANCEL_USER: BossEffect(
        Aspect.END, "cancelled", None, True, True, Event.NUMBER_CANCELLED, "given up by the user (主动销号)"
    ),
    BossKind.CANCEL_SYSTEM: BossEffect(
        Aspect.END, "cancelled", None, True, True, Event.NUMBER_CANCELLED, "taken back by the system (系统销号)"
    ),
    # The number is another's from now on: the wallet of who had it takes part in nothing until it is paid out.
    BossKind.TRANSFER_OWNER: BossEffect(
        Aspect.END, "transferred", None, True, True, None, "another owner, the same number (过户)"
    ),
    BossKind.CHANGE_NUMBER: BossEffect(
        Aspect.NUMBER, None, None, False, True, Event.NUMBER_CHANGED, "another number, the same owner (换号)"
    ),
    BossKind.SIM_SWAP: BossEffect(
        Aspect.CARD, None, None, False, True, Event.SIM_SWAPPED, "another card, the same number (换卡)"
    ),
}


def is_newer(kind: BossKind, sequence: int, last: int) -> bool:
    """Whether an event is to be applied where `last` is the highest sequence applied of its aspect."""
    return BOSS_EFFECTS[kind].aspect is Aspect.END or sequence > last
