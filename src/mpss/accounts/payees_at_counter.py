"""Directed relations (定向转账关系) set up and dissolved at a service hall (营业厅), for a customer who stands there.

The clerk looks at the customer's identity document, which stands for the password and the SMS code; the relation is the
one the customer would have set up, and the owner of the phone is told as then. Spec: CM 6.5.1, 6.5.2.1.
"""

from __future__ import annotations

from mpss.accounts.checks import check_state
from mpss.accounts.locks import lock_by_phone
from mpss.accounts.payee_model import Payee
from mpss.accounts.payee_store import payees_of
from mpss.accounts.payees import check_limits, check_new, new_payee, place, take_off
from mpss.accounts.state import Operation
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import AccountId, PayeeId
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission


async def add_payee_at_counter(
    runtime: Runtime, *, staff: StaffMember, phone: str, payee_phone: str, single_limit_fen: int, daily_limit_fen: int
) -> Payee:
    """Set up a relation of the wallet of `phone`; it counts after `policy.payee_counter_cooling_hours`.

    Raises:
        MalformedField: `phone` or `payee_phone`.
        Refused: FORBIDDEN, needs payee_manage and a hall; AMOUNT_OUT_OF_RANGE, UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE,
            SELF_TRANSFER, PAYEE_EXISTS, TOO_MANY_PAYEES.

    Spec: CM 6.5.1.
    """
    staff.require_at_hall(Permission.PAYEE_MANAGE)
    phone, payee_phone = parse_phone(phone), parse_phone(payee_phone, field="payee_phone")
    check_limits(runtime, single_limit_fen, daily_limit_fen)
    now, policy = runtime.clock.now(), runtime.policy
    hours = policy.payee_counter_cooling_hours
    payee = new_payee(payee_phone, single_limit_fen, daily_limit_fen, now=now, cooling_hours=hours)
    async with runtime.database.transaction() as uow:
        account = await lock_by_phone(uow, phone)
        standing = await payees_of(uow, account.id)
        refusal = check_state(account, Operation.SET_PAYEE, at=now) or check_new(
            payee_phone, account, standing, most=policy.payees_per_account
        )
        if refusal is not None:
            raise Refused(refusal)
        await place(uow, runtime, account, payee, cooling_hours=hours)
        detail = {
            "payee_id": PayeeId.outside(payee.id),
            "single_limit_fen": single_limit_fen,
            "daily_limit_fen": daily_limit_fen,
            **staff.place,
        }
        subject = AccountId.outside(account.id)
        await record(uow, at=now, actor=str(staff.id), action="payee.add", subject=subject, detail=detail)
    return payee


async def dissolve_payee_at_counter(runtime: Runtime, *, staff: StaffMember, phone: str, payee_phone: str) -> None:
    """End the relation of the wallet of `phone` to `payee_phone`, at once.

    Raises:
        MalformedField: `phone` or `payee_phone`.
        Refused: FORBIDDEN, needs payee_manage and a hall; UNKNOWN_ACCOUNT; UNKNOWN_PAYEE, also where it was dissolved.

    Spec: CM 6.5.2.1.
    """
    staff.require_at_hall(Permission.PAYEE_MANAGE)
    phone, payee_phone = parse_phone(phone), parse_phone(payee_phone, field="payee_phone")
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account = await lock_by_phone(uow, phone)
        found = [payee for payee in await payees_of(uow, account.id) if payee.phone == payee_phone]
        if not found:
            raise Refused(ErrorCode.UNKNOWN_PAYEE)
        await take_off(uow, account, found[0], now=now)
        detail = {"payee_id": PayeeId.outside(found[0].id), **staff.place}
        subject = AccountId.outside(account.id)
        await record(uow, at=now, actor=str(staff.id), action="payee.dissolve", subject=subject, detail=detail)
