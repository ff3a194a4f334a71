"""Text of a short message: the GSM 03.38 default alphabet or UCS-2, and long messages cut into segments and rejoined.

In SMPP the default alphabet travels one septet to an octet, UCS-2 as UTF-16 with the high byte first. A long message
is cut into segments, each with a user data header (UDH) of six octets that names the message and the segment's place.

Invariants: (1) `decode(encode(text))` is the text; (2) segments rejoined in any order give the text; (3) no segment is
longer than a short message carries, 160 septets or 140 octets; (4) neither an escaped character nor a surrogate pair
is cut in two.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from enum import IntEnum

SINGLE_SEPTETS, SEGMENT_SEPTETS = 160, 153
SINGLE_UNITS, SEGMENT_UNITS = 70, 67
MAX_SEGMENTS = 255

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPE = 0x1B
_EXTENSION = {
    "\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65,
}  # fmt: skip
_ENCODED = {char: bytes([code]) for code, char in enumerate(_BASIC) if code != _ESCAPE}
_ENCODED |= {char: bytes([_ESCAPE, code]) for char, code in _EXTENSION.items()}
_EXTENDED = {code: char for char, code in _EXTENSION.items()}

_UDH_CONCATENATED_8BIT = 0x00
_UDH_CONCATENATED_16BIT = 0x08


class Coding(IntEnum):
    """SMPP `data_coding` of what we send."""

    DEFAULT_ALPHABET = 0
    ASCII = 1
    LATIN_1 = 3
    UCS2 = 8


class MalformedUserData(ValueError):
    """The octets of a message are not what its coding and header flag say."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One short message as it travels: `data` is the header, if `has_header`, and the encoded text."""

    data: bytes
    coding: Coding
    has_header: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One received segment: `number` of `total`, from 1, of the message its sender numbered `reference`."""

    body: bytes
    data_coding: int
    reference: int = 0
    number: int = 1
    total: int = 1


def coding_of(text: str) -> Coding:
    """The default alphabet if every character is in it, else UCS-2."""
    return Coding.DEFAULT_ALPHABET if all(char in _ENCODED for char in text) else Coding.UCS2


def encode(text: str, coding: Coding) -> bytes:
    """The octets of `text`; lone surrogates become "?".

    Raises:
        ValueError: a character is not in `coding`, which is the default alphabet or UCS-2.
    """
    if coding is Coding.UCS2:
        return text.encode("utf-16-be", "replace")
    try:
        return b"".join([_ENCODED[char] for char in text])
    except KeyError as missing:
        raise ValueError(f"not in the default alphabet: {missing}") from None


def decode(data: bytes, data_coding: int) -> str:
    """The text of octets in an SMPP `data_coding`; what cannot be read becomes U+FFFD.

    A coding other than UCS-2, Latin-1 and ASCII is read as the default alphabet.
    """
    if data_coding == Coding.UCS2:
        return data.decode("utf-16-be", "replace")
    if data_coding == Coding.LATIN_1:
        return data.decode("latin-1")
    if data_coding == Coding.ASCII:
        return data.decode("ascii", "replace")
    text: list[str] = []
    escaped = False
    for octet in data:
        if octet == _ESCAPE and not escaped:
            escaped = True
            continue
        # A code that the extension table lacks is shown as the basic table's character (3GPP 23.038, 6.2.1.1).
        basic = _BASIC[octet] if octet < len(_BASIC) and octet != _ESCAPE else "\ufffd"
        text.append(_EXTENDED.get(octet, basic) if escaped else basic)
        escaped = False
    return "".join(text)


def segment_count(text: str) -> int:
    """How many short messages carry `text`."""
    return len(_cut(text, coding_of(text)))


def split(text: str, *, reference: int) -> list[Segment]:
    """`text` as short messages, in order. `reference` (its low octet) tells two long messages of one sender apart.

    Raises:
        ValueError: it would take more than 255.
    """
    coding = coding_of(text)
    bodies = _cut(text, coding)
    if len(bodies) == 1:
        return [Segment(bodies[0], coding, has_header=False)]
    if len(bodies) > MAX_SEGMENTS:
        raise ValueError(f"the text needs {len(bodies)} segments, more than {MAX_SEGMENTS}")
    header = bytes([5, _UDH_CONCATENATED_8BIT, 3, reference & 0xFF, len(bodies)])
    return [Segment(header + bytes([n]) + body, coding, has_header=True) for n, body in enumerate(bodies, 1)]


def parse_part(data: bytes, data_coding: int, *, has_header: bool) -> Part:
    """Read one received short message, its header taken off.

    Raises:
        MalformedUserData: the header is cut short or numbers the segment outside its total.
    """
    if not has_header:
        return Part(data, data_coding)
    if not data or len(data) < data[0] + 1:
        raise MalformedUserData("the user data header is cut short")
    header, body = data[1 : data[0] + 1], data[data[0] + 1 :]
    for kind, value in _elements(header):
        if kind == _UDH_CONCATENATED_8BIT and len(value) == 3:
            reference, total, number = value
        elif kind == _UDH_CONCATENATED_16BIT and len(value) == 4:
            reference, total, number = value[0] << 8 | value[1], value[2], value[3]
        else:
            continue
        if not 1 <= number <= total:
            raise MalformedUserData(f"segment {number} of {total}")
        return Part(body, data_coding, reference, number, total)
    return Part(body, data_coding)


class Reassembler:
    """Keeps the segments of messages that are not whole yet; the oldest message goes when `capacity` is exceeded."""

    def __init__(self, capacity: int = 1000) -> None:
        self._capacity = capacity
        self._waiting: OrderedDict[Hashable, dict[int, Part]] = OrderedDict()

    def add(self, sender: Hashable, part: Part) -> str | None:
        """Take a segment; the whole text once every segment is here, and again for a repeat, until `forget`."""
        if part.total == 1:
            return decode(part.body, part.data_coding)
        key = (sender, part.reference, part.total)
        parts = self._waiting.setdefault(key, {})
        parts[part.number] = part
        if len(self._waiting) > self._capacity:
            self._waiting.popitem(last=False)
        if len(parts) < part.total:
            return None
        # Joined as octets and then decoded: other senders do cut a character in two.
        return decode(b"".join(parts[n].body for n in range(1, part.total + 1)), parts[1].data_coding)

    def forget(self, sender: Hashable, part: Part) -> None:
        """Drop the message that `part` belongs to."""
        self._waiting.pop((sender, part.reference, part.total), None)


def _cut(text: str, coding: Coding) -> list[bytes]:
    """The encoded text in bodies that fit; one body if it fits without a header."""
    width = 2 if coding is Coding.UCS2 else 1
    single, each = (SINGLE_UNITS, SEGMENT_UNITS) if coding is Coding.UCS2 else (SINGLE_SEPTETS, SEGMENT_SEPTETS)
    whole = encode(text, coding)
    if len(whole) <= single * width:
        return [whole]
    bodies: list[bytes] = []
    start = 0
    while start < len(whole):
        end = start + each * width
        if end < len(whole) and _cuts_a_character(whole, end, coding):
            end -= width
        bodies.append(whole[start:end])
        start = end
    return bodies


def _cuts_a_character(whole: bytes, end: int, coding: Coding) -> bool:
    if coding is Coding.UCS2:
        return 0xD8 <= whole[end - 2] <= 0xDB
    return whole[end - 1] == _ESCAPE


def _elements(header: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 <= len(header):
        length = header[at + 1]
        if at + 2 + length > len(header):
            raise MalformedUserData("an element of the user data header is cut short")
        yield header[at], header[at + 2 : at + 2 + length]
        at += 2 + length
