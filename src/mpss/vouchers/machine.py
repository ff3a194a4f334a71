"""The life of a voucher batch: made, then put on sale by somebody else, or thrown away before."""

from __future__ import annotations

from enum import StrEnum

from mpss.kernel.machine import Machine
from mpss.vouchers.model import BatchState


class BatchEvent(StrEnum):
    ACTIVATE = "activate"
    DISCARD = "discard"


BATCH = Machine(
    "voucher batch",
    start=BatchState.GENERATED,
    moves={
        (BatchState.GENERATED, BatchEvent.ACTIVATE): BatchState.ACTIVATED,
        (BatchState.GENERATED, BatchEvent.DISCARD): BatchState.VOID,
    },
)
