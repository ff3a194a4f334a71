"""Closing an account (销户): asked for by its holder or at a hall, the rest paid out, then gone.

    active … ──asked for, nothing in the way──► pre-closed ──empty──► closed
                  none        the balance is zero: closed at once
                  cash        paid at a hall, where the clerk has looked at the document
                  bank card   a withdrawal of the whole balance, without fee and beyond the limits, to a bound card
                  phone bill  credited to the number by the charging system (closings/bill.py)

A closed account's cards are unbound, its relations dissolved, its memberships and sessions ended; its number may open
a new one. A corporate account is closed once it has no members: each is told by its removal.
After a report of loss in writing a hall closes the account (挂失销户). Spec: CM 5.2.3, 5.2.5, 6.2.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from mpss.accounts.change import SUBSCRIBER, changed, changed_by_clock, changed_by_staff
from mpss.accounts.checks import check_state
from mpss.accounts.codes import Purpose
from mpss.accounts.counter_check import Shown, look_at, not_the_holder
from mpss.accounts.locks import lock_by_phone
from mpss.accounts.model import AccountRow, Life, Loss
from mpss.accounts.proven import Proofs, proven
from mpss.accounts.queries import find_wallet_id
from mpss.accounts.state import Operation
from mpss.accounts.state_store import set_life
from mpss.db.database import UnitOfWork
from mpss.desk.model import Answer, TransactionKind, digest_of
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import TransactionId
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission
from mpss.transactions.closings.bill import pay_out_to_bill, require_charging
from mpss.transactions.closings.cash import CashPayoutCommand
from mpss.transactions.closings.model import Block, Payout, Standing, blocks
from mpss.transactions.closings.rest import require_holder
from mpss.transactions.closings.store import LeftAccount, close_empty, insert_closing, left_accounts, standing_of
from mpss.transactions.model import Asked
from mpss.transactions.withdrawals.withdrawal import check_card, pay_out

CHANNEL = "hall"


async def closing_standing(runtime: Runtime, *, account_id: UUID) -> tuple[Standing, dict[Payout, list[Block]]]:
    """What stands in the way of closing the account, for each way of paying the rest out. Spec: CM 5.2.3."""
    async with runtime.database.read() as uow:
        standing = await standing_of(uow, account_id)
    return standing, {payout: blocks(standing, payout) for payout in Payout}


async def close_account(
    runtime: Runtime, *, account_id: UUID, payout: Payout, card_id: UUID | None, proofs: Proofs
) -> Life:
    """Ask for the closing of one's own account; CLOSED where the balance was zero, else PRE_CLOSED.

    Raises:
        MalformedField: the proofs' form; `card_id` is missing, or goes with another payout.
        Refused: as `proven`; LOSS_WRITTEN, a hall closes by loss; CLOSING_BLOCKED, naming what stands in the way; of a
            card as `withdraw`; NOT_FOUND, no charging system is connected for the payout to a phone bill.

    Spec: CM 5.2.3.1.
    """
    if (card_id is None) == (payout is Payout.BANK_CARD):
        raise MalformedField(field="card_id", problem="goes with the payout to a bank card")
    if card_id is not None:
        await check_card(runtime, account_id=account_id, card_id=card_id)
    if payout is Payout.PHONE_BILL:
        require_charging(runtime)
    now = runtime.clock.now()

    async def check(uow: UnitOfWork, account: AccountRow) -> Standing:
        if account.loss is Loss.WRITTEN:
            raise Refused(ErrorCode.LOSS_WRITTEN, detail="whoever has the phone may not be its holder: close at a hall")
        standing = await standing_of(uow, account.id)
        _refuse_blocked(standing, payout)
        return standing

    async def ask(uow: UnitOfWork, account: AccountRow, standing: Standing) -> Standing:
        await _pre_close(uow, account, payout, reason="asked", by=SUBSCRIBER, now=now)
        detail = {"payout": payout.value}
        await changed(uow, account, "closing_asked", actor=SUBSCRIBER, now=now, detail=detail)
        return standing

    standing = await proven(
        runtime, account_id=account_id, proofs=proofs, purpose=Purpose.ACCOUNT, operation=Operation.CLOSE, now=now,
        check=check, carry_out=ask,
    )  # fmt: skip
    if card_id is not None and standing.balance_fen:
        await pay_out(runtime, account_id=account_id, card_id=card_id, amount_fen=standing.balance_fen)
    if payout is Payout.PHONE_BILL and standing.balance_fen:
        await pay_out_to_bill(runtime, account_id=account_id)
    return await _finish(runtime, account_id)


async def close_at_counter(
    runtime: Runtime, *, staff: StaffMember, phone: str, shown: Shown, payout: Payout = Payout.CASH
) -> tuple[Life, int]:
    """Ask for the closing at a hall. How it stands, and the rest in fen.

    The rest is paid as cash, by a clerk and afterwards, or at once to the phone bill.

    Raises:
        MalformedField: `phone`; as `look_at` and `not_the_holder`; `payout` is neither.
        Refused: FORBIDDEN, needs account_close and a hall; UNKNOWN_ACCOUNT, what the state refuses with;
            CLOSING_BLOCKED; IDENTITY_MISMATCH, RATE_LIMITED, WRONG_CODE, CODE_EXPIRED; NOT_FOUND, no charging system
            is connected.

    Spec: CM 5.2.3.1, 5.2.5, 6.2.
    """
    staff.require_at_hall(Permission.ACCOUNT_CLOSE)
    if payout not in (Payout.CASH, Payout.PHONE_BILL):
        raise MalformedField(field="payout", problem="must be cash or phone_bill at a hall")
    if payout is Payout.PHONE_BILL:
        require_charging(runtime)
    checked = await look_at(runtime, shown, phone=phone)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account = await lock_by_phone(uow, phone)
        refusal = check_state(account, Operation.CLOSE, at=now)
        if refusal is not None:
            raise Refused(refusal)
        standing = await standing_of(uow, account.id)
        _refuse_blocked(standing, payout)
        refusal = await not_the_holder(uow, runtime, account, checked, staff=staff, now=now, by_phone=True)
        if refusal is None:
            reason = "loss" if account.loss is Loss.WRITTEN else "asked"
            await _pre_close(uow, account, payout, reason=reason, by=str(staff.id), now=now)
            detail = {"document": checked.document, "reason": reason, "payout": payout.value}
            await changed_by_staff(uow, account, "closing_asked", staff=staff, now=now, detail=detail)
    if refusal is not None:
        raise Refused(refusal)
    if payout is Payout.PHONE_BILL and standing.balance_fen:
        await pay_out_to_bill(runtime, account_id=account.id)
    return await _finish(runtime, account.id), standing.balance_fen


async def accounts_left(runtime: Runtime, *, staff: StaffMember, phone: str) -> list[LeftAccount]:
    """What waits of accounts that the number has left: it was given up, or is another owner's.

    Raises:
        MalformedField: `phone`.
        Refused: FORBIDDEN, needs account_close and a hall.

    Spec: CM 5.2.4.3, 5.2.6.
    """
    staff.require_at_hall(Permission.ACCOUNT_CLOSE)
    async with runtime.database.read() as uow:
        return await left_accounts(uow, parse_phone(phone))


async def pay_out_cash(
    runtime: Runtime, *, staff: StaffMember, key: str, phone: str, shown: Shown, left_id: UUID | None = None
) -> Answer:
    """Pay the rest of an account that is being closed as cash, all of it; the account is closed then.

    The number may be given up, so without a document on record the clerk's word does. `left_id` is of an account that
    the number has left (`accounts_left`); without it the account is the number's own, or the one it left last.

    Refusals: UNKNOWN_ACCOUNT, ILLEGAL_STATE (no closing was asked for), ACCOUNT_CLOSED, CLOSING_BLOCKED (money is
    held), INSUFFICIENT_FUNDS (nothing is left), KEY_REUSED.

    Raises:
        MalformedField: `phone`; as `look_at` and `not_the_holder`.
        Refused: FORBIDDEN, needs account_close and a hall; IDENTITY_MISMATCH, RATE_LIMITED.

    Spec: CM 5.2.3.4, 6.2.
    """
    staff.require_at_hall(Permission.ACCOUNT_CLOSE)
    checked = await look_at(runtime, shown, phone=phone)
    phone = parse_phone(phone)
    now = runtime.clock.now()
    account_id = await _to_pay(runtime, phone, left_id)
    await require_holder(runtime, account_id, checked, staff=staff, now=now)
    named = () if left_id is None else (str(left_id),)
    digest = digest_of(TransactionKind.CLOSING_PAYOUT, phone, *named)
    asked = Asked(TransactionId.new(now), staff.caller, key, digest, now, CHANNEL)
    answer = await runtime.desk.submit(CashPayoutCommand(asked, account_id, staff, checked.document))
    if account_id is not None:
        await _finish(runtime, account_id)
    return answer


async def _to_pay(runtime: Runtime, phone: str, left_id: UUID | None) -> UUID | None:
    async with runtime.database.read() as uow:
        left = [account.id for account in await left_accounts(uow, phone)]
    if left_id is not None:
        return left_id if left_id in left else None
    return await find_wallet_id(runtime, phone=phone) or next(iter(left), None)


async def finish_closings(runtime: Runtime) -> int:
    """Close what is pre-closed and empty; how many. For a job: a crash or a bank's late answer leaves some."""
    return len(await _close_empty(runtime, None))


async def _finish(runtime: Runtime, account_id: UUID) -> Life:
    return Life.CLOSED if await _close_empty(runtime, account_id) else Life.PRE_CLOSED


async def _close_empty(runtime: Runtime, account_id: UUID | None) -> list[UUID]:
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        owners = await close_empty(uow, now=now, account_id=account_id)
        await changed_by_clock(uow, owners, "closed", now=now)
    return [owner.id for owner in owners]


async def _pre_close(
    uow: UnitOfWork, account: AccountRow, payout: Payout, *, reason: str, by: str, now: datetime
) -> None:
    await set_life(uow, account.id, Life.PRE_CLOSED, now=now)
    await insert_closing(uow, account.id, payout=payout, reason=reason, by=by, now=now)


def _refuse_blocked(standing: Standing, payout: Payout) -> None:
    found = blocks(standing, payout)
    if found:
        raise Refused(ErrorCode.CLOSING_BLOCKED, detail=", ".join(found), field="payout")
