"""What every money command carries, and how it becomes a `Transaction`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from mpss.desk.model import PENDING, Funding, Transaction, TransactionKind, TransactionState
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import TransactionId


class Asked(NamedTuple):
    """Who asks, under which key, when and by what channel; the head of every command.

    `caller` scopes the key ("account:acc_…", "merchant:mer_…", "hall:H01/C02"); `digest` covers the body without its
    secrets; `at` is the clock, read once at the edge. `province` is where the payer is, where the channel was told;
    `watched` says that it comes from an address or a counter on the grey list.
    """

    id: TransactionId
    caller: str
    key: str
    digest: bytes
    at: datetime
    channel: str
    province: str | None = None
    watched: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """A command's head, as the desk reads it (`desk.model.Command`)."""

    asked: Asked

    @property
    def id(self) -> TransactionId:
        return self.asked.id

    @property
    def caller(self) -> str:
        return self.asked.caller

    @property
    def key(self) -> str:
        return self.asked.key

    @property
    def digest(self) -> bytes:
        return self.asked.digest


@dataclass(frozen=True, slots=True)
class Moving:
    """The head of a command that moves `earlier`, a transaction recorded before; as the desk reads it.

    It is not recorded under a key: the state of what it moves makes it count once. `earlier` is as it was read; the
    desk locks it and looks again.
    """

    earlier: Transaction
    at: datetime

    @property
    def id(self) -> TransactionId:
        return self.earlier.id

    @property
    def caller(self) -> str:
        return "platform"

    @property
    def digest(self) -> bytes:
        return b""

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self.earlier._replace(state=TransactionState.DECLINED, refusal=code)


class Proof(NamedTuple):
    """What the payer offers: digests of the payment password by key version, made before the desk.

    `challenged` asks for an SMS code beside the password (one password was seen over many numbers); `fingerprint` and
    `source` are written down when it is wrong; `proven` says that an SMS code came with it and was right.
    """

    candidate_digests: Mapping[int, bytes]
    challenged: bool
    fingerprint: bytes
    source: str
    proven: bool = False


def transaction(
    asked: Asked,
    kind: TransactionKind,
    state: TransactionState,
    business_date: date,
    *,
    amount_fen: int,
    refusal: ErrorCode | None = None,
    account_id: UUID | None = None,
    merchant_id: UUID | None = None,
    product_id: UUID | None = None,
    quantity: int = 0,
    fee_fen: int = 0,
    restricted_fen: int = 0,
    merchant_order_no: str | None = None,
    original_id: UUID | None = None,
    metadata: str | None = None,
    funding: Funding = Funding.WALLET,
) -> Transaction:
    """The transaction as it is first recorded; a pending one is not finished."""
    return Transaction(
        asked.id,
        kind,
        state,
        state,
        refusal,
        asked.caller,
        asked.key,
        asked.digest,
        account_id,
        merchant_id,
        product_id,
        quantity,
        amount_fen,
        fee_fen,
        restricted_fen,
        asked.channel,
        merchant_order_no,
        original_id,
        business_date,
        asked.at,
        None if state in PENDING else asked.at,
        metadata,
        funding,
        asked.province,
    )
