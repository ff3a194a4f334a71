"""The posting desk: gathers commands, decides and writes them a batch at a time, wakes each caller (ARCHITECTURE §2).

A batch is one unit of work: load what it touches, decide command by command, write in sets, commit once. The next
batch is whatever arrived meanwhile. A command that breaks its batch is found by halving and fails alone; units of
work of two desks that met are tried again here; after a lost connection the batch is served again, which is safe
because every recorded command is found by its key.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

import psycopg

from mpss.db.database import Connection, Database
from mpss.db.pipeline import Pipeline
from mpss.desk.batch import Batch, Kept, serve_batch
from mpss.desk.model import Answer, Command
from mpss.desk.store import LIMIT_IDLE, SLOT, TAKE_SLOT
from mpss.kernel.errors import ErrorCode, MpssError
from mpss.observability import DESK_BATCH_SECONDS, DESK_BATCH_SIZE, DESK_RETRIES, log

_MEETINGS = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_MEETING_TRIES = 8
_UNIQUE_TRIES = 4
_LOST_CLASSES = {"08", "53", "57", "58"}
"""SQLSTATE classes of a server that cannot serve now: connection, resources, operator, system."""
_MAX_SLOT = 32_000

Hook = Callable[[str, Connection], Awaitable[None]]
"""Called with a step's name ("loaded", "decided", "written", "committed"); crash tests stop the desk there."""


class DeskUnavailable(MpssError):
    """The database did not come back in time, or the desk was stopped.

    Whether the command was carried out is unknown: ask again with the same key.
    """

    code = ErrorCode.BUSY


class DeskOverloaded(MpssError):
    """More commands wait than the desk takes; nothing was done."""

    code = ErrorCode.BUSY


class Desk:
    """One desk, on one connection of its own. Any number of desks may serve one database."""

    def __init__(
        self,
        database: Database,
        *,
        batch_size: int = 256,
        queue_size: int = 20_000,
        patience_seconds: float = 30.0,
        hook: Hook | None = None,
    ) -> None:
        self._database = database
        self._batch_size = batch_size
        self._queue_size = queue_size
        self._patience_seconds = patience_seconds
        self._hook = hook
        self._queue: deque[tuple[Command, asyncio.Future[Answer]]] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._pipeline: Pipeline | None = None
        self._kept = Kept()
        self._stopping = False
        self._away_since: float | None = None
        self.slot = 0

    async def start(self) -> None:
        """Connect, take a free slot, begin to serve."""
        await self._connect()
        self._stopping = False
        self._task = asyncio.create_task(self._serve_forever(), name="desk")

    async def stop(self) -> None:
        """Take no more commands, serve those that wait, then stop."""
        task, self._stopping = self._task, True
        self._arrived.set()
        if task is not None:
            try:
                await asyncio.wait([task])
            finally:  # where stopping is itself cut short
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._task = None
        await self._drop_connection()

    @property
    def serving(self) -> bool:
        """Whether it was started and goes on."""
        return self._task is not None and not self._task.done()

    async def submit(self, command: Command) -> Answer:
        """Hand a command in; its answer, once committed.

        A caller that is cancelled meanwhile does not take its command back.

        Raises:
            DeskOverloaded: too many wait.
            DeskUnavailable: the database stays away, or the desk does not serve.
            Exception: whatever the command alone broke its batch with; nothing was written.
        """
        if self._stopping or self._task is None or self._task.done():
            raise DeskUnavailable("the desk does not serve")
        if len(self._queue) >= self._queue_size:
            raise DeskOverloaded("the desk's queue is full; ask again with the same key")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.append((command, future))
        if not self._arrived.is_set():
            self._arrived.set()
        return await future

    async def _serve_forever(self) -> None:
        waiting: list[tuple[Command, asyncio.Future[Answer]]] = []
        try:
            while self._queue or not self._stopping:
                if not self._queue:
                    self._arrived.clear()
                    await self._arrived.wait()
                    continue
                count = min(len(self._queue), self._batch_size)
                waiting = [self._queue.popleft() for _ in range(count)]
                await self._serve(waiting)
        finally:  # whose callers would wait for good where the desk was cancelled
            _fail([*waiting, *self._queue], DeskUnavailable("the desk was stopped; ask again with the same key"))
            self._queue.clear()

    async def _serve(self, waiting: Sequence[tuple[Command, asyncio.Future[Answer]]]) -> None:
        """Serve these, whatever happens; every future ends with an answer or an exception."""
        try:
            answers = await self._persist([command for command, _ in waiting])
        except Exception as problem:
            if len(waiting) == 1 or isinstance(problem, DeskUnavailable):
                log.warning("desk.command_failed", commands=len(waiting), problem=type(problem).__name__)
                _fail(waiting, problem)
                return
            middle = len(waiting) // 2
            await self._serve(waiting[:middle])
            await self._serve(waiting[middle:])
            return
        for (_, future), answer in zip(waiting, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _persist(self, commands: Sequence[Command]) -> list[Answer]:
        """One committed batch; tries again after a meeting of two desks and after a lost connection."""
        batch = Batch(commands, self.slot, self._hook)
        meetings = doubles = 0
        while True:
            try:
                if self._pipeline is None or self._pipeline.connection.closed:
                    await self._connect()
                batch.slot = self.slot
                assert self._pipeline is not None
                started = time.perf_counter()
                answers = await serve_batch(self._pipeline, batch, self._kept)
                self._away_since = None
                DESK_BATCH_SECONDS.observe(time.perf_counter() - started)
                DESK_BATCH_SIZE.observe(len(commands))
                return answers
            except psycopg.errors.UniqueViolation as problem:
                # The other desk has committed what we met, so the next try finds it.
                doubles += 1
                DESK_RETRIES.labels(reason=type(problem).__name__).inc()
                if doubles >= _UNIQUE_TRIES:
                    raise
            except _MEETINGS as problem:
                meetings += 1
                DESK_RETRIES.labels(reason=type(problem).__name__).inc()
                if meetings >= _MEETING_TRIES:
                    raise
                await asyncio.sleep(0.001 * 2**meetings)
            except psycopg.Error as problem:
                if not self._lost(problem):
                    raise
                # Whether the commit arrived is unknown; served again, each recorded command is found by its key, and
                # an answer to a waiting sale finds it moved. A wrong password may be counted twice.
                DESK_RETRIES.labels(reason="connection").inc()
                await self._drop_connection()
                self._away_since = self._away_since or time.monotonic()
                if time.monotonic() - self._away_since >= self._patience_seconds:
                    raise DeskUnavailable("the database stays away; ask again with the same key") from problem
                await asyncio.sleep(0.1)

    def _lost(self, problem: psycopg.Error) -> bool:
        """Whether the connection failed, and not a command of the batch."""
        if self._pipeline is None or self._pipeline.connection.closed:
            return True
        if problem.sqlstate is None:
            return isinstance(problem, psycopg.OperationalError)
        return problem.sqlstate[:2] in _LOST_CLASSES

    async def _drop_connection(self) -> None:
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            await pipeline.connection.close()

    async def _connect(self) -> None:
        connection = await self._database.connect()
        pipeline = Pipeline(connection)
        try:
            await pipeline.set_up()
            await connection.execute(LIMIT_IDLE)
            cursor = await connection.execute(TAKE_SLOT, {"most": _MAX_SLOT, "slot": SLOT})
            record = await cursor.fetchone()
            assert record is not None, "every slot is taken"
        except BaseException:
            await connection.close()
            raise
        self.slot = record[0]
        self._kept = Kept()  # It may be another database, restored meanwhile.
        self._pipeline = pipeline
        log.info("desk.connected", slot=self.slot)


def _fail(waiting: Iterable[tuple[Command, asyncio.Future[Answer]]], problem: Exception) -> None:
    for _, future in waiting:
        if not future.done():
            future.set_exception(problem)
