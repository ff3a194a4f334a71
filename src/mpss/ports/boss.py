"""BOSS as we need it: what it tells of subscriptions, signed (CM 7.8). Events may be lost, late, doubled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


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


class BossPort(Protocol):
    def read_event(self, headers: Mapping[str, str], body: bytes) -> BossEvent:
        """What an event says.

        Raises:
            SignatureInvalid: BOSS did not sign it, or too long ago.
            MalformedField: it says nothing that can be understood.
        """
        ...
