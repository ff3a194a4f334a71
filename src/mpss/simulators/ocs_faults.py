"""What can be made to go wrong with the town's OCS, and for how many requests."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OcsFaultKind(StrEnum):
    """Each meets the next `count` credit-control requests, or all until lifted."""

    DECLINE = "decline"
    """Answer 4012 and do nothing; a repeat is looked at afresh."""
    DELAY = "delay"
    """Carry it out after `seconds`, then answer."""
    LATE = "late"
    """Carry it out at once and answer after `seconds`."""
    LOSE_REQUEST = "lose_request"
    """Never hear of it."""
    LOSE_REPLY = "lose_reply"
    """Carry it out and never answer."""
    TWICE = "twice"
    """Answer twice."""
    CLOSE = "close"
    """Carry it out, then cut the connection instead of answering."""
    UNKNOWN_CODE = "unknown_code"
    """Carry it out and answer with a result code that no document has."""
    WRONG_SESSION = "wrong_session"
    """Carry it out and answer for another session."""
    STRANGER = "stranger"
    """Before the answer, send one that matches no request."""
    NONSENSE = "nonsense"
    """Carry it out and answer with a message whose inside cannot be read."""
    NOISE = "noise"
    """Carry it out and send bytes that are no Diameter."""


@dataclass(slots=True)
class OcsFault:
    """`count` None: until lifted. `phone` limits it to one subscriber, `request` to one kind: initial, event …"""

    kind: OcsFaultKind
    count: int | None = None
    seconds: float = 0.0
    phone: str | None = None
    request: str | None = None

    def fits(self, phone: str, request: str) -> bool:
        return self.phone in (None, phone) and self.request in (None, request)
