"""Removing what has run out: sessions, codes, links, the record of wrong passwords. For a job."""

from __future__ import annotations

from datetime import timedelta

from mpss.accounts import token_store
from mpss.runtime import Runtime

_KEPT = timedelta(days=1)


async def sweep(runtime: Runtime) -> int:
    """Delete sessions that ran out, and codes, links and wrong passwords older than a day; how many rows."""
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        return await token_store.sweep(uow, now=now, before=now - _KEPT)
