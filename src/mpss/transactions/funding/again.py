"""When a request that nobody answered is asked about again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from mpss.outbox.backoff import RetryRule, delay_seconds

INQUIRY_RULE = RetryRule(first_seconds=1.0, longest_seconds=60.0, give_up_seconds=None)
"""How soon an unanswered request is asked about again."""


def ask_again_at(attempts: int, *, now: datetime) -> datetime:
    """When a request that was asked about `attempts` times is due again, unless it is settled before."""
    return now + timedelta(seconds=delay_seconds(attempts, rule=INQUIRY_RULE, chance=random.random()))  # noqa: S311
