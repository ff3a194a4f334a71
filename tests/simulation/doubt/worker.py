"""A process of the platform for a storm: what `bootstrap` makes of the settings, its jobs, and operations from stdin.

Lines are JSON, as in `tests.simulation.worker`, with {"number", "deed"} to carry out. The SMSC alone is not the real
one, since a storm says nothing about SMS.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict, replace
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from mpss.bootstrap import make_runtime, running
from mpss.config import Settings
from mpss.desk.desk import Desk
from mpss.jobs.outbox import outbox_worker
from mpss.jobs.schedule import run_schedule
from mpss.kernel.outcome import Approved, Outcome
from mpss.observability import configure_logging
from mpss.ports.sms import InboundHandler, OutboundSms
from mpss.runtime import Runtime
from tests.simulation.doubt.model import Deed, World
from tests.simulation.doubt.operations import OPERATIONS
from tests.simulation.worker import Faults, Out, found_of


class Sms:
    """Takes every notice, and nobody writes to us."""

    async def submit(self, message: OutboundSms, *, timeout_seconds: float) -> Outcome:
        return Approved("taken")

    async def start(self, on_message: InboundHandler) -> None:
        raise AssertionError("nothing is received here")

    async def stop(self) -> None:
        """There is nothing to stop."""


async def serve(config: dict[str, Any], out: Out) -> None:
    settings = Settings.from_environment(config["environment"])
    configure_logging(settings.log_level)
    faults = Faults(out)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while True:
        made = make_runtime(settings)
        desk = Desk(made.database, batch_size=settings.desk_batch, patience_seconds=20, hook=faults)
        runtime = replace(made, desk=desk, ports=replace(made.ports, sms=Sms()))
        try:
            async with running(runtime):
                await _work(runtime, World.from_json(config["world"]), reader, faults, out)
            return
        except (psycopg.OperationalError, PoolTimeout):  # PostgreSQL was killed while this process started
            if reader.at_eof():  # nobody wants it any more
                return
            await asyncio.sleep(0.2)


async def _work(runtime: Runtime, world: World, reader: asyncio.StreamReader, faults: Faults, out: Out) -> None:
    async def answer(number: int, deed: Deed) -> None:
        message: dict[str, Any]
        try:
            answered = await OPERATIONS[deed.kind].carry_out(runtime, world, deed)
            message = {"found": asdict(found_of(answered.transaction, answered))}
        except Exception as problem:  # whatever stopped it, the parent asks again
            message = {"error": f"{type(problem).__name__}: {problem}"}
        out.write({"number": number, **message})

    outbox = outbox_worker(runtime, poll_seconds=0.1)
    await outbox.start()
    schedule = asyncio.create_task(run_schedule(runtime))
    out.write({"ready": os.getpid()})
    async with asyncio.TaskGroup() as group:
        while line := await reader.readline():
            message = json.loads(line)
            if "deed" in message:
                group.create_task(answer(message["number"], Deed(**message["deed"])))
            elif "arm" in message:
                faults.arm(message["arm"], message["fault"], message["after"])
            else:
                faults.go()
    schedule.cancel()
    await asyncio.gather(schedule, return_exceptions=True)
    await outbox.stop()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1]), Out()))
