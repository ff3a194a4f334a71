"""A bank as we need it: bound cards debited in real time or frozen then debited, and credited (CT 5.1; CM 5.3.1–5.3.3).

Every request carries its own `trace` (six digits, unique for a bank and day) and `reference` (twelve digits, unique for
good), written down before it is sent. Amounts are fen of CNY, above zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from mpss.kernel.outcome import Outcome


class BankOperation(StrEnum):
    DEBIT = "debit"  # 实时方式
    FREEZE = "freeze"  # 预冻结方式
    COLLECT = "collect"  # debit what a freeze holds, all or part of it
    UNFREEZE = "unfreeze"
    CREDIT = "credit"  # refund to the card, withdrawal
    REVERSE = "reverse"  # 0400 of a debit, freeze or collect; a tombstone where the bank never had it
    VERIFY = "verify"  # card, name and phone belong together (binding)


@dataclass(frozen=True, slots=True)
class BankRequest:
    """`original` is what COLLECT, UNFREEZE and REVERSE speak of; `holder_name` goes with VERIFY and CREDIT."""

    bank: str
    operation: BankOperation
    trace: str
    reference: str
    card_number: str
    amount_fen: int
    at: datetime
    original: BankRequest | None = None
    holder_name: str = ""
    phone: str = ""

    def __repr__(self) -> str:
        return f"BankRequest({self.bank} {self.operation} {self.reference} {self.amount_fen} fen)"


@dataclass(frozen=True, slots=True)
class BankProfile:
    """What the house knows of a bank: its name, whether it offers credit in real time, and freezes for sales."""

    code: str
    name: str
    real_time_credit: bool
    freezes: bool = True


class BankPort(Protocol):
    def banks(self) -> Sequence[BankProfile]:
        """The banks that are connected, by code."""
        ...

    async def ask(self, request: BankRequest, *, timeout_seconds: float) -> Outcome:
        """Carry out one request.

        Approved(reference: the bank's own, for a freeze its authorization code) · Declined(reason: "51 insufficient
        funds" …) · InDoubt: no answer in time, or none that can be trusted. A REVERSE is approved on 00, 12 or 25. A
        request sent again with the same trace and reference is answered as the first time.
        """
        ...

    async def inquire(self, request: BankRequest, *, timeout_seconds: float) -> Outcome:
        """What became of `request`: Approved · Declined (also: the bank never had it, "25 …") · InDoubt."""
        ...

    async def balance(self, bank: str, card_number: str, *, timeout_seconds: float) -> Outcome:
        """Approved(content: the available balance in fen, as digits)."""
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...
