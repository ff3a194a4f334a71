"""BOSS as we need it: what it tells of subscriptions, signed (CM 7.8), and what it answers when it is asked.

Events may be lost, late, doubled or out of order; what is asked is as BOSS has it at that moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mpss.kernel.outcome import InDoubt

MOST_COMPARED = 100
"""How many subscriptions one comparison may ask about."""


@dataclass(frozen=True, slots=True)
class BossEvent:
    """One event; `sequence` counts within the subscription. `kind` is BOSS's own word.

    `new_phone` is of a change of number, `sim_serial` of another card. Numbers are as BOSS writes them.
    """

    event_id: str
    kind: str
    phone: str
    subscription_id: str
    sequence: int
    occurred_at: datetime
    new_phone: str | None = None
    sim_serial: str | None = None


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A subscription as BOSS has it. `status`: active, stopped_1way, stopped_2way, cancelled or transferred.

    `owner` is BOSS's reference of who has it, "" where nobody is registered; `since` when it began. The sequences are
    of the last event of each aspect (accounts/boss_status.py), 0 where there was none.
    """

    subscription_id: str
    phone: str
    status: str
    owner: str
    sim_serial: str
    service_class: str
    since: datetime
    status_sequence: int
    number_sequence: int
    card_sequence: int
    end_sequence: int


@dataclass(frozen=True, slots=True)
class NoSubscriber:
    """BOSS has nobody under the number: it was never sold, or rests after it was given up."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison asks about: a subscription by its id, or where that is "" whoever has the number now."""

    subscription_id: str
    phone: str


class BossPort(Protocol):
    @property
    def can_be_asked(self) -> bool:
        """Whether there is an address to ask at; without one BOSS only tells."""
        ...

    def read_event(self, headers: Mapping[str, str], body: bytes) -> BossEvent:
        """What an event says.

        Raises:
            SignatureInvalid: BOSS did not sign it, or too long ago.
            MalformedField: it says nothing that can be understood.
        """
        ...

    async def enquire(self, phone: str, *, timeout_seconds: float) -> Subscriber | NoSubscriber | InDoubt:
        """Who has the number now. InDoubt: BOSS is silent, cannot be asked, or answers what cannot be trusted."""
        ...

    async def compare(
        self, wanted: Sequence[Compared], *, timeout_seconds: float
    ) -> list[Subscriber | NoSubscriber] | InDoubt:
        """One answer for each, in their order; `wanted` are at most MOST_COMPARED."""
        ...

    async def close(self) -> None: ...
