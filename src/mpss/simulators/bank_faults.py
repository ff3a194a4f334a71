"""What can be made to go wrong with a bank of the town, and for how many requests."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mpss.wire.iso8583.messages import Service


class FaultKind(StrEnum):
    """Each meets the next `count` requests, or all until lifted."""

    DECLINE = "decline"
    """Refuse with response code `code`."""
    DELAY = "delay"
    """Carry out and answer after `seconds`; with many seconds, late."""
    DELAY_REQUEST = "delay_request"
    """Carry out only after `seconds`, then answer: a debit that lands late."""
    LOSE_REQUEST = "lose_request"
    """Never heard of it."""
    LOSE_REPLY = "lose_reply"
    """Carry out and never answer."""
    TWICE = "twice"
    """Answer twice."""
    CLOSE = "close"
    """Carry out, then cut the connection instead of answering."""
    BAD_MAC = "bad_mac"
    """Carry out and answer with a wrong MAC."""
    UNKNOWN_FIELD = "unknown_field"
    """Carry out and answer with a field that the profile does not have."""
    NONSENSE = "nonsense"
    """Carry out and answer what is no message, in a frame that is whole."""
    BAD_LENGTH = "bad_length"
    """Carry out and answer what is no frame."""
    UNMATCHED = "unmatched"
    """Carry out and answer under another trace number."""
    REFUSE_SIGN_ON = "refuse_sign_on"
    """Nobody may sign on."""


@dataclass(slots=True)
class Fault:
    """`count` None: until lifted. `service` limits it to requests of one kind, `card` to one card.

    `outgoing`: what the bank itself asks meets it, as if the platform or the line had failed: the request is lost,
    late, sent twice or with a wrong MAC, the answer is lost, or the line is cut once it came.
    """

    kind: FaultKind
    count: int | None = None
    seconds: float = 0.0
    code: str = "05"
    service: Service | None = None
    card: str | None = None
    outgoing: bool = False

    def fits(self, service: Service, card: str, *, outgoing: bool = False) -> bool:
        """Sign-on and echo meet their own fault alone."""
        if self.outgoing is not outgoing:
            return False
        if (self.kind is FaultKind.REFUSE_SIGN_ON) != (service is Service.NETWORK):
            return False
        return self.service in (None, service) and self.card in (None, card)
