"""A payment password reset at a service hall (营业厅), for a customer who stands there with the identity document.

The clerk takes the old password away and never sees a new one: the phone gets a one-time link, and nothing is paid
until it was used. Spec: CM 7.5, 8.2.3.
"""

from __future__ import annotations

from mpss.accounts import token_store
from mpss.accounts.checks import password_cleared
from mpss.accounts.counter_check import Shown, look_at, not_the_holder
from mpss.accounts.links import send_link
from mpss.accounts.locks import lock_live, wallet_of
from mpss.accounts.password_store import clear_password, retire_password
from mpss.accounts.sim_cooling import refuse_new_sim
from mpss.accounts.store import save_usage
from mpss.kernel.errors import Refused
from mpss.kernel.ids import AccountId
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission


async def reset_at_counter(runtime: Runtime, *, staff: StaffMember, phone: str, shown: Shown) -> AccountId:
    """Take the payment password of the wallet of `phone` away and send a link for a new one; the account.

    Sessions of the account end. The link goes to the phone, which proves the holder where no document is on record;
    not for a while after another SIM card.

    Raises:
        MalformedField: `phone`; as `look_at` and `not_the_holder`.
        Refused: FORBIDDEN, needs password_reset and a hall; UNKNOWN_ACCOUNT; SIM_COOLING; IDENTITY_MISMATCH;
            RATE_LIMITED, too many links or wrong documents.

    Spec: CM 7.5.
    """
    staff.require_at_hall(Permission.PASSWORD_RESET)
    checked = await look_at(runtime, shown, phone=phone)
    phone, now = parse_phone(phone), runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account, usage = await lock_live(uow, await wallet_of(uow, phone))
        if account.customer_id is None:
            await refuse_new_sim(uow, runtime, account.id, now=now)
        refusal = await not_the_holder(uow, runtime, account, checked, staff=staff, now=now, by_phone=False)
        if refusal is None:
            await retire_password(uow, account.id, now=now)
            await clear_password(uow, account.id)
            await save_usage(uow, account.id, password_cleared(usage))
            await token_store.end_sessions(uow, account.id)
            await send_link(uow, runtime, account_id=account.id, phone=phone, language=account.language, now=now)
            await record(
                uow,
                at=now,
                actor=str(staff.id),
                action="password.reset",
                subject=AccountId.outside(account.id),
                detail={"document": checked.document, **staff.place},
            )
    if refusal is not None:
        raise Refused(refusal)
    return AccountId.from_uuid(account.id)
