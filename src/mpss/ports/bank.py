"""A bank as we need it: bound cards debited in real time or frozen then debited, and credited (CT 5.1; CM 5.3.1–5.3.3).

A bank asks us too: its customers bind cards and top up wallets from its own counters and pages; the port hands each
request to a handler and sends what that says.

Every request carries its own `trace` (six digits, unique for a bank and day) and `reference` (twelve digits, unique for
good), written down before it is sent. Amounts are fen of CNY, above zero.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
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


class BankQuestion(StrEnum):
    """What a bank may ask us for."""

    BIND = "bind"
    UNBIND = "unbind"
    TOP_UP = "top_up"  # 转账充值: its customer sends money to a wallet
    REVERSE = "reverse"  # of its own top-up, whose answer it did not get
    INQUIRE = "inquire"  # what became of its own top-up


@dataclass(frozen=True, slots=True)
class InboundBankRequest:
    """A request of `bank`, its MAC right. What it did not say is '' or 0; nothing else has been looked at.

    `original_reference` names the top-up that REVERSE and INQUIRE speak of; of a TOP_UP the card may be masked.
    """

    bank: str
    question: BankQuestion
    reference: str
    amount_fen: int = 0
    phone: str = ""
    card_number: str = ""
    holder_name: str = ""
    original_reference: str = ""

    def __repr__(self) -> str:
        return f"InboundBankRequest({self.bank} {self.question} {self.reference} {self.amount_fen} fen)"


@dataclass(frozen=True, slots=True)
class BankReply:
    """`response` is what field 39 says; `reference` our own number for what was done, or ''."""

    response: str
    reference: str = ""


InboundBankHandler = Callable[[InboundBankRequest], Awaitable[BankReply]]


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

    async def start(self, on_request: InboundBankHandler | None = None) -> None:
        """Connect, and stay connected. What a bank asks goes to `on_request`; without it nothing is carried out.

        What `on_request` raises is answered as our own failure (96): the bank cannot know whether it was done.
        """
        ...

    async def stop(self) -> None: ...
