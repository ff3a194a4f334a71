"""The states of an internal movement: money that moves within our own books (ARCHITECTURE §6).

A transaction is decided at once or waits for its payer; RECEIVED is never stored, since the desk writes a command and
its outcome together.
"""

from __future__ import annotations

from enum import StrEnum

from mpss.desk.model import TransactionState
from mpss.kernel.machine import Machine


class Event(StrEnum):
    CONFIRM = "confirm"
    REFUSE = "refuse"
    LAPSE = "lapse"
    CANCEL = "cancel"
    REVERSE = "reverse"
    HOLD = "hold"
    CLAIM = "claim"
    RETURN = "return"


WAITING = Machine(
    "transaction that waits for its payer",
    start=TransactionState.CONFIRMING,
    moves={
        (TransactionState.CONFIRMING, Event.CONFIRM): TransactionState.SUCCEEDED,
        (TransactionState.CONFIRMING, Event.REFUSE): TransactionState.DECLINED,
        (TransactionState.CONFIRMING, Event.LAPSE): TransactionState.EXPIRED,
        (TransactionState.CONFIRMING, Event.CANCEL): TransactionState.CANCELLED,
        (TransactionState.SUCCEEDED, Event.REVERSE): TransactionState.REVERSED,
    },
)

TRANSFER = Machine(
    "transfer",
    start=TransactionState.CONFIRMING,
    moves={
        (TransactionState.CONFIRMING, Event.CONFIRM): TransactionState.SUCCEEDED,
        (TransactionState.CONFIRMING, Event.HOLD): TransactionState.WAITING,
        (TransactionState.CONFIRMING, Event.REFUSE): TransactionState.DECLINED,
        (TransactionState.CONFIRMING, Event.LAPSE): TransactionState.EXPIRED,
        (TransactionState.CONFIRMING, Event.CANCEL): TransactionState.CANCELLED,
        (TransactionState.WAITING, Event.CLAIM): TransactionState.SUCCEEDED,
        (TransactionState.WAITING, Event.RETURN): TransactionState.RETURNED,
    },
)
"""A transfer waits for its payer's reply where it was asked for by SMS, and for its payee where that has no wallet."""
