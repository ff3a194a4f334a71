"""One connection to one Diameter peer, kept up: capabilities exchange, watchdog, reconnect (RFC 6733 §5; RFC 3539).

    connect ──► CER/CEA ──► ready ──► (idle) DWR/DWA ──► silent, closed or unreadable: lost ──► connect again

Invariants: (1) a call waits on a future and holds nothing else, so thousands may wait; (2) when the connection is
lost every call on it hears `ConnectionLost` at once; (3) what matches no call is logged and dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import Callable

from mpss.observability import log
from mpss.wire import diameter
from mpss.wire.diameter import Command, Header, MalformedMessage, Node, Result

_READ_BYTES = 65_536
_CONNECT_SECONDS = 5.0
_RECONNECT_SECONDS = (0.1, 0.3, 1.0, 3.0)
_GOODBYE_SECONDS = 1.0


class ConnectionLost(ConnectionError):
    """The request was written and the connection went away before its answer; it may have been carried out."""


class DiameterPeer:
    """The peer at `host`:`port`. `node` is us."""

    def __init__(self, host: str, port: int, *, node: Node, watchdog_seconds: float) -> None:
        self.name = f"{host}:{port}"
        self.ready = asyncio.Event()
        self._host, self._port = host, port
        self._node = node
        self._watchdog_seconds = watchdog_seconds
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._own_waiting = 0
        # Unpredictable at the start, so that an answer to a former connection meets no call of this one.
        self._identifiers = itertools.count(secrets.randbits(31))
        self._writer: asyncio.StreamWriter | None = None
        self._runner: asyncio.Task[None] | None = None
        self._heard_at = 0.0

    @property
    def in_flight(self) -> int:
        """Calls that wait for their answer; the connection's own watchdog and goodbye are none."""
        return len(self._waiting) - self._own_waiting

    def start(self) -> None:
        """Begin to connect, and stay connected."""
        self._runner = asyncio.create_task(self._run(), name=f"diameter {self.name}")

    async def stop(self) -> None:
        """Say goodbye (DPR) and close."""
        if self._runner is None:
            return
        if self.ready.is_set():
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(_GOODBYE_SECONDS):
                    await self._own(diameter.disconnect_request)
        self._runner.cancel()
        await asyncio.gather(self._runner, return_exceptions=True)
        self._runner = None

    async def call(self, frame: bytes) -> bytes:
        """Send a request and wait for the frame that answers it.

        Raises:
            ConnectionLost: no answer will come on this connection.
        """
        writer = self._writer
        if writer is None:
            raise ConnectionLost(f"{self.name} is not connected")
        identifier = next(self._identifiers) & 0xFFFFFFFF
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[identifier] = answer
        try:
            writer.write(diameter.stamp(frame, identifier))
            return await answer
        finally:
            self._waiting.pop(identifier, None)

    async def _own(self, make: Callable[..., bytes]) -> bytes:
        """A request of the connection's own: watchdog or goodbye."""
        self._own_waiting += 1
        try:
            return await self.call(make(self._node, hop_by_hop=0, end_to_end=secrets.randbits(32)))
        finally:
            self._own_waiting -= 1

    # ── the connection

    async def _run(self) -> None:
        attempt = 0
        while True:
            try:
                await self._connection()
                attempt = 0
            except (OSError, TimeoutError, MalformedMessage, EOFError) as problem:
                attempt += 1
                level = log.warning if attempt == 1 else log.debug
                level("charging.connection_failed", peer=self.name, problem=f"{type(problem).__name__}: {problem}")
            except Exception:
                attempt += 1
                log.exception("charging.connection_broken", peer=self.name)
            await asyncio.sleep(_RECONNECT_SECONDS[min(attempt, len(_RECONNECT_SECONDS) - 1)])

    async def _connection(self) -> None:
        """One connection from its start to its end; returns where it had been ready."""
        async with asyncio.timeout(_CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(self._host, self._port)
        watchdog: asyncio.Task[None] | None = None
        buffer = bytearray()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._introduce(reader, writer, buffer)
            self._writer = writer
            self._heard_at = asyncio.get_running_loop().time()
            self.ready.set()
            log.info("charging.connected", peer=self.name)
            watchdog = asyncio.create_task(self._watch(writer), name=f"watchdog {self.name}")
            await self._read(reader, writer, buffer)
        except (OSError, EOFError, MalformedMessage) as problem:
            if not self.ready.is_set():
                raise
            log.warning("charging.connection_lost", peer=self.name, problem=f"{type(problem).__name__}: {problem}")
        finally:
            self.ready.clear()
            self._writer = None
            if watchdog is not None:
                watchdog.cancel()
            for waiting in list(self._waiting.values()):
                if not waiting.done():
                    waiting.set_exception(ConnectionLost(f"{self.name} went away"))
            writer.close()

    async def _introduce(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, buffer: bytearray) -> None:
        """CER and CEA.

        Raises:
            ConnectionRefusedError: the peer does not take us.
        """
        address = writer.get_extra_info("sockname")[0]
        writer.write(
            diameter.capabilities_request(
                self._node, address, hop_by_hop=secrets.randbits(32), end_to_end=secrets.randbits(32)
            )
        )
        frame = await _next_frame(reader, buffer)
        header = diameter.read_header(frame)
        if header.command != Command.CAPABILITIES or header.is_request:
            raise MalformedMessage(f"command {header.command} instead of a CEA")
        result = diameter.result_code_of(frame)
        if result != Result.SUCCESS:
            raise ConnectionRefusedError(f"refused with {result}")

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, buffer: bytearray) -> None:
        while True:
            frame = await _next_frame(reader, buffer)
            self._heard_at = asyncio.get_running_loop().time()
            header = diameter.read_header(frame)
            if header.is_request:
                if self._answered(frame, header, writer):
                    return
                continue
            waiting = self._waiting.get(header.hop_by_hop)
            if waiting is None or waiting.done():
                log.warning("charging.unmatched_answer", peer=self.name, command=header.command)
            else:
                waiting.set_result(frame)

    def _answered(self, frame: bytes, header: Header, writer: asyncio.StreamWriter) -> bool:
        """Answer a request of the peer's; whether it said goodbye."""
        if header.command == Command.WATCHDOG:
            writer.write(diameter.watchdog_answer(frame, self._node))
        elif header.command == Command.DISCONNECT:
            writer.write(diameter.disconnect_answer(frame, self._node))
            return True
        else:
            log.warning("charging.unexpected_request", peer=self.name, command=header.command)
        return False

    async def _watch(self, writer: asyncio.StreamWriter) -> None:
        """Ask a silent peer whether it is there; cut the connection where it does not say so."""
        loop = asyncio.get_running_loop()
        while True:
            quiet = loop.time() - self._heard_at
            if quiet < self._watchdog_seconds:
                await asyncio.sleep(self._watchdog_seconds - quiet)
                continue
            try:
                async with asyncio.timeout(self._watchdog_seconds):
                    await self._own(diameter.watchdog_request)
            except TimeoutError:
                log.warning("charging.peer_silent", peer=self.name)
                writer.transport.abort()
                return
            except ConnectionLost:
                return


async def _next_frame(reader: asyncio.StreamReader, buffer: bytearray) -> bytes:
    """The next whole message.

    Raises:
        EOFError: the peer closed.
        MalformedMessage: the stream is no Diameter.
    """
    while (frame := diameter.take_frame(buffer)) is None:
        data = await reader.read(_READ_BYTES)
        if not data:
            raise EOFError("the peer closed the connection")
        buffer += data
    return frame
