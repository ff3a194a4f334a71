"""Where a merchant stands. Application and review come with their flows. Decision: ADR-0035."""

from __future__ import annotations

from enum import StrEnum

from mpss.kernel.machine import Machine
from mpss.merchants.model import MerchantState


class MerchantEvent(StrEnum):
    SUSPEND = "suspend"
    RESUME = "resume"
    BEGIN = "begin"
    CALL_OFF = "call_off"
    SHUT = "shut"
    CLOSE = "close"


MERCHANT = Machine(
    "merchant",
    start=MerchantState.ACTIVE,
    moves={
        (MerchantState.ACTIVE, MerchantEvent.SUSPEND): MerchantState.SUSPENDED,
        (MerchantState.SUSPENDED, MerchantEvent.RESUME): MerchantState.ACTIVE,
        (MerchantState.ACTIVE, MerchantEvent.BEGIN): MerchantState.CLOSING,
        (MerchantState.SUSPENDED, MerchantEvent.BEGIN): MerchantState.CLOSING,
        (MerchantState.CLOSING, MerchantEvent.CALL_OFF): MerchantState.SUSPENDED,
        (MerchantState.CLOSING, MerchantEvent.SHUT): MerchantState.ENDING,
        (MerchantState.ENDING, MerchantEvent.CLOSE): MerchantState.CLOSED,
    },
)
"""Two people begin a closing; calling it off leaves the merchant suspended. The job shuts it once its notice period is
over and its sales are final, and closes it once nothing is owed."""
