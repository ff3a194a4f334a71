"""The operator's recharge platform (充值平台) as we need it: voucher cards that are not ours (CM 6.4; CT 5.1).

A consumption carries our own `reference`, written down before it is sent. The platform answers a reference asked again
as it did the first time, so a card is consumed once. An inquiry closes a reference that the platform never had: a
consumption that arrives later is refused, so its "no" is final.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mpss.kernel.outcome import Outcome

ABOVE_MOST = "above_most"
"""Reason: the card is worth more than `most_fen`; it was not consumed."""
UNKNOWN_CARD = "unknown_card"
USED_CARD = "used"
EXPIRED_CARD = "expired"
FROZEN_CARD = "frozen"


@dataclass(frozen=True, slots=True)
class CardConsumption:
    """`card_number` is a secret: whoever has it has the money. The card is consumed if worth `most_fen` at most."""

    reference: str
    card_number: str
    phone: str
    most_fen: int

    def __repr__(self) -> str:
        return f"CardConsumption({self.reference} at most {self.most_fen} fen)"


class RechargeCardPort(Protocol):
    async def check(self, card_number: str, *, reference: str, timeout_seconds: float) -> Outcome:
        """What the card is worth now; moves nothing.

        Approved(content: the face value in fen, as digits) · Declined(reason: "used", "unknown_card", "expired",
        "frozen") · InDoubt: no answer, or one that cannot be trusted.
        """
        ...

    async def consume(self, consumption: CardConsumption, *, timeout_seconds: float) -> Outcome:
        """Use the card up, once for each reference.

        Approved(reference: the platform's own, content: the face value in fen, as digits) · Declined(reason: as
        `check`, or "above_most", "closed", "reference_reused") · InDoubt.
        """
        ...

    async def inquire(self, reference: str, *, timeout_seconds: float) -> Outcome:
        """What became of a consumption: as `consume` answered, or Declined("closed") where it never arrived."""
        ...

    async def close(self) -> None: ...
