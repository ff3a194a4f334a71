"""When to try again, and when to give up. Pure: the chance is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class RetryRule:
    """Delays double from `first_seconds` up to `longest_seconds`; after `give_up_seconds` of age there is no retry.

    `give_up_seconds` None means never: whoever handles the item ends it.
    """

    first_seconds: float
    longest_seconds: float
    give_up_seconds: float | None = None


NOTICE_RULE = RetryRule(first_seconds=1, longest_seconds=60, give_up_seconds=3 * 86_400)
"""An SMSC that is down for a weekend delays messages and loses none."""
WEBHOOK_RULE = RetryRule(first_seconds=2, longest_seconds=3_600, give_up_seconds=3 * 86_400)
DELIVERY_RULE = RetryRule(first_seconds=1, longest_seconds=15)
"""A delivery order has its own end: the deadline, at which the sale is reversed."""


def delay_seconds(attempt: int, *, rule: RetryRule, chance: float) -> float:
    """How long to wait after failed attempt number `attempt`, from 1.

    `chance` from 0 to 1 spreads it between half and the whole of the doubled delay, so that many items that failed
    together do not come back together.
    """
    whole = min(rule.first_seconds * 2.0 ** min(attempt - 1, 30), rule.longest_seconds)
    return whole * (0.5 + 0.5 * chance)


def next_try(attempt: int, *, created_at: datetime, now: datetime, rule: RetryRule, chance: float) -> datetime | None:
    """When the item is due again, or None when it is to be given up."""
    if rule.give_up_seconds is not None and now - created_at >= timedelta(seconds=rule.give_up_seconds):
        return None
    return now + timedelta(seconds=delay_seconds(attempt, rule=rule, chance=chance))
