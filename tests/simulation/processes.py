"""What a simulation kills: processes of the platform, and PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from mpss.db.embedded import EmbeddedPostgres
from tests.simulation.steps import Found

ROOT = Path(__file__).parents[2]
_START_SECONDS = 60


class Lost(Exception):
    """The process died, or could not say what became of the step: whether it was carried out is unknown."""


class Asked(Protocol):
    """What a process can be asked to carry out."""

    def message(self) -> dict[str, Any]: ...


class Cluster:
    """A PostgreSQL whose commits are durable, killed and started again."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self.kills = 0

    async def kill_and_restart(self) -> None:
        self.kills += 1
        port = self.server.port
        await asyncio.to_thread(self.server.kill)
        await asyncio.to_thread(self.server.start)
        assert self.server.port == port, "another program took the server's port meanwhile"


class Platform:
    """One process of the platform, started anew whenever it dies, until told to stop. `module` is its program."""

    def __init__(
        self,
        config: dict[str, Any],
        on_pause: Callable[[Platform], None],
        *,
        module: str = "tests.simulation.worker",
    ) -> None:
        self._config = config
        self._on_pause = on_pause
        self._module = module
        self._process: asyncio.subprocess.Process | None = None
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ready = asyncio.Event()
        self._stopping = False
        self._supervisor: asyncio.Task[None] | None = None
        self._numbers = 0
        self.deaths = 0
        self.complaints: list[str] = []

    async def start(self) -> None:
        self._supervisor = asyncio.create_task(self._supervise())
        async with asyncio.timeout(_START_SECONDS):
            await self._ready.wait()

    async def stop(self) -> None:
        """Let it finish what it has, and go."""
        self._stopping = True
        assert self._supervisor is not None
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        await self._supervisor

    async def up(self) -> None:
        """Wait until it takes steps."""
        await self._ready.wait()

    def end(self) -> None:
        """Kill it for good, whatever it has."""
        self._stopping = True
        self.kill()

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)

    def arm(self, step: str, fault: str, after: int) -> None:
        self._write({"arm": step, "fault": fault, "after": after})

    def go(self) -> None:
        self._write({"go": True})

    async def carry_out(self, step: Asked) -> Found | None:
        """What the platform acknowledged; None for a step that answers nothing.

        Raises:
            Lost: nothing was acknowledged.
        """
        if not self._ready.is_set():
            raise Lost("not up")
        self._numbers += 1
        number = self._numbers
        future = self._pending[number] = asyncio.get_running_loop().create_future()
        self._write({"number": number, **step.message()})
        async with asyncio.timeout(120):
            message = await future
        if "error" in message:
            raise Lost(message["error"])
        return Found(**message["found"]) if "found" in message else None

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _supervise(self) -> None:
        while not self._stopping:
            environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self._module, json.dumps(self._config),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                env=environment, cwd=ROOT,
            )  # fmt: skip
            assert process.stdout is not None
            assert process.stderr is not None
            words = asyncio.create_task(process.stderr.read())
            async for line in process.stdout:
                if line.endswith(b"\n"):
                    self._hear(json.loads(line))
            code = await process.wait()
            self._ready.clear()
            self.deaths += 1
            if code not in (0, -signal.SIGKILL):
                self.complaints.append((await words).decode(errors="replace")[-2_000:])
            await words
            for future in self._pending.values():
                if not future.done():
                    future.set_exception(Lost("the process died"))
            self._pending.clear()

    def _hear(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            self._ready.set()
        elif "paused" in message:
            self._on_pause(self)
        else:
            future = self._pending.pop(message.pop("number"))
            if not future.done():
                future.set_result(message)
