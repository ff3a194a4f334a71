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


class Faults:
    """The faults in force; each message meets the first that fits it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def all(self) -> list[Fault]:
        return list(self._faults)

    def meet(self, phone: str) -> Fault | None:
        """The fault that a message to `phone` meets, counted down."""
        for fault in self._faults:
            if fault.kind is FaultKind.DOWN or fault.phone not in (None, phone):
                continue
            if fault.count is not None:
                fault.count -= 1
                if fault.count <= 0:
                    self._faults.remove(fault)
            return fault
        return None
