"""How the town's BOSS tells a center of events: in order, each again until it is taken, with faults on the way."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import httpx

from mpss.security.signing import sign_webhook
from mpss.simulators.boss_store import BossStore, Event
from mpss.simulators.faults import Faults

_TIMEOUT_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0


class FeedFault(StrEnum):
    """What befalls an event on its way."""

    LOSE = "lose"  # it is never told
    TWICE = "twice"  # it is told two times
    LATE = "late"  # it is told after `seconds`; those after it go before
    OVERTAKEN = "overtaken"  # it is told after the next one


@dataclass(slots=True)
class FeedFaultInForce:
    fault: FeedFault
    count: int | None
    seconds: float


class BossFeed:
    """Tells the center at `url` of what waits in the books."""

    def __init__(self, store: BossStore, secret: str, *, path: str = "/v1/boss/events") -> None:
        self.url = ""
        self.faults: Faults[FeedFaultInForce] = Faults()
        self._store = store
        self._secret = secret
        self._path = path
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._late: set[asyncio.Task[None]] = set()
        self._passed: set[str] = set()
        self._overtaken: list[Event] = []

    def start(self) -> None:
        self._work = asyncio.create_task(self._run(), name="boss-feed")

    async def stop(self) -> None:
        """Stop telling; what waits is told after the next start."""
        tasks = [*self._late, *([] if self._work is None else [self._work])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._work = None
        self._passed.clear()
        self._overtaken.clear()

    def connect(self, url: str) -> None:
        """The center that is told from now on."""
        self.url = url.rstrip("/")
        self.hurry()

    def hurry(self) -> None:
        """There is something to tell."""
        self._wake.set()

    async def idle(self) -> None:
        """Until nothing waits to be told."""
        while self._store.events("waiting"):
            self._changed.clear()
            await self._changed.wait()

    def _tried(self, event_id: str, state: str, answer: str) -> None:
        self._store.tried(event_id, state, answer)
        self._changed.set()

    async def _run(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            while True:
                self._wake.clear()
                if not self.url or await self._tell_waiting(client):
                    pause = _FIRST_PAUSE_SECONDS
                    await self._wake.wait()
                else:
                    await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
                    pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _tell_waiting(self, client: httpx.AsyncClient) -> bool:
        """Tell what waits, oldest first; False where the center did not take one."""
        for event in self._store.events("waiting"):
            if event.event_id in self._passed:
                continue
            fault = None if event.attempts else self.faults.meet(lambda _: True)
            times = 1
            match fault:
                case FeedFaultInForce(fault=FeedFault.LOSE):
                    self._tried(event.event_id, "lost", "")
                    continue
                case FeedFaultInForce(fault=FeedFault.LATE, seconds=seconds):
                    self._passed.add(event.event_id)
                    task = asyncio.create_task(self._later(seconds, event.event_id))
                    self._late.add(task)
                    task.add_done_callback(self._late.discard)
                    continue
                case FeedFaultInForce(fault=FeedFault.OVERTAKEN):
                    self._passed.add(event.event_id)
                    self._overtaken.append(event)
                    continue
                case FeedFaultInForce(fault=FeedFault.TWICE):
                    times = 2
            overtaken, self._overtaken = self._overtaken, []
            for each in [event, *overtaken]:
                if not await self._tell(client, each, times if each is event else 1):
                    # What was overtaken goes the usual way from now on.
                    self._passed -= {one.event_id for one in overtaken}
                    return False
        return True

    async def _later(self, seconds: float, event_id: str) -> None:
        await asyncio.sleep(seconds)
        # Met its fault: it counts as tried once.
        self._tried(event_id, "waiting", "late")
        self._passed.discard(event_id)
        self.hurry()

    async def _tell(self, client: httpx.AsyncClient, event: Event, times: int) -> bool:
        answer = ""
        for _ in range(times):
            headers = sign_webhook(
                self._secret, message_id=event.event_id, body=event.body.encode(), now=datetime.now(UTC)
            )
            headers["content-type"] = "application/json"
            try:
                response = await client.post(self.url + self._path, content=event.body.encode(), headers=headers)
                answer = str(response.status_code)
            except httpx.HTTPError as problem:
                answer = type(problem).__name__
        taken = answer == str(httpx.codes.NO_CONTENT)
        # What is malformed stays so however often it is told.
        refused = answer in (str(httpx.codes.BAD_REQUEST), str(httpx.codes.UNPROCESSABLE_ENTITY))
        self._tried(event.event_id, "taken" if taken else "refused" if refused else "waiting", answer)
        return taken or refused
