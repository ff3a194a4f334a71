"""What a subscriber or a member of staff may see of an account (CT 5.2; CM 5.4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import LiteralString
from uuid import UUID

from mpss.accounts.checks import check_voucher_tries, is_locked, must_reset, spent_on
from mpss.accounts.locks import wallet_of
from mpss.accounts.model import AccountClass, AccountKind, FreezeKind, Life, Loss, UsageRow
from mpss.accounts.state import EffectiveState, StateFacts, effective_state
from mpss.accounts.store import find_wallet
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import business_date
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import AccountId
from mpss.ledger.model import Balance
from mpss.runtime import Runtime

_OVERVIEW: LiteralString = """
    SELECT a.id, a.phone, a.home_province, a.kind, a.life, a.ledger_account_id, a.language, a.opened_at,
           a.daily_limit_fen, a.password_digest IS NOT NULL AS password_set, a.account_class,
           a.loss, a.loss_until, a.boss_stopped, a.dormant_since, a.freezes, a.user_freeze_until,
           a.document_expired_since,
           u.day, u.spent_fen, u.spent_count, u.wrong_day, u.wrong_today, u.wrong_in_a_row, u.voucher_wrong,
           u.locked_until, b.balance_fen, b.restricted_fen, b.held_fen, b.frozen_fen,
           coalesce((SELECT business_date FROM business_day WHERE cut_at IS NULL), %(today)s) AS today
      FROM account AS a
      JOIN account_usage AS u ON u.account_id = a.id
      JOIN ledger_balance AS b ON b.ledger_account_id = a.ledger_account_id
     WHERE a.id = %(id)s
"""
_OF_LEDGER: LiteralString = "SELECT id FROM account WHERE ledger_account_id = ANY(%(ids)s)"


@dataclass(frozen=True, slots=True)
class AccountOverview:
    """An account as it stands. Amounts in fen; `withdrawable_fen` is what of the available balance may be withdrawn.

    `frozen_fen` is what of the balance freezes of amounts keep there, which may be less than was ordered.
    `locked_until` is set while the password is locked for the day; with `must_reset` only a new password helps.
    `state_until`: when what makes the state ends by itself, None where nothing does.
    """

    id: AccountId
    phone: str
    home_province: str
    kind: AccountKind
    life: Life
    state: EffectiveState
    state_until: datetime | None
    account_class: AccountClass
    ledger_account_id: int
    language: str
    opened_at: datetime
    password_set: bool
    locked_until: datetime | None
    must_reset: bool
    voucher_barred: bool
    daily_limit_fen: int
    spent_today_fen: int
    balance_fen: int
    held_fen: int
    frozen_fen: int
    available_fen: int
    withdrawable_fen: int


@dataclass(frozen=True, slots=True)
class _Record:
    id: UUID
    phone: str
    home_province: str
    kind: str
    life: str
    ledger_account_id: int
    language: str
    opened_at: datetime
    daily_limit_fen: int
    password_set: bool
    account_class: str
    loss: str
    loss_until: datetime | None
    boss_stopped: bool
    dormant_since: datetime | None
    freezes: list[str]
    user_freeze_until: datetime | None
    document_expired_since: datetime | None
    day: date
    spent_fen: int
    spent_count: int
    wrong_day: date
    wrong_today: int
    wrong_in_a_row: int
    voucher_wrong: int
    locked_until: datetime | None
    balance_fen: int
    restricted_fen: int
    held_fen: int
    frozen_fen: int
    today: date


async def overview(runtime: Runtime, *, account_id: UUID) -> AccountOverview:
    """The account's type, state, opening time, daily limit and balance.

    Raises:
        Refused: UNKNOWN_ACCOUNT.

    Spec: CT 5.2; CM 5.4.
    """
    now = runtime.clock.now()
    today = business_date(now, cut=runtime.settings.day_cut)
    async with runtime.database.read() as uow:
        record = await uow.row(_Record, _OVERVIEW, {"id": account_id, "today": today})
    if record is None:
        raise Refused(ErrorCode.UNKNOWN_ACCOUNT)
    return _overview(record, runtime, now)


async def overview_by_phone(runtime: Runtime, *, phone: str) -> AccountOverview:
    """The overview of the number's wallet.

    Raises:
        MalformedField: `phone` is no mobile number of the mainland.
        Refused: UNKNOWN_ACCOUNT.
    """
    async with runtime.database.read() as uow:
        account_id = await wallet_of(uow, phone)
    return await overview(runtime, account_id=account_id)


async def find_wallet_id(runtime: Runtime, *, phone: str) -> UUID | None:
    """The account id of the number's wallet, pending or active; `phone` is E.164."""
    async with runtime.database.read() as uow:
        return await find_wallet(uow, phone=phone)


async def accounts_of_ledger(uow: UnitOfWork, ledger_account_ids: list[int]) -> list[UUID]:
    """The payment accounts whose money these ledger accounts keep."""
    return [row["id"] for row in await uow.dicts(_OF_LEDGER, {"ids": ledger_account_ids})]


def _overview(record: _Record, runtime: Runtime, now: datetime) -> AccountOverview:
    usage = UsageRow(
        record.day,
        record.spent_fen,
        record.spent_count,
        record.wrong_day,
        record.wrong_today,
        record.wrong_in_a_row,
        record.voucher_wrong,
        record.locked_until,
    )
    life = Life(record.life)
    facts = StateFacts(
        life,
        Loss(record.loss),
        record.loss_until,
        record.boss_stopped,
        record.dormant_since,
        tuple(map(FreezeKind, record.freezes)),
        record.user_freeze_until,
        record.document_expired_since,
    )
    locked = is_locked(usage, now, runtime.policy)
    reset = must_reset(usage, runtime.policy)
    balance = Balance(record.balance_fen, record.restricted_fen, record.held_fen, record.frozen_fen)
    state = effective_state(facts, at=now, locked=locked)
    locked_until = record.locked_until if locked and not reset else None
    return AccountOverview(
        id=AccountId.from_uuid(record.id),
        phone=record.phone,
        home_province=record.home_province,
        kind=AccountKind(record.kind),
        life=life,
        state=state,
        state_until={
            EffectiveState.LOSS_ORAL: record.loss_until,
            EffectiveState.FROZEN_BY_USER: record.user_freeze_until,
            EffectiveState.PASSWORD_LOCKED: locked_until,
        }.get(state),
        account_class=AccountClass(record.account_class),
        ledger_account_id=record.ledger_account_id,
        language=record.language,
        opened_at=record.opened_at,
        password_set=record.password_set,
        locked_until=locked_until,
        must_reset=reset,
        voucher_barred=check_voucher_tries(usage, runtime.policy) is not None,
        daily_limit_fen=record.daily_limit_fen,
        spent_today_fen=spent_on(usage, record.today),
        balance_fen=record.balance_fen,
        held_fen=record.held_fen,
        frozen_fen=record.balance_fen - record.held_fen - balance.available_fen,
        available_fen=balance.available_fen,
        withdrawable_fen=balance.withdrawable_fen,
    )
