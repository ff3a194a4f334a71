"""Letting a number enter voucher passwords again, after too many wrong ones barred it; by staff alone (CM 9.3)."""

from __future__ import annotations

from mpss.accounts.locks import lock_known, wallet_of
from mpss.accounts.notify import tell
from mpss.accounts.store import save_usage
from mpss.kernel.ids import AccountId
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission


async def release_voucher_bar(runtime: Runtime, *, staff: StaffMember, phone: str) -> None:
    """Clear the number's wrong voucher passwords; a number that is not barred stays as it is, without a notice.

    Raises:
        MalformedField: `phone` is no mobile number of the mainland.
        Refused: FORBIDDEN, needs voucher_release; UNKNOWN_ACCOUNT.

    Spec: CM 9.3.
    """
    staff.require(Permission.VOUCHER_RELEASE)
    phone = parse_phone(phone)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account, usage = await lock_known(uow, await wallet_of(uow, phone))
        if not usage.voucher_wrong:
            return
        await save_usage(uow, account.id, usage._replace(voucher_wrong=0))
        subject = str(AccountId.from_uuid(account.id))
        await record(uow, at=now, actor=str(staff.id), action="voucher_bar.release", subject=subject)
        if usage.voucher_wrong >= runtime.policy.voucher_tries:
            await tell(uow, "voucher_released", reference=account.id, phone=phone, language=account.language, now=now)
