"""A document that ran out (证件过期): after days of grace the account pays nothing until a new one is reviewed.

    real-name ──last day──► still good for policy.document_grace_days ──► document expired ──new document──► as before

Money comes in meanwhile, and nothing goes out. The holder is warned before (upgrade.warn_of_documents), told when it
happens and when it is over. Spec: CM 7.2.1. Decision: ADR-0033.
"""

from __future__ import annotations

from datetime import timedelta

from mpss.accounts import customer_store as store
from mpss.accounts.change import changed_by_clock
from mpss.kernel.clock import SHANGHAI
from mpss.runtime import Runtime


async def find_expired(runtime: Runtime) -> tuple[int, int]:
    """Restrict the accounts whose document's grace is over, and free those whose holder showed a new one; how many of
    each, at most 500. For a job."""
    now = runtime.clock.now()
    today = now.astimezone(SHANGHAI).date()
    over = today - timedelta(days=runtime.policy.document_grace_days)
    async with runtime.database.transaction() as uow:
        renewed = await store.free_renewed(uow, today=today)
        await changed_by_clock(uow, renewed, "document_renewed", now=now)
    async with runtime.database.transaction() as uow:
        expired = await store.restrict_expired(uow, before=over, now=now)
        await changed_by_clock(uow, expired, "document_expired", now=now)
    return len(expired), len(renewed)
