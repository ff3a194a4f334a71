"""The operator's charging system (ISMP, OCS) as we need it: the phone bill, 通信账户 (CT 4.4, 5.1).

A session reserves, then commits or releases (RFC 8506 §5.4); an event debits or refunds at once (§6). Every request
has a `session_id` and a `number` within it that are written down before it is sent: the same two asked again are
answered as the first time and never charge twice, so to inquire is to ask again. Amounts are fen of CNY, above zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from mpss.kernel.outcome import Outcome


class ChargingOperation(StrEnum):
    RESERVE = "reserve"  # opens the session, number 0
    COMMIT = "commit"  # ends the session: what was reserved is charged, number 1
    RELEASE = "release"  # ends the session: nothing is charged, number 1; also of a session never heard of
    DEBIT = "debit"  # an event of its own, number 0
    REFUND = "refund"  # an event of its own, number 0


@dataclass(frozen=True, slots=True)
class ChargingRequest:
    """One request. `original_session_id` of a refund names what was charged; `again` says it may have been sent."""

    operation: ChargingOperation
    session_id: str
    number: int
    phone: str
    amount_fen: int
    at: datetime
    original_session_id: str | None = None
    again: bool = False


class ChargingPort(Protocol):
    async def charge(self, request: ChargingRequest, *, timeout_seconds: float) -> Outcome:
        """Carry out one request.

        Approved(reference: the session id) · Declined(reason: "4012 credit limit reached", "5030 user unknown" …)
        · InDoubt: no answer, or one that cannot be read.
        """
        ...

    async def balance_enough(self, *, phone: str, amount_fen: int, timeout_seconds: float) -> Outcome:
        """Whether the phone bill could bear this amount now (Check-Balance); moves nothing."""
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...
