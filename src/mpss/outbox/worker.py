"""Takes what is due out of the outbox and hands it to the handler of its kind, until the other side has it.

Invariants: (1) a handler runs outside any unit of work; (2) an item is claimed before it is handled, so a process that
is killed leaves it to be handled again when its lease runs out; (3) a recipient who does not answer keeps neither the
others waiting nor more than half of a lane.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from mpss.db.database import Database, UnitOfWork
from mpss.kernel.clock import Clock
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.observability import OUTBOX_ATTEMPTS, log
from mpss.outbox.backoff import RetryRule, next_try
from mpss.outbox.model import Kind, OutboxItem, OutboxState
from mpss.outbox.store import Result, claim, finish

Handler = Callable[[OutboxItem], Awaitable[Outcome]]


class Sifted(NamedTuple):
    """A claimed item that is not handled now: due again at `due_at`, or, with None, done without having gone out."""

    due_at: datetime | None
    why: str


Sift = Callable[[UnitOfWork, Sequence[OutboxItem], datetime], Awaitable[Mapping[UUID, Sifted]]]

_GATHER_SECONDS = 0.02  # Results wait this long for company, so that they are written in sets.
_LEASE_MARGIN_SECONDS = 5.0
_DATABASE_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Lane:
    """How one kind of message goes out: `concurrency` at once, `per_recipient` of them to one recipient.

    `isolate` limits recipients who did not answer lately, together, to half of the lane; off where all recipients are
    reached through one system (the SMSC). `retry_declined`: a "no" is tried again by the rule as silence is, since it
    speaks of the moment (the SMSC is throttling, or we are not connected); only silence may cause a second copy.
    `sift` looks at what was claimed, all of it at once, and says what is not to be handled now.
    """

    handler: Handler
    rule: RetryRule
    concurrency: int
    per_recipient: int
    timeout_seconds: float
    isolate: bool = True
    retry_declined: bool = False
    sift: Sift | None = None


class OutboxWorker:
    """Serves the lanes until stopped. Any number of workers and processes may serve one database."""

    def __init__(
        self, database: Database, clock: Clock, lanes: Mapping[Kind, Lane], *, poll_seconds: float = 0.2
    ) -> None:
        self._stopping = asyncio.Event()
        self._lanes = [
            _LaneWorker(database, clock, kind, lane, poll_seconds, self._stopping) for kind, lane in lanes.items()
        ]
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve until `stop` is called; then finish what is being handled and write its results."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(lane.run(), name=f"outbox-{lane.kind}")

    async def start(self) -> None:
        """Serve in a task of its own."""
        self._task = asyncio.create_task(self.run(), name="outbox")

    async def stop(self) -> None:
        """Claim no more, wait for what is being handled."""
        self._stopping.set()
        self.wake()
        if self._task is not None:
            await self._task
            self._task = None

    def wake(self) -> None:
        """Look at once instead of at the next poll."""
        for lane in self._lanes:
            lane.look = True
            lane.changed.set()


class _LaneWorker:
    def __init__(
        self, database: Database, clock: Clock, kind: Kind, lane: Lane, poll_seconds: float, stopping: asyncio.Event
    ) -> None:
        self.kind = kind
        self.look = True
        self.changed = asyncio.Event()
        self._database = database
        self._clock = clock
        self._lane = lane
        self._poll_seconds = poll_seconds
        self._stopping = stopping
        self._tasks: set[asyncio.Task[None]] = set()
        self._results: list[Result] = []
        self._at_work: Counter[str] = Counter()
        self._silent: set[str] = set()

    async def run(self) -> None:
        looked_at = 0.0
        while not self._stopping.is_set() or self._tasks or self._results:
            due = self.look or time.monotonic() - looked_at >= self._poll_seconds
            free = self._lane.concurrency - len(self._tasks)
            limit = free if due and not self._stopping.is_set() and free * 4 >= self._lane.concurrency else 0
            if limit or self._results:
                try:
                    items = await self._exchange(limit)
                except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as problem:
                    log.warning("outbox.database_away", kind=self.kind, problem=str(problem))
                    if self._stopping.is_set() and not self._tasks:
                        return  # The leases run out, and the items are handled again.
                    await asyncio.sleep(_DATABASE_PAUSE_SECONDS)
                    continue
                if limit:
                    looked_at = time.monotonic()
                    self.look = bool(items)  # Where there was something there may be more.
                for item in items:
                    self._begin(item)
            await self._pause()

    async def _pause(self) -> None:
        """Until something changed, the next poll at the latest; then a moment for more results to gather."""
        idle = not self.look or len(self._tasks) * 4 > self._lane.concurrency * 3
        if idle and not self._results and not (self._stopping.is_set() and not self._tasks):
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self.changed.wait()
            except TimeoutError:
                pass
        self.changed.clear()
        if self._tasks:
            await asyncio.sleep(_GATHER_SECONDS)

    async def _exchange(self, limit: int) -> list[OutboxItem]:
        """Write the results there are and claim up to `limit` items, in one unit of work."""
        results = list(self._results)
        now = self._clock.now()
        async with self._database.transaction() as uow:
            await finish(uow, results, now=now)
            items = await self._sift(uow, await self._claim(uow, limit)) if limit else []
        del self._results[: len(results)]
        return items

    async def _sift(self, uow: UnitOfWork, items: list[OutboxItem]) -> list[OutboxItem]:
        """Those to be handled now; of the others it is written down what becomes of them."""
        if self._lane.sift is None or not items:
            return items
        now = self._clock.now()
        sifted = await self._lane.sift(uow, items, now)
        results = [
            Result(item.id, item.attempts, state.value, due_at, now, "sifted", why, 0)
            for item in items
            if item.id in sifted
            for due_at, why in (sifted[item.id],)
            for state in (OutboxState.PENDING if due_at else OutboxState.DONE,)
        ]
        await finish(uow, results, now=now)
        return [item for item in items if item.id not in sifted]

    async def _claim(self, uow: UnitOfWork, limit: int) -> list[OutboxItem]:
        """Recipients who answer come first; those who did not lately get what is left, one at a time each."""
        lane = self._lane
        busy = {recipient for recipient, count in self._at_work.items() if count >= lane.per_recipient}
        items = await self._claim_of(uow, limit, lane.per_recipient, busy | self._silent, None)
        idle = [recipient for recipient in self._silent if not self._at_work[recipient]]
        half = lane.concurrency // 2 - sum(self._at_work[recipient] for recipient in self._silent)
        limit = min(limit - len(items), half)
        if idle and limit > 0:
            items += await self._claim_of(uow, limit, 1, set(), sorted(idle))
        return items

    async def _claim_of(
        self, uow: UnitOfWork, limit: int, each: int, busy: set[str], only: list[str] | None
    ) -> list[OutboxItem]:
        return await claim(
            uow,
            self.kind,
            now=self._clock.now(),
            limit=limit,
            each=each,
            busy=sorted(busy),
            only=only,
            lease_seconds=self._lane.timeout_seconds + _LEASE_MARGIN_SECONDS,
        )

    def _begin(self, item: OutboxItem) -> None:
        self._at_work[item.recipient] += 1
        task = asyncio.create_task(self._handle(item), name=f"outbox-{self.kind}-{item.serial}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, item: OutboxItem) -> None:
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._lane.timeout_seconds):
                outcome = await self._lane.handler(item)
        except TimeoutError:
            outcome = InDoubt(f"no answer in {self._lane.timeout_seconds:g} s")
        except Exception as problem:
            log.exception("outbox.handler_failed", kind=self.kind, item=str(item.id))
            outcome = InDoubt(f"{type(problem).__name__}: {problem}")
        finally:
            self._at_work[item.recipient] -= 1
            if not self._at_work[item.recipient]:
                del self._at_work[item.recipient]
            self.changed.set()
        self._results.append(self._result(item, outcome, int((time.monotonic() - started) * 1000)))

    def _result(self, item: OutboxItem, outcome: Outcome, duration_ms: int) -> Result:
        now = self._clock.now()
        self._silent.discard(item.recipient)
        due_at = None
        match outcome:
            case Approved(reference=detail):
                name, state = "approved", OutboxState.DONE
            case Declined(reason=detail):
                due_at = self._next_try(item, now) if self._lane.retry_declined else None
                name, state = "declined", OutboxState.PENDING if due_at else OutboxState.DEAD
            case InDoubt(problem=detail):
                due_at = self._next_try(item, now)
                name, state = "in_doubt", OutboxState.PENDING if due_at else OutboxState.DEAD
                if self._lane.isolate:
                    self._silent.add(item.recipient)
        OUTBOX_ATTEMPTS.labels(kind=self.kind, outcome=name).inc()
        if state is OutboxState.DEAD:
            log.warning("outbox.dead", kind=self.kind, item=str(item.id), attempts=item.attempts, detail=detail)
        return Result(item.id, item.attempts, state.value, due_at, now, name, detail[:500], duration_ms)

    def _next_try(self, item: OutboxItem, now: datetime) -> datetime | None:
        chance = random.random()  # noqa: S311 - spreads retries, guards nothing
        return next_try(item.attempts, created_at=item.created_at, now=now, rule=self._lane.rule, chance=chance)
