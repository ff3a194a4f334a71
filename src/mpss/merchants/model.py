"""Merchants (CP/SP) as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class MerchantState(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSING = "closing"  # sells no more, and may still take sales back
    ENDING = "ending"  # nothing is posted to it any more but what is settled
    CLOSED = "closed"


LEAVING = frozenset({MerchantState.CLOSING, MerchantState.ENDING})
"""Whose payers are told that the merchant is closing."""
SHUT = frozenset({MerchantState.ENDING, MerchantState.CLOSED})
"""To whom nothing is posted, but what is settled with one that is ending."""


class MerchantRow(NamedTuple):
    """What a decision needs to know of a merchant. `province` is a letter code ("GD"); None is no limit."""

    id: UUID
    name: str
    province: str
    state: MerchantState
    ledger_account_id: int
    single_limit_fen: int | None = None
    daily_limit_fen: int | None = None


@dataclass(frozen=True, slots=True)
class Merchant:
    """A merchant as registered; `public_key` is 32 raw bytes of Ed25519, `webhook_secret` is sealed.

    `sms_code` is what subscribers type to pay it by SMS; `credit_code` its company's unified social credit code, None
    of one that was registered without.
    """

    id: UUID
    name: str
    province: str
    state: str
    ledger_account_id: int
    public_key: bytes
    notify_url: str
    webhook_secret: bytes
    created_at: datetime
    sms_code: int
    credit_code: str | None
