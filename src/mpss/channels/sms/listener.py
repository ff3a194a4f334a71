"""Takes in what phones send: each message once, its reply written with the mark that it was answered.

What this raises is not acknowledged to the SMSC, which sends the message again.
"""

from __future__ import annotations

from functools import partial

from mpss.channels.sms.handlers import handle
from mpss.notices.inbound import answer_sms, take_sms
from mpss.ports.sms import InboundSms
from mpss.runtime import Runtime


async def listen(runtime: Runtime) -> None:
    """Bind to the SMSC and carry out what comes in; `runtime.ports.sms.stop()` ends it."""
    await runtime.ports.sms.start(partial(on_message, runtime))


async def on_message(runtime: Runtime, message: InboundSms) -> None:
    """Carry out one message; a repeat of one that was answered does nothing."""
    taken = await take_sms(runtime, phone=message.phone, reference=message.reference)
    if taken.answered:
        return
    reply, language = await handle(runtime, phone=message.phone, text=message.text, key=str(taken.id))
    await answer_sms(runtime, taken, phone=message.phone, text=reply, language=language)
