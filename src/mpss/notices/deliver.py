"""Sends one notice; the outbox's handler for notices (CT 5.4)."""

from __future__ import annotations

import base64
from typing import Any

from mpss.kernel.outcome import Outcome
from mpss.notices.compose import compose
from mpss.notices.model import SEALED
from mpss.outbox.model import OutboxItem
from mpss.ports.key_store import KeyStore
from mpss.ports.sms import OutboundSms
from mpss.runtime import Runtime

SUBMIT_TIMEOUT_SECONDS = 10.0


async def deliver_notice(runtime: Runtime, item: OutboxItem) -> Outcome:
    """Compose the text and hand it to the SMSC; a repeat has the same serial.

    Declined: the phone got nothing, try again. InDoubt: it may have got it, and a second copy is better than none.
    """
    body = item.body()
    params = _opened(runtime.ports.key_store, body["params"])
    text = compose(body["event"], body["language"], params, item.serial)
    message = OutboundSms(item.recipient, text, item.serial)
    return await runtime.ports.sms.submit(message, timeout_seconds=SUBMIT_TIMEOUT_SECONDS)


def _opened(key_store: KeyStore, params: dict[str, Any]) -> dict[str, Any]:
    """The facts with what is sealed opened: "code_sealed" becomes "code"."""
    return {
        name.removesuffix(SEALED): _unsealed(key_store, value) if name.endswith(SEALED) else value
        for name, value in params.items()
    }


def _unsealed(key_store: KeyStore, value: str) -> str:
    return key_store.unseal(base64.b64decode(value)).decode()
