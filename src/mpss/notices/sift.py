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
from mpss.notices.preference_store import numbers_left, preferences_of_phones
from mpss.outbox.model import OutboxItem
from mpss.outbox.worker import Sifted

_NONE = Preferences()


async def sift_notices(uow: UnitOfWork, items: Sequence[OutboxItem], now: datetime) -> dict[UUID, Sifted]:
    """What becomes of those that are not sent now, by id."""
    events = {item.id: str(item.body()["event"]) for item in items}
    # A number that is another's by now is told nothing of the account it was of.
    left = await numbers_left(uow, [item.reference for item in items])
    sifted: dict[UUID, Sifted] = {
        item.id: Sifted(None, "the number is another's")
        for item in items
        if (since := left.get((item.reference, item.recipient))) is not None and item.created_at > since
    }
    phones = sorted({item.recipient for item in items if group_of(events[item.id]) is not None})
    if not phones:
        return sifted
    found = await preferences_of_phones(uow, phones)
    for item in items:
        if item.id in sifted:
            continue
        event, preferences = events[item.id], found.get(item.recipient, _NONE)
        if not wanted(event, preferences):
            sifted[item.id] = Sifted(None, "not wanted")
        elif (until := waits_until(event, preferences, now)) is not None:
            sifted[item.id] = Sifted(until, "quiet hours")
    return sifted
