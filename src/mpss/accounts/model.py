"""Payment accounts (手机支付账户) as values: what the desk loads of one, and what it counts for one.

Invariants: (1) a number has at most one account of a kind that is not closed; (2) the payment password is kept only
as a keyed digest with the version of its key; (3) every change of an account locks its usage row first.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class AccountKind(StrEnum):
    """Where the money is kept (CT 5.1)."""

    PHONE_BILL = "phone_bill"
    WALLET = "wallet"
    BANK = "bank"


class Life(StrEnum):
    """pending → active → closed; pending: opened by SMS, the payment password not yet set."""

    PENDING = "pending"
    ACTIVE = "active"
    CLOSED = "closed"


class AccountRow(NamedTuple):
    """An account as decisions see it. `phone` is E.164; `password_digest` was made under version `password_key`."""

    id: UUID
    phone: str
    home_province: str
    kind: AccountKind
    life: Life
    ledger_account_id: int
    password_digest: bytes | None
    password_key: int | None
    daily_limit_fen: int
    language: str


class UsageRow(NamedTuple):
    """What is counted for an account; the row that is locked.

    `spent_fen` and `spent_count` are of business date `day`; `wrong_today` of `wrong_day`; `wrong_in_a_row` since the
    last right payment password; `voucher_wrong` wrong voucher passwords since the last right one; until
    `locked_until` the payment password is not looked at.
    """

    day: date
    spent_fen: int
    spent_count: int
    wrong_day: date
    wrong_today: int
    wrong_in_a_row: int
    voucher_wrong: int
    locked_until: datetime | None
