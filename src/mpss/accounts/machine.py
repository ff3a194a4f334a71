"""The life of a bank card: asked about and confirmed by the phone, or bound by its bank at once; unbound."""

from __future__ import annotations

from enum import StrEnum

from mpss.accounts.card_model import CardState
from mpss.kernel.machine import Machine


class CardEvent(StrEnum):
    VERIFY = "verify"
    REFUSE = "refuse"
    CONFIRM = "confirm"
    UNBIND = "unbind"
    BANK_BINDS = "bank_binds"
    EXPIRE = "expire"


BANK_CARD = Machine(
    "bank card",
    start=CardState.REQUESTED,
    moves={
        (CardState.REQUESTED, CardEvent.VERIFY): CardState.VERIFIED,
        (CardState.REQUESTED, CardEvent.REFUSE): CardState.REFUSED,
        (CardState.VERIFIED, CardEvent.CONFIRM): CardState.BOUND,
        (CardState.VERIFIED, CardEvent.REFUSE): CardState.REFUSED,
        (CardState.REQUESTED, CardEvent.EXPIRE): CardState.EXPIRED,
        (CardState.VERIFIED, CardEvent.EXPIRE): CardState.EXPIRED,
        (CardState.REQUESTED, CardEvent.BANK_BINDS): CardState.BOUND,
        (CardState.BOUND, CardEvent.UNBIND): CardState.UNBOUND,
    },
)
