"""The grey list by rules: accounts refused often, and those whose paid top-ups hit a rule. For jobs. Spec: CM 9.3, 9.6.

An entry stands until the account was clean for `policy.grey_days`; a rule that is hit meanwhile begins the days anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from mpss.config import Policy
from mpss.db.database import UnitOfWork
from mpss.kernel.ids import AccountId, RiskEntryId, TransactionId
from mpss.notices.model import Event
from mpss.risk import finding_store as store
from mpss.risk.finding_store import NewGrey
from mpss.risk.tell_grey import tell_grey
from mpss.runtime import Runtime
from mpss.staff.audit import record

_REFUSED = "many_refusals"
Hit = tuple[UUID, str, str]
"""An account, the rule, and what shows it."""


async def grey_often_refused(runtime: Runtime) -> int:
    """List accounts with `policy.grey_refusals` refusals in the window; how many are new. Spec: CM 9.6, 9.7."""
    policy, now = runtime.policy, runtime.clock.now()
    if not policy.grey_refusals:
        return 0
    since = now - timedelta(minutes=policy.grey_refusals_minutes)
    async with runtime.database.transaction() as uow:
        found = await store.refused_often(uow, since=since, refusals=policy.grey_refusals)
        return await _list(uow, policy, [(account_id, _REFUSED, "") for account_id in found], now)


async def grey_topped_up(runtime: Runtime, *, limit: int = 500) -> int:
    """List accounts whose top-ups, paid before they came here, hit a rule; how many are new. Spec: CM 9.3, 9.6."""
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        found = await store.waiting_findings(uow, limit=limit)
        if not found:
            return 0
        await store.seen_to(uow, [each.transaction_id for each in found], now=now)
        hits = [(each.account_id, each.rule, TransactionId.outside(each.transaction_id)) for each in found]
        return await _list(uow, runtime.policy, hits, now)


async def _list(uow: UnitOfWork, policy: Policy, hits: Iterable[Hit], now: datetime) -> int:
    once = {account_id: (rule, evidence) for account_id, rule, evidence in hits}
    if not once:
        return 0
    named = [
        NewGrey(RiskEntryId.new(now), account_id, AccountId.outside(account_id), *once[account_id])
        for account_id in sorted(once)
    ]
    until = now + timedelta(days=policy.grey_days)
    standing = set(await store.grey_by_rule(uow, named, now=now, until=until))
    new = [each for each in named if each.entry_id in standing]
    for each in new:
        subject = RiskEntryId.outside(each.entry_id)
        await record(uow, at=now, actor=f"rule:{each.rule}", action="risk.enter", subject=subject)
    await tell_grey(uow, policy, Event.GREY_LISTED, sorted(each.entry_id for each in new), now)
    return len(new)
