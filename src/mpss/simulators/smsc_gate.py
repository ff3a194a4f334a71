"""The SMSC's front door. `smpp34.Server` lets every ESME in whatever its password; the gate looks first.

It reads the bind request, answers a wrong name or password itself (without a body, as real SMSCs do), and passes a
right one and everything after it on to the server behind. Closing the gate is the SMSC being down.
"""

from __future__ import annotations

import asyncio
import hmac

from mpss.wire.smpp import HEADER, RESPONSE, Command, Status

_BINDS = {Command.BIND_RECEIVER, Command.BIND_TRANSMITTER, Command.BIND_TRANSCEIVER}
_BIND_TIMEOUT_SECONDS = 5.0
_LARGEST_BIND = 1024


class Gate:
    """Listens on `host`:`port` and relays to the server on `host`:`inner_port`; `passwords` by system id."""

    def __init__(self, host: str, port: int, inner_port: int, passwords: dict[str, str]) -> None:
        self._host = host
        self._inner_port = inner_port
        self._passwords = passwords
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = port

    async def open(self) -> None:
        """Listen; a port of 0 becomes a free one, kept for the next opening.

        Raises:
            OSError: the port is taken.
        """
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self._host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.cut()

    async def cut(self) -> None:
        """Cut every connection without a word; new ones are welcome."""
        connections = [task for task in self._connections if task is not asyncio.current_task()]
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
            pass  # The other side went away or spoke no SMPP.
        except asyncio.CancelledError:
            pass  # Cut by `cut`; asyncio would otherwise report the cancelled handler as an error.
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_BIND_TIMEOUT_SECONDS):
            header = await reader.readexactly(HEADER.size)
            length, command, _, sequence = HEADER.unpack(header)
            if not HEADER.size <= length <= _LARGEST_BIND:
                return
            body = await reader.readexactly(length - HEADER.size)
        if command not in _BINDS:
            refusal = HEADER.pack(HEADER.size, Command.GENERIC_NACK, Status.ESME_RINVBNDSTS, sequence)
        else:
            status = self._check(body)
            refusal = HEADER.pack(HEADER.size, command | RESPONSE, status, sequence) if status else b""
        if refusal:
            writer.write(refusal)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            return
        inner_reader, inner_writer = await asyncio.open_connection(self._host, self._inner_port)
        inner_writer.write(header + body)
        ways = [
            asyncio.create_task(_pass_on(reader, inner_writer)),
            asyncio.create_task(_pass_on(inner_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            inner_writer.transport.abort()

    def _check(self, body: bytes) -> Status:
        """What a bind request is answered with."""
        system_id, password, _ = body.split(b"\0", 2)
        expected = self._passwords.get(system_id.decode("ascii", "replace"))
        if expected is None:
            return Status.ESME_RINVSYSID
        right = hmac.compare_digest(expected.encode(), password)
        return Status.ESME_ROK if right else Status.ESME_RINVPASWD


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
