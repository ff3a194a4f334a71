"""Where a merchant stands. Application and review come with their flows."""

from __future__ import annotations

from enum import StrEnum

from mpss.kernel.machine import Machine
from mpss.merchants.model import MerchantState


class MerchantEvent(StrEnum):
    SUSPEND = "suspend"
    RESUME = "resume"
    CLOSE = "close"


MERCHANT = Machine(
    "merchant",
    start=MerchantState.ACTIVE,
    moves={
        (MerchantState.ACTIVE, MerchantEvent.SUSPEND): MerchantState.SUSPENDED,
        (MerchantState.SUSPENDED, MerchantEvent.RESUME): MerchantState.ACTIVE,
        (MerchantState.ACTIVE, MerchantEvent.CLOSE): MerchantState.CLOSED,
        (MerchantState.SUSPENDED, MerchantEvent.CLOSE): MerchantState.CLOSED,
    },
)
