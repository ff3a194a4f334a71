"""Arrays in PostgreSQL's binary form, made a column at a time.

The desk hands over some twenty values a payment in arrays. Written by one comprehension a value costs 0.07 µs, by the
driver, which looks at each one's type, 0.25 µs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from struct import Struct
from typing import Any
from uuid import UUID

_Encoder = Callable[[Sequence[Any]], list[bytes]]  # Each value or None as its length, four bytes, and its bytes.

_INT2 = Struct(">ih").pack
_INT4 = Struct(">ii").pack
_INT8 = Struct(">iq").pack
_LENGTH = Struct(">i").pack
_NULL = _LENGTH(-1)
_UUID_LENGTH = _LENGTH(16)
_FALSE, _TRUE = b"\0\0\0\1\0", b"\0\0\0\1\1"
_FIRST_DAY = date(2000, 1, 1).toordinal()
_FIRST_INSTANT = datetime(2000, 1, 1, tzinfo=UTC)


def _int2(values: Sequence[int | None]) -> list[bytes]:
    return [_NULL if value is None else _INT2(2, value) for value in values]


def _int4(values: Sequence[int | None]) -> list[bytes]:
    return [_NULL if value is None else _INT4(4, value) for value in values]


def _int8(values: Sequence[int | None]) -> list[bytes]:
    return [_NULL if value is None else _INT8(8, value) for value in values]


def _bool(values: Sequence[bool | None]) -> list[bytes]:
    return [_NULL if value is None else _TRUE if value else _FALSE for value in values]


def _uuid(values: Sequence[UUID | None]) -> list[bytes]:
    return [_NULL if value is None else _UUID_LENGTH + value.int.to_bytes(16, "big") for value in values]


def _bytea(values: Sequence[bytes | None]) -> list[bytes]:
    return [_NULL if value is None else _LENGTH(len(value)) + value for value in values]


def _text(values: Sequence[str | None]) -> list[bytes]:
    return _bytea([None if value is None else value.encode() for value in values])


def _date(values: Sequence[date | None]) -> list[bytes]:
    # Nearly always one day.
    known = {day: _INT4(4, day.toordinal() - _FIRST_DAY) for day in set(values) if day is not None}
    return [_NULL if value is None else known[value] for value in values]


def _timestamptz(values: Sequence[datetime | None]) -> list[bytes]:
    return [_NULL if value is None else _INT8(8, _microseconds(value)) for value in values]


def _microseconds(instant: datetime) -> int:
    since = instant - _FIRST_INSTANT
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


_ENCODERS: dict[str, tuple[int, _Encoder]] = {
    "bool": (16, _bool),
    "bytea": (17, _bytea),
    "int8": (20, _int8),
    "int2": (21, _int2),
    "int4": (23, _int4),
    "text": (25, _text),
    "tid": (27, _bytea),
    "date": (1082, _date),
    "timestamptz": (1184, _timestamptz),
    "uuid": (2950, _uuid),
}
_SYNONYMS = {"bigint": "int8", "integer": "int4", "smallint": "int2", "boolean": "bool"}


def array_encoder(type_name: str) -> Callable[[Sequence[Any]], bytes]:
    """How values become one array of this element type.

    Raises:
        KeyError: a type that nobody has needed yet.
    """
    oid, encode = _ENCODERS[_SYNONYMS.get(type_name, type_name)]
    empty = Struct(">iii").pack(0, 0, oid)
    head = Struct(">iiiii").pack

    def encode_array(values: Sequence[Any]) -> bytes:
        if not values:
            return empty
        # One dimension, perhaps with nulls, counted from 1.
        return b"".join((head(1, 1, oid, len(values), 1), *encode(values)))

    return encode_array
