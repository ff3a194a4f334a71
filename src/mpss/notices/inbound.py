"""Messages from phones are carried out once, though an SMSC sends again what it has no acknowledgement of.

    take ──► the flow, under the message's id as its key ──► answer (a reply, if any, commits with the mark)

A crash between the two repeats the flow under the same key, which the desk answers as at first; a repeat after the
answer does nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from mpss.kernel.ids import Id, OutboxId
from mpss.notices.model import Event
from mpss.notices.store import mark_answered, sweep, take
from mpss.outbox.model import notice
from mpss.outbox.store import enqueue
from mpss.runtime import Runtime

REPEAT_WINDOW = timedelta(days=1)
"""How long a reference names one message; SMSCs number them from 0 to 65535 and begin again."""


class TakenSms(NamedTuple):
    """`id` is the same for a message and its repeats; `known` is False where repeats cannot be told."""

    id: Id
    answered: bool
    known: bool


async def take_sms(runtime: Runtime, *, phone: str, reference: str) -> TakenSms:
    """Write down that a message came; whether it was answered before. Without a reference each message is new."""
    now = runtime.clock.now()
    fresh = Id.new(now)
    if not reference:
        return TakenSms(fresh, answered=False, known=False)
    async with runtime.database.transaction() as uow:
        found = await take(uow, fresh, phone=phone, reference=reference, now=now, window=now - REPEAT_WINDOW)
    return TakenSms(Id.from_uuid(found.id), answered=found.answered_at is not None, known=True)


async def answer_sms(runtime: Runtime, taken: TakenSms, *, phone: str, text: str | None, language: str) -> None:
    """Mark a message as answered; `text` is sent back, None where the flow wrote a notice of its own.

    Of two repeats carried out at once, one replies.
    """
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        first = await mark_answered(uow, taken.id, now=now) if taken.known else True
        if first and text is not None:
            reply = notice(
                OutboxId.new(now),
                reference=taken.id,
                phone=phone,
                event=Event.REPLY,
                language=language,
                params={"text": text},
                now=now,
            )
            await enqueue(uow, [reply])


async def sweep_inbound(runtime: Runtime) -> int:
    """Forget messages that no repeat can come of any more; how many. For a job."""
    async with runtime.database.transaction() as uow:
        return await sweep(uow, before=runtime.clock.now() - 2 * REPEAT_WINDOW)
