"""The SMSC (短信中心) as we need it: submit a message and hear what became of it; messages from phones come in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from mpss.kernel.outcome import Outcome


@dataclass(frozen=True, slots=True)
class OutboundSms:
    """`phone` is E.164; `serial` is in the text already and names the message in logs."""

    phone: str
    text: str
    serial: int


@dataclass(frozen=True, slots=True)
class InboundSms:
    """A message a subscriber sent to our number; `phone` is E.164, `reference` the SMSC's, for deduplication, or ''."""

    phone: str
    text: str
    reference: str


InboundHandler = Callable[[InboundSms], Awaitable[None]]


class SmsPort(Protocol):
    async def submit(self, message: OutboundSms, *, timeout_seconds: float) -> Outcome:
        """Approved(the SMSC's message id) once the SMSC took it; Declined if it refused; InDoubt without an answer."""
        ...

    async def start(self, on_message: InboundHandler) -> None:
        """Bind, and hand every inbound message to `on_message`; a message is acknowledged after it returned."""
        ...

    async def stop(self) -> None: ...
