"""Password spraying: one payment password tried over many numbers, or one address trying many numbers.

Each wrong password leaves a row: its fingerprint (keyed, not bound to the account), the account and the source. What
failed on many accounts within the window is hot, and a purchase with it needs an SMS code besides, right or wrong.
Tries are taken from a signed-in session or a registered merchant alone, so a stranger cannot lock a number by guessing.

Each process reads the hot ones at most once a second; its own failures make it read again at once (`noticed`).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from mpss.accounts import token_store
from mpss.accounts.codes import Purpose, check_code, use_code
from mpss.db.database import Database
from mpss.runtime import Runtime

_FRESH_SECONDS = 1.0
_FRESH = timedelta(seconds=_FRESH_SECONDS)


@dataclass(frozen=True, slots=True)
class _Seen:
    fingerprints: frozenset[bytes]
    sources: frozenset[str]
    at: datetime
    read_at: float


@dataclass(slots=True)
class _Watch:
    """What a process saw last. One caller reads at a time; those who come meanwhile use what it read."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    seen: _Seen | None = None
    noticed_at: float = 0.0

    def fresh(self, now: datetime) -> _Seen | None:
        seen = self.seen
        if seen is None or seen.read_at <= self.noticed_at or time.monotonic() - seen.read_at >= _FRESH_SECONDS:
            return None
        return seen if abs(now - seen.at) < _FRESH else None


_watches: WeakKeyDictionary[Database, _Watch] = WeakKeyDictionary()


def failure(*, account_id: UUID, fingerprint: bytes, source: str, now: datetime) -> tuple[Any, ...]:
    """The row a wrong password adds to PASSWORD_FAILURES."""
    return now, account_id, fingerprint, source


async def hot(runtime: Runtime, fingerprint: bytes, source: str) -> bool:
    """Whether this password failed on `policy.spray_numbers` accounts within the window, or this source on
    `policy.spray_numbers_per_source`. Asked before the desk; the answer is the decision's `challenged`.

    Spec: CT 12.1; CM 9.
    """
    watch = _watches.get(runtime.database)
    if watch is None:
        watch = _watches[runtime.database] = _Watch()
    now = runtime.clock.now()
    seen = watch.fresh(now)
    if seen is None:
        async with watch.lock:
            seen = watch.fresh(now)
            if seen is None:
                seen = watch.seen = await _look(runtime, now)
    return fingerprint in seen.fingerprints or source in seen.sources


async def _look(runtime: Runtime, now: datetime) -> _Seen:
    read_at = time.monotonic()
    policy = runtime.policy
    async with runtime.database.read() as uow:
        fingerprints, sources = await token_store.sprayed(
            uow,
            since=now - timedelta(seconds=policy.spray_window_seconds),
            numbers=policy.spray_numbers,
            numbers_per_source=policy.spray_numbers_per_source,
        )
    return _Seen(fingerprints, sources, now, read_at)


def noticed(runtime: Runtime) -> None:
    """A password was wrong in this process: the next `hot` reads again."""
    watch = _watches.get(runtime.database)
    if watch is not None:
        watch.noticed_at = time.monotonic()


async def prove(runtime: Runtime, *, phone: str, code: str) -> None:
    """Use a CHALLENGE code of the number up.

    Raises:
        MalformedField: `code` is not six digits.
        Refused: WRONG_CODE, CODE_EXPIRED.
    """
    code_id = await check_code(runtime, phone=phone, purpose=Purpose.CHALLENGE, code=code)
    async with runtime.database.transaction() as uow:
        await use_code(uow, code_id, now=runtime.clock.now())
