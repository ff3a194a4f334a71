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
    """`count` None: until lifted. `service` limits it to requests of one kind, `card` to one card."""

    kind: FaultKind
    count: int | None = None
    seconds: float = 0.0
    code: str = "05"
    service: Service | None = None
    card: str | None = None


class Faults:
    """The faults in force; each request meets the first that fits it. Sign-on and echo meet their own alone."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def all(self) -> list[Fault]:
        return list(self._faults)

    def meet(self, service: Service, card: str) -> Fault | None:
        """The fault that this request meets, counted down."""
        for fault in self._faults:
            network = service is Service.NETWORK
            if (fault.kind is FaultKind.REFUSE_SIGN_ON) != network:
                continue
            if fault.service not in (None, service) or fault.card not in (None, card):
                continue
            if fault.count is not None:
                fault.count -= 1
                if fault.count <= 0:
                    self._faults.remove(fault)
            return fault
        return None
