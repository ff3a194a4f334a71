"""What the desk takes and gives: a command, its decision, the transaction that records both.

Invariants: (1) the same caller and key never decide twice; (2) a decision is a pure function of the command, the
snapshot and the business date; (3) a refusal is a transaction too, DECLINED with an `ErrorCode`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from mpss.db.rows import InsertSet, RowSet
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import TransactionId
from mpss.ledger.model import JournalEntry

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


class TransactionKind(StrEnum):
    PURCHASE = "purchase"
    CASH_TOPUP = "cash_topup"
    CASH_TOPUP_UNDO = "cash_topup_undo"
    VOUCHER_ACTIVATION = "voucher_activation"
    VOUCHER_TOPUP = "voucher_topup"
    RECHARGE_TOPUP = "recharge_topup"
    ONLINE_BANK_TOPUP = "online_bank_topup"
    BANK_CARD_TOPUP = "bank_card_topup"
    BANK_TOPUP = "bank_topup"
    BANK_TOPUP_REVERSAL = "bank_topup_reversal"
    CARD_VERIFICATION = "card_verification"
    CARD_VERIFICATION_RETURN = "card_verification_return"
    REVERSAL = "reversal"
    ADJUSTMENT = "adjustment"
    TRANSFER = "transfer"
    TRANSFER_CLAIM = "transfer_claim"
    TRANSFER_RETURN = "transfer_return"
    WITHDRAWAL = "withdrawal"
    WITHDRAWAL_RETURN = "withdrawal_return"
    CLOSING_PAYOUT = "closing_payout"
    CLOSING_REST = "closing_rest"
    LAW_DEDUCTION = "law_deduction"
    MERCHANT_SETTLEMENT = "merchant_settlement"


class Funding(StrEnum):
    """Whose books the money comes from (CT 5.1)."""

    WALLET = "wallet"
    PHONE_BILL = "phone_bill"
    BANK_CARD = "bank_card"
    GROUP = "group"  # the company's wallet, of a member's purchase


class TransactionState(StrEnum):
    """States of every movement: within our own books, and with money from outside (ARCHITECTURE §6)."""

    CONFIRMING = "CONFIRMING"
    REVIEWING = "REVIEWING"
    FUNDING = "FUNDING"
    IN_DOUBT = "IN_DOUBT"
    AUTHORIZED = "AUTHORIZED"
    COMPLETING = "COMPLETING"
    RELEASING = "RELEASING"
    REVERSING = "REVERSING"
    SUCCEEDED = "SUCCEEDED"
    DECLINED = "DECLINED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    REVERSED = "REVERSED"
    WAITING = "WAITING"
    RETURNED = "RETURNED"


OUTSIDE = frozenset({Funding.PHONE_BILL, Funding.BANK_CARD})
"""The sources whose books another system keeps."""

PENDING = frozenset(
    {
        TransactionState.CONFIRMING,
        TransactionState.REVIEWING,
        TransactionState.FUNDING,
        TransactionState.IN_DOUBT,
        TransactionState.AUTHORIZED,
        TransactionState.COMPLETING,
        TransactionState.RELEASING,
        TransactionState.REVERSING,
    }
)


class Transaction(NamedTuple):
    """One command and what became of it. Columns of table `transaction`, in its order; amounts in fen of CNY."""

    id: TransactionId
    kind: TransactionKind
    state: TransactionState
    first_state: TransactionState
    refusal: ErrorCode | None
    caller: str
    idempotency_key: str
    digest: bytes
    account_id: UUID | None
    merchant_id: UUID | None
    product_id: UUID | None
    quantity: int
    amount_fen: int
    fee_fen: int
    restricted_fen: int
    channel: str
    merchant_order_no: str | None
    original_id: UUID | None
    business_date: date
    created_at: datetime
    finished_at: datetime | None
    metadata: str | None
    funding: Funding = Funding.WALLET
    province: str | None = None
    """Where the payer was, if that was told."""

    @property
    def pending(self) -> bool:
        """Whether it is not final: a payer or another system has the next word."""
        return self.state in PENDING


class Snapshot(dict[RowSet[Any, Any], dict[Any, Any]]):
    """The rows a batch touches. `snapshot[ACCOUNTS].get(account_id)` is a row, or None where there is none.

    A dict, since a decision looks into it some fifteen times.
    """

    __slots__ = ("business_date",)

    def __init__(self, business_date: date) -> None:
        super().__init__()
        self.business_date = business_date

    if TYPE_CHECKING:  # The dict's own, with the key and the row that each set has.

        def __getitem__(self, rows: RowSet[K, R], /) -> dict[K, R]: ...

    def __missing__(self, rows: RowSet[K, R]) -> dict[K, R]:
        found: dict[K, R] = {}
        self[rows] = found
        return found


@dataclass(slots=True)
class Decision:
    """What shall be so: the transaction, at most one entry, rows replaced, rows added.

    `recorded` is False for a failed authentication and other refusals that must not use the key up: the replaced and
    added rows (a counted wrong password) are written, the transaction is only the answer.
    """

    transaction: Transaction
    entry: JournalEntry | None = None
    puts: list[tuple[RowSet[Any, Any], Any, Any]] = field(default_factory=list)
    inserts: list[tuple[InsertSet, tuple[Any, ...]]] = field(default_factory=list)
    recorded: bool = True


Touch = tuple[RowSet[Any, Any] | tuple[RowSet[Any, Any], ...], Hashable]
"""A row that a command needs, by its set and its key; or one of each of several sets with the same key."""


class Command(Protocol):
    """A flow's command. `touches` says which rows it needs; `decide` is pure and raises nothing but `NeedsMore`."""

    @property
    def id(self) -> TransactionId: ...
    @property
    def caller(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def digest(self) -> bytes: ...
    def touches(self) -> Iterable[Touch]: ...
    def decide(self, snapshot: Snapshot) -> Decision: ...
    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        """This command as a DECLINED transaction with `code`; the desk uses it for KEY_REUSED."""
        ...


class Answer(NamedTuple):
    """`repeated` says that the key had been used and this is the first answer again.

    `recorded` False: the transaction is only the answer; nothing is kept under the key.
    """

    transaction: Transaction
    repeated: bool
    recorded: bool = True


def digest_of(*parts: object) -> bytes:
    """A digest of a command's body without its secrets; the parts' order and types count."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()
