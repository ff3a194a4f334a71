"""BOSS over HTTP, signed by the Standard Webhooks scheme with one shared secret.

Events come to us; webhook-id is the event's id:
    {"message": "boss_event", "event_id", "kind", "phone", "subscription_id", "sequence": 7, "occurred_at": ISO 8601
     with an offset, "new_phone" (of a change of number), "sim_serial" (of another card)}

Questions go to BOSS:
    POST {url}/subscribers/enquire   {"message": "enquire", "phone"}
                     → {"message": "enquire_answer", "subscriber": {…} | null}
    POST {url}/subscribers/compare   {"message": "compare", "wanted": [{"subscription_id", "phone"}, …]}
                     → {"message": "compare_answer", "subscribers": [{…} | null, …]} in their order
    a subscriber: {"subscription_id", "phone", "status", "owner", "sim_serial", "service_class", "since",
     "status_sequence", "number_sequence", "card_sequence", "end_sequence"}

Anything else is no answer. After `_SILENT_IN_A_ROW` of them BOSS is left alone for `_REST_SECONDS`, so that nobody
waits for one that is down.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from mpss.adapters.signed_http import SignedHttp, is_word, read_signed
from mpss.kernel.errors import MalformedField
from mpss.kernel.outcome import InDoubt
from mpss.observability import OUTSIDE_CALLS
from mpss.ports.boss import MOST_COMPARED, BossEvent, Compared, NoSubscriber, Subscriber
from mpss.security.signing import SignatureInvalid, verify_webhook

COUNTERPART = "boss"
_STATUSES = frozenset({"active", "stopped_1way", "stopped_2way", "cancelled", "transferred"})
_CONNECTIONS = 32
_SILENT_IN_A_ROW = 5
_REST_SECONDS = 10.0
_MOST = 2**62


class BossHttp:
    """Implements `ports.boss.BossPort`. Without `url` it takes events and cannot be asked."""

    def __init__(
        self, *, secret: str, url: str = "", version: str = "1", monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._secret = secret
        self._http = SignedHttp(url, secret, connections=_CONNECTIONS, version=version) if url else None
        self._monotonic = monotonic
        self._silent = 0
        self._resting_until = 0.0

    @property
    def can_be_asked(self) -> bool:
        return self._http is not None

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    def read_event(self, headers: Mapping[str, str], body: bytes) -> BossEvent:
        message_id = verify_webhook(self._secret, headers=headers, body=body)
        message = read_signed(body, "boss_event")
        if isinstance(message, InDoubt):
            raise MalformedField(field="message", problem=message.problem)
        event_id = _word(message, "event_id")
        if event_id != message_id:
            raise SignatureInvalid("webhook-id is not the event's")
        return BossEvent(
            event_id,
            _word(message, "kind"),
            _word(message, "phone"),
            _word(message, "subscription_id"),
            _sequence(message, "sequence", least=1),
            _instant(message, "occurred_at"),
            None if message.get("new_phone") is None else _word(message, "new_phone"),
            None if message.get("sim_serial") is None else _word(message, "sim_serial"),
        )

    async def enquire(self, phone: str, *, timeout_seconds: float) -> Subscriber | NoSubscriber | InDoubt:
        answer = await self._ask("/subscribers/enquire", "enquire", {"phone": phone}, timeout_seconds)
        if isinstance(answer, InDoubt):
            return answer
        try:
            found = read_subscriber(answer.get("subscriber", ""))
        except MalformedField as problem:
            return InDoubt(str(problem))
        if isinstance(found, Subscriber) and found.phone != phone:
            return InDoubt("the answer is about another number")
        return found

    async def compare(
        self, wanted: Sequence[Compared], *, timeout_seconds: float
    ) -> list[Subscriber | NoSubscriber] | InDoubt:
        assert len(wanted) <= MOST_COMPARED
        fields = {"wanted": [{"subscription_id": each.subscription_id, "phone": each.phone} for each in wanted]}
        answer = await self._ask("/subscribers/compare", "compare", fields, timeout_seconds)
        if isinstance(answer, InDoubt):
            return answer
        given = answer.get("subscribers")
        if not isinstance(given, list) or len(given) != len(wanted):
            return InDoubt("the answer has not one subscriber for each question")
        try:
            found = [read_subscriber(each) for each in given]
        except MalformedField as problem:
            return InDoubt(str(problem))
        if not all(map(_is_about, found, wanted)):
            return InDoubt("the answer is about another subscription")
        return found

    async def _ask(
        self, path: str, message: str, fields: dict[str, Any], timeout_seconds: float
    ) -> dict[str, Any] | InDoubt:
        if self._http is None:
            return InDoubt("BOSS has no address")
        if self._monotonic() < self._resting_until:
            OUTSIDE_CALLS.labels(COUNTERPART, message, "rested").inc()
            return InDoubt("BOSS has been silent, and is asked again in a moment")
        answer = await self._http.ask(
            path, message, message_id=f"ask_{secrets.token_hex(12)}", fields=fields, timeout_seconds=timeout_seconds
        )
        silent = isinstance(answer, InDoubt)
        OUTSIDE_CALLS.labels(COUNTERPART, message, "in_doubt" if silent else "approved").inc()
        self._silent = self._silent + 1 if silent else 0
        if self._silent >= _SILENT_IN_A_ROW:
            self._silent, self._resting_until = 0, self._monotonic() + _REST_SECONDS
        return answer


def read_subscriber(value: object) -> Subscriber | NoSubscriber:
    """What an answer says of one subscription; None is nobody.

    Raises:
        MalformedField: it is neither.
    """
    if value is None:
        return NoSubscriber()
    if not isinstance(value, dict):
        raise MalformedField(field="subscriber", problem="must be an object or null")
    if value.get("status") not in _STATUSES:
        raise MalformedField(field="status", problem=f"must be of: {', '.join(sorted(_STATUSES))}")
    return Subscriber(
        _word(value, "subscription_id"),
        _word(value, "phone"),
        _word(value, "status"),
        "" if value.get("owner") == "" else _word(value, "owner"),
        _word(value, "sim_serial"),
        _word(value, "service_class"),
        _instant(value, "since"),
        _sequence(value, "status_sequence"),
        _sequence(value, "number_sequence"),
        _sequence(value, "card_sequence"),
        _sequence(value, "end_sequence"),
    )


def _is_about(found: Subscriber | NoSubscriber, wanted: Compared) -> bool:
    if isinstance(found, NoSubscriber):
        return True
    if wanted.subscription_id:
        return found.subscription_id == wanted.subscription_id
    return found.phone == wanted.phone


def _word(message: dict[str, Any], field: str) -> str:
    value = message.get(field)
    if is_word(value):
        return value
    raise MalformedField(field=field, problem="must be a word of printable ASCII")


def _sequence(message: dict[str, Any], field: str, *, least: int = 0) -> int:
    value = message.get(field)
    if type(value) is int and least <= value < _MOST:
        return value
    raise MalformedField(field=field, problem=f"must be a whole number from {least} up")


def _instant(message: dict[str, Any], field: str) -> datetime:
    try:
        value = datetime.fromisoformat(_word(message, field))
    except ValueError:
        value = None
    if value is None or value.tzinfo is None:
        raise MalformedField(field=field, problem="must be an instant with an offset")
    return value
