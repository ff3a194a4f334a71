"""The SMSC over SMPP 3.4: submits our messages, hands on what phones send, stays bound.

    submit ──► queue ──► (written: may have been taken) ──► submit_sm_resp: Approved, Declined
       │                     └── no answer in time, connection lost: InDoubt
       └── not bound, or never written: Declined, certainly not sent

Invariants: (1) `InDoubt` is answered only for a message that was written to the socket, `Declined` only for one that
the SMSC refused or never saw whole; (2) an inbound message is acknowledged after `on_message` returned, and in the
session it came in; (3) while we store what came in, answers to what we sent are read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from mpss.adapters.smpp_inbound import Inbound, Verdict, read_inbound
from mpss.adapters.smpp_session import Piece, Session
from mpss.kernel.masking import mask_phone
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.kernel.unit_flag import refuse_inside_unit_of_work
from mpss.observability import log
from mpss.ports.sms import InboundHandler, InboundSms, OutboundSms
from mpss.wire.smpp import Status
from mpss.wire.sms_text import Reassembler, split

_WINDOW = 100
"""Most messages on their way at once; a waiting one waits within its own time."""
_INBOUND_AT_ONCE = 64
_RESTART_SECONDS = 1.0
_STOP_SECONDS = 5.0


class SmppSms:
    """The `SmsPort` over SMPP, bound as a transceiver. `number` is ours; `password` has at most eight characters."""

    def __init__(self, *, host: str, port: int, system_id: str, password: str, number: str) -> None:
        self._number = number
        self._session = Session(
            host=host, port=port, system_id=system_id, password=password, on_deliver=self._deliver_sm
        )
        self._on_message: InboundHandler | None = None
        self._window = asyncio.Semaphore(_WINDOW)
        self._parts = Reassembler()
        self._runner: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def problem(self) -> str:
        """Why we are not bound, or ''. A refused bind is told by its status: "ESME_RINVPASWD"."""
        return "" if self._session.up else self._session.problem or "not bound yet"

    async def start(self, on_message: InboundHandler) -> None:
        """Begin to bind, and stay bound; returns at once, since an SMSC that is down must not keep us from starting."""
        self._on_message = on_message
        self._runner = asyncio.create_task(self._run(), name="smsc")

    async def stop(self) -> None:
        """Unbind. Messages whose storing is under way are finished first."""
        if self._runner is None:
            return
        self._session.closing = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._session.stop()
        self._runner.cancel()
        await asyncio.gather(self._runner, return_exceptions=True)
        self._runner = None

    async def wait_bound(self, *, timeout_seconds: float) -> bool:
        """Wait until we are bound; whether we are."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._session.bound.wait()
        return self._session.up

    async def submit(self, message: OutboundSms, *, timeout_seconds: float) -> Outcome:
        """Send one message, in as many segments as it takes.

        Approved carries the SMSC's id of the first segment. A long message of which a segment was refused is Declined:
        a phone shows nothing of it, and sent again it is whole.

        Raises:
            ValueError: the text is empty or takes more than 255 segments.
        """
        refuse_inside_unit_of_work()
        if not message.text:
            raise ValueError("an SMS needs a text")
        segments = split(message.text, reference=message.serial)
        pieces: list[Piece] = []
        try:
            async with asyncio.timeout(timeout_seconds), self._window:
                if self._session.up:
                    for segment in segments:
                        pieces.append(self._session.submit(segment, source=self._number, phone=message.phone))
                    await asyncio.wait([piece.answer for piece in pieces])
        except TimeoutError:
            pass
        finally:
            # A cancelled caller's pieces are withdrawn too: what is not written yet never will be.
            for piece in pieces:
                self._session.withdraw(piece)
        outcome = _outcome(pieces, self.problem)
        if not isinstance(outcome, Approved):
            log.warning("sms.not_sent", phone=mask_phone(message.phone), serial=message.serial, outcome=repr(outcome))
        return outcome

    async def _run(self) -> None:
        """Keep the session going: the library ends it on what it does not expect."""
        while not self._session.closing:
            try:
                await self._session.start()
            except Exception as problem:
                log.exception("sms.session_failed")
                self._session.lost(f"{type(problem).__name__}: {problem}")
            await asyncio.sleep(_RESTART_SECONDS)

    # ── what comes from phones

    def _deliver_sm(self, pdu: bytes) -> None:
        """Called by the session for each deliver_sm, which it leaves to us to answer."""
        sequence, session_number = int.from_bytes(pdu[12:16], "big"), self._session.number
        if len(self._tasks) >= _INBOUND_AT_ONCE or self._session.closing:
            self._spawn(self._session.answer(sequence, session_number, Status.ESME_RX_T_APPN))
            return
        self._spawn(self._take(pdu, sequence, session_number))

    async def _take(self, pdu: bytes, sequence: int, session_number: int) -> None:
        inbound = read_inbound(pdu)
        if isinstance(inbound, Inbound):
            status = await self._store(inbound)
        else:
            status = Status.ESME_RX_P_APPN if inbound is Verdict.UNREADABLE else Status.ESME_ROK
        await self._session.answer(sequence, session_number, status)

    async def _store(self, inbound: Inbound) -> Status:
        assert self._on_message is not None
        text = self._parts.add(inbound.phone, inbound.part)
        if text is None:
            # A segment of a longer text is acknowledged as it comes. Were we to stop before the last one, the text
            # would be lost; but no command of ours is that long.
            return Status.ESME_ROK
        try:
            await self._on_message(InboundSms(inbound.phone, text, inbound.reference))
        except Exception:
            log.exception("sms.not_taken", phone=mask_phone(inbound.phone))
            return Status.ESME_RX_T_APPN
        self._parts.forget(inbound.phone, inbound.part)
        return Status.ESME_ROK

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _outcome(pieces: list[Piece], problem: str) -> Outcome:
    """What became of a message, from its segments: with one refused or unsent, no phone shows it."""
    if not pieces:
        return Declined(f"not connected: {problem}" if problem else "not sent in time")
    answers = [piece.answer.result() for piece in pieces]
    worst = [answer for answer in answers if isinstance(answer, Declined)]
    return worst[0] if worst else next((answer for answer in answers if isinstance(answer, InDoubt)), answers[0])
