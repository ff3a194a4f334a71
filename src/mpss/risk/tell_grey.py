"""What the grey list tells: the holder of an account hears when it comes to be watched, and when it no longer is.

Only where the list changes something for the account: another grey entry that stands for it keeps both quiet. In sets,
with the change's own unit of work. Spec: CM 9.6, 9.7, 5.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from mpss.config import Policy
from mpss.db.database import UnitOfWork
from mpss.kernel.ids import OutboxId
from mpss.notices.model import Event
from mpss.outbox.model import notice
from mpss.outbox.store import enqueue
from mpss.risk import store


async def tell_grey(uow: UnitOfWork, policy: Policy, event: Event, entry_ids: Sequence[UUID], now: datetime) -> None:
    """Write down a notice to the holder of each account that these grey entries name, by its id, its number or its
    holder's document, and no other entry in force does."""
    if not entry_ids:
        return
    limit_fen = policy.single_limit_fen * policy.grey_limit_percent // 100
    params = {"amount_fen": limit_fen} if event is Event.GREY_LISTED else {}
    holders = await store.holders_of_grey(uow, entry_ids)
    rows = [
        notice(
            OutboxId.new(now), reference=account_id, phone=phone, event=event.value, language=language, params=params,
            now=now,
        )
        for account_id, phone, language in holders
    ]  # fmt: skip
    if rows:
        await enqueue(uow, rows)
