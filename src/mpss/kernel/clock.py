"""The time, read once at the edge of a flow and passed down; the business date and the day cut (日切)."""

from __future__ import annotations

import mmap
import os
import struct
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY_CUT = time(0, 0)
"""Default instant, Asia/Shanghai, at which the business date moves on."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, aware, in UTC."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands until it is moved; for tests."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def now(self) -> datetime:
        return self._instant

    def advance(self, step: timedelta) -> None:
        self._instant += step

    def set(self, instant: datetime) -> None:
        self._instant = instant


class SandboxClock:
    """A clock kept in a small file, so that every process of a sandbox reads one time, set from outside.

    The file holds microseconds since 1970 (UTC) as eight big-endian bytes.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            _create(path, _packed(datetime.now(UTC)))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)

    def now(self) -> datetime:
        (microseconds,) = struct.unpack(">q", self._map[:8])
        return _EPOCH + timedelta(microseconds=microseconds)

    def set(self, instant: datetime) -> None:
        self._map[:8] = _packed(instant)


def _packed(instant: datetime) -> bytes:
    return struct.pack(">q", (instant - _EPOCH) // timedelta(microseconds=1))


def _create(path: Path, content: bytes) -> None:
    """Make the file whole or not at all; where another process made it first, that one stays."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def business_date(now: datetime, *, cut: time = DAY_CUT) -> date:
    """The accounting day of `now`: the Shanghai date, moved on to the next at `cut`.

    A cut of 00:00 makes it the calendar date; a cut of 23:00 puts 23:30 into the next day.
    """
    local = now.astimezone(SHANGHAI)
    if cut != time(0, 0) and local.time() >= cut:
        return local.date() + timedelta(days=1)
    return local.date()
