"""What a subscriber may do without (通知偏好), and the hours in which only what is urgent is sent. Pure.

Mandatory is every event that is in no group: money that goes out, passwords, locks, loss and freezes, codes, links,
replies, what was bought. It is sent at once, whatever is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from mpss.kernel.clock import SHANGHAI
from mpss.notices.model import Event


class Group(StrEnum):
    """Notices that are switched off and on together."""

    MONEY_IN = "money_in"
    MONEY_BACK = "money_back"
    SETTINGS = "settings"


GROUPS: Mapping[Event, Group] = {
    Event.TOPPED_UP: Group.MONEY_IN,
    Event.TRANSFER_RECEIVED: Group.MONEY_IN,
    Event.TRANSFER_CLAIMED: Group.MONEY_IN,
    Event.REVERSED: Group.MONEY_BACK,
    Event.BILL_REFUNDED: Group.MONEY_BACK,
    Event.CARD_REFUNDED: Group.MONEY_BACK,
    Event.REFUNDED_TO_WALLET: Group.MONEY_BACK,
    Event.GROUP_REVERSED: Group.MONEY_BACK,
    Event.GROUP_REFUNDED: Group.MONEY_BACK,
    Event.TRANSFER_RETURNED: Group.MONEY_BACK,
    Event.TRANSFER_CANCELLED: Group.MONEY_BACK,
    Event.DAILY_LIMIT_SET: Group.SETTINGS,
    Event.PAYEE_CHANGED: Group.SETTINGS,
    Event.PAYEE_DISSOLVED: Group.SETTINGS,
    Event.VOUCHER_RELEASED: Group.SETTINGS,
}
"""The group of each event that can be done without, and can wait."""

_BY_NAME: Mapping[str, Group] = {event.value: group for event, group in GROUPS.items()}


@dataclass(frozen=True, slots=True)
class Preferences:
    """`unwanted` groups; quiet from `quiet_from` until `quiet_to`, Asia/Shanghai, over midnight where that is the
    earlier; None: no quiet hours."""

    unwanted: frozenset[Group] = frozenset()
    quiet_from: time | None = None
    quiet_to: time | None = None


def group_of(event: str) -> Group | None:
    """The group of an event; None where it is mandatory."""
    return _BY_NAME.get(event)


def wanted(event: str, preferences: Preferences) -> bool:
    """Whether the subscriber is to be told of it at all."""
    return group_of(event) not in preferences.unwanted


def waits_until(event: str, preferences: Preferences, now: datetime) -> datetime | None:
    """When the quiet hours end that hold the event up; None where nothing does."""
    start, end = preferences.quiet_from, preferences.quiet_to
    if group_of(event) is None or start is None or end is None or start == end:
        return None
    local = now.astimezone(SHANGHAI)
    at = local.timetz().replace(tzinfo=None)
    quiet = start <= at < end if start < end else at >= start or at < end
    if not quiet:
        return None
    ends = local.replace(hour=end.hour, minute=end.minute, second=end.second, microsecond=0)
    return (ends if ends > local else ends + timedelta(days=1)).astimezone(now.tzinfo)
