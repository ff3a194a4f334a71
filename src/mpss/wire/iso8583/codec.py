"""Bytes ↔ fields. The one module that knows the library.

Invariants: (1) every message that is packed ends with its MAC; (2) whatever is not exactly of a profile's form is a
`WireError`, never another exception and never read half; (3) nothing here reads a clock or a socket.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import iso8583

from mpss.wire.iso8583.fields import PROFILES, Field, Form, Profile, ProfileName
from mpss.wire.iso8583.mac import MAC_BYTES, ecb_mac, mac_matches

LONGEST_MESSAGE = 4096
_MTI = re.compile(r"0[1-8][0-9]{2}", re.ASCII)
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_PRINTABLE = re.compile(r"[\x20-\x7e]*", re.ASCII)
_HEX = re.compile(r"(?:[0-9A-F]{2})+", re.ASCII)

Fields = Mapping[int, str]
"""Values by field number; a field of bytes as upper-case hexadecimal digits."""


class WireError(ValueError):
    """A message that cannot be read or trusted."""


class WrongLength(WireError):
    """The length before a message is none; the stream cannot be read on."""


class UnknownField(WireError):
    """The bitmap names a field that the profile does not have."""


class Malformed(WireError):
    """A field, or the message as a whole, is not of its form.

    `message_type` and `fields` are what could be read of it, and are there only where its MAC is right.
    """

    def __init__(self, problem: str, message_type: str = "", fields: Fields | None = None) -> None:
        super().__init__(problem)
        self.message_type = message_type
        self.fields: Fields = {} if fields is None else fields


class BadMac(WireError):
    """The MAC is missing or another; `message_type` and `fields` are what the message claims."""

    def __init__(self, message_type: str, fields: Fields) -> None:
        super().__init__("the MAC is wrong")
        self.message_type = message_type
        self.fields = fields


def pack(profile: Profile, message_type: str, fields: Fields, *, key: bytes) -> bytes:
    """The message with its MAC and its length, ready to be sent.

    Raises:
        Malformed: a field is too long or not of its form.
        UnknownField: the profile has no such field.
    """
    for number, value in fields.items():
        _check(profile, number, value)
    document = {"t": message_type, **{str(number): value for number, value in fields.items()}}
    document[str(profile.mac_field)] = "00" * MAC_BYTES
    try:
        packed, _ = iso8583.encode(document, _specification(profile.name))
    except (iso8583.EncodeError, LookupError, TypeError) as problem:
        raise Malformed(f"field {getattr(problem, 'field', '?')} cannot be packed") from None
    body = bytes(packed[:-MAC_BYTES])
    return frame(profile, body + ecb_mac(key, body))


def unpack(profile: Profile, body: bytes, *, key: bytes | Callable[[str, Fields], bytes]) -> tuple[str, dict[int, str]]:
    """The message type and the fields but for the MAC, which is right. `key` may depend on what the message claims.

    Raises:
        BadMac, UnknownField, Malformed
    """
    _refuse_unknown(profile, body)
    try:
        document, _ = iso8583.decode(bytes(body), _specification(profile.name))
    except iso8583.DecodeError as problem:
        message_type, fields, _ = _read(profile, problem.doc_dec)
        raise _malformed(f"field {problem.field} cannot be read", body, message_type, fields, key) from None
    except (LookupError, TypeError, UnicodeError):
        raise Malformed("it cannot be read") from None
    message_type, fields, mac = _read(profile, document)
    if _MTI.fullmatch(message_type) is None:
        raise Malformed("the message type is none")
    for number, value in fields.items():
        try:
            _check(profile, number, value)
        except Malformed as problem:
            raise _malformed(str(problem), body, message_type, fields, key) from None
    chosen = key(message_type, fields) if callable(key) else key
    if not mac or not mac_matches(chosen, body[:-MAC_BYTES], bytes.fromhex(mac)):
        raise BadMac(message_type, fields)
    return message_type, fields


def _read(profile: Profile, document: Mapping[str, str]) -> tuple[str, dict[int, str], str]:
    """The message type, the fields and the MAC, or '' for what is not there."""
    fields = {int(name): value for name, value in document.items() if name.isdigit() and name != "1"}
    return document.get("t", ""), fields, fields.pop(profile.mac_field, "")


def _malformed(
    problem: str, body: bytes, message_type: str, fields: dict[int, str], key: bytes | Callable[[str, Fields], bytes]
) -> Malformed:
    """The error, with what could be read only where the last bytes are the MAC of those before."""
    chosen = key(message_type, fields) if callable(key) else key
    if _MTI.fullmatch(message_type) and mac_matches(chosen, body[:-MAC_BYTES], body[-MAC_BYTES:]):
        return Malformed(problem, message_type, fields)
    return Malformed(problem)


def frame(profile: Profile, body: bytes) -> bytes:
    """The message behind its length."""
    length = len(body).to_bytes(2, "big") if profile.length_bytes == 2 else f"{len(body):04d}".encode("ascii")
    return length + body


class Deframer:
    """Cuts a stream into messages; feed it what came."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole now, in order.

        Raises:
            WrongLength: what stands where a length must; the stream is lost.
        """
        self._buffer += data
        found: list[bytes] = []
        size = self._profile.length_bytes
        while len(self._buffer) >= size:
            length = self._length(bytes(self._buffer[:size]))
            if len(self._buffer) < size + length:
                break
            found.append(bytes(self._buffer[size : size + length]))
            del self._buffer[: size + length]
        return found

    def _length(self, head: bytes) -> int:
        if self._profile.length_bytes == 2:
            length = int.from_bytes(head, "big")
        else:
            length = int(head) if _DIGITS.fullmatch(head.decode("latin-1")) else 0
        if not 0 < length <= LONGEST_MESSAGE:
            raise WrongLength(f"the length must be from 1 to {LONGEST_MESSAGE}")
        return length


def _refuse_unknown(profile: Profile, body: bytes) -> None:
    start = profile.bitmap_at
    bitmap = body[start : start + 8]
    if bitmap and bitmap[0] & 0x80:
        bitmap = body[start : start + 16]
    bits = int.from_bytes(bitmap, "big")
    top = len(bitmap) * 8
    for number in range(2, top + 1):
        if bits >> (top - number) & 1 and number not in profile.fields:
            raise UnknownField(f"field {number} is not in the profile")


def _check(profile: Profile, number: int, value: str) -> None:
    rule = profile.fields.get(number)
    if rule is None:
        raise UnknownField(f"field {number} is not in the profile")
    pattern = {Form.N: _DIGITS, Form.AN: _PRINTABLE, Form.B: _HEX}[rule.form]
    length = len(value) // 2 if rule.form is Form.B else len(value)
    fits = length <= rule.length if rule.variable else length == rule.length
    if pattern.fullmatch(value) is None or not fits:
        raise Malformed(f"field {number} is not of its form")


@cache
def _specification(name: ProfileName) -> dict[str, dict[str, Any]]:
    """The library's own table."""
    profile = PROFILES[name]
    nothing = {"data_enc": "ascii", "len_enc": "ascii", "len_type": 0, "max_len": 0, "desc": ""}
    bitmap = {**nothing, "data_enc": "b", "max_len": 8}
    kind = {**nothing, "data_enc": "b", "max_len": 2} if profile.packed else {**nothing, "max_len": 4}
    found = {"h": nothing, "t": kind, "p": bitmap, "1": bitmap}
    return found | {str(number): _rule(rule, profile) for number, rule in profile.fields.items()}


def _rule(rule: Field, profile: Profile) -> dict[str, Any]:
    packed_digits = profile.packed and rule.form is Form.N
    found: dict[str, Any] = {
        "data_enc": "b" if rule.form is Form.B or packed_digits else "ascii",
        "len_enc": "bcd" if profile.packed else "ascii",
        "len_type": (rule.variable + 1) // 2 if profile.packed else rule.variable,
        "max_len": rule.length,
        "desc": rule.meaning,
    }
    if packed_digits:
        found |= {"len_count": "nibbles"}
        found |= {"right_pad": "0"} if rule.variable else {"left_pad": "0"}
    return found
