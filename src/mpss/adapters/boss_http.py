"""Events of BOSS over HTTP, signed by the Standard Webhooks scheme; webhook-id is the event's id.

{"message": "boss_event", "event_id", "kind", "phone", "subscription_id", "sequence": 7, "occurred_at": ISO 8601 with
an offset, "new_phone" (of a change of number), "sim_serial" (of another card)}
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mpss.adapters.signed_http import read_signed
from mpss.kernel.errors import MalformedField
from mpss.kernel.outcome import InDoubt
from mpss.ports.boss import BossEvent
from mpss.security.signing import SignatureInvalid, verify_webhook

_LONGEST_WORD = 64
_MOST = 2**62


class BossHttp:
    """Implements `ports.boss.BossPort`."""

    def __init__(self, *, secret: str) -> None:
        self._secret = secret

    def read_event(self, headers: Mapping[str, str], body: bytes) -> BossEvent:
        message_id = verify_webhook(self._secret, headers=headers, body=body)
        message = read_signed(body, "boss_event")
        if isinstance(message, InDoubt):
            raise MalformedField(field="message", problem=message.problem)
        event_id = _word(message, "event_id")
        if event_id != message_id:
            raise SignatureInvalid("webhook-id is not the event's")
        sequence = message.get("sequence")
        if type(sequence) is not int or not 0 < sequence < _MOST:
            raise MalformedField(field="sequence", problem="must be a whole number above zero")
        return BossEvent(
            event_id,
            _word(message, "kind"),
            _word(message, "phone"),
            _word(message, "subscription_id"),
            sequence,
            _instant(message, "occurred_at"),
            None if message.get("new_phone") is None else _word(message, "new_phone"),
            None if message.get("sim_serial") is None else _word(message, "sim_serial"),
        )


def _word(message: dict[str, Any], field: str) -> str:
    value = message.get(field)
    if isinstance(value, str) and 0 < len(value) <= _LONGEST_WORD and value.isascii() and value.isprintable():
        return value
    raise MalformedField(field=field, problem="must be a word of printable ASCII")


def _instant(message: dict[str, Any], field: str) -> datetime:
    try:
        value = datetime.fromisoformat(_word(message, field))
    except ValueError:
        value = None
    if value is None or value.tzinfo is None:
        raise MalformedField(field=field, problem="must be an instant with an offset")
    return value
