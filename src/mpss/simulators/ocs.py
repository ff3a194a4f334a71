"""The town's OCS (online charging system): a real Diameter credit-control server with doors on loopback.

    us ──Diameter──► door 1 ┐
    us ──Diameter──► door 2 ┴► subscribers, sessions, ledger (SQLite) ◄── control (HTTP)

Two doors are two peers of one OCS: what was asked through one is known at the other. Several processes may share the
file too. `python -m mpss.simulators.ocs --data DIR` prints its addresses as one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpss.simulators.faults import Faults
from mpss.simulators.http_server import HttpServer
from mpss.simulators.ocs_control import control_handler
from mpss.simulators.ocs_faults import OcsFault, OcsFaultKind
from mpss.simulators.ocs_store import VALIDITY_SECONDS, OcsStore
from mpss.simulators.remembered import remembered_ports
from mpss.wire import diameter
from mpss.wire.diameter import (
    Command,
    CreditAnswer,
    CreditRequest,
    Header,
    MalformedMessage,
    Node,
    Result,
    credit_answer,
    read_credit_request,
)

REALM = "ocs.town"
_READ_BYTES = 65_536
_UNHEARD_OF_CODE = 5999
_GARBLED_AVP = bytes.fromhex("00000107400000ff6162")
"""A Session-Id whose length says more than there is."""


@dataclass(frozen=True, slots=True)
class OcsSettings:
    """Where it keeps its subscribers and where it listens; a port of 0: yesterday's, else a free one.

    `validity_seconds` is how long a reservation is good for. An OCS may end it later (Tcc of RFC 8506), never sooner.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    ports: tuple[int, ...] = (0, 0)
    control_port: int = 0
    name: str = "ocs"
    validity_seconds: float = VALIDITY_SECONDS


class Door:
    """One listening socket of the OCS, a Diameter node of its own."""

    def __init__(self, ocs: Ocs, node: Node) -> None:
        self._ocs = ocs
        self._node = node
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def connections(self) -> int:
        return len(self._writers)

    async def open(self, port: int) -> None:
        """Listen; a door that is open already stays so.

        Raises:
            OSError: the port is taken.
        """
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self._ocs.settings.host, port or self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        self.cut()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await server.wait_closed()

    def cut(self) -> None:
        """Cut every connection; the door stays open."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._writers.add(writer)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, MalformedMessage):
            pass  # The client left, or spoke no Diameter.
        except asyncio.CancelledError:
            pass  # `close` ends the task; asyncio's streams would report a cancelled one as an error.
        finally:
            self._connections.discard(task)
            self._writers.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        buffer = bytearray()
        while data := await reader.read(_READ_BYTES):
            buffer += data
            while (frame := diameter.take_frame(buffer)) is not None:
                header = diameter.read_header(frame)
                if not header.is_request:
                    continue
                if header.command == Command.CREDIT_CONTROL:
                    self._ocs.spawn(self._credit(frame, header, writer))
                elif header.command == Command.CAPABILITIES:
                    writer.write(diameter.capabilities_answer(frame, self._node, self._ocs.settings.host))
                elif header.command == Command.WATCHDOG and not self._ocs.mute:
                    writer.write(diameter.watchdog_answer(frame, self._node))
                elif header.command == Command.DISCONNECT:
                    writer.write(diameter.disconnect_answer(frame, self._node))
                    return

    # ── credit control

    async def _credit(self, frame: bytes, header: Header, writer: asyncio.StreamWriter) -> None:
        self._ocs.requests += 1
        self._ocs.repeats_marked += header.is_again
        if self._ocs.mute:
            return
        try:
            request = read_credit_request(frame)
        except MalformedMessage:
            writer.write(credit_answer(frame, CreditAnswer("", Result.INVALID_VALUE), sender=self._node))
            return
        kind = request.kind.name.lower()
        fault = self._ocs.faults.meet(lambda fault: fault.fits(request.phone, kind))
        if fault is None:
            writer.write(credit_answer(frame, self._ocs.store.answer(request), sender=self._node))
        else:
            await self._credit_with(fault, frame, request, writer)

    async def _credit_with(
        self, fault: OcsFault, frame: bytes, request: CreditRequest, writer: asyncio.StreamWriter
    ) -> None:
        if fault.kind is OcsFaultKind.LOSE_REQUEST:
            return
        if fault.kind is OcsFaultKind.DELAY:
            await asyncio.sleep(fault.seconds)
        if fault.kind is OcsFaultKind.DECLINE:
            answer = CreditAnswer(request.session_id, Result.CREDIT_LIMIT_REACHED, int(request.kind), request.number)
        else:
            answer = self._ocs.store.answer(request)
        match fault.kind:
            case OcsFaultKind.LOSE_REPLY:
                return
            case OcsFaultKind.CLOSE:
                writer.transport.abort()
                return
            case OcsFaultKind.NOISE:
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            case OcsFaultKind.LATE:
                await asyncio.sleep(fault.seconds)
            case OcsFaultKind.UNKNOWN_CODE:
                answer = replace(answer, result_code=_UNHEARD_OF_CODE)
            case OcsFaultKind.WRONG_SESSION:
                answer = replace(answer, session_id=f"{answer.session_id};another")
        content = credit_answer(frame, answer, sender=self._node)
        match fault.kind:
            case OcsFaultKind.NONSENSE:
                content = _garbled(content)
            case OcsFaultKind.TWICE:
                content += content
            case OcsFaultKind.STRANGER:
                content = diameter.stamp(content, diameter.read_header(content).hop_by_hop ^ 0x7FFFFFFF) + content
        writer.write(content)


class Ocs:
    """The running OCS. `mute` makes it hear and say nothing, watchdogs too."""

    def __init__(self, settings: OcsSettings) -> None:
        self.settings = settings
        self.faults: Faults[OcsFault] = Faults()
        self.mute = False
        self.requests = 0
        self.repeats_marked = 0
        self.store = OcsStore(settings.data_dir / "ocs.sqlite", validity_seconds=settings.validity_seconds)
        self.doors = [
            Door(self, Node(f"{settings.name}{number}.{REALM}", REALM)) for number in range(1, len(settings.ports) + 1)
        ]
        self._control = HttpServer(control_handler(self))
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def control_url(self) -> str:
        return self._control.url

    @property
    def peers(self) -> str:
        """The doors as the setting `charging_peers` has them: host:port with commas between."""
        return ",".join(f"{self.settings.host}:{door.port}" for door in self.doors)

    async def start(self) -> None:
        """Listen. The ports are remembered in the data folder.

        Raises:
            OSError: a port that was asked for is taken.
        """
        remembered = remembered_ports(self._ports_file())
        for number, (door, asked) in enumerate(zip(self.doors, self.settings.ports, strict=True), 1):
            await _open(door.open, asked, remembered.get(f"door{number}", 0))
        await _open(self._control.start, self.settings.control_port, remembered.get("control", 0))
        ports = {f"door{number}": door.port for number, door in enumerate(self.doors, 1)}
        self._ports_file().write_text(json.dumps({**ports, "control": self._control.port}), encoding="utf-8")

    async def stop(self) -> None:
        """Close everything; requests that wait for a fault to end are dropped."""
        await self._control.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for door in self.doors:
            await door.close()
        self.store.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stats(self) -> dict[str, Any]:
        """Counts since the start, and repeats answered as before since ever."""
        return {
            "connections": [door.connections for door in self.doors],
            "requests": self.requests,
            "marked_as_repeats": self.repeats_marked,
            "answered_as_before": self.store.repeats(),
        }

    def _ports_file(self) -> Path:
        return self.settings.data_dir / "ocs-ports.json"


@asynccontextmanager
async def serve(settings: OcsSettings) -> AsyncIterator[Ocs]:
    """An OCS for as long as the block runs."""
    ocs = Ocs(settings)
    await ocs.start()
    try:
        yield ocs
    finally:
        await ocs.stop()


async def _open(start: Any, asked: int, remembered: int) -> None:
    """Listen on the port asked for, else on yesterday's, else on a free one."""
    if not asked and remembered:
        with contextlib.suppress(OSError):
            await start(remembered)
            return
    await start(asked)


def _garbled(answer: bytes) -> bytes:
    """The answer's header with an inside that cannot be unpacked."""
    inside = _GARBLED_AVP + bytes(2)
    length = diameter.HEADER_BYTES + len(inside)
    return answer[:1] + length.to_bytes(3, "big") + answer[4 : diameter.HEADER_BYTES] + inside


async def _run(settings: OcsSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serve(settings) as ocs:
        addresses = {"peers": ocs.peers, "control_url": ocs.control_url}
        print(json.dumps(addresses), flush=True)  # noqa: T201 - how the one who starts it learns the addresses
        await stop.wait()


def main(arguments: list[str] | None = None) -> None:
    """Run the OCS until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m mpss.simulators.ocs", description="The town's OCS.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the subscribers")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, action="append", default=[], help="a door's port; may be repeated")
    parser.add_argument("--control-port", type=int, default=0, help="HTTP port; 0: yesterday's or a free one")
    parser.add_argument("--name", default="ocs", help="what its Diameter identities begin with")
    parser.add_argument(
        "--validity", type=float, default=VALIDITY_SECONDS, help="seconds after which a reservation lapses"
    )
    given = parser.parse_args(arguments)
    ports = tuple(given.port) or (0, 0)
    asyncio.run(_run(OcsSettings(given.data, given.host, ports, given.control_port, given.name, given.validity)))


if __name__ == "__main__":
    main()
