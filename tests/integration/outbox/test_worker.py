from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import psycopg

from mpss.db.database import Database
from mpss.kernel.clock import FixedClock
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.kernel.unit_flag import unit_of_work_open
from mpss.outbox.backoff import RetryRule
from mpss.outbox.model import Kind, OutboxItem
from mpss.outbox.queries import waiting
from mpss.outbox.worker import Handler, Lane, OutboxWorker
from tests.integration.outbox.test_store import put, row
from tests.support.eventually import eventually
from tests.support.instants import NOON

RULE = RetryRule(first_seconds=10, longest_seconds=60, give_up_seconds=600)


@asynccontextmanager
async def working(
    database: Database, clock: FixedClock, handler: Handler, *, timeout_seconds: float = 5, concurrency: int = 8,
    per_recipient: int = 2,
) -> AsyncIterator[OutboxWorker]:  # fmt: skip
    lane = Lane(handler, RULE, concurrency, per_recipient, timeout_seconds)
    worker = OutboxWorker(database, clock, {Kind.NOTICE: lane}, poll_seconds=0.02)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


async def left(database: Database) -> int:
    async with database.read() as uow:
        return (await waiting(uow)).get("notice", 0)


class TestAWorker:
    async def test_hands_every_item_over_once_outside_any_unit_of_work(self, database: Database) -> None:
        seen: Counter[str] = Counter()

        async def handler(item: OutboxItem) -> Outcome:
            assert not unit_of_work_open.get()
            await asyncio.sleep(0.001)
            seen[item.recipient] += 1
            return Approved("x")

        await put(database, *(row(f"+{n}") for n in range(200)))
        clock = FixedClock(NOON)
        async with working(database, clock, handler), working(database, clock, handler):
            await eventually(lambda: _is(left(database), 0))
        assert seen == {f"+{n}": 1 for n in range(200)}

    async def test_tries_again_after_a_failure_of_any_kind_and_gives_up_in_the_end(self, database: Database) -> None:
        answers: list[Outcome | Exception | float] = [
            InDoubt("silence"),
            ValueError("a defect"),
            60.0,
            InDoubt("again"),
        ]
        tried = 0

        async def handler(item: OutboxItem) -> Outcome:
            nonlocal tried
            tried += 1
            answer = answers[min(tried, len(answers)) - 1]
            if isinstance(answer, Exception):
                raise answer
            if isinstance(answer, float):
                await asyncio.sleep(answer)
                return Approved("too late")
            return answer

        await put(database, row("+1"))
        clock = FixedClock(NOON)
        async with working(database, clock, handler, timeout_seconds=0.1):
            for expected in range(1, 5):
                await eventually(partial(_reached, lambda: tried, expected))
                await asyncio.sleep(0.2)
                assert tried == expected
                assert await left(database) == 1
                clock.advance(timedelta(seconds=61))
            clock.advance(timedelta(seconds=600))
            await eventually(lambda: _is(left(database), 0))

    async def test_ends_what_is_refused(self, database: Database) -> None:
        async def handler(item: OutboxItem) -> Outcome:
            return Declined("no")

        await put(database, row("+1"))
        async with working(database, FixedClock(NOON), handler):
            await eventually(lambda: _is(left(database), 0))

    async def test_does_not_let_silent_recipients_keep_the_others_waiting(self, database: Database) -> None:
        served: list[str] = []

        async def handler(item: OutboxItem) -> Outcome:
            if item.recipient.startswith("dead"):
                await asyncio.sleep(0.3)
                return InDoubt("silence")
            served.append(item.recipient)
            return Approved("x")

        await put(database, *(row(f"dead{n % 8}") for n in range(400)), *(row(f"+{n}") for n in range(20)))
        async with working(database, FixedClock(NOON), handler):
            await eventually(lambda: _reached(lambda: len(served), 20), seconds=5)

    async def test_keeps_to_its_concurrency(self, database: Database) -> None:
        now = most = 0
        each: Counter[str] = Counter()

        async def handler(item: OutboxItem) -> Outcome:
            nonlocal now, most
            now += 1
            each[item.recipient] += 1
            assert each[item.recipient] <= 3  # what is at work and what one claim may add
            most = max(most, now)
            await asyncio.sleep(0.02)
            now -= 1
            each[item.recipient] -= 1
            return Approved("x")

        await put(database, *(row(f"+{n % 7}") for n in range(60)))
        async with working(database, FixedClock(NOON), handler):
            await eventually(lambda: _is(left(database), 0))
        assert most <= 8

    async def test_finishes_what_it_holds_when_it_is_stopped(self, database: Database) -> None:
        began = asyncio.Event()

        async def handler(item: OutboxItem) -> Outcome:
            began.set()
            await asyncio.sleep(0.2)
            return Approved("x")

        await put(database, row("+1"))
        async with working(database, FixedClock(NOON), handler):
            await began.wait()
        assert await left(database) == 0

    async def test_goes_on_when_its_connections_were_cut(self, database: Database) -> None:
        async def handler(item: OutboxItem) -> Outcome:
            async with database.transaction() as uow:
                await uow.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            return Approved("x")

        await put(database, *(row(f"+{n}") for n in range(3)))
        clock = FixedClock(NOON)
        async with working(database, clock, handler):
            await asyncio.sleep(0.2)
            clock.advance(timedelta(seconds=120))
            await eventually(lambda: _none_left(database))


async def _none_left(database: Database) -> bool:
    """Whether nothing waits; a look whose own connection was cut is no answer."""
    try:
        return await left(database) == 0
    except psycopg.OperationalError:
        return False


async def _is(answer: Awaitable[int], expected: int) -> bool:
    return await answer == expected


async def _reached(value: Callable[[], int], expected: int) -> bool:
    return value() >= expected
