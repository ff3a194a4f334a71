"""A subscriber's phone: sends messages to our number and reads its inbox, over the SMSC's control API; and calls us,
over the voice platform's."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any

import httpx

from mpss.kernel.phone import parse_phone

_POLL_SECONDS = 10.0
_CALL_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Message:
    """A received message. `id` grows; `serial` is the notice's number in the text, or None; `at` is aware, in UTC."""

    id: int
    text: str
    serial: int | None
    at: datetime


class NoSuchMessage(AssertionError):
    """The message waited for did not come; the text lists what did."""


@dataclass(slots=True)
class PhoneCall:
    """A call that goes on until `ended`. `heard` is what was said since the last keys, `asking` what keys are for."""

    client: httpx.AsyncClient
    id: str
    heard: str
    asking: str | None
    language: str
    ended: bool

    async def press(self, *keys: str) -> str:
        """Press keys, each where the call waits for some ("" is silence); what is heard after the last of them."""
        for each in keys:
            answer = await self.client.post(f"/control/calls/{self.id}/keys", json={"keys": each})
            answer.raise_for_status()
            self._take(answer.json())
        return self.heard

    async def hang_up(self) -> None:
        (await self.client.delete(f"/control/calls/{self.id}")).raise_for_status()
        self.ended = True

    def _take(self, told: dict[str, Any]) -> None:
        self.heard, self.asking = " ".join(told["heard"]), told["asking"]
        self.language, self.ended = told["language"], told["ended"]


@asynccontextmanager
async def calling(platform_url: str, phone: str | None) -> AsyncIterator[PhoneCall]:
    """A call from this number (None: withheld) over the voice platform, hung up at the end."""
    async with httpx.AsyncClient(base_url=platform_url, timeout=_CALL_SECONDS, trust_env=False) as client:
        answer = await client.post("/control/calls", json={"phone": phone})
        answer.raise_for_status()
        made = PhoneCall(client, answer.json()["id"], "", None, "", False)
        made._take(answer.json())
        try:
            yield made
        finally:
            if not made.ended:
                await made.hang_up()


class Handset:
    """The phone with this number. Close it, or use it with `async with`."""

    def __init__(self, base_url: str, phone: str) -> None:
        self.phone = parse_phone(phone)
        self._client = httpx.AsyncClient(base_url=base_url, timeout=_POLL_SECONDS * 2, trust_env=False)

    async def send(self, text: str) -> int:
        """Send to our number; the message's id. It arrives when the platform is bound to the SMSC."""
        answer = await self._client.post(f"/handsets/{self.phone}/send", json={"text": text})
        answer.raise_for_status()
        sent: int = answer.json()["id"]
        return sent

    async def inbox(self, *, after: int = 0, wait_seconds: float = 0) -> list[Message]:
        """What was received after the message with id `after`, oldest first; waits for one where there is none."""
        query = {"after": after, "wait_seconds": wait_seconds}
        answer = await self._client.get(f"/handsets/{self.phone}/inbox", params=query)
        answer.raise_for_status()
        return [
            Message(line["id"], line["text"], line["serial"], datetime.fromisoformat(line["at"]))
            for line in answer.json()["messages"]
        ]

    async def last_id(self) -> int:
        """The id of the newest received message, or 0: what to pass as `after` to see only what comes now."""
        received = await self.inbox()
        return received[-1].id if received else 0

    async def wait_for(
        self, wanted: str | Callable[[Message], bool], *, timeout_seconds: float = 10.0, after: int = 0
    ) -> Message:
        """The first message that holds the text `wanted`, or for which it is true.

        Raises:
            NoSuchMessage: none came in time.
        """
        fits = (lambda message: wanted in message.text) if isinstance(wanted, str) else wanted
        end = time.monotonic() + timeout_seconds
        seen: list[Message] = []
        while True:
            left = end - time.monotonic()
            came = await self.inbox(after=after, wait_seconds=max(min(left, _POLL_SECONDS), 0))
            for message in came:
                if fits(message):
                    return message
                after = message.id
            seen += came
            if left <= 0:
                texts = "; ".join(message.text for message in seen) or "nothing"
                raise NoSuchMessage(f"{self.phone} waited {timeout_seconds:g} s and received {texts}")

    def dial(self, platform_url: str) -> AbstractAsyncContextManager[PhoneCall]:
        """Call our number over this voice platform."""
        return calling(platform_url, self.phone)

    async def close(self) -> None:
        await self._client.aclose()

    async def __aenter__(self) -> Handset:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
