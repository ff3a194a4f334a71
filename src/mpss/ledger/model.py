"""Double entry in values: a posting is one signed amount on one account, an entry is postings that sum to zero."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple

from mpss.kernel.ids import TransactionId


class Part(IntEnum):
    """Which part of a floored account's balance a posting touches."""

    WITHDRAWABLE = 1
    RESTRICTED = 2


class Side(StrEnum):
    DEBIT = "debit"
    CREDIT = "credit"


class Posting(NamedTuple):
    """`amount_fen` is above zero for a debit, below for a credit; `part` is set on floored accounts alone."""

    ledger_account_id: int
    amount_fen: int
    part: Part | None = None


class JournalEntry(NamedTuple):
    """An entry (凭证). Its id is its transaction's, so a second posting of one transaction meets a primary key."""

    id: TransactionId
    kind: str
    postings: tuple[Posting, ...]
    reverses_id: TransactionId | None = None


class Balance(NamedTuple):
    """The stored balance of a floored account, in its own direction: what the platform owes.

    `restricted_fen` is the part of `balance_fen` that may be spent but not withdrawn; `held_fen` is spoken for;
    `frozen_fen` must not leave, and may be more than there is: then it takes in what comes (ADR-0028).
    """

    balance_fen: int
    restricted_fen: int
    held_fen: int
    frozen_fen: int = 0

    @property
    def available_fen(self) -> int:
        return max(0, self.balance_fen - self.held_fen - self.frozen_fen)

    @property
    def withdrawable_fen(self) -> int:
        """What may go to a bank or to another wallet. What is held or frozen is taken to be of this part."""
        return max(0, self.balance_fen - self.held_fen - self.frozen_fen - self.restricted_fen)
