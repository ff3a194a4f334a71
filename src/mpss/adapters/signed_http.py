"""Questions and answers as JSON over HTTP, both signed with one shared secret by the Standard Webhooks scheme.

Invariants: (1) every message says what it is ("message": "consume" …), so that none passes for another, not even our
own sent back to us; (2) an answer carries the id of its question; (3) what is not a signed 200 in form is no answer.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, TypeGuard

import httpx

from mpss.adapters.http_answer import MAX_ANSWER_BYTES, AnswerTooLong, read_answer
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.kernel.unit_flag import refuse_inside_unit_of_work
from mpss.observability import OUTSIDE_CALLS
from mpss.security.signing import SignatureInvalid, sign_webhook, verify_webhook

_LONGEST_WORD = 64


class SignedHttp:
    """A client of one server at `url`, with its own connections."""

    def __init__(self, url: str, secret: str, *, connections: int = 64, version: str = "1") -> None:
        self._url = url.rstrip("/")
        self._secret = secret
        self._client = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            timeout=httpx.Timeout(30.0, connect=5.0, pool=None),
            follow_redirects=False,
            trust_env=False,
            headers={"user-agent": f"mpss/{version}", "content-type": "application/json"},
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(
        self, path: str, message: str, *, message_id: str, fields: dict[str, Any], timeout_seconds: float
    ) -> dict[str, Any] | InDoubt:
        """The answer to one question, whose "message" is `message`_answer. The timeout covers all of it."""
        refuse_inside_unit_of_work()
        body = encode({"message": message, **fields})
        headers = sign_webhook(self._secret, message_id=message_id, body=body, now=datetime.now(UTC))
        try:
            async with (
                asyncio.timeout(timeout_seconds),
                self._client.stream("POST", self._url + path, content=body, headers=headers) as response,
            ):
                text = await read_answer(response)
        except TimeoutError:
            return InDoubt(f"no answer in {timeout_seconds:g} s")
        except AnswerTooLong:
            return InDoubt(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as problem:
            return InDoubt(f"{type(problem).__name__}: {problem}")
        if response.status_code != httpx.codes.OK:
            return InDoubt(f"status {response.status_code}")
        try:
            if verify_webhook(self._secret, headers=response.headers, body=text) != message_id:
                return InDoubt("the answer is to another question")
        except SignatureInvalid as problem:
            return InDoubt(f"the answer's signature: {problem}")
        return read_signed(text, f"{message}_answer")


def counted(counterpart: str, operation: str, outcome: Outcome) -> Outcome:
    """The outcome, counted for `/metrics`."""
    match outcome:
        case Approved():
            word = "approved"
        case Declined():
            word = "declined"
        case InDoubt():
            word = "in_doubt"
    OUTSIDE_CALLS.labels(counterpart, operation, word).inc()
    return outcome


def encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def read_signed(text: bytes, message: str) -> dict[str, Any] | InDoubt:
    """The JSON object of a message whose signature was checked, if it is a `message`."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return InDoubt("the message is not JSON")
    if not isinstance(value, dict) or value.get("message") != message:
        return InDoubt(f"the message is no {message}")
    return value


def is_word(value: object) -> TypeGuard[str]:
    """Whether a field of an answer is a name or a reference: a few printable ASCII characters."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_WORD and value.isascii() and value.isprintable()
