"""Silent accounts (沉默账户): warned of, fallen dormant, woken by proving oneself again.

    active ──no movement for policy.dormancy_days less the warning's──► warned ──still none──► dormant ──woken──► active

Dormancy stops money going out, not coming in; a payment after the warning, whatever pays it, takes it back.
Spec: CM 7.7.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from mpss.accounts.boss_asking import check_number
from mpss.accounts.change import SUBSCRIBER, changed, changed_by_clock
from mpss.accounts.codes import Purpose
from mpss.accounts.model import AccountRow
from mpss.accounts.proven import Proofs, nothing_else, proven
from mpss.accounts.state import Operation
from mpss.accounts.state_store import fall_dormant, set_awake, warn_of_dormancy
from mpss.accounts.store import phone_of
from mpss.db.database import UnitOfWork
from mpss.runtime import Runtime


async def find_dormant(runtime: Runtime) -> tuple[int, int]:
    """Warn those near dormancy and make dormant those warned long enough ago; how many of each. For a job."""
    now, policy = runtime.clock.now(), runtime.policy
    notice_time = timedelta(days=policy.dormancy_warning_days)
    before = now - timedelta(days=policy.dormancy_days) + notice_time
    async with runtime.database.transaction() as uow:
        fallen = await fall_dormant(uow, now=now, warned=now - notice_time, before=before - notice_time)
        await changed_by_clock(uow, fallen, "fallen_dormant", now=now)
    async with runtime.database.transaction() as uow:
        warned = await warn_of_dormancy(uow, now=now, before=before)
        await changed_by_clock(uow, warned, "dormancy_near", now=now)
    return len(warned), len(fallen)


async def wake(runtime: Runtime, *, account_id: UUID, proofs: Proofs) -> None:
    """Wake a dormant account: the payment password and an SMS code say that it is still its holder's.

    Raises:
        MalformedField: the proofs' form.
        Refused: as `proven`; ILLEGAL_STATE, it is not dormant; NUMBER_REASSIGNED; BUSY, BOSS is silent.

    Spec: CM 7.7.
    """
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        phone = await phone_of(uow, account_id)
    if phone is not None:
        await check_number(runtime, phone, at_waking=True)

    async def carry_out(uow: UnitOfWork, account: AccountRow, _: None) -> None:
        await set_awake(uow, account.id, now=now)
        await changed(uow, account, "woken", actor=SUBSCRIBER, now=now)

    await proven(
        runtime, account_id=account_id, proofs=proofs, purpose=Purpose.ACCOUNT, operation=Operation.WAKE, now=now,
        check=nothing_else, carry_out=carry_out,
    )  # fmt: skip
