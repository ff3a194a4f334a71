"""One long-lived connection to a bank: sign-on, echo, reconnect, replies matched to their requests, and its requests.

    connect ─► sign-on under the transport key ─► up: requests under the session's MAC key, echo when quiet
       ▲                                           │
       └──────── a while later ◄── lost ◄──────────┘   whatever waits for a reply is answered InDoubt

Invariants: (1) a reply is believed only with its MAC, and only by the request that has its service, trace and time;
(2) a late, double or unmatched reply is logged and dropped; (3) a waiting request holds a future and nothing else;
(4) a request of the bank is heard only while we are signed on, and nothing is signed that answers one without its MAC:
the MAC folds a message to eight bytes, so an echo of chosen text would sign any other message. ADR-0016, ADR-0019.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from mpss.adapters.iso8583_inbound import NOT_SUPPORTED, InboundRequests
from mpss.kernel.outcome import InDoubt
from mpss.observability import log
from mpss.ports.bank import InboundBankHandler
from mpss.wire.iso8583.codec import BadMac, Deframer, Fields, Malformed, WireError, pack, unpack
from mpss.wire.iso8583.fields import Profile
from mpss.wire.iso8583.mac import BadKeyBlock, unwrap_key
from mpss.wire.iso8583.messages import (
    APPROVED,
    ECHO,
    SIGN_ON,
    BankMessage,
    Service,
    UnknownService,
    from_fields,
    is_request,
    refusal_of,
    to_fields,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
_READ_BYTES = 65_536
_MOST_UNANSWERED = 2
"""Echoes without a word from the bank before the connection is given up."""
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_MOST_UNREAD_BYTES = 1_000_000
"""What a bank that asks and does not read may let wait."""
_FORMAT_ERROR = "30"

Match = tuple[Service, str, str]
Reply = BankMessage | InDoubt


@dataclass(frozen=True, slots=True)
class Line:
    """Where a bank is and how it writes. `quiet_seconds` without a word is when the echo is sent."""

    code: str
    host: str
    port: int
    profile: Profile
    transport_key: bytes
    quiet_seconds: float = 30.0
    answer_seconds: float = 10.0


class Session:
    """The connection to one bank."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._waiting: dict[Match, list[asyncio.Future[Reply]]] = {}
        self._mac_key = b""
        self._writer: asyncio.StreamWriter | None = None
        self._up = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._traces = itertools.count(1)
        self._inbound = InboundRequests(line.code, None)
        self.dropped = 0

    @property
    def up(self) -> bool:
        return self._up.is_set()

    @property
    def waiting(self) -> int:
        """How many requests wait for their reply."""
        return sum(len(futures) for futures in self._waiting.values())

    @property
    def carrying_out(self) -> int:
        """How many requests of the bank are being carried out."""
        return self._inbound.running

    def start(self, on_request: InboundBankHandler | None = None) -> None:
        """Begin to connect, and stay connected; what the bank asks goes to `on_request`."""
        if self._runner is None:
            self._inbound = InboundRequests(self._line.code, on_request)
            self._runner = asyncio.create_task(self._run(), name=f"bank-{self._line.code}")

    async def stop(self) -> None:
        """Hang up; whatever waits is answered InDoubt, and what the bank asked is carried out to its end."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)
        await self._inbound.settle(timeout_seconds=self._line.answer_seconds)

    async def wait_up(self, *, timeout_seconds: float) -> bool:
        """Wait until we are signed on; whether we are."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._up.wait()
        return self.up

    def trace(self) -> str:
        """A trace number for what has none of its own: balance, echo, sign-on."""
        return f"{next(self._traces) % 1_000_000:06d}"

    async def ask(self, message: BankMessage, *, timeout_seconds: float) -> Reply:
        """The reply to `message`, or InDoubt: not connected, no answer in time, connection lost, a wrong MAC.

        Also without a connection, because the same request may have been sent before.
        """
        future: asyncio.Future[Reply] | None = None
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._up.wait()
                future = self._expect(message.match)
                await self._send(message)
                return await future
        except TimeoutError:
            return InDoubt("no answer in time" if future is not None else "not connected")
        except (ConnectionError, OSError) as problem:
            return InDoubt(f"connection lost: {type(problem).__name__}")
        finally:
            if future is not None:
                self._forget(message.match, future)

    # ── the connection

    async def _run(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._serve()
            except (OSError, WireError, BadKeyBlock, TimeoutError, asyncio.IncompleteReadError) as problem:
                log.warning("bank.disconnected", bank=self._line.code, problem=f"{type(problem).__name__}: {problem}")
            except Exception:
                log.exception("bank.session_failed", bank=self._line.code)
            finally:
                was_up = self._lost()
            pause = _FIRST_PAUSE_SECONDS if was_up else min(pause * 2, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    async def _serve(self) -> None:
        """One connection, from its opening to its end."""
        async with asyncio.timeout(self._line.answer_seconds):
            reader, self._writer = await asyncio.open_connection(self._line.host, self._line.port)
        deframer = Deframer(self._line.profile)
        signed_on = asyncio.create_task(self._sign_on())
        unanswered = 0
        try:
            while True:
                try:
                    async with asyncio.timeout(self._line.quiet_seconds):
                        data = await reader.read(_READ_BYTES)
                except TimeoutError:
                    if unanswered >= _MOST_UNANSWERED:
                        raise
                    unanswered += 1
                    if self.up:
                        await self._send(self._network(ECHO))
                    continue
                if not data:
                    raise ConnectionError("the bank hung up")
                unanswered = 0
                for body in deframer.feed(data):
                    self._take(body)
                    if not self.up:
                        await asyncio.sleep(0)  # The bank may ask right behind its answer to the sign-on.
                if signed_on.done():
                    signed_on.result()
        finally:
            signed_on.cancel()
            await asyncio.gather(signed_on, return_exceptions=True)

    async def _sign_on(self) -> None:
        """Ask for the session's MAC key under the transport key.

        A refusal or silence ends the connection.
        """
        asked = self._network(SIGN_ON)
        future = self._expect(asked.match)
        try:
            async with asyncio.timeout(self._line.answer_seconds):
                await self._send(asked)
                reply = await future
        except TimeoutError:
            reply = InDoubt("no answer to the sign-on")
        finally:
            self._forget(asked.match, future)
        if isinstance(reply, InDoubt) or reply.response != APPROVED:
            log.warning("bank.sign_on_refused", bank=self._line.code, reply=repr(reply))
            if self._writer is not None:
                self._writer.close()
            return
        try:
            self._mac_key = unwrap_key(self._line.transport_key, bytes.fromhex(reply.key_block))
        except BadKeyBlock:
            log.warning("bank.key_refused", bank=self._line.code)
            if self._writer is not None:
                self._writer.close()
            return
        self._up.set()
        log.info("bank.signed_on", bank=self._line.code)

    def _network(self, code: str) -> BankMessage:
        now = datetime.now(UTC).astimezone(SHANGHAI)
        return BankMessage(Service.NETWORK, self.trace(), now.strftime("%m%d%H%M%S"), network_code=code)

    def _lost(self) -> bool:
        was_up = self.up
        self._up.clear()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for futures in self._waiting.values():
            for future in futures:
                if not future.done():
                    future.set_result(InDoubt("connection lost"))
        return was_up

    async def _send(self, message: BankMessage) -> None:
        writer = self._writer
        if writer is None:
            raise ConnectionError("not connected")
        writer.write(pack(self._line.profile, *to_fields(self._line.profile, message), key=self._key(message)))
        await writer.drain()

    def _key(self, message: BankMessage) -> bytes:
        return self._line.transport_key if message.network_code == SIGN_ON else self._mac_key

    # ── what comes

    def _take(self, body: bytes) -> None:
        profile = self._line.profile
        key = self._mac_key if self.up else self._line.transport_key
        message_type, fields = "", dict[int, str]()
        try:
            message_type, fields = unpack(profile, body, key=key)
            message = from_fields(profile, message_type, fields)
        except BadMac as problem:
            self._distrust(problem)
            return
        except WireError as problem:
            self._drop("unreadable", str(problem))
            if isinstance(problem, Malformed):
                code = NOT_SUPPORTED if isinstance(problem, UnknownService) else _FORMAT_ERROR
                self._refuse(message_type or problem.message_type, fields or problem.fields, code)
            return
        if not message.response:
            self._hear(message)
        elif not self._answer(message.match, message) and message.network_code != ECHO:
            self._drop("no request waits for it", repr(message))

    def _distrust(self, problem: BadMac) -> None:
        if not is_request(problem.message_type):
            with contextlib.suppress(WireError):
                claimed = from_fields(self._line.profile, problem.message_type, problem.fields)
                # Nothing it says is believed; only that the wait for it is over.
                if self._answer(claimed.match, InDoubt("the answer has a wrong MAC")):
                    log.warning("bank.bad_mac", bank=self._line.code, trace=claimed.trace)
                    return
        self._drop("bad MAC", repr(problem))

    def _hear(self, asked: BankMessage) -> None:
        writer = self._writer
        if writer is None or not self.up:
            self._drop("not signed on", repr(asked))
            return
        if writer.transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
            raise ConnectionError("the bank asks and does not read")

        async def answer(reply: BankMessage) -> None:
            if self._writer is not writer or not self.up:
                log.warning("bank.answer_without_line", bank=self._line.code, reply=repr(reply))
                return
            with contextlib.suppress(ConnectionError, OSError):  # Its loss is met where the line is read.
                await self._send(reply)

        if asked.network_code == ECHO:
            writer.write(self._packed(*to_fields(self._line.profile, asked.reply(APPROVED))))
        else:
            self._inbound.take(asked, answer)

    def _refuse(self, message_type: str, fields: Fields, response: str) -> None:
        """Answer a request that has its MAC and is not understood."""
        refusal = refusal_of(message_type, fields, response) if self.up else None
        if refusal is None or self._writer is None:
            return
        with contextlib.suppress(WireError):  # Its own heads may be what is wrong.
            self._writer.write(self._packed(*refusal))

    def _packed(self, message_type: str, fields: Fields) -> bytes:
        return pack(self._line.profile, message_type, fields, key=self._mac_key)

    def _drop(self, why: str, what: str) -> None:
        self.dropped += 1
        log.warning("bank.message_dropped", bank=self._line.code, why=why, what=what)

    def _expect(self, match: Match) -> asyncio.Future[Reply]:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(match, []).append(future)
        return future

    def _answer(self, match: Match, reply: Reply) -> bool:
        """Hand the reply to whoever waits for it; whether anybody does."""
        waiting = [future for future in self._waiting.get(match, ()) if not future.done()]
        for future in waiting:
            future.set_result(reply)
        return bool(waiting)

    def _forget(self, match: Match, future: asyncio.Future[Reply]) -> None:
        futures = self._waiting.get(match, [])
        if future in futures:
            futures.remove(future)
        if not futures:
            self._waiting.pop(match, None)
