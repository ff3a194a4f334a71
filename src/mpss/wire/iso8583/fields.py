"""The field tables of the banks: number, form, longest length, meaning; and what else differs from bank to bank.

Two profiles. "ascii" is written in characters, with a secondary bitmap and the MAC in field 128, behind four digits of
length; "bcd" packs two digits in a byte, with the MAC in field 64, behind a length of two bytes, as POS terminals do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum


class Form(Enum):
    """What a field may hold."""

    N = "digits"
    AN = "letters and digits"
    B = "bytes, as hexadecimal digits"


class ProfileName(StrEnum):
    ASCII = "ascii"
    BCD = "bcd"


@dataclass(frozen=True, slots=True)
class Field:
    """`length` is the longest in digits, characters or (of B) bytes; `variable` is how many digits its length has."""

    form: Form
    length: int
    meaning: str
    variable: int = 0


_COMMON: dict[int, Field] = {
    2: Field(Form.N, 19, "card number", 2),
    3: Field(Form.N, 6, "processing code"),
    4: Field(Form.N, 12, "amount in fen"),
    11: Field(Form.N, 6, "trace number"),
    12: Field(Form.N, 6, "local time, hhmmss"),
    13: Field(Form.N, 4, "local date, MMDD"),
    25: Field(Form.N, 2, "condition: 00 normal, 06 collects what is frozen"),
    37: Field(Form.AN, 12, "reference, the asker's"),
    38: Field(Form.AN, 6, "authorization code"),
    39: Field(Form.AN, 2, "response code"),
    41: Field(Form.AN, 8, "terminal"),
    42: Field(Form.AN, 15, "merchant"),
    48: Field(Form.B, 512, "additional data: tag, length, text", 3),
    49: Field(Form.N, 3, "currency"),
    54: Field(Form.AN, 40, "additional amounts: the available balance", 3),
    62: Field(Form.B, 40, "working key under the transport key", 3),
}
_ASCII = _COMMON | {
    7: Field(Form.N, 10, "transmission, MMDDhhmmss"),
    70: Field(Form.N, 3, "network management code"),
    90: Field(Form.N, 42, "original: type, trace, transmission, institutions"),
    128: Field(Form.B, 8, "MAC"),
}
_BCD = _COMMON | {
    49: Field(Form.AN, 3, "currency"),
    60: Field(Form.N, 11, "message class, batch, network management code", 3),
    61: Field(Form.N, 16, "original: batch, trace, date", 3),
    64: Field(Form.B, 8, "MAC"),
}


@dataclass(frozen=True, slots=True)
class Profile:
    """How one bank writes. `key_bytes` is the length of its session MAC key: 8 DES, 16 3DES."""

    name: ProfileName
    fields: Mapping[int, Field]
    mac_field: int
    key_bytes: int
    name_charset: str
    packed: bool
    length_bytes: int

    @property
    def bitmap_at(self) -> int:
        """Where the bitmap begins, after the message type."""
        return 2 if self.packed else 4

    @property
    def network_field(self) -> int:
        return 60 if self.packed else 70

    @property
    def original_field(self) -> int:
        return 61 if self.packed else 90


PROFILES: dict[ProfileName, Profile] = {
    ProfileName.ASCII: Profile(ProfileName.ASCII, _ASCII, 128, 16, "gb18030", packed=False, length_bytes=4),
    ProfileName.BCD: Profile(ProfileName.BCD, _BCD, 64, 8, "utf-8", packed=True, length_bytes=2),
}
