"""When a request that nobody answered is asked about: first when its call's own time is over, then with backoff."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from mpss.config import Policy
from mpss.outbox.backoff import RetryRule, delay_seconds
from mpss.transactions.funding.model import CHARGING

INQUIRY_RULE = RetryRule(first_seconds=1.0, longest_seconds=60.0, give_up_seconds=None)
"""How soon an unanswered request is asked about again."""
_LEASE_SECONDS = 10
"""Beside the call's own time: what the process that sends may take before the job asks in its place."""


def lease_seconds(policy: Policy, counterpart: str | None = None) -> int:
    """How long who sends a request has it for itself; without `counterpart`, whoever it goes to."""
    charging, bank = policy.charging_timeout_seconds, policy.bank_timeout_seconds
    longest = charging if counterpart == CHARGING else bank if counterpart is not None else max(charging, bank)
    return longest + _LEASE_SECONDS


def leased_until(at: datetime, policy: Policy, counterpart: str | None = None) -> datetime:
    """When a request that is sent at `at` is due to be asked about, unless it is answered before."""
    return at + timedelta(seconds=lease_seconds(policy, counterpart))


def ask_again_at(attempts: int, *, now: datetime) -> datetime:
    """When a request that was asked about `attempts` times is due again, unless it is settled before."""
    return now + timedelta(seconds=delay_seconds(attempts, rule=INQUIRY_RULE, chance=random.random()))  # noqa: S311
