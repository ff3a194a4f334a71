"""One SMPP session with the SMSC: `aiosmpplib` binds, frames, asks whether the link is alive and reconnects.

What is ours, since the library would lose or repeat messages:
- each submit_sm is followed from the queue to the socket to its answer, so that "never written" and "no answer" differ;
- a message that waits in the queue when the connection goes, or whose caller stopped waiting, is never sent later;
- deliver_sm is left to the caller to answer (the library answers in the read loop, from a reassembly that mixes up
  senders, and refuses receipts without text).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from aiosmpplib import ESME
from aiosmpplib.broker import AbstractBroker
from aiosmpplib.correlator import AbstractCorrelator, SegmentStatus
from aiosmpplib.hook import AbstractHook
from aiosmpplib.protocol import DeliverSm, DeliverSmResp, SmppMessage, SubmitSm
from aiosmpplib.retrytimer import SimpleExponentialBackoff
from aiosmpplib.state import NPI, TON, PduHeader, PhoneNumber, SmppCommand, SmppCommandStatus

from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.observability import log
from mpss.wire.smpp import HEADER, Command, EsmClass, Status, status_name
from mpss.wire.sms_text import Coding, Segment

_SOCKET_TIMEOUT_SECONDS = 10.0
_ENQUIRE_LINK_SECONDS = 20.0
_FIRST_RETRY_MILLISECONDS = 200
_RETRY_DOUBLINGS = 5
"""Reconnects after 0.2 s, 0.4 s … 6.4 s."""
_RECEIPT_WANTED = 1


@dataclass(slots=True)
class Piece:
    """One submit_sm on its way. `sequence` is None until it is written; `answer` is done exactly once."""

    message: SubmitSm
    answer: asyncio.Future[Outcome] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    sequence: int | None = None

    def settle(self, outcome: Outcome) -> None:
        if not self.answer.done():
            self.answer.set_result(outcome)


class Session(ESME):
    """The library's ESME with the three habits above. Methods with a leading underscore are the library's.

    `up` is True while bound; `problem` says why the last session ended or was refused; `number` counts sessions.
    """

    def __init__(
        self, *, host: str, port: int, system_id: str, password: str, on_deliver: Callable[[bytes], None]
    ) -> None:
        self.up = False
        self.closing = False
        self.problem = ""
        self.number = 0
        self.bound = asyncio.Event()
        self._refusal = ""
        self._on_deliver = on_deliver
        self._queue = _Queue()
        self._pieces: dict[str, Piece] = {}
        self._written: dict[int, Piece] = {}
        super().__init__(
            smsc_host=host,
            smsc_port=port,
            system_id=system_id,
            password=password,
            enquire_link_interval=_ENQUIRE_LINK_SECONDS,
            socket_timeout=_SOCKET_TIMEOUT_SECONDS,
            hook=_Hook(self),
            broker=self._queue,
            correlator=_NoCorrelator(),
            retry_timer=SimpleExponentialBackoff(_FIRST_RETRY_MILLISECONDS, _RETRY_DOUBLINGS),
            # The library logs whole messages, numbers and texts unmasked; what matters is logged here.
            log_level=logging.CRITICAL,
            log_handler=logging.NullHandler(),
        )

    # ── our side

    def submit(self, segment: Segment, *, source: str, phone: str) -> Piece:
        """Queue one short message to `phone` (E.164)."""
        message = SubmitSm(
            short_message="-",  # The library wants a text; the octets set below are what is sent.
            source=PhoneNumber(source, TON.UNKNOWN, NPI.ISDN),
            destination=PhoneNumber(phone.removeprefix("+"), TON.INTERNATIONAL, NPI.ISDN),
            esm_class=EsmClass.HAS_HEADER.value if segment.has_header else 0,
            encoding="ucs2" if segment.coding is Coding.UCS2 else None,
            registered_delivery=_RECEIPT_WANTED,
        )
        message.set_encoded_message(segment.data)
        piece = Piece(message)
        message.log_id = str(id(piece))
        self._pieces[message.log_id] = piece
        self._queue.put(piece)
        return piece

    def withdraw(self, piece: Piece) -> None:
        """Stop waiting: in doubt if it was written and not answered, certainly not sent if it was not."""
        self._pieces.pop(piece.message.log_id, None)
        if piece.sequence is None:
            piece.settle(Declined("not sent in time"))
        else:
            self._written.pop(piece.sequence, None)
            piece.settle(InDoubt("no answer in time"))

    async def answer(self, sequence: int, session_number: int, status: Status) -> None:
        """Answer a deliver_sm of session `session_number`; in a later one its number means another message."""
        if self.up and session_number == self.number:
            try:
                await self._send_data(DeliverSmResp(sequence, SmppCommandStatus(status.value)))
            except (OSError, AssertionError) as problem:
                log.warning("sms.not_acknowledged", problem=repr(problem))

    def lost(self, problem: str) -> None:
        """The connection is gone: settle what was on its way."""
        if self.up and not self.closing:
            log.warning("sms.unbound", problem=problem)
        self.up = False
        self.bound.clear()
        self.problem = problem
        for piece in self._pieces.values():
            written = piece.sequence is not None
            piece.settle(InDoubt(problem) if written else Declined("connection lost before it was sent"))
        self._pieces.clear()
        self._written.clear()

    def writing(self, message: SmppMessage) -> None:
        """Called just before a PDU is written.

        Raises:
            ValueError: its caller stopped waiting; the library then does not send it.
        """
        if not isinstance(message, SubmitSm):
            return
        piece = self._pieces.get(message.log_id)
        if piece is None or piece.answer.done():
            raise ValueError("withdrawn")
        piece.sequence = message.sequence_num
        self._written[message.sequence_num] = piece

    def received(self, pdu: bytes) -> None:
        """Called for each PDU read. Read from its octets, since the library keeps some answers to itself."""
        _, command, status, sequence = HEADER.unpack_from(pdu)
        if command == Command.BIND_TRANSCEIVER_RESP and status not in (Status.ESME_ROK, Status.ESME_RALYBND):
            self._refusal = status_name(status)
        if command not in (Command.SUBMIT_SM_RESP, Command.GENERIC_NACK):
            return
        piece = self._written.pop(sequence, None)
        if piece is None:
            return
        if status == Status.ESME_ROK and command == Command.SUBMIT_SM_RESP:
            message_id = pdu[HEADER.size :].split(b"\0", 1)[0]
            piece.settle(Approved(message_id.decode("ascii", "replace")))
        else:
            piece.settle(Declined(status_name(status)))

    # ── the library's side

    async def connect(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.transport.abort()  # The library leaves a lost connection's socket to the garbage collector.
        self._refusal = ""
        try:
            await super().connect()
        except Exception as problem:
            # A refused bind comes as one of several exceptions, so that its status is taken from the answer itself.
            why = self._refusal or f"{type(problem).__name__}: {problem}"
            if why != self.problem:
                log.error("sms.bind_failed", problem=why, system_id=self.system_id)
            self.problem = why
            raise
        self.number += 1
        self.problem = ""
        self.up = True
        self.bound.set()
        log.info("sms.bound", system_id=self.system_id)

    async def _receive_data(self) -> bytes | None:
        try:
            return await super()._receive_data()
        finally:
            self.lost("connection lost")

    async def _handle_request(self, pdu: bytes, header: PduHeader) -> SmppMessage | None:
        if header.smpp_command is not SmppCommand.DELIVER_SM:
            return await super()._handle_request(pdu, header)
        self._on_deliver(pdu)
        return None  # The library answers nothing; `answer` does.

    async def _end_task(self, task: asyncio.Task[object]) -> None:
        # The library gives each task half a second and passes on what it raised, which would end the reconnecting.
        task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(result, Exception) and not isinstance(result, OSError | EOFError):
            log.warning("sms.task_failed", task=task.get_name(), problem=repr(result))


class _Queue(AbstractBroker):
    """What waits to be written; pieces that were settled meanwhile are passed over."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[Piece] = asyncio.Queue()

    def put(self, piece: Piece) -> None:
        self._pieces.put_nowait(piece)

    async def enqueue(self, message: SmppMessage) -> None:
        raise NotImplementedError("pieces are queued by Session.submit")

    async def dequeue(self) -> SmppMessage:
        while True:
            piece = await self._pieces.get()
            if not piece.answer.done():
                return piece.message


class _Hook(AbstractHook):
    """Tells the session what is written and read."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def sending(self, smpp_message: SmppMessage, pdu: bytes, client_id: str) -> None:
        self._session.writing(smpp_message)

    async def received(self, smpp_message: SmppMessage | None, pdu: bytes, client_id: str) -> None:
        self._session.received(pdu)

    async def send_error(self, smpp_message: SmppMessage, error: Exception, client_id: str) -> None:
        """Nothing: a withdrawn message is settled already, and a broken connection is settled by its loss."""


class _NoCorrelator(AbstractCorrelator):
    """Correlates nothing: the library's own keeps every sent message for three days and walks them all at each send."""

    def get_cumulated_status(self, ref_num: int) -> int:
        return 0

    async def expired(self, smpp_message: SmppMessage) -> None:
        return

    async def put(self, smpp_message: SmppMessage) -> None:
        return

    async def put_delivery(self, smsc_message_id: str, submit_sm: SubmitSm) -> None:
        return

    async def put_delivery_segmented(self, deliver_sm: DeliverSm) -> DeliverSm | None:
        return None

    async def get(self, response: SmppMessage) -> SmppMessage | None:
        return None

    async def get_segmented(self, smpp_seq_num: int, remove: bool = False) -> tuple[SegmentStatus | None, int]:
        return None, 0

    async def get_delivery(self, receipt: DeliverSm) -> SubmitSm | None:
        return None
