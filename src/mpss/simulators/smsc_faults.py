"""What can be made to go wrong with the town's SMSC, and for how many messages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """DOWN lasts until it is lifted; each other meets the next `count` submit_sm, or all until lifted."""

    DOWN = "down"
    """Nothing listens, connections are cut."""
    DELAY = "delay"
    """Answer after `seconds`."""
    THROTTLED = "throttled"
    """Refuse with ESME_RTHROTTLED."""
    SYSTEM_ERROR = "system_error"
    """Refuse with ESME_RSYSERR."""
    LOSE_REPLY = "lose_reply"
    """Take the message and never answer."""
    CLOSE = "close"
    """Take the message, then cut the connection instead of answering."""


@dataclass(slots=True)
class Fault:
    """`count` None: until lifted. `phone` (E.164) limits it to messages to one handset."""

    kind: FaultKind
    count: int | None = None
    seconds: float = 0.0
    phone: str | None = None

    def fits(self, phone: str) -> bool:
        """Whether a message to `phone` meets it."""
        return self.kind is not FaultKind.DOWN and self.phone in (None, phone)
