"""What every change of an account's state leaves: a line in the account's record and a notice to its holder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mpss.accounts.model import AccountRow
from mpss.accounts.notify import NO_PARAMS, tell_holder
from mpss.accounts.state_store import Owner, insert_event
from mpss.db.database import UnitOfWork
from mpss.kernel.ids import AccountId, OutboxId
from mpss.outbox.model import notice
from mpss.outbox.store import enqueue
from mpss.staff.audit import NO_DETAIL, record
from mpss.staff.model import StaffMember

SUBSCRIBER = "subscriber"
CLOCK = "clock"


async def changed(
    uow: UnitOfWork,
    account: AccountRow | Owner,
    event: str,
    *,
    actor: str,
    now: datetime,
    detail: Mapping[str, Any] = NO_DETAIL,
    params: Mapping[str, str | int] = NO_PARAMS,
) -> None:
    """Write the change down and tell the holder, in the caller's unit of work."""
    await insert_event(uow, account.id, event, detail=detail, actor=actor, now=now)
    await tell_holder(uow, account, event, now=now, params=params)


async def changed_by_staff(
    uow: UnitOfWork,
    account: AccountRow,
    event: str,
    *,
    staff: StaffMember,
    now: datetime,
    detail: Mapping[str, Any] = NO_DETAIL,
    params: Mapping[str, str | int] = NO_PARAMS,
) -> None:
    """As `changed`, with a line in the audit record."""
    await changed(uow, account, event, actor=str(staff.id), now=now, detail=detail, params=params)
    where = staff.place if staff.clerk is not None else {}
    await record(
        uow,
        at=now,
        actor=str(staff.id),
        action=f"account.{event}",
        subject=AccountId.outside(account.id),
        detail={**detail, **where},
    )


async def changed_by_clock(uow: UnitOfWork, owners: Sequence[Owner], event: str, *, now: datetime) -> None:
    """What a job did to many accounts, told in one go."""
    for owner in owners:
        await insert_event(uow, owner.id, event, detail=NO_DETAIL, actor=CLOCK, now=now)
    rows = [
        notice(
            OutboxId.new(now), reference=owner.id, phone=owner.phone, event=event, language=owner.language,
            params={}, now=now,
        )
        for owner in owners
    ]  # fmt: skip
    await enqueue(uow, rows)
