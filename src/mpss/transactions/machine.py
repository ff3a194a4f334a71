"""The states of every movement of money: within our own books, reserved or collected outside (ARCHITECTURE §6).

One within our own books is decided at once or waits for its payer; RECEIVED is never stored, since the desk writes a
command and its outcome together.
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
    APPROVE = "approve"
    DECLINE = "decline"
    NO_ANSWER = "no_answer"
    GIVE_UP = "give_up"
    DELIVER = "deliver"
    HOLD = "hold"
    CLAIM = "claim"
    RETURN = "return"
    REVIEW = "review"


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
        (TransactionState.CONFIRMING, Event.REVIEW): TransactionState.REVIEWING,
        (TransactionState.REVIEWING, Event.CONFIRM): TransactionState.SUCCEEDED,
        (TransactionState.REVIEWING, Event.HOLD): TransactionState.WAITING,
        (TransactionState.REVIEWING, Event.REFUSE): TransactionState.DECLINED,
        (TransactionState.REVIEWING, Event.LAPSE): TransactionState.DECLINED,
        (TransactionState.WAITING, Event.CLAIM): TransactionState.SUCCEEDED,
        (TransactionState.WAITING, Event.RETURN): TransactionState.RETURNED,
    },
)
"""A transfer waits for its payer's reply where it was asked for by SMS, for somebody to look where a risk rule says
so, and for its payee where that has no wallet."""

_S = TransactionState
WITHDRAWAL = Machine(
    "withdrawal",
    start=_S.CONFIRMING,
    moves={
        (_S.CONFIRMING, Event.CONFIRM): _S.FUNDING,
        (_S.CONFIRMING, Event.REFUSE): _S.DECLINED,
        (_S.CONFIRMING, Event.LAPSE): _S.EXPIRED,
        (_S.CONFIRMING, Event.CANCEL): _S.CANCELLED,
        (_S.CONFIRMING, Event.REVIEW): _S.REVIEWING,
        (_S.REVIEWING, Event.CONFIRM): _S.FUNDING,
        (_S.REVIEWING, Event.REFUSE): _S.DECLINED,
        (_S.REVIEWING, Event.LAPSE): _S.DECLINED,
        (_S.FUNDING, Event.APPROVE): _S.SUCCEEDED,
        (_S.FUNDING, Event.DECLINE): _S.DECLINED,
        (_S.FUNDING, Event.NO_ANSWER): _S.IN_DOUBT,
        (_S.IN_DOUBT, Event.APPROVE): _S.SUCCEEDED,
        (_S.IN_DOUBT, Event.DECLINE): _S.DECLINED,
        (_S.SUCCEEDED, Event.RETURN): _S.RETURNED,
    },
)
"""With a password it begins at FUNDING: held, and waiting for its bank, by a request or by a file of payment orders."""

FUNDED = Machine(
    "purchase whose money is outside",
    start=_S.CONFIRMING,
    moves={
        (_S.CONFIRMING, Event.CONFIRM): _S.FUNDING,
        (_S.CONFIRMING, Event.REFUSE): _S.DECLINED,
        (_S.CONFIRMING, Event.LAPSE): _S.EXPIRED,
        (_S.CONFIRMING, Event.CANCEL): _S.CANCELLED,
        (_S.FUNDING, Event.APPROVE): _S.AUTHORIZED,
        (_S.FUNDING, Event.DECLINE): _S.DECLINED,
        (_S.FUNDING, Event.NO_ANSWER): _S.IN_DOUBT,
        (_S.IN_DOUBT, Event.APPROVE): _S.AUTHORIZED,
        (_S.IN_DOUBT, Event.DECLINE): _S.DECLINED,
        (_S.IN_DOUBT, Event.GIVE_UP): _S.RELEASING,
        (_S.IN_DOUBT, Event.CANCEL): _S.RELEASING,
        (_S.AUTHORIZED, Event.DELIVER): _S.COMPLETING,
        (_S.AUTHORIZED, Event.CANCEL): _S.RELEASING,
        (_S.COMPLETING, Event.APPROVE): _S.SUCCEEDED,
        (_S.RELEASING, Event.APPROVE): _S.CANCELLED,
        (_S.SUCCEEDED, Event.REVERSE): _S.REVERSING,
        (_S.REVERSING, Event.APPROVE): _S.REVERSED,
    },
)
"""Take, deliver, charge; who pays at once begins in FUNDING. COMPLETING, RELEASING and REVERSING are insisted upon
until they are acknowledged."""

REFUND = Machine(
    "reversal that goes back to where the money came from",
    start=_S.COMPLETING,
    moves={(_S.COMPLETING, Event.APPROVE): _S.SUCCEEDED},
)


TOPUP = Machine(
    "top-up with money from another system",
    start=_S.CONFIRMING,
    moves={
        (_S.CONFIRMING, Event.CONFIRM): _S.FUNDING,
        (_S.CONFIRMING, Event.REFUSE): _S.DECLINED,
        (_S.CONFIRMING, Event.LAPSE): _S.EXPIRED,
        (_S.CONFIRMING, Event.CANCEL): _S.CANCELLED,
        (_S.FUNDING, Event.APPROVE): _S.SUCCEEDED,
        (_S.FUNDING, Event.DECLINE): _S.DECLINED,
        (_S.FUNDING, Event.NO_ANSWER): _S.IN_DOUBT,
        (_S.IN_DOUBT, Event.APPROVE): _S.SUCCEEDED,
        (_S.IN_DOUBT, Event.DECLINE): _S.DECLINED,
        (_S.FUNDING, Event.GIVE_UP): _S.RELEASING,
        (_S.IN_DOUBT, Event.GIVE_UP): _S.RELEASING,
        (_S.RELEASING, Event.APPROVE): _S.CANCELLED,
    },
)
"""Asked about until somebody says. Only a bank's debit is given up: RELEASING insists on its reversal."""
