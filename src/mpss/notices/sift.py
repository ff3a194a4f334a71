"""Which of the notices that are due are sent now: one look at what their recipients want, for all of them.

A notice is written with its cause whatever is wanted, so decisions stay pure and the record whole; here it is dropped
or put off. One that somebody asked to be sent again is treated alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.notices.preference_model import Preferences, group_of, waits_until, wanted
from mpss.notices.preference_store import preferences_of_phones
from mpss.outbox.model import OutboxItem
from mpss.outbox.worker import Sifted

_NONE = Preferences()


async def sift_notices(uow: UnitOfWork, items: Sequence[OutboxItem], now: datetime) -> dict[UUID, Sifted]:
    """What becomes of those that are not sent now, by id."""
    events = {item.id: str(item.body()["event"]) for item in items}
    phones = sorted({item.recipient for item in items if group_of(events[item.id]) is not None})
    if not phones:
        return {}
    found = await preferences_of_phones(uow, phones)
    sifted: dict[UUID, Sifted] = {}
    for item in items:
        event, preferences = events[item.id], found.get(item.recipient, _NONE)
        if not wanted(event, preferences):
            sifted[item.id] = Sifted(None, "not wanted")
        elif (until := waits_until(event, preferences, now)) is not None:
            sifted[item.id] = Sifted(until, "quiet hours")
    return sifted
