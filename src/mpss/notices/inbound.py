"""Messages from phones are carried out once, though an SMSC sends again what it has no acknowledgement of.

    take ──► the flow, under the message's id as its key ──► answer (a reply, if any, commits with the mark)

A crash between the two repeats the flow under the same key, which the desk answers as at first; a repeat after the
answer does nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from mpss.kernel.ids import Id, OutboxId
from mpss.kernel.masking import mask_phone
from mpss.notices.model import Event
from mpss.notices.store import mark_answered, received, sweep, take
from mpss.observability import log
from mpss.outbox.model import notice
from mpss.outbox.store import enqueue
from mpss.runtime import Runtime

REPEAT_WINDOW = timedelta(days=1)
"""How long a reference names one message; SMSCs number them from 0 to 65535 and begin again."""


class TakenSms(NamedTuple):
    """`id` is the same for a message and its repeats."""

    id: Id
    answered: bool


async def take_sms(runtime: Runtime, *, phone: str, reference: str) -> TakenSms:
    """Write down that a message came; whether it was answered before. Without a reference each message is new."""
    now = runtime.clock.now()
    fresh = Id.new(now)
    # Without a reference repeats cannot be told; a mark of its own makes each message new.
    reference = reference or f"none/{fresh.hex}"
    async with runtime.database.transaction() as uow:
        found = await take(uow, fresh, phone=phone, reference=reference, now=now, window=now - REPEAT_WINDOW)
    return TakenSms(Id.from_uuid(found.id), answered=found.answered_at is not None)


async def answer_sms(runtime: Runtime, taken: TakenSms, *, phone: str, text: str | None, language: str) -> None:
    """Mark a message as answered; `text` is sent back, None where the flow wrote a notice of its own.

    Of two repeats carried out at once, one replies. A phone that sent more than `policy.sms_replies_per_hour` in an
    hour gets none: two machines that answer each other would not end.
    """
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        if not await mark_answered(uow, taken.id, now=now) or text is None:
            return
        if await received(uow, phone=phone, since=now - timedelta(hours=1)) > runtime.policy.sms_replies_per_hour:
            log.warning("sms.too_many", phone=mask_phone(phone))
            return
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
