"""Keyset pages: a cursor names the last item of the page before, so what is added meanwhile moves nothing.

A cursor is opaque to its reader. It may be guessed: a query shows only what its caller may see, whatever the cursor.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple, TypeVar
from uuid import UUID

from pydantic import Field

from mpss.kernel.errors import MalformedField

T = TypeVar("T")
Cursor = Annotated[
    str | None,
    Field(max_length=64, description="`next_cursor` of the page before; none for the first page"),
]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_BIGINT = 2**63 - 1
_FARTHEST = 253_402_300_799_999_999  # the last microsecond of the year 9999


class Place(NamedTuple):
    """Where a list ordered by time and id goes on."""

    at: datetime
    id: UUID


def encode_id(identity: UUID) -> str:
    return _encode(identity.bytes)


def decode_id(cursor: str | None) -> UUID | None:
    """
    Raises:
        MalformedField: it is no cursor of ours.
    """
    return None if cursor is None else UUID(bytes=_decode(cursor, 16))


def encode_place(place: Place) -> str:
    return _encode_pair((place.at - _EPOCH) // timedelta(microseconds=1), place.id)


def decode_place(cursor: str | None) -> Place | None:
    """
    Raises:
        MalformedField: it is no cursor of ours.
    """
    if cursor is None:
        return None
    microseconds, identity = _decode_pair(cursor, most=_FARTHEST)
    return Place(_EPOCH + timedelta(microseconds=microseconds), identity)


def encode_ranked(place: tuple[int, UUID]) -> str:
    """The cursor of a list that may be ordered by an amount in fen, or by id."""
    return _encode_pair(*place)


def decode_ranked(cursor: str | None) -> tuple[int, UUID] | None:
    """
    Raises:
        MalformedField: it is no cursor of ours.
    """
    return None if cursor is None else _decode_pair(cursor, most=_MAX_BIGINT)


def encode_number(number: int) -> str:
    """The cursor of a list ordered by a serial number."""
    return _encode(number.to_bytes(8, "big"))


def decode_number(cursor: str | None) -> int | None:
    """
    Raises:
        MalformedField: it is no cursor of ours.
    """
    if cursor is None:
        return None
    number = int.from_bytes(_decode(cursor, 8), "big")
    if number > _MAX_BIGINT:
        raise _no_cursor()
    return number


def cut(found: list[T], limit: int, cursor_of: Callable[[T], str]) -> tuple[list[T], str | None]:
    """A page of at most `limit` of what was found, and the cursor after it; None after the last page.

    One more than `limit` was asked for, which tells whether another page follows.
    """
    page = found[:limit]
    return page, cursor_of(page[-1]) if len(found) > limit else None


def _encode_pair(number: int, identity: UUID) -> str:
    return _encode(number.to_bytes(8, "big") + identity.bytes)


def _decode_pair(cursor: str, *, most: int) -> tuple[int, UUID]:
    raw = _decode(cursor, 24)
    number = int.from_bytes(raw[:8], "big")
    if number > most:
        raise _no_cursor()
    return number, UUID(bytes=raw[8:])


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(cursor: str, length: int) -> bytes:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _no_cursor() from None
    if len(raw) != length:
        raise _no_cursor()
    return raw


def _no_cursor() -> MalformedField:
    return MalformedField(field="cursor", problem="must be the next_cursor of a page")
