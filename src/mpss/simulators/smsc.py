"""The town's SMSC (短信中心): a real SMPP 3.4 server with handsets whose inboxes can be read.

    ESME ──SMPP──► gate (password) ──► smpp34.Server ──► handsets (SQLite) ◄── control and pages (HTTP)

A message is put into the inbox before it is answered, and a message from a handset is written down before it is sent
on, to whichever ESME is bound, again and again until that one acknowledges it. `python -m mpss.simulators.smsc --data
DIR` runs it as a process of its own and prints its addresses as one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import re
import signal
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import smpp34

from mpss.kernel.errors import MalformedField
from mpss.kernel.phone import parse_phone
from mpss.simulators.faults import Faults
from mpss.simulators.remembered import remembered_ports
from mpss.simulators.smsc_control import ControlServer
from mpss.simulators.smsc_faults import Fault, FaultKind
from mpss.simulators.smsc_gate import Gate
from mpss.simulators.smsc_store import HandsetStore, StoredMessage
from mpss.simulators.smsc_upstream import Carrier
from mpss.wire.smpp import EsmClass, Status, Tag, TypeOfNumber
from mpss.wire.sms_text import MalformedUserData, Reassembler, parse_part, segment_count

_SERIAL = re.compile(r"(?:MPSS|No\.)\s*(\d+)\s*[】\]]$")


@dataclass(frozen=True, slots=True)
class SmscSettings:
    """Where it keeps its handsets, where it listens, who may bind. A port of 0: yesterday's, else a free one."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    system_id: str = "mpss"
    password: str = "town"  # noqa: S105 - of a simulator
    number: str = "10001888"


class Smsc:
    """The running SMSC. Its methods are what the control API calls; all run in one event loop."""

    def __init__(self, settings: SmscSettings) -> None:
        self.settings = settings
        self.faults: Faults[Fault] = Faults()
        self.store = HandsetStore(settings.data_dir / "handsets.sqlite")
        self.port = 0
        self.control_url = ""
        self._server: smpp34.Server
        self._gate: Gate
        self._control = ControlServer(self, settings.host)
        self._received = asyncio.Condition()
        self._parts = Reassembler()
        self._unanswered: dict[str, list[smpp34.SubmitSmEvent]] = {}
        self._message_ids = itertools.count(time.time_ns() // 1000)
        self._submits = 0
        self._refused = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._carrier = Carrier(self.store, self._spawn)

    async def start(self) -> None:
        """Listen. The ports are remembered in the data folder.

        Raises:
            OSError: a port that was asked for is taken.
        """
        inner_port = await self._start_server()
        remembered = remembered_ports(self._ports_file())
        self._gate = Gate(
            self.settings.host, self.settings.port, inner_port, {self.settings.system_id: self.settings.password}
        )
        self._gate.port = _choose(self.settings.host, self.settings.port, remembered.get("port", 0))
        await self._gate.open()
        self.port = self._gate.port
        control_port = _choose(self.settings.host, self.settings.control_port, remembered.get("control_port", 0))
        self.control_url = self._control.start(control_port)
        ports = {"port": self.port, "control_port": self._control.port}
        self._ports_file().write_text(json.dumps(ports), encoding="utf-8")
        self._spawn(self._serve_events())
        self._carrier.start()

    async def stop(self) -> None:
        """Close everything; what is on its way stays in the file."""
        await asyncio.to_thread(self._control.stop)
        await self._gate.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.stop()
        self.store.close()

    async def set_fault(self, fault: Fault) -> None:
        """Make something go wrong from now on."""
        self.faults.add(fault)
        if fault.kind is FaultKind.DOWN:
            await self._gate.close()

    async def clear_faults(self) -> None:
        """Everything works again."""
        self.faults.clear()
        await self._gate.open()

    async def send_from(self, phone: str, text: str) -> int:
        """A handset sends `text` to our number; the message's id. It is delivered when an ESME is bound."""
        upstream_id = self.store.send(phone, self.settings.number, text, segments=segment_count(text))
        self._carrier.carry(phone)
        return upstream_id

    async def inbox(self, phone: str, *, after: int, wait_seconds: float) -> list[StoredMessage]:
        """The messages a handset received after message id `after`; waits that long for one where there is none."""

        def found() -> list[StoredMessage]:
            return [message for message in self.store.messages(phone, after=after) if not message.sent]

        messages = found()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_seconds), self._received:
                while not messages:
                    await self._received.wait()
                    messages = found()
        return messages

    async def stats(self) -> dict[str, Any]:
        """Counts since the start (`submits`, `refused`) and since ever (`received`, `by_serial`)."""
        bound = [esme.system_id for esme in self._carrier.sessions.values()]
        return {"bound": bound, "submits": self._submits, "refused": self._refused, **self.store.counts()}

    # ── from the platform to handsets

    async def _serve_events(self) -> None:
        while True:
            event = await self._server.next()
            if isinstance(event, smpp34.Esme):
                await self._carrier.bound(event)
            elif isinstance(event, smpp34.Unbound):
                self._carrier.unbound(event.session_id)
                self._unanswered.pop(event.session_id, None)
            else:
                self._spawn(self._submitted(event))

    async def _submitted(self, event: smpp34.SubmitSmEvent) -> None:
        self._submits += 1
        try:
            phone = parse_phone(_international(event.destination_addr, event.dest_addr_ton))
            part = parse_part(
                _user_data(event), event.data_coding, has_header=bool(event.esm_class & EsmClass.HAS_HEADER)
            )
        except (MalformedField, MalformedUserData) as problem:
            self._refused += 1
            wrong_number = isinstance(problem, MalformedField)
            event.reject(Status.ESME_RINVDSTADR if wrong_number else Status.ESME_RINVMSGLEN)
            return
        fault = self.faults.meet(lambda fault: fault.fits(phone))
        if fault is not None and fault.kind in (FaultKind.THROTTLED, FaultKind.SYSTEM_ERROR):
            self._refused += 1
            throttled = fault.kind is FaultKind.THROTTLED
            event.reject(Status.ESME_RTHROTTLED if throttled else Status.ESME_RSYSERR)
            return
        sender = (event.source_addr, phone)
        text = self._parts.add(sender, part)
        if text is not None:
            found = _SERIAL.search(text)
            serial = int(found.group(1)) if found else None
            self.store.receive(phone, text, serial=serial, segments=part.total)
            self._parts.forget(sender, part)
            async with self._received:
                self._received.notify_all()
        await self._answer(event, phone, fault)

    async def _answer(self, event: smpp34.SubmitSmEvent, phone: str, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        if kind in (FaultKind.LOSE_REPLY, FaultKind.CLOSE):
            # Kept, because the server refuses on behalf of an event that is dropped.
            self._unanswered.setdefault(event.session_id, []).append(event)
            if kind is FaultKind.CLOSE:
                await self._gate.cut()
            return
        if fault is not None:
            await asyncio.sleep(fault.seconds)
        message_id = f"{next(self._message_ids):x}"
        event.accept(message_id)
        if event.registered_delivery & 0b11 == 1:
            self.store.add_receipt(phone, event.source_addr, _receipt_text(message_id), message_id)
            self._carrier.carry(phone)

    # ── the house around it

    async def _start_server(self) -> int:
        for _ in range(20):
            port = _choose(self.settings.host, 0, 0)
            self._server = smpp34.Server(self.settings.host, port, system_id="TOWN-SMSC")
            try:
                await self._server.start()
            except smpp34.SmppError:
                continue  # Somebody took the port in between.
            return port
        raise OSError("no free port for the SMPP server")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _ports_file(self) -> Path:
        return self.settings.data_dir / "smsc-ports.json"


@asynccontextmanager
async def serve(settings: SmscSettings) -> AsyncIterator[Smsc]:
    """An SMSC for as long as the block runs."""
    smsc = Smsc(settings)
    await smsc.start()
    try:
        yield smsc
    finally:
        await smsc.stop()


def _choose(host: str, asked: int, remembered: int) -> int:
    """The port asked for, or yesterday's if nobody has it, or one that is free now."""
    if asked:
        return asked
    for candidate in (remembered, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((host, candidate))
                port: int = probe.getsockname()[1]
                return port
    raise OSError("no free port")


def _international(address: str, type_of_number: int) -> str:
    return f"+{address.removeprefix('+')}" if type_of_number == TypeOfNumber.INTERNATIONAL else address


def _user_data(event: smpp34.SubmitSmEvent) -> bytes:
    payload = next((tlv.value for tlv in event.tlvs if tlv.tag == Tag.MESSAGE_PAYLOAD), None)
    return event.short_message if payload is None else payload


def _receipt_text(message_id: str) -> str:
    """A delivery receipt as SMPP 3.4, appendix B, writes it."""
    now = datetime.now(UTC).strftime("%y%m%d%H%M")
    return f"id:{message_id} sub:001 dlvrd:001 submit date:{now} done date:{now} stat:DELIVRD err:000 text:"


async def _run(settings: SmscSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serve(settings) as smsc:
        addresses = {"port": smsc.port, "control_url": smsc.control_url}
        print(json.dumps(addresses), flush=True)  # noqa: T201 - how the one who starts it learns the addresses
        await stop.wait()


def main(arguments: list[str] | None = None) -> None:
    """Run the SMSC until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m mpss.simulators.smsc", description="The town's SMSC.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the handsets")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="SMPP port; 0: yesterday's or a free one")
    parser.add_argument("--control-port", type=int, default=0, help="HTTP port; 0: yesterday's or a free one")
    parser.add_argument("--system-id", default="mpss")
    parser.add_argument("--password", default="town", help="at most 8 characters")
    parser.add_argument("--number", default="10001888", help="the number subscribers send their messages to")
    given = parser.parse_args(arguments)
    settings = SmscSettings(
        given.data, given.host, given.port, given.control_port, given.system_id, given.password, given.number
    )
    asyncio.run(_run(settings))


if __name__ == "__main__":
    main()
