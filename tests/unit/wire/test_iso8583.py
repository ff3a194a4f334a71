"""The banks' wire format: published vectors, round trips of both profiles, and what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpss.wire.iso8583.codec import (
    BadMac,
    Deframer,
    Malformed,
    UnknownField,
    WireError,
    WrongLength,
    frame,
    pack,
    unpack,
)
from mpss.wire.iso8583.fields import PROFILES, Field, Form, Profile, ProfileName
from mpss.wire.iso8583.mac import MAC_BYTES, BadKeyBlock, ecb_mac, unwrap_key, wrap_key
from mpss.wire.iso8583.messages import BankMessage, Original, Service, from_fields, to_fields
from tests.support.clauses import clause

FIRST_MESSAGE = bytes.fromhex(
    "02003020048000C0801500000000000000123400000203009930303030303030313935323731383138323231373837353135"
    "3600192600000100060000000000435F01123238343431323334353637383930313233345F03063136303033365F04063230"
    "303832365C023031"
)
SECOND_MESSAGE = bytes.fromhex(
    "0200302004C020C0981100000000000000005100183402100006324392260009942820D13121011200843931363638383031"
    "34303030303030303030303030303031313536ACF46E73838A82F92600000000000000000822000001"
)
profiles = pytest.mark.parametrize("profile", list(PROFILES.values()), ids=list(PROFILES))


def key_of(profile: Profile) -> bytes:
    return bytes(range(1, profile.key_bytes + 1))


def digits(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=length, max_size=length)


def messages(profile: Profile) -> st.SearchStrategy[BankMessage]:
    sent_at = digits(10)
    original = st.builds(Original, digits(12), digits(6), digits(4).map(lambda day: day + "000000"), st.just("0200"))
    names = st.text(st.characters(codec=profile.name_charset, exclude_categories=["Cs"]), max_size=20)
    return st.builds(
        BankMessage,
        st.sampled_from(Service),
        digits(6),
        sent_at,
        digits(12) | st.just(""),
        card_number=st.text("0123456789", min_size=12, max_size=19) | st.just(""),
        amount_fen=st.integers(0, 10**12 - 1),
        response=st.sampled_from(["", "00", "51", "A0"]),
        authorization=digits(6) | st.just(""),
        available_fen=st.none() | st.integers(1 - 10**12, 10**12 - 1),
        holder_name=names,
        phone=st.just("+8618912340001") | st.just(""),
        bank_reference=digits(12) | st.just(""),
        original=st.none() | original,
        network_code=st.sampled_from(["", "001", "301"]),
        key_block=st.just("") | st.binary(min_size=12, max_size=20).map(lambda block: block.hex().upper()),
    )


def fields(profile: Profile) -> st.SearchStrategy[dict[int, str]]:
    """Any of the profile's fields, each with any content of its form: what a bank may say that follows another book."""

    def content(rule: Field) -> st.SearchStrategy[str]:
        least = 1 if rule.variable else rule.length
        match rule.form:
            case Form.N:
                return st.text("0123456789", min_size=least, max_size=rule.length)
            case Form.AN:
                return st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=least, max_size=rule.length)
            case Form.B:
                return st.binary(min_size=least, max_size=min(rule.length, 60)).map(lambda value: value.hex().upper())

    known = {number: content(rule) for number, rule in profile.fields.items() if number != profile.mac_field}
    always = {number: known.pop(number) for number in (3, 11, 12, 13, 25)}
    always[3] = st.sampled_from(["000000", "210000", "380000"]) | always[3]
    always[25] = st.sampled_from(["00", "06"]) | always[25]
    return st.fixed_dictionaries(always, optional=known)


@clause("CT 12.2")
class TestMac:
    def test_is_the_published_one(self) -> None:
        assert ecb_mac(bytes.fromhex("0723C80DB5F4CD3D"), FIRST_MESSAGE) == b"B3A092AE"

    def test_is_the_one_computed_over_the_second_set(self) -> None:
        key = bytes.fromhex("C24A8FB57AA20123")
        assert ecb_mac(key, SECOND_MESSAGE) == b"8A9E91B8"

    def test_a_working_key_comes_under_the_transport_key_of_the_published_pair(self) -> None:
        transport = bytes.fromhex("70F2A84CCBC2AE8625CBB0F2C22AB923")
        block = wrap_key(transport, bytes.fromhex("C24A8FB57AA20123"))
        assert block[:8].hex().upper() == "96D605EA176B7E9E"
        assert unwrap_key(transport, block).hex().upper() == "C24A8FB57AA20123"

    def test_a_key_with_another_check_value_is_refused(self) -> None:
        block = wrap_key(bytes(range(16)), bytes(range(8)))
        with pytest.raises(BadKeyBlock):
            unwrap_key(bytes(range(16)), block[:-1] + bytes([block[-1] ^ 1]))


@profiles
class TestMessages:
    @settings(deadline=None)
    @given(data=st.data())
    def test_come_back_as_they_were_sent(self, profile: Profile, data: st.DataObject) -> None:
        message = data.draw(messages(profile))
        sent = pack(profile, *to_fields(profile, message), key=key_of(profile))
        (body,) = Deframer(profile).feed(sent)
        assert from_fields(profile, *unpack(profile, body, key=key_of(profile))) == message

    @settings(deadline=None)
    @given(noise=st.binary(max_size=200))
    def test_noise_is_refused_and_nothing_worse(self, profile: Profile, noise: bytes) -> None:
        with pytest.raises(WireError):
            from_fields(profile, *unpack(profile, noise, key=key_of(profile)))

    @settings(deadline=None)
    @given(data=st.data())
    def test_a_changed_byte_is_noticed(self, profile: Profile, data: st.DataObject) -> None:
        message = data.draw(messages(profile))
        sent = pack(profile, *to_fields(profile, message), key=key_of(profile))
        body = bytearray(sent[profile.length_bytes :])
        place = data.draw(st.integers(0, len(body) - 1))
        body[place] ^= data.draw(st.integers(1, 255))
        with pytest.raises(WireError):
            from_fields(profile, *unpack(profile, bytes(body), key=key_of(profile)))

    @settings(deadline=None)
    @given(data=st.data(), kind=st.from_regex(r"0[1-8][0-9]{2}", fullmatch=True) | st.sampled_from(["0210", "0610"]))
    def test_of_any_fields_is_read_or_refused(self, profile: Profile, data: st.DataObject, kind: str) -> None:
        sent = pack(profile, kind, data.draw(fields(profile)), key=key_of(profile))
        unpacked = unpack(profile, sent[profile.length_bytes :], key=key_of(profile))
        assert unpacked[0] == kind
        with contextlib.suppress(Malformed):
            assert isinstance(from_fields(profile, *unpacked), BankMessage)

    @settings(deadline=None, max_examples=300)
    @given(data=st.data())
    def test_damaged_under_a_right_mac_is_read_or_refused(self, profile: Profile, data: st.DataObject) -> None:
        """The MAC proves who wrote it, and not that it makes sense."""
        sent = pack(profile, *to_fields(profile, data.draw(messages(profile))), key=key_of(profile))
        body = bytearray(sent[profile.length_bytes : -MAC_BYTES])
        for _ in range(data.draw(st.integers(1, 6))):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        body = body[: data.draw(st.integers(1, len(body)))]
        with contextlib.suppress(WireError):
            read = unpack(profile, bytes(body) + ecb_mac(key_of(profile), bytes(body)), key=key_of(profile))
            assert isinstance(from_fields(profile, *read), BankMessage)

    def test_another_key_is_a_bad_mac_that_says_what_it_claims(self, profile: Profile) -> None:
        message = BankMessage(Service.DEBIT, "000007", "1124093000", "000000000001", "6222000000000001", 2500)
        body = pack(profile, *to_fields(profile, message), key=key_of(profile))[profile.length_bytes :]
        with pytest.raises(BadMac) as found:
            unpack(profile, body, key=bytes(profile.key_bytes))
        assert found.value.fields[11] == "000007"

    def test_an_unknown_field_is_named(self, profile: Profile) -> None:
        message = BankMessage(Service.DEBIT, "000007", "1124093000", "000000000001")
        body = bytearray(pack(profile, *to_fields(profile, message), key=key_of(profile))[profile.length_bytes :])
        body[profile.bitmap_at] |= 0x08  # field 5
        with pytest.raises(UnknownField, match="field 5"):
            unpack(profile, bytes(body), key=key_of(profile))

    def test_a_value_that_does_not_fit_is_not_sent(self, profile: Profile) -> None:
        with pytest.raises(Malformed, match="field 11"):
            pack(profile, "0200", {11: "1"}, key=key_of(profile))


class TestFraming:
    @settings(deadline=None)
    @given(
        bodies=st.lists(st.binary(min_size=1, max_size=40), max_size=5),
        name=st.sampled_from(ProfileName),
        step=st.integers(1, 9),
    )
    def test_cuts_a_stream_however_it_arrives(self, bodies: list[bytes], name: ProfileName, step: int) -> None:
        profile = PROFILES[name]
        stream, deframer = b"".join(frame(profile, body) for body in bodies), Deframer(profile)
        found = [body for start in range(0, len(stream), step) for body in deframer.feed(stream[start : start + step])]
        assert found == bodies

    @pytest.mark.parametrize(
        ("name", "head"),
        [(ProfileName.ASCII, b"00x1"), (ProfileName.ASCII, b"0000"), (ProfileName.ASCII, b"9999"),
         (ProfileName.BCD, b"\x00\x00"), (ProfileName.BCD, b"\xff\xff")],
    )  # fmt: skip
    def test_refuses_what_is_no_length(self, name: ProfileName, head: bytes) -> None:
        with pytest.raises(WrongLength):
            Deframer(PROFILES[name]).feed(head)
