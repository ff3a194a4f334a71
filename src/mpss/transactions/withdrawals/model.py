"""Withdrawals as values: the order, and the row beside its transaction. Pure."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Mode(StrEnum):
    """How the card's bank takes orders."""

    REAL_TIME = "real_time"
    BATCH = "batch"


class WithdrawalOrder(NamedTuple):
    """What is to be paid out to which card; `card` is its last four digits.

    `fee_fen` is the fee the payer was shown, None where none was. `closing`: the rest of an account that is being
    closed, paid out without fee and beyond the limits.
    """

    account_id: UUID
    card_id: UUID
    card: str
    bank: str
    mode: Mode
    amount_fen: int
    fee_fen: int | None
    closing: bool = False


class WithdrawalRow(NamedTuple):
    """Beside the transaction of a withdrawal that was not refused at once.

    `hold_id` and `ordered_at` are None until its payer has confirmed. `batch_id` is the file it went out in; the bank's
    answer files say `bank_status`, at `bank_said_at`.
    """

    account_id: UUID
    card_id: UUID
    card: str
    bank: str
    mode: Mode
    amount_fen: int
    fee_fen: int
    hold_id: UUID | None = None
    ordered_at: datetime | None = None
    batch_id: UUID | None = None
    ended_at: datetime | None = None
    bank_status: str = ""
    bank_said_at: datetime | None = None
    reason: str = ""

    @property
    def total_fen(self) -> int:
        return self.amount_fen + self.fee_fen
