"""The waiting time after another SIM card or another number (换卡, 换号), against whoever had the card replaced.

Who gets an operator to hand out the victim's card has every SMS code from then on. So for `policy.sim_cooling_hours`
the phone alone is not enough: no password is set by code or link, none is unlocked, no limit raised, no device bound,
and at a hall nobody is taken for the holder by a code. What the real holder has meanwhile: the password they know, a
hall with the document that is on record. An account without a payment password has nothing to protect yet.
Spec: CT 12.1.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from mpss.accounts.boss_store import sim_changed_at
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode, Refused
from mpss.runtime import Runtime


async def refuse_new_sim(uow: UnitOfWork, runtime: Runtime, account_id: UUID, *, now: datetime) -> None:
    """
    Raises:
        Refused: SIM_COOLING, saying until when.
    """
    hours = runtime.policy.sim_cooling_hours
    changed_at = await sim_changed_at(uow, account_id) if hours else None
    if changed_at is None or now >= changed_at + timedelta(hours=hours):
        return
    until = (changed_at + timedelta(hours=hours)).astimezone(SHANGHAI)
    raise Refused(
        ErrorCode.SIM_COOLING,
        detail=f"the SIM card or the number was changed: wait until {until:%Y-%m-%d %H:%M}, or visit a service hall",
    )
