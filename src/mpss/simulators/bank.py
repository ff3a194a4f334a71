"""A bank of the town: a real ISO 8583 server with card accounts, a statement and faults.

    platform ──ISO 8583──► sign-on, echo, MAC ──► books (SQLite) ◄── control (HTTP)
             ◄── what its customers ask ──────── counter ◄──────────────┘

A request is carried out and remembered before it is answered. `python -m mpss.simulators.bank --data DIR --key-file
FILE` runs it as a process of its own and prints its addresses as one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mpss.simulators.bank_control import BankControl
from mpss.simulators.bank_counter import BankCounter
from mpss.simulators.bank_faults import Fault, FaultKind
from mpss.simulators.bank_files import BankFiles
from mpss.simulators.bank_store import BankStore
from mpss.simulators.faults import Faults
from mpss.wire.iso8583.codec import BadMac, Deframer, Fields, WireError, frame, pack, unpack
from mpss.wire.iso8583.fields import PROFILES, Profile, ProfileName
from mpss.wire.iso8583.mac import wrap_key
from mpss.wire.iso8583.messages import ECHO, SIGN_ON, BankMessage, Service, from_fields, to_fields

_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class BankSettings:
    """Where its books are, how it writes, and the transport key it shares with the platform (16 bytes)."""

    code: str
    path: Path
    profile: ProfileName
    transport_key: bytes
    port: int = 0
    control_port: int = 0
    answer_seconds: float = 5.0
    """How long it waits for the platform's answer."""
    files: Path | None = None
    """The folder of payment orders and their answers; None: it takes none."""


class Bank:
    """The running bank."""

    def __init__(self, settings: BankSettings) -> None:
        self.settings = settings
        self.profile: Profile = PROFILES[settings.profile]
        self.store = BankStore(settings.path)
        self.faults: Faults[Fault] = Faults()
        self.files = None if settings.files is None else BankFiles(settings.code, self.store, settings.files)
        self.counter = BankCounter(self.store, self.faults, self.lines, answer_seconds=settings.answer_seconds)
        self.control = BankControl(self.store, self.faults, self.files, self.counter)
        self.port = 0
        self.echoes = 0
        self.late: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._clerk: asyncio.Task[None] | None = None
        self._connections: set[_Connection] = set()

    @property
    def control_url(self) -> str:
        return self.control.server.url

    @property
    def signed_on(self) -> int:
        """How many connections are signed on."""
        return len(self.lines())

    def lines(self) -> list[_Connection]:
        """The connections that are signed on."""
        return [connection for connection in self._connections if connection.mac_key]

    async def start(self) -> None:
        """Listen on the ports asked for, or on free ones.

        Raises:
            OSError: a port that was asked for is taken.
        """
        await self.listen(self.settings.port)
        await self.control.server.start(self.settings.control_port)
        if self.files is not None:
            self._clerk = asyncio.create_task(self.files.run(), name=f"bank-files-{self.settings.code}")
        self.counter.start()

    async def listen(self, port: int) -> None:
        """Take connections, again after `hang_up`."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def hang_up(self) -> None:
        """Nothing listens any more, and every connection is cut."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for connection in list(self._connections):
            connection.cut()
        await asyncio.gather(*(connection.task for connection in self._connections), return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    async def stop(self) -> None:
        await self.counter.stop()
        await self.hang_up()
        for task in (*self.late, *([] if self._clerk is None else [self._clerk])):
            task.cancel()
        await self.control.server.stop()
        self.store.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:
            writer.transport.abort()  # It came while we hung up.
            return
        connection = _Connection(self, reader, writer)
        self._connections.add(connection)
        try:
            await connection.serve()
        except (ConnectionError, WireError):
            pass  # The platform left, or what it wrote is no frame.
        except asyncio.CancelledError:
            pass  # `hang_up` ends it; asyncio's streams would report a cancelled task as an error.
        finally:
            self._connections.discard(connection)
            connection.close()


class _Connection:
    """One connection of the platform, with a session key of its own."""

    def __init__(self, bank: Bank, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task: asyncio.Task[object] = task
        self.mac_key = b""
        self._bank = bank
        self._reader = reader
        self._writer = writer
        self._answers: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        deframer = Deframer(self._bank.profile)
        while data := await self._reader.read(_READ_BYTES):
            for body in deframer.feed(data):
                answer = asyncio.create_task(self._answer(body))
                self._answers.add(answer)
                answer.add_done_callback(self._answers.discard)

    def cut(self) -> None:
        self._writer.transport.abort()
        self.task.cancel()

    def close(self) -> None:
        for answer in self._answers:
            answer.cancel()
        self._writer.close()

    async def _answer(self, body: bytes) -> None:
        bank, profile = self._bank, self._bank.profile
        try:
            asked = from_fields(profile, *unpack(profile, body, key=self._key_of))
        except BadMac as problem:
            with contextlib.suppress(WireError):
                claimed = from_fields(profile, problem.message_type, problem.fields)
                if not claimed.response:
                    self.send(claimed.reply("A0"))
            return
        except WireError:
            return
        if asked.response:
            bank.counter.hear(asked)
            return
        fault = bank.faults.meet(lambda fault: fault.fits(asked.service, asked.card_number))
        if asked.service is Service.NETWORK:
            self._network(asked, refused=fault is not None)
        elif self.mac_key:
            await self._serve(asked, fault)

    def _network(self, asked: BankMessage, *, refused: bool) -> None:
        if asked.network_code == ECHO and self.mac_key:
            self._bank.echoes += 1
            self.send(asked.reply("00"))
        elif asked.network_code == SIGN_ON:
            if refused:
                self.send(asked.reply("05"))
                return
            key = secrets.token_bytes(self._bank.profile.key_bytes)
            block = wrap_key(self._bank.settings.transport_key, key).hex().upper()
            self.send(asked.reply("00", key_block=block))
            self.mac_key = key

    async def _serve(self, asked: BankMessage, fault: Fault | None) -> None:
        kind = None if fault is None else fault.kind
        if kind is FaultKind.LOSE_REQUEST:
            return
        if fault is not None and kind is FaultKind.DELAY_REQUEST:
            # Beyond the connection's end: what was on its way arrives.
            late = asyncio.create_task(self._carry_out_later(asked, fault.seconds))
            bank_late = self._bank.late
            bank_late.add(late)
            late.add_done_callback(bank_late.discard)
            return
        reply = self._carry_out(asked, fault.code if fault is not None and kind is FaultKind.DECLINE else "")
        match kind:
            case FaultKind.DELAY:
                assert fault is not None
                await asyncio.sleep(fault.seconds)
                self.send(reply)
            case FaultKind.LOSE_REPLY:
                pass
            case FaultKind.CLOSE:
                self._writer.transport.abort()
            case FaultKind.TWICE:
                self.send(reply)
                self.send(reply)
            case FaultKind.BAD_MAC:
                self.send(reply, bad_mac=True)
            case FaultKind.UNKNOWN_FIELD:
                self.send_bytes(_with_unknown_field(self._bank.profile, self._packed(reply)))
            case FaultKind.NONSENSE:
                self._writer.write(frame(self._bank.profile, b"nobody understands this"))
            case FaultKind.BAD_LENGTH:
                self._writer.write(b"\xff\xff\xff\xff")
            case FaultKind.UNMATCHED:
                self.send(BankMessage(reply.service, "999999", reply.sent_at, reply.reference, response="00"))
            case _:
                self.send(reply)

    async def _carry_out_later(self, asked: BankMessage, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.send(self._carry_out(asked, ""))

    def _carry_out(self, asked: BankMessage, declined_with: str) -> BankMessage:
        verdict = self._bank.store.serve(asked, declined_with=declined_with)
        frozen = verdict.response == "00" and asked.service in (Service.FREEZE, Service.INQUIRE)
        return asked.reply(
            verdict.response,
            bank_reference=verdict.reference,
            authorization=verdict.reference[-6:] if frozen else "",
            available_fen=verdict.available_fen,
        )

    def _key_of(self, _message_type: str, fields: Fields) -> bytes:
        is_sign_on = fields.get(self._bank.profile.network_field, "")[-3:] == SIGN_ON
        return self._bank.settings.transport_key if is_sign_on or not self.mac_key else self.mac_key

    def send(self, message: BankMessage, *, bad_mac: bool = False) -> None:
        """Write one message, or one that its MAC does not fit."""
        packed = bytearray(self._packed(message))
        if bad_mac:
            packed[-1] = ord("0") if packed[-1] != ord("0") else ord("1")
        self.send_bytes(bytes(packed))

    def send_bytes(self, data: bytes) -> None:
        """Write what need not be a message."""
        if not self._writer.is_closing():
            self._writer.write(data)

    def _packed(self, reply: BankMessage) -> bytes:
        profile, transport_key = self._bank.profile, self._bank.settings.transport_key
        key = transport_key if reply.network_code == SIGN_ON or not self.mac_key else self.mac_key
        return pack(profile, *to_fields(profile, reply), key=key)


def _with_unknown_field(profile: Profile, packed: bytes) -> bytes:
    """The message with field 5 in its bitmap, of which neither profile knows the form."""
    changed = bytearray(packed)
    changed[profile.length_bytes + profile.bitmap_at] |= 0x08
    return bytes(changed)


@asynccontextmanager
async def serve(settings: BankSettings) -> AsyncIterator[Bank]:
    """A bank for as long as the block runs."""
    bank = Bank(settings)
    await bank.start()
    try:
        yield bank
    finally:
        await bank.stop()


async def _run(settings: BankSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serve(settings) as bank:
        addresses = {"port": bank.port, "control_url": bank.control_url}
        print(json.dumps(addresses), flush=True)  # noqa: T201 - how the one who starts it learns the addresses
        await stop.wait()


def main(arguments: list[str] | None = None) -> None:
    """Run the bank until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m mpss.simulators.bank", description="A bank of the town.")
    parser.add_argument("--data", type=Path, required=True, help="folder of its books")
    parser.add_argument("--code", default="BANKA")
    parser.add_argument("--profile", type=ProfileName, choices=list(ProfileName), default=ProfileName.ASCII)
    parser.add_argument("--key-file", type=Path, required=True, help="the transport key, 32 hexadecimal digits")
    parser.add_argument("--files", type=Path, help="folder of payment orders and their answers")
    parser.add_argument("--port", type=int, default=0, help="ISO 8583 port; 0: a free one")
    parser.add_argument("--control-port", type=int, default=0, help="HTTP port; 0: a free one")
    parser.add_argument("--answer-seconds", type=float, default=5.0, help="how long it waits for the platform's answer")
    given = parser.parse_args(arguments)
    key = bytes.fromhex(given.key_file.read_text(encoding="ascii").strip())
    path = given.data / f"bank-{given.code}.sqlite"
    asyncio.run(
        _run(
            BankSettings(
                given.code, path, given.profile, key, given.port, given.control_port, given.answer_seconds, given.files
            )
        )
    )


if __name__ == "__main__":
    main()
