"""What becomes of a message on its way, without a connection."""

from __future__ import annotations

import pytest

from mpss.adapters.smpp_session import Piece, Session
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.wire.smpp import HEADER, Command, Status
from mpss.wire.sms_text import Coding, Segment


@pytest.fixture
async def session() -> Session:
    return Session(host="127.0.0.1", port=1, system_id="mpss", password="town", on_deliver=lambda pdu: None)


def queued(session: Session) -> Piece:
    return session.submit(
        Segment(b"hello", Coding.DEFAULT_ALPHABET, has_header=False), source="1", phone="+8618912340001"
    )


def written(session: Session, sequence: int) -> Piece:
    piece = queued(session)
    piece.message.sequence_num = sequence
    session.writing(piece.message)
    return piece


def answer(command: Command, sequence: int, status: int, body: bytes = b"") -> bytes:
    return HEADER.pack(HEADER.size + len(body), command, status, sequence) + body


class TestPiece:
    async def test_that_its_caller_gave_up_before_it_was_written_is_declined_and_never_written(
        self, session: Session
    ) -> None:
        piece = queued(session)
        session.withdraw(piece)
        assert piece.answer.result() == Declined("not sent in time")
        with pytest.raises(ValueError, match="withdrawn"):
            session.writing(piece.message)

    async def test_that_its_caller_gave_up_after_it_was_written_is_in_doubt(self, session: Session) -> None:
        piece = written(session, 5)
        session.withdraw(piece)
        session.received(answer(Command.SUBMIT_SM_RESP, 5, 0, b"too late\0"))
        assert piece.answer.result() == InDoubt("no answer in time")

    async def test_is_in_doubt_or_declined_by_whether_it_was_written_when_the_connection_goes(
        self, session: Session
    ) -> None:
        sent, waiting = written(session, 5), queued(session)
        session.lost("connection lost")
        assert sent.answer.result() == InDoubt("connection lost")
        assert waiting.answer.result() == Declined("connection lost before it was sent")

    async def test_is_not_settled_by_an_answer_to_the_session_before(self, session: Session) -> None:
        written(session, 5)
        session.lost("connection lost")
        again = written(session, 6)
        session.received(answer(Command.SUBMIT_SM_RESP, 5, 0, b"old\0"))
        assert not again.answer.done()

    @pytest.mark.parametrize(
        ("pdu", "outcome"),
        [
            (answer(Command.SUBMIT_SM_RESP, 5, 0, b"abc\0"), Approved("abc")),
            (answer(Command.SUBMIT_SM_RESP, 5, 0), Approved("")),
            (answer(Command.SUBMIT_SM_RESP, 5, Status.ESME_RTHROTTLED), Declined("ESME_RTHROTTLED")),
            (answer(Command.SUBMIT_SM_RESP, 5, 0x407, b"\0"), Declined("0x00000407")),
            (answer(Command.GENERIC_NACK, 5, Status.ESME_RINVMSGLEN), Declined("ESME_RINVMSGLEN")),
        ],
    )
    async def test_takes_its_answer_from_the_octets(self, session: Session, pdu: bytes, outcome: Outcome) -> None:
        piece = written(session, 5)
        session.received(pdu)
        assert piece.answer.result() == outcome
