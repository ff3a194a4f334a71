"""Requests to a bank about a bound card: as they are written down before they are sent, and as they go over the line.

The card's number stays sealed: a request names the card by its id. Spec: CT 5.1. Decision: ADR-0016.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

from mpss.accounts.card_model import CardPurpose, CardRow
from mpss.accounts.card_store import bound_cards, next_numbers
from mpss.db.database import Database
from mpss.desk.model import Transaction
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import FundingId
from mpss.kernel.outcome import Declined, Outcome
from mpss.ports.bank import BankOperation, BankPort, BankProfile, BankRequest
from mpss.runtime import Runtime
from mpss.transactions.funding.model import FundingRow, FundingState

NEVER_HAD = "25 "
"""What a bank says of a reference that it does not know."""
_BEHIND = 10**11
_AT_ONCE = 64
"""How many numbers a process takes at once; those it did not use when it ended are used by nobody.

More than the 32 that PostgreSQL writes to its log ahead, so that each taking writes there and its commit waits for the
disk: a sequence that a crash set back would give the rest of them to another process again.
"""


@dataclass(slots=True)
class _Numbers:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    left: list[int] = field(default_factory=list)


_numbers: WeakKeyDictionary[Database, _Numbers] = WeakKeyDictionary()


class NewRequest(NamedTuple):
    """A request's id and the reference it has at the bank, both its own for good."""

    id: UUID
    reference: str


def reference_of(number: int) -> str:
    """Twelve digits that do not begin with 9, as a verification's do; the last six are the trace."""
    return f"0{number % _BEHIND:011d}"


def new_bank_request(
    transaction: Transaction,
    operation: BankOperation,
    *,
    bank: str,
    reference: str,
    card: str,
    at: datetime,
    due_at: datetime,
    original: str | None = None,
) -> FundingRow:
    """The request as it is written before it is sent, of amount and fee; `card` is the card's id, `original` the
    reference of the request it speaks of."""
    return FundingRow(
        transaction.id, bank, operation.value, reference, int(reference[-6:]), card,
        transaction.amount_fen + transaction.fee_fen, original, FundingState.SENT, 1, due_at, at,
    )  # fmt: skip


def request_about(
    earlier: FundingRow,
    transaction: Transaction,
    operation: BankOperation,
    new: NewRequest,
    *,
    at: datetime,
    due_at: datetime,
) -> FundingRow:
    """The request `new`, which speaks of an earlier one: to the same bank, about the same card."""
    return new_bank_request(
        transaction, operation, bank=earlier.counterpart, reference=new.reference, card=earlier.subject, at=at,
        due_at=due_at, original=earlier.session,
    )  # fmt: skip


def sent_to_bank(
    request: FundingRow, card_number: str, *, holder_name: str = "", original: FundingRow | None = None
) -> BankRequest:
    """The request as it goes over the line, the same however often it is sent."""
    return BankRequest(
        request.counterpart, BankOperation(request.operation), request.session[-6:], request.session, card_number,
        request.amount_fen, request.created_at, None if original is None else sent_to_bank(original, card_number),
        holder_name,
    )  # fmt: skip


def connected(runtime: Runtime, bank: str) -> BankPort | None:
    """The port to the banks, if this one is among them."""
    port = runtime.ports.banks
    return port if port is not None and bank in {profile.code for profile in port.banks()} else None


def never_had(outcome: Outcome) -> bool:
    """Whether a bank says that it does not know what it was asked about."""
    return isinstance(outcome, Declined) and outcome.reason.startswith(NEVER_HAD)


async def first_card(
    runtime: Runtime, account_id: UUID, *, purpose: CardPurpose, last_digits: str | None = None
) -> tuple[CardRow, BankProfile]:
    """The card that was bound first for this purpose, with these last digits if any are named, and its bank.

    Raises:
        Refused: NOT_FOUND, no bank is connected; UNKNOWN_CARD, there is none; BUSY, its bank is not connected.
    """
    port = runtime.ports.banks
    if port is None:
        raise Refused(ErrorCode.NOT_FOUND, detail="no bank is connected")
    async with runtime.database.read() as uow:
        cards = await bound_cards(uow, account_id)
    for card in cards:
        if purpose in card.purposes and last_digits in (None, card.masked[-4:]):
            banks = {profile.code: profile for profile in port.banks()}
            if card.bank not in banks:
                raise Refused(ErrorCode.BUSY, detail="the card's bank is not connected")
            return card, banks[card.bank]
    raise Refused(ErrorCode.UNKNOWN_CARD)


async def new_request(runtime: Runtime) -> NewRequest:
    """An id and a reference for the next request to a bank."""
    numbers = _numbers.setdefault(runtime.database, _Numbers())
    while not numbers.left:
        async with numbers.lock:
            if not numbers.left:
                # The numbers of verifications too, so that no two requests of a day have one trace.
                async with runtime.database.transaction() as uow:
                    taken = await next_numbers(uow, _AT_ONCE)
                numbers.left = taken  # Nobody uses one that is not committed.
    return NewRequest(FundingId.new(runtime.clock.now()), reference_of(numbers.left.pop(0)))
