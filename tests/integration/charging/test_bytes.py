"""Bytes from strangers: neither end of the Diameter connection falls over what it cannot read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from mpss.adapters.charging_diameter import _outcome
from mpss.kernel.outcome import Approved, Declined, InDoubt
from mpss.ports.charging import ChargingOperation
from mpss.simulators.ocs import Ocs
from mpss.wire import diameter
from mpss.wire.diameter import Action, CreditAnswer, CreditRequest, MalformedMessage, Node, RequestType, Result
from tests.integration.charging.conftest import Bill

US, THEM = Node("test.mpss", "mpss"), Node("ocs1.ocs.town", "ocs.town")
AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
ASKED = CreditRequest("test.mpss;1;1", RequestType.EVENT, 0, "+8618022220001", 2500, AT, Action.DEBIT)
REQUEST = diameter.credit_request(ASKED, sender=US, realm="ocs.town", end_to_end=7, again=False)
ANSWER = diameter.credit_answer(REQUEST, CreditAnswer(ASKED.session_id, 2001, 4, 0, 2500), sender=THEM)

requests = st.builds(
    CreditRequest,
    session_id=st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=60),
    kind=st.sampled_from([RequestType.INITIAL, RequestType.TERMINATION]),
    number=st.integers(0, 2**32 - 1),
    phone=st.from_regex(r"\+861[3-9][0-9]{9}", fullmatch=True),
    amount_fen=st.integers(0, 10**12),
    at=st.just(AT),
    original_session_id=st.none() | st.text(min_size=1, max_size=20),
)
answers = st.builds(
    CreditAnswer,
    session_id=st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=60),
    result_code=st.sampled_from([int(result) for result in Result]) | st.integers(1000, 5999),
    kind=st.sampled_from([int(kind) for kind in RequestType]),
    number=st.integers(0, 2**32 - 1),
    granted_fen=st.none() | st.integers(0, 10**12),
    enough=st.none() | st.booleans(),
    validity_seconds=st.none() | st.integers(0, 2**32 - 1),
)
readers: list[Callable[[bytes], object]] = [
    diameter.read_credit_request,
    diameter.read_credit_answer,
    diameter.result_code_of,
]


def damaged(message: bytes) -> st.SearchStrategy[bytes]:
    """The message with some bytes of its inside overwritten; its length stays true."""

    def overwrite(changes: list[tuple[int, int]]) -> bytes:
        content = bytearray(message)
        for place, value in changes:
            content[4 + place % (len(content) - 4)] = value
        return bytes(content)

    return st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8).map(overwrite)


@given(request=requests, again=st.booleans())
def test_a_request_comes_back_from_its_bytes(request: CreditRequest, again: bool) -> None:
    frame = diameter.credit_request(request, sender=US, realm="ocs.town", end_to_end=9, again=again)
    assert diameter.take_frame(bytearray(frame)) == frame
    assert diameter.read_credit_request(frame) == request
    assert diameter.read_header(frame).is_again is again


@given(answer=answers)
def test_an_answer_comes_back_from_its_bytes(answer: CreditAnswer) -> None:
    frame = diameter.credit_answer(REQUEST, answer, sender=THEM)
    assert diameter.take_frame(bytearray(frame)) == frame
    assert diameter.read_credit_answer(frame) == answer
    assert diameter.read_header(frame).end_to_end == diameter.read_header(REQUEST).end_to_end


@given(answer=answers)
def test_an_answer_says_yes_with_2001_and_no_with_a_code_we_know(answer: CreditAnswer) -> None:
    answer = replace(answer, session_id=ASKED.session_id, kind=int(ASKED.kind), number=0, granted_fen=None)
    outcome = _outcome(ASKED, diameter.credit_answer(REQUEST, answer, sender=THEM))
    known = {int(result) for result in Result} - {int(Result.UNSUPPORTED)}
    expected = Approved if answer.result_code == 2001 else Declined if answer.result_code in known else InDoubt
    assert isinstance(outcome, expected)


@given(code=st.integers(10_000, 2**24), mandatory=st.booleans(), inside=st.binary(max_size=40))
def test_an_avp_that_nobody_knows_is_passed_over(code: int, mandatory: bool, inside: bytes) -> None:
    """RFC 6733 §4.1 lets a server refuse a request with one it must understand; an answer is not sent back."""
    length = 8 + len(inside)
    avp = code.to_bytes(4, "big") + bytes([0x40 * mandatory]) + length.to_bytes(3, "big") + inside + bytes(-length % 4)
    frame = ANSWER + avp
    frame = frame[:1] + len(frame).to_bytes(3, "big") + frame[4:]
    assert diameter.read_credit_answer(frame) == diameter.read_credit_answer(ANSWER)


@given(data=st.binary(max_size=400) | damaged(REQUEST) | damaged(ANSWER))
@settings(max_examples=400)
def test_a_reader_answers_or_says_malformed(data: bytes) -> None:
    buffer = bytearray(data)
    with contextlib.suppress(MalformedMessage):
        while (frame := diameter.take_frame(buffer)) is not None:
            diameter.read_header(frame)
            for read in readers:
                with contextlib.suppress(MalformedMessage):
                    read(frame)


@given(frame=damaged(ANSWER) | st.binary(max_size=200).map(lambda inside: ANSWER[:20] + inside))
@settings(max_examples=400)
def test_a_damaged_answer_has_one_of_three_meanings(frame: bytes) -> None:
    assert isinstance(_outcome(ASKED, frame), Approved | Declined | InDoubt)


class TestStranger:
    async def test_bytes_close_only_the_connection_they_came_on(self, bill: Bill) -> None:
        for content in (b"GET / HTTP/1.1\r\n\r\n", b"\x01\x00\x00\x14" + bytes(16), REQUEST[:-4] + b"\xff" * 4):
            await _say(bill.ocs, content)
        session = bill.new_session()
        assert await bill.ask(ChargingOperation.DEBIT, session) == Approved(session)

    async def test_request_that_cannot_be_read_is_refused_and_charges_nothing(self, bill: Bill) -> None:
        broken = REQUEST[:20] + bytes.fromhex("00000107400000ff61620000")
        broken = broken[:1] + len(broken).to_bytes(3, "big") + broken[4:]
        answer = await _say(bill.ocs, broken)
        assert diameter.read_credit_answer(answer).result_code == 5004
        assert bill.lines() == []


async def _say(ocs: Ocs, content: bytes) -> bytes:
    """What a door says to these bytes within a moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ocs.doors[0].port)
    writer.write(content)
    answer = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(0.3):
            answer = await reader.read(65_536)
    writer.close()
    return answer
