"""The requests of a purchase whose money is outside our own books, as they are written down before they are sent. Pure.

               phone bill   bank, frozen first (预冻结)   bank, in real time (实时)
    take       reserve      freeze                       debit
    complete   commit       collect                      nothing is left to ask for
    give up    release      unfreeze; in doubt: reverse  reverse
    refund     refund       credit                       credit

Each but the first speaks of the request that took the money. Spec: CT 5.1. Decision: ADR-0013, ADR-0018.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from mpss.config import Policy
from mpss.desk.model import Funding, Transaction
from mpss.kernel.ids import CardId, FundingId, TransactionId
from mpss.ports.bank import BankOperation, BankProfile
from mpss.ports.charging import ChargingOperation
from mpss.transactions.funding.again import leased_until
from mpss.transactions.funding.bank_request import NEVER_HAD, NewRequest, new_bank_request, request_about
from mpss.transactions.funding.model import CHARGING, FundingRow, FundingState

TAKES = frozenset({ChargingOperation.RESERVE.value, BankOperation.FREEZE.value, BankOperation.DEBIT.value})
"""Only these may be given up; all that follow are insisted upon until they are acknowledged."""
_CLOSED = ("5030", "14 ", "42 ")
"""DIAMETER_USER_UNKNOWN (RFC 8506 §9.2); no such card, no account (ISO 8583)."""


class Collection(NamedTuple):
    """How a purchase is collected from outside: whom the request goes to, and what it asks for.

    `subject` is the bound card's id; from the phone bill it is empty, for the payer's phone is the account's.
    """

    funding: Funding
    counterpart: str
    operation: str
    subject: str
    request: NewRequest

    @property
    def card_id(self) -> UUID | None:
        """The bound card that pays."""
        return CardId.parse(self.subject, field="card_id") if self.funding is Funding.BANK_CARD else None


def from_phone_bill(at: datetime) -> Collection:
    return Collection(
        Funding.PHONE_BILL, CHARGING, ChargingOperation.RESERVE.value, "", NewRequest(FundingId.new(at), "")
    )


def from_bank_card(bank: BankProfile, card_id: UUID, request: NewRequest, *, goods: bool) -> Collection:
    """What must still be delivered is frozen first where the bank can; a free amount is debited at once."""
    operation = BankOperation.FREEZE if goods and bank.freezes else BankOperation.DEBIT
    return Collection(Funding.BANK_CARD, bank.code, operation.value, str(CardId.from_uuid(card_id)), request)


def session_of(transaction_id: UUID) -> str:
    """A Session-Id (RFC 6733 §8.8) that no other transaction has."""
    return f"mpss;charging;{TransactionId.outside(transaction_id)}"


def to_take(sale: Transaction, collection: Collection, *, phone: str, at: datetime, policy: Policy) -> FundingRow:
    due_at = leased_until(at, policy, collection.counterpart)
    if collection.funding is Funding.PHONE_BILL:
        return _charging(sale, ChargingOperation.RESERVE, session_of(sale.id), 0, phone, at, due_at)
    return new_bank_request(
        sale,
        BankOperation(collection.operation),
        bank=collection.counterpart,
        reference=collection.request.reference,
        card=collection.subject,
        at=at,
        due_at=due_at,
    )


def to_complete(take: FundingRow, sale: Transaction, new: NewRequest, at: datetime, policy: Policy) -> FundingRow:
    """What was reserved or frozen is charged."""
    if take.counterpart == CHARGING:
        return _again(take, sale, ChargingOperation.COMMIT, at, policy)
    return _to_bank(take, sale, BankOperation.COLLECT, new, at, policy)


def to_give_up(
    take: FundingRow, sale: Transaction, new: NewRequest, at: datetime, policy: Policy, *, in_doubt: bool
) -> FundingRow:
    """What was taken, or may have been, goes back. In doubt it is the tombstone of what may still arrive."""
    if take.counterpart == CHARGING:
        return _again(take, sale, ChargingOperation.RELEASE, at, policy)
    frozen = take.operation == BankOperation.FREEZE and not in_doubt
    return _to_bank(take, sale, BankOperation.UNFREEZE if frozen else BankOperation.REVERSE, new, at, policy)


def to_refund(take: FundingRow, reversal: Transaction, new: NewRequest, at: datetime, policy: Policy) -> FundingRow:
    """What was charged goes back to where it came from; `reversal` has the sale's amount and fee."""
    if take.counterpart == CHARGING:
        due_at = leased_until(at, policy, CHARGING)
        return _charging(
            reversal, ChargingOperation.REFUND, session_of(reversal.id), 0, take.subject, at, due_at, take.session
        )
    return _to_bank(take, reversal, BankOperation.CREDIT, new, at, policy)


def relied_upon(request: FundingRow, reason: str) -> bool:
    """Whether a "no" is the end of a request, and not only of its repeat.

    A bank answers a reference always as the first time, and "never had it" is no answer; the charging system's "no" to
    a repeat may be said of the repeat alone.
    """
    first = request.state is FundingState.SENT and request.attempts == 1
    return first or (request.counterpart != CHARGING and not reason.startswith(NEVER_HAD))


def source_closed(reason: str) -> bool:
    """Whether the account that paid exists no more."""
    return reason.startswith(_CLOSED)


def _again(
    take: FundingRow, sale: Transaction, operation: ChargingOperation, at: datetime, policy: Policy
) -> FundingRow:
    due_at = leased_until(at, policy, CHARGING)
    return _charging(sale, operation, take.session, 1, take.subject, at, due_at)


def _charging(
    transaction: Transaction,
    operation: ChargingOperation,
    session: str,
    number: int,
    phone: str,
    at: datetime,
    due_at: datetime,
    original: str | None = None,
) -> FundingRow:
    amount_fen = transaction.amount_fen + transaction.fee_fen
    return FundingRow(
        transaction.id, CHARGING, operation.value, session, number, phone, amount_fen, original, FundingState.SENT, 1,
        due_at, at,
    )  # fmt: skip


def _to_bank(
    take: FundingRow, transaction: Transaction, operation: BankOperation, new: NewRequest, at: datetime, policy: Policy
) -> FundingRow:
    return request_about(take, transaction, operation, new, at=at, due_at=leased_until(at, policy, take.counterpart))
