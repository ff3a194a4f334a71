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
    """pending → active → pre_closed → closed.

    Pending: the payment password is not yet set. Pre-closed: the number is gone or the closing was asked for, and
    money waits to be paid out.
    """

    PENDING = "pending"
    ACTIVE = "active"
    PRE_CLOSED = "pre_closed"
    CLOSED = "closed"


class AccountClass(StrEnum):
    """What is known of the holder, on which the limits depend (CM 7.2)."""

    WEAK = "weak"
    CLASS_1 = "class_1"
    CLASS_2 = "class_2"
    CLASS_3 = "class_3"
    CORPORATE = "corporate"
    MERCHANT = "merchant"


class Loss(StrEnum):
    """How the loss of the phone was reported: by voice or portal until a date, in writing for good (CM 6.7)."""

    NONE = "none"
    ORAL = "oral"
    WRITTEN = "written"


class FreezeKind(StrEnum):
    """Whose freeze it is: the user's own, ours for a risk, a court's or authority's."""

    USER = "user"
    RISK = "risk"
    LAW = "law"


class Freeze(NamedTuple):
    """A freeze of an account. `made_by`: the subscriber, a member of staff, a rule.

    `amount_fen` is what was ordered and `left_fen` what of it still stands, both None of the whole account.
    """

    id: UUID
    account_id: UUID
    kind: FreezeKind
    amount_fen: int | None
    left_fen: int | None
    reason: str
    document: str
    until: datetime | None
    made_by: str
    made_at: datetime
    released_by: str | None = None
    released_at: datetime | None = None

    def reduced(self, fen: int, *, by: str, at: datetime) -> Freeze:
        """With so much less frozen, of a freeze of an amount; it has ended where nothing is left."""
        assert self.left_fen is not None
        assert 0 < fen <= self.left_fen
        left = self._replace(left_fen=self.left_fen - fen)
        return left if left.left_fen else left._replace(released_by=by, released_at=at)


class AccountRow(NamedTuple):
    """An account as decisions see it. `phone` is E.164; `password_digest` was made under version `password_key`.

    Life, loss, the stop by BOSS, dormancy, an expired document and the whole freezes (`freezes`) are facts apart;
    accounts/state.py makes one effective state of them. `loss_until` is of an oral report, `user_freeze_until` of the
    user's own freeze. The customer's own lower limits are `daily_limit_fen`, of payments, and those that begin with
    `own_`.
    """

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
    account_class: AccountClass = AccountClass.WEAK
    customer_id: UUID | None = None
    loss: Loss = Loss.NONE
    loss_until: datetime | None = None
    boss_stopped: bool = False
    dormant_since: datetime | None = None
    freezes: tuple[FreezeKind, ...] = ()
    user_freeze_until: datetime | None = None
    own_payment_single_fen: int | None = None
    own_transfer_single_fen: int | None = None
    own_transfer_daily_fen: int | None = None
    own_withdrawal_single_fen: int | None = None
    own_withdrawal_daily_fen: int | None = None
    document_expired_since: datetime | None = None


class UsageRow(NamedTuple):
    """What is counted for an account; the row that is locked.

    `spent_fen` and `spent_count` are of business date `day`; `wrong_today` of `wrong_day`; `wrong_in_a_row` since the
    last right payment password; `voucher_wrong` wrong voucher passwords since the last right one; until
    `locked_until` the payment password is not looked at. `month_fen` is what was paid in the month of `day`, `year_fen`
    and `life_fen` what was paid and transferred from the balance in its year, and ever.
    """

    day: date
    spent_fen: int
    spent_count: int
    wrong_day: date
    wrong_today: int
    wrong_in_a_row: int
    voucher_wrong: int
    locked_until: datetime | None
    month_fen: int = 0
    year_fen: int = 0
    life_fen: int = 0
