"""The customer's own limits, below the table's: lowered at once, raised again with the payment password.

Invariants: (1) none is above what the table and the settings allow; (2) what a wrong password counted stays counted.
Spec: CM 9.2, 9.4, 9.5; CT 5.2. Decision: ADR-0026.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from mpss.accounts.change import SUBSCRIBER, changed
from mpss.accounts.channel_store import used_by_channel
from mpss.accounts.limit_model import NO_LIMIT, Caps, Counts, LimitOperation, same_month
from mpss.accounts.limit_queries import Used, caps_now, used_of
from mpss.accounts.locks import lock_allowed, lock_known, wallet_of
from mpss.accounts.model import AccountRow
from mpss.accounts.notify import NO_PARAMS
from mpss.accounts.password_rules import candidate_digests, check_form, fingerprint
from mpss.accounts.password_tries import count_try
from mpss.accounts.sim_cooling import refuse_new_sim
from mpss.accounts.spray import noticed
from mpss.accounts.state import Operation
from mpss.accounts.store import set_own_limits
from mpss.config import Policy
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import business_date
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import AccountId
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.staff.members import PLATFORM
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission


class OwnLimits(NamedTuple):
    """In fen; None is none of one's own."""

    payment_single_fen: int | None = None
    payment_daily_fen: int | None = None
    transfer_single_fen: int | None = None
    transfer_daily_fen: int | None = None
    withdrawal_single_fen: int | None = None
    withdrawal_daily_fen: int | None = None


class Measured(NamedTuple):
    """A limit and what is used of it; None is no limit."""

    limit: int | None
    used: int

    @property
    def left(self) -> int | None:
        return None if self.limit is None else max(self.limit - self.used, 0)


class OperationLimits(NamedTuple):
    """What holds for one operation, the lowest of settings, table and the customer's own; `channel_…` is the channel's
    own, and of it only what it let through."""

    operation: LimitOperation
    single_fen: int | None
    daily_fen: Measured
    daily_count: Measured
    monthly_fen: Measured
    channel_daily_fen: Measured
    channel_daily_count: Measured
    channel_monthly_fen: Measured


class AccountLimits(NamedTuple):
    """Year and lifetime are of payments and transfers together; the year's is of all accounts of the customer."""

    account_class: str
    own: OwnLimits
    operations: tuple[OperationLimits, ...]
    yearly_fen: Measured
    lifetime_fen: Measured
    balance_fen: Measured


def own_of(account: AccountRow) -> OwnLimits:
    """The customer's own limits as they stand; there is always one for a day's payments."""
    return OwnLimits(
        account.own_payment_single_fen, account.daily_limit_fen, account.own_transfer_single_fen,
        account.own_transfer_daily_fen, account.own_withdrawal_single_fen, account.own_withdrawal_daily_fen,
    )  # fmt: skip


def highest_of(caps: dict[LimitOperation, Caps], policy: Policy) -> OwnLimits:
    """What the settings and the table allow, which none of one's own may be above."""
    payment, transfer = caps[LimitOperation.PAYMENT], caps[LimitOperation.TRANSFER]
    withdrawal = caps[LimitOperation.WITHDRAWAL]
    return OwnLimits(
        min(policy.single_limit_fen, payment.single_fen),
        min(policy.max_daily_limit_fen, payment.day_fen),
        min(policy.transfer_single_limit_fen, transfer.single_fen),
        min(policy.transfer_daily_limit_fen, transfer.day_fen),
        min(policy.withdrawal_single_limit_fen, withdrawal.single_fen),
        min(policy.withdrawal_daily_limit_fen, withdrawal.day_fen),
    )


def raised(before: OwnLimits, wanted: OwnLimits, highest: OwnLimits) -> bool:
    """Whether more would go than before."""

    def holds(own_fen: int | None, most_fen: int | None) -> int:
        assert most_fen is not None
        return most_fen if own_fen is None else min(own_fen, most_fen)

    return any(holds(after, most) > holds(was, most) for was, after, most in zip(before, wanted, highest, strict=True))


class Change(NamedTuple):
    """The limits before and after; `raises`: more would go than before."""

    before: OwnLimits
    after: OwnLimits
    raises: bool


async def change_own_limits(
    runtime: Runtime, *, account_id: UUID, wanted: OwnLimits, password: str | None, source: str
) -> None:
    """Replace the customer's own limits; they hold at once, as the account is locked for it.

    Raises:
        MalformedField: `password` is missing where a limit is raised, or its form.
        Refused: AMOUNT_OUT_OF_RANGE, above the table, naming the field; UNKNOWN_ACCOUNT; what the state refuses with;
            SIM_COOLING, PASSWORD_NOT_SET, WRONG_PASSWORD, PASSWORD_LOCKED.

    Spec: CM 9.5.
    """
    now, policy = runtime.clock.now(), runtime.policy

    async def change(uow: UnitOfWork, account: AccountRow) -> Change | None:
        caps = await caps_now(uow, account.account_class, LimitOperation, at=now, channel="")
        highest, before, after = highest_of(caps, policy), own_of(account), wanted
        for field, fen, most_fen in zip(OwnLimits._fields, wanted, highest, strict=True):
            assert most_fen is not None
            if fen is not None and not 0 <= fen <= most_fen:
                raise Refused(ErrorCode.AMOUNT_OUT_OF_RANGE, detail=f"must be from 0 to {most_fen} fen", field=field)
        if wanted.payment_daily_fen is None:
            after = wanted._replace(payment_daily_fen=policy.max_daily_limit_fen)
        return None if after == before else Change(before, after, raised(before, after, highest))

    await carry_out(
        runtime, account_id=account_id, change=change, event="own_limits_set", password=password, source=source, now=now
    )


async def carry_out(
    runtime: Runtime,
    *,
    account_id: UUID,
    change: Callable[[UnitOfWork, AccountRow], Awaitable[Change | None]],
    event: str,
    params: Mapping[str, str | int] = NO_PARAMS,
    password: str | None,
    source: str,
    now: datetime,
) -> None:
    """Lock the account, ask `change` what becomes of its limits (None: nothing), prove it, write it down and tell it.

    `source` is where the password came from ("http:203.0.113.7").

    Raises:
        MalformedField: `password` is missing where a limit is raised, or its form.
        Refused: UNKNOWN_ACCOUNT; what the state refuses with; what `change` raises; SIM_COOLING, a limit is raised;
            PASSWORD_NOT_SET, WRONG_PASSWORD, PASSWORD_LOCKED.
    """
    if password is not None:
        check_form(password, field="payment_password")
    key_store = runtime.ports.key_store
    candidates = {} if password is None else candidate_digests(key_store, account_id, password)
    tried = b"" if password is None else fingerprint(key_store, password)
    wrong = None
    async with runtime.database.transaction() as uow:
        account, usage = await lock_allowed(uow, account_id, Operation.SET_LIMIT, at=now)
        made = await change(uow, account)
        if made is None:
            return
        if made.raises:
            await refuse_new_sim(uow, runtime, account.id, now=now)
            if password is None:
                raise MalformedField(field="payment_password", problem="is asked for where a limit is raised")
            wrong = await count_try(
                uow, runtime, account, usage, candidate_digests=candidates, tried=tried, challenged=False,
                source=source, now=now,
            )  # fmt: skip
        if wrong is None:
            await set_own_limits(uow, account.id, *made.after)
            detail = {"from": made.before._asdict(), "to": made.after._asdict()}
            await changed(uow, account, event, actor=SUBSCRIBER, now=now, detail=detail, params=params)
    if wrong is not None:
        # The counted try stays.
        noticed(runtime)
        raise Refused(wrong, field="payment_password")


async def limits_of(runtime: Runtime, *, account_id: UUID, channel: str) -> AccountLimits:
    """Each limit of the account, what is used of it and what is left.

    Raises:
        Refused: UNKNOWN_ACCOUNT.

    Spec: CM 9.1, 9.5.
    """
    now, policy = runtime.clock.now(), runtime.policy
    async with runtime.database.transaction() as uow:
        account, _ = await lock_known(uow, account_id)
        caps = await caps_now(uow, account.account_class, LimitOperation, at=now, channel=channel)
        found, longer = await used_of(uow, account_id, today=business_date(now, cut=runtime.settings.day_cut))
        limited = [each.value for each, cap in caps.items() if cap.counts_channel]
        passed = await used_by_channel(uow, account_id, limited, channel)
    assert longer is not None
    today, own, highest = longer.today, own_of(account), highest_of(caps, policy)
    used = {row.operation: row for row in found}
    ceilings = {
        LimitOperation.PAYMENT: _lowest(own, highest, "payment"),
        LimitOperation.TRANSFER: _lowest(own, highest, "transfer"),
        LimitOperation.TOPUP: (min(policy.topup_single_limit_fen, caps[LimitOperation.TOPUP].single_fen), None),
        LimitOperation.WITHDRAWAL: _lowest(own, highest, "withdrawal"),
    }
    operations = []
    for operation, (single_fen, day_fen) in ceilings.items():
        cap = caps[operation]
        day, month_fen = _counted(used.get(operation.value), today)
        channel_day, channel_month_fen = _counted(passed.get(operation.value), today)
        operations.append(
            OperationLimits(
                operation,
                _shown(min(single_fen, cap.channel_fen)),
                Measured(_shown(cap.day_fen if day_fen is None else day_fen), day.day_fen),
                Measured(_shown(cap.day_count), day.day_count),
                Measured(_shown(cap.month_fen), month_fen),
                Measured(_shown(cap.channel_day_fen), channel_day.day_fen),
                Measured(_shown(cap.channel_day_count), channel_day.day_count),
                Measured(_shown(cap.channel_month_fen), channel_month_fen),
            )
        )
    together = caps[LimitOperation.PAYMENT]
    year_day, year_fen = longer.day, longer.year_fen
    if longer.customer_day is not None and longer.customer_year_fen is not None:
        year_day, year_fen = longer.customer_day, longer.customer_year_fen
    return AccountLimits(
        account.account_class.value,
        own,
        tuple(operations),
        Measured(_shown(together.year_fen), year_fen if year_day.year == today.year else 0),
        Measured(_shown(together.life_fen), longer.life_fen),
        Measured(min(policy.balance_limit_fen, together.balance_fen), longer.balance_fen),
    )


async def limits_by_phone(runtime: Runtime, *, by: StaffMember | None, phone: str, channel: str) -> AccountLimits:
    """The same of the number's account, the look written down; `by` None is the platform's own command line.

    Raises:
        MalformedField: `phone`.
        Refused: FORBIDDEN, `by` needs account_view; UNKNOWN_ACCOUNT.
    """
    if by is not None:
        by.require(Permission.ACCOUNT_VIEW)
    async with runtime.database.transaction() as uow:
        account_id = await wallet_of(uow, phone)
        actor, hall = (PLATFORM, None) if by is None else (str(by.id), by.hall)
        await record(
            uow, at=runtime.clock.now(), actor=actor, action="account.limits", subject=AccountId.outside(account_id),
            detail={"hall": hall},
        )  # fmt: skip
    return await limits_of(runtime, account_id=account_id, channel=channel)


def _counted(row: Used | Counts | None, today: date) -> tuple[Used | Counts, int]:
    """What counts on business date `today`: the day's counts, and the month's amount in fen."""
    nothing = Counts(today)
    if row is None or not same_month(row.day, today):
        return nothing, 0
    return (row if row.day == today else nothing), row.month_fen


def _lowest(own: OwnLimits, highest: OwnLimits, operation: str) -> tuple[int, int | None]:
    """What holds for one transaction and for a day."""
    values = []
    for measure in ("single", "daily"):
        own_fen, most_fen = getattr(own, f"{operation}_{measure}_fen"), getattr(highest, f"{operation}_{measure}_fen")
        values.append(most_fen if own_fen is None else min(own_fen, most_fen))
    return values[0], values[1]


def _shown(value: int) -> int | None:
    return None if value >= NO_LIMIT else value
