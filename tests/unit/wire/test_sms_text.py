from __future__ import annotations

import random

import pytest
from aiosmpplib.codec import GSM_BASIC_ENCODE_MAP, GSM_EXTENDED_ENCODE_MAP, GSM7BitCodec
from hypothesis import given
from hypothesis import strategies as st

from mpss.wire.sms_text import (
    Coding,
    MalformedUserData,
    Part,
    Reassembler,
    coding_of,
    decode,
    encode,
    parse_part,
    segment_count,
    split,
)

GSM = sorted({*GSM_BASIC_ENCODE_MAP, *GSM_EXTENDED_ENCODE_MAP})
gsm_text = st.text(st.sampled_from(GSM), max_size=700)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=700)


class TestCoding:
    def test_is_the_default_alphabet_for_plain_english_and_ucs2_for_chinese(self) -> None:
        assert coding_of("Paid 25.00 yuan [No. 12] €") is Coding.DEFAULT_ALPHABET
        assert coding_of("您已支付25.00元") is Coding.UCS2
        assert coding_of("ça") is Coding.UCS2  # only the capital Ç is in the alphabet

    def test_shows_an_unknown_escape_as_the_basic_character(self) -> None:
        assert decode(b"\x1bA\x1b\x65\x1b", 0) == "A€"

    def test_reads_octets_outside_the_alphabet_as_replacement_characters(self) -> None:
        assert decode(b"A\x80\xff", 0) == "A\ufffd\ufffd"
        assert decode(b"\x4f\x60\x59", 8) == "你\ufffd"
        assert decode(b"caf\xe9", 3) == "café"
        assert decode(b"YE\xe9", 1) == "YE\ufffd"

    def test_refuses_to_encode_what_the_alphabet_lacks(self) -> None:
        with pytest.raises(ValueError, match="你"):
            encode("你", Coding.DEFAULT_ALPHABET)


class TestSegments:
    @pytest.mark.parametrize(
        ("text", "count"),
        [
            ("", 1), ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3),
            ("€" * 80, 1), ("€" * 81, 2), ("付" * 70, 1), ("付" * 71, 2), ("付" * 134, 2), ("付" * 135, 3),
            ("😀" * 35, 1), ("😀" * 36, 2), ("😀" * 67, 3),
        ],
    )  # fmt: skip
    def test_are_as_many_as_the_standard_says(self, text: str, count: int) -> None:
        assert segment_count(text) == count
        assert len(split(text, reference=1)) == count

    def test_are_at_most_255(self) -> None:
        assert len(split("a" * 153 * 255, reference=1)) == 255
        with pytest.raises(ValueError, match="256 segments"):
            split("a" * (153 * 255 + 1), reference=1)

    def test_are_read_with_a_sixteen_bit_reference_too(self) -> None:
        part = parse_part(b"\x06\x08\x04\x12\x34\x02\x01AB", 0, has_header=True)
        assert part == Part(b"AB", 0, reference=0x1234, number=1, total=2)

    def test_may_carry_other_header_elements(self) -> None:
        data = b"\x0b\x05\x04\x0b\x84\x23\xf0\x00\x03\x07\x02\x02Z"
        assert parse_part(data, 0, has_header=True) == Part(b"Z", 0, reference=7, number=2, total=2)
        assert parse_part(b"\x06\x05\x04\x0b\x84\x23\xf0Z", 0, has_header=True) == Part(b"Z", 0)

    @pytest.mark.parametrize(
        "data", [b"", b"\x05\x00\x03\x01", b"\x05\x00\x03\x01\x02\x03A", b"\x05\x00\x09\x01\x02\x01A"]
    )
    def test_are_refused_with_a_broken_header(self, data: bytes) -> None:
        with pytest.raises(MalformedUserData):
            parse_part(data, 0, has_header=True)


class TestReassembler:
    def test_keeps_senders_and_references_apart(self) -> None:
        parts = Reassembler()
        ours = [parse_part(s.data, s.coding, has_header=True) for s in split("a" * 200, reference=1)]
        theirs = [parse_part(s.data, s.coding, has_header=True) for s in split("b" * 200, reference=1)]
        assert parts.add("li", ours[0]) is None
        assert parts.add("wang", theirs[1]) is None
        assert parts.add("li", ours[1]) == "a" * 200
        assert parts.add("wang", theirs[0]) == "b" * 200

    def test_gives_the_text_again_until_it_is_forgotten(self) -> None:
        parts = Reassembler()
        one, two = (parse_part(s.data, s.coding, has_header=True) for s in split("a" * 200, reference=1))
        parts.add("li", one)
        assert parts.add("li", two) == parts.add("li", two) == "a" * 200
        parts.forget("li", two)
        assert parts.add("li", two) is None

    def test_drops_the_oldest_when_it_is_full(self) -> None:
        parts = Reassembler(capacity=2)
        for sender in ("a", "b", "c"):
            parts.add(sender, Part(b"x", 0, reference=1, number=1, total=2))
        assert parts.add("a", Part(b"y", 0, reference=1, number=2, total=2)) is None
        assert parts.add("c", Part(b"y", 0, reference=1, number=2, total=2)) == "xy"


@given(gsm_text)
def test_the_default_alphabet_is_encoded_as_another_codec_does(text: str) -> None:
    assert coding_of(text) is Coding.DEFAULT_ALPHABET
    assert encode(text, Coding.DEFAULT_ALPHABET) == GSM7BitCodec().encode(text)[0]
    assert decode(encode(text, Coding.DEFAULT_ALPHABET), 0) == text


@given(st.one_of(gsm_text, any_text), st.integers(0, 10**9), st.randoms(use_true_random=False))
def test_segments_in_any_order_give_the_text(text: str, reference: int, order: random.Random) -> None:
    segments = split(text, reference=reference)
    assert all(len(s.data) <= (160 if s.coding is Coding.DEFAULT_ALPHABET else 140) for s in segments)
    for segment in segments:
        body = segment.data[6:] if segment.has_header else segment.data
        assert encode(decode(body, segment.coding), segment.coding) == body  # no character is cut in two
    order.shuffle(segments)
    parts = Reassembler()
    results = [parts.add("li", parse_part(s.data, s.coding, has_header=s.has_header)) for s in segments]
    assert results[:-1] == [None] * (len(segments) - 1)
    assert results[-1] == text


@given(st.binary(max_size=160), st.integers(0, 255), st.booleans())
def test_received_octets_are_read_or_refused_by_name(data: bytes, data_coding: int, has_header: bool) -> None:
    try:
        part = parse_part(data, data_coding, has_header=has_header)
    except MalformedUserData:
        return
    assert isinstance(decode(part.body, data_coding), str)
