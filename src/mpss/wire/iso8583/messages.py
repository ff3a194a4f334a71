"""What a bank and we say to each other, as values ↔ the fields of either profile.

0800/0810  sign-on (code 001, brings the session's MAC key), echo (301)
0200/0210  debit, collect of what is frozen (condition 06), credit, balance
0100/0110  freeze, unfreeze, verify card, name and phone
0400/0410  reversal of a debit, freeze or collect
0600/0610  what became of an earlier request

A bank asks us on the same connection, with references and trace numbers of its own:

0100/0110  bind a card to the account of a phone, unbind it
0200/0210  top-up of the wallet of a phone
0400/0410  reversal of a top-up
0600/0610  what became of a top-up
0800/0810  echo
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from mpss.wire.iso8583.codec import Fields, Malformed
from mpss.wire.iso8583.fields import Profile

SIGN_ON, ECHO = "001", "301"
CURRENCY = "156"
APPROVED, NO_ORIGINAL = "00", "25"
_NEEDED = (3, 11, 12, 13, 25)
_HEADS_NEEDED = {3, 11, 12, 13}
_HEADS = (3, 7, 11, 12, 13, 25, 37, 49)
"""The fields of a request that its answer repeats."""
_REFERENCE = re.compile(r"[0-9A-Za-z]{12}", re.ASCII)


class Service(StrEnum):
    """What is asked for."""

    DEBIT = "debit"
    FREEZE = "freeze"
    COLLECT = "collect"
    UNFREEZE = "unfreeze"
    CREDIT = "credit"
    BALANCE = "balance"
    VERIFY = "verify"
    REVERSE = "reverse"
    INQUIRE = "inquire"
    NETWORK = "network"
    BIND = "bind"
    UNBIND = "unbind"
    TOP_UP = "top_up"


_CODES: dict[Service, tuple[str, str, str]] = {
    Service.DEBIT: ("0200", "000000", "00"),
    Service.COLLECT: ("0200", "000000", "06"),
    Service.CREDIT: ("0200", "210000", "00"),
    Service.BALANCE: ("0200", "310000", "00"),
    Service.FREEZE: ("0100", "030000", "06"),
    Service.UNFREEZE: ("0100", "200000", "06"),
    Service.VERIFY: ("0100", "330000", "00"),
    Service.REVERSE: ("0400", "000000", "00"),
    Service.INQUIRE: ("0600", "380000", "00"),
    Service.NETWORK: ("0800", "990000", "00"),
    Service.BIND: ("0100", "890000", "00"),
    Service.UNBIND: ("0100", "900000", "00"),
    Service.TOP_UP: ("0200", "470000", "00"),
}
"""Service → message type, processing code, condition code."""
_SERVICES = {codes: service for service, codes in _CODES.items()}


class UnknownService(Malformed):
    """A message that is whole and asks for what nobody offers."""


@dataclass(frozen=True, slots=True)
class Original:
    """The request that a message speaks of. `sent_at` is MMDDhhmmss, of a "bcd" message MMDD and zeros."""

    reference: str
    trace: str
    sent_at: str
    message_type: str = "0200"


@dataclass(frozen=True, slots=True)
class BankMessage:
    """A request (`response` '') or its reply. `sent_at` is MMDDhhmmss in Shanghai; amounts are fen.

    `bank_reference` is the answerer's own number for what it did; `key_block` the wrapped MAC key, as hexadecimal
    digits. A top-up may name its card by `masked_card` alone.
    """

    service: Service
    trace: str
    sent_at: str
    reference: str = ""
    card_number: str = ""
    amount_fen: int = 0
    response: str = ""
    authorization: str = ""
    available_fen: int | None = None
    holder_name: str = ""
    phone: str = ""
    bank_reference: str = ""
    original: Original | None = None
    network_code: str = ""
    key_block: str = ""
    masked_card: str = ""

    @property
    def message_type(self) -> str:
        asked = _CODES[self.service][0]
        return asked if not self.response else f"{asked[:2]}1{asked[3]}"

    @property
    def match(self) -> tuple[Service, str, str]:
        """What a reply has in common with its request and with no other."""
        return self.service, self.trace, self.sent_at

    def reply(self, response: str, **facts: object) -> BankMessage:
        """The answer to this request."""
        answer = BankMessage(self.service, self.trace, self.sent_at, self.reference, amount_fen=self.amount_fen)
        values = {"response": response, "network_code": self.network_code, **facts}
        return replace(answer, **values)  # type: ignore[arg-type]  # names and types are the callers', checked in tests

    def __repr__(self) -> str:
        return f"BankMessage({self.service} {self.trace} {self.sent_at} {self.reference} {self.response})"


def to_fields(profile: Profile, message: BankMessage) -> tuple[str, dict[int, str]]:
    """The message type and its fields, the MAC left out."""
    _, code, condition = _CODES[message.service]
    found = {3: code, 11: message.trace, 12: message.sent_at[4:], 13: message.sent_at[:4], 25: condition, 49: CURRENCY}
    if not profile.packed:
        found[7] = message.sent_at
    optional = {2: message.card_number, 37: message.reference, 38: message.authorization, 39: message.response}
    found |= {number: value for number, value in optional.items() if value}
    if message.amount_fen:
        found[4] = f"{message.amount_fen:012d}"
    if message.available_fen is not None:
        sign = "D" if message.available_fen < 0 else "C"
        found[54] = f"0002{CURRENCY}{sign}{abs(message.available_fen):012d}"
    if message.network_code:
        network = f"00000001{message.network_code}" if profile.packed else message.network_code
        found[profile.network_field] = network
    if message.key_block:
        found[62] = message.key_block
    original = message.original
    if original is not None:
        found[profile.original_field] = (
            f"000001{original.trace}{original.sent_at[:4]}"
            if profile.packed
            else f"{original.message_type}{original.trace}{original.sent_at}{0:022d}"
        )
    tags = {
        "NM": message.holder_name,
        "PH": message.phone,
        "RF": "" if original is None else original.reference,
        "BR": message.bank_reference,
        "MC": message.masked_card,
    }
    additional = b"".join(_tag(name, value.encode(profile.name_charset)) for name, value in tags.items() if value)
    if additional:
        found[48] = additional.hex().upper()
    return message.message_type, found


def from_fields(profile: Profile, message_type: str, fields: Fields) -> BankMessage:
    """The message.

    Raises:
        Malformed: a field that every message has is missing, or one is not of its form.
        UnknownService: it asks for nothing that a bank and we do for each other.
    """
    is_reply = not is_request(message_type)
    for number in (*_NEEDED, 39) if is_reply else _NEEDED:
        if number not in fields:
            raise Malformed(f"field {number} is missing")
    trace, sent_at, response = fields[11], fields[13] + fields[12], fields[39] if is_reply else ""
    asked = f"{message_type[:2]}0{message_type[3:]}" if message_type[2:3] == "1" else message_type
    service = _SERVICES.get((asked, fields[3], fields[25]))
    if service is None:
        raise UnknownService(f"no service is {message_type} {fields[3]} {fields[25]}")
    reference = fields.get(37, "")
    if reference and _REFERENCE.fullmatch(reference) is None:
        raise Malformed("field 37 is not of its form")
    tags = _tags(profile, fields.get(48, ""))
    network = fields.get(profile.network_field, "")
    return BankMessage(
        service,
        trace,
        sent_at,
        reference,
        card_number=fields.get(2, ""),
        amount_fen=int(fields.get(4, "0")),
        response=response,
        authorization=fields.get(38, ""),
        available_fen=_available(fields.get(54)),
        holder_name=tags.get("NM", ""),
        phone=tags.get("PH", ""),
        bank_reference=tags.get("BR", ""),
        original=_original(profile, fields.get(profile.original_field), tags.get("RF", "")),
        network_code=network[-3:],
        key_block=fields.get(62, ""),
        masked_card=tags.get("MC", ""),
    )


def refusal_of(message_type: str, fields: Fields, response: str) -> tuple[str, dict[int, str]] | None:
    """The answer to a request that is no message of ours: its own heads and the code; None where it has too few."""
    if not is_request(message_type) or not fields.keys() >= _HEADS_NEEDED:
        return None
    heads = {number: fields[number] for number in _HEADS if number in fields}
    return f"{message_type[:2]}{int(message_type[2]) + 1}{message_type[3]}", {**heads, 39: response}


def is_request(message_type: str) -> bool:
    """Whether it wants an answer: the third digit of a request or an advice is even."""
    return message_type[2:3] in {"0", "2", "4", "6", "8"}


def _original(profile: Profile, text: str | None, reference: str) -> Original | None:
    if text is None:
        return None
    if profile.packed:
        if len(text) != 16:
            raise Malformed("field 61 is not of its form")
        return Original(reference, text[6:12], text[12:16] + "000000")
    return Original(reference, text[4:10], text[10:20], text[:4])


def _available(text: str | None) -> int | None:
    if text is None:
        return None
    found = re.fullmatch(r"[0-9]{4}156([CD])([0-9]{12})", text, re.ASCII)
    if found is None:
        raise Malformed("field 54 is not of its form")
    return int(found[2]) * (-1 if found[1] == "D" else 1)


def _tag(name: str, value: bytes) -> bytes:
    return f"{name}{len(value):03d}".encode("ascii") + value


def _tags(profile: Profile, digits: str) -> dict[str, str]:
    rest, found = bytes.fromhex(digits), {}
    try:
        while rest:
            name, length = rest[:2].decode("ascii"), int(rest[2:5].decode("ascii"))
            value, rest = rest[5 : 5 + length], rest[5 + length :]
            if len(value) != length or length < 0:
                raise Malformed("field 48 is not of its form")
            found[name] = value.decode(profile.name_charset)
    except ValueError:
        raise Malformed("field 48 is not of its form") from None
    return found
