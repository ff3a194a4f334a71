"""The time, read once at the edge of a flow and passed down; the business date and the day cut (日切)."""

from __future__ import annotations

import mmap
import struct
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY_CUT = time(0, 0)
"""Default instant, Asia/Shanghai, at which the business date moves on."""


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
            path.write_bytes(struct.pack(">q", int(datetime.now(UTC).timestamp() * 1_000_000)))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)

    def now(self) -> datetime:
        (microseconds,) = struct.unpack(">q", self._map[:8])
        return datetime.fromtimestamp(microseconds / 1_000_000, UTC)

    def set(self, instant: datetime) -> None:
        self._map[:8] = struct.pack(">q", int(instant.timestamp() * 1_000_000))


def business_date(now: datetime, *, cut: time = DAY_CUT) -> date:
    """The accounting day of `now`: the Shanghai date, moved on to the next at `cut`.

    A cut of 00:00 makes it the calendar date; a cut of 23:00 puts 23:30 into the next day.
    """
    local = now.astimezone(SHANGHAI)
    if cut != time(0, 0) and local.time() >= cut:
        return local.date() + timedelta(days=1)
    return local.date()
