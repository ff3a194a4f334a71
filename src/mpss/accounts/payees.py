"""Directed relations (定向转账关系): whom a payer transfers to beyond what goes freely, and how much.

    set up (payment password and SMS code) ──cooling──► counts ──dissolved──► gone

A relation goes one way, from the account to a number, which need not have a wallet yet. What changes what may be sent
needs the payment password and an SMS code; dissolving a relation, which only takes away, needs neither.
At a service hall: accounts/payees_at_counter.py.
Invariants: (1) an account has at most one standing relation to a number, and none to itself; (2) a relation changes
under its payer's usage row, as the desk's counting of it does. Spec: CM 5.3.2.1, 5.3.2.2, 6.5. Decision: ADR-0015.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from mpss.accounts.codes import Purpose
from mpss.accounts.locks import lock_allowed
from mpss.accounts.model import AccountRow
from mpss.accounts.notify import tell_holder
from mpss.accounts.payee_model import Payee
from mpss.accounts.payee_store import dissolve, insert_payee, payees_of, set_limits
from mpss.accounts.proven import Proofs, proven
from mpss.accounts.state import Operation
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import business_date
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import PayeeId
from mpss.kernel.masking import mask_phone
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime


async def add_payee(
    runtime: Runtime, *, account_id: UUID, payee_phone: str, single_limit_fen: int, daily_limit_fen: int, proofs: Proofs
) -> Payee:
    """Set up a relation; it counts after `policy.payee_cooling_hours`.

    Raises:
        MalformedField: `payee_phone`, or the proofs' form.
        Refused: AMOUNT_OUT_OF_RANGE, UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE, SELF_TRANSFER, PAYEE_EXISTS, TOO_MANY_PAYEES,
            PASSWORD_NOT_SET, WRONG_PASSWORD, PASSWORD_LOCKED, WRONG_CODE, CODE_EXPIRED.

    Spec: CM 5.3.2.1.
    """
    payee_phone = parse_phone(payee_phone, field="payee_phone")
    check_limits(runtime, single_limit_fen, daily_limit_fen)
    now = runtime.clock.now()
    hours = runtime.policy.payee_cooling_hours
    payee = new_payee(payee_phone, single_limit_fen, daily_limit_fen, now=now, cooling_hours=hours)

    async def add(uow: UnitOfWork, account: AccountRow, standing: list[Payee]) -> Payee:
        await place(uow, runtime, account, payee, cooling_hours=hours)
        return payee

    def check(account: AccountRow, standing: list[Payee]) -> ErrorCode | None:
        return check_new(payee_phone, account, standing, most=runtime.policy.payees_per_account)

    return await _proven(runtime, account_id, proofs, now, check, add)


async def change_payee(
    runtime: Runtime, *, account_id: UUID, payee_id: UUID, single_limit_fen: int, daily_limit_fen: int, proofs: Proofs
) -> Payee:
    """Give a standing relation other limits; they hold at once.

    Raises:
        MalformedField: the proofs' form.
        Refused: UNKNOWN_PAYEE, and as `add_payee`.

    Spec: CM 5.3.2.1.
    """
    check_limits(runtime, single_limit_fen, daily_limit_fen)
    now = runtime.clock.now()

    async def change(uow: UnitOfWork, account: AccountRow, standing: list[Payee]) -> Payee:
        known = next(payee for payee in standing if payee.id == payee_id)
        await set_limits(uow, payee_id, single_limit_fen=single_limit_fen, daily_limit_fen=daily_limit_fen)
        await _tell(uow, "payee_changed", account, now, {"counterpart": mask_phone(known.phone)})
        return replace(known, single_limit_fen=single_limit_fen, daily_limit_fen=daily_limit_fen)

    def check(account: AccountRow, standing: list[Payee]) -> ErrorCode | None:
        known = any(payee.id == payee_id for payee in standing)
        return None if known else ErrorCode.UNKNOWN_PAYEE

    return await _proven(runtime, account_id, proofs, now, check, change)


async def dissolve_payee(runtime: Runtime, *, account_id: UUID, payee_id: UUID) -> None:
    """End a relation, at once. What was sent by it and waits for its payee goes on waiting.

    Raises:
        Refused: UNKNOWN_ACCOUNT, or what the account's state refuses with; UNKNOWN_PAYEE, also where it was dissolved
            before.

    Spec: CM 5.3.2.2, 6.5.2.2.
    """
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account, _ = await lock_allowed(uow, account_id, Operation.UNBIND_CARD, at=now)
        found = [payee for payee in await payees_of(uow, account_id) if payee.id == payee_id]
        if not found:
            raise Refused(ErrorCode.UNKNOWN_PAYEE)
        await take_off(uow, account, found[0], now=now)


async def list_payees(runtime: Runtime, *, account_id: UUID) -> list[Payee]:
    """The account's standing relations, oldest first; there are at most `policy.payees_per_account`."""
    async with runtime.database.read() as uow:
        return await payees_of(uow, account_id)


def new_payee(phone: str, single_limit_fen: int, daily_limit_fen: int, *, now: datetime, cooling_hours: int) -> Payee:
    """A relation to the number, made now and counting after `cooling_hours`."""
    return Payee(PayeeId.new(now), phone, single_limit_fen, daily_limit_fen, now, now + timedelta(hours=cooling_hours))


def check_new(payee_phone: str, account: AccountRow, standing: list[Payee], *, most: int) -> ErrorCode | None:
    """What hinders a new relation of the account, `most` being how many it may have."""
    if payee_phone == account.phone:
        return ErrorCode.SELF_TRANSFER
    if any(known.phone == payee_phone for known in standing):
        return ErrorCode.PAYEE_EXISTS
    return ErrorCode.TOO_MANY_PAYEES if len(standing) >= most else None


async def place(uow: UnitOfWork, runtime: Runtime, account: AccountRow, payee: Payee, *, cooling_hours: int) -> None:
    """Write a new relation of a locked account, and tell its owner."""
    day = business_date(payee.created_at, cut=runtime.settings.day_cut)
    await insert_payee(uow, payee, account_id=account.id, day=day)
    params: dict[str, str | int] = {"counterpart": mask_phone(payee.phone), "hours": cooling_hours}
    await _tell(uow, "payee_added", account, payee.created_at, params)


async def take_off(uow: UnitOfWork, account: AccountRow, payee: Payee, *, now: datetime) -> None:
    """End a standing relation of a locked account, and tell its owner."""
    await dissolve(uow, payee.id, now=now)
    await _tell(uow, "payee_dissolved", account, now, {"counterpart": mask_phone(payee.phone)})


async def _proven(
    runtime: Runtime,
    account_id: UUID,
    proofs: Proofs,
    now: datetime,
    check: Callable[[AccountRow, list[Payee]], ErrorCode | None],
    carry_out: Callable[[UnitOfWork, AccountRow, list[Payee]], Awaitable[Payee]],
) -> Payee:
    """Carry a change of the relations out once both proofs are right."""

    async def standing(uow: UnitOfWork, account: AccountRow) -> list[Payee]:
        found = await payees_of(uow, account.id)
        refusal = check(account, found)
        if refusal is not None:
            raise Refused(refusal)
        return found

    return await proven(
        runtime, account_id=account_id, proofs=proofs, purpose=Purpose.PAYEE, operation=Operation.SET_PAYEE, now=now,
        check=standing, carry_out=carry_out,
    )  # fmt: skip


def check_limits(runtime: Runtime, single_limit_fen: int, daily_limit_fen: int) -> None:
    """
    Raises:
        Refused: AMOUNT_OUT_OF_RANGE, naming the field.
    """
    policy = runtime.policy
    for field, value, highest_fen in (
        ("single_limit_fen", single_limit_fen, policy.transfer_single_limit_fen),
        ("daily_limit_fen", daily_limit_fen, policy.transfer_daily_limit_fen),
    ):
        if not 1 <= value <= highest_fen:
            raise Refused(ErrorCode.AMOUNT_OUT_OF_RANGE, detail=f"must be from 1 to {highest_fen} fen", field=field)


async def _tell(uow: UnitOfWork, event: str, account: AccountRow, now: datetime, params: dict[str, str | int]) -> None:
    await tell_holder(uow, account, event, now=now, params=params)
