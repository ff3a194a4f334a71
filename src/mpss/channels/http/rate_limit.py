"""How many requests one caller may make. Pure: the time is given, in seconds of a clock that never steps back; kept in
one process's memory.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict


class TokenBuckets:
    """A bucket for each key: it holds `burst` tokens and gains `rate` a second; a request takes one.

    A rate of 0 limits nothing. At most `most_keys` buckets are kept, those used last: a bucket that is dropped is
    full again, and only many other keys can push one out.
    """

    def __init__(self, *, rate: float, burst: float, most_keys: int = 100_000) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._most_keys = most_keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float) -> float:
        """Take a token: 0.0, or how many seconds to wait for one."""
        if self._rate <= 0:
            return 0.0
        tokens = self._tokens(key, now)
        if tokens < 1.0:
            return (1.0 - tokens) / self._rate
        self._buckets[key] = (tokens - 1.0, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._most_keys:
            self._buckets.popitem(last=False)
        return 0.0

    def wait(self, key: str, now: float) -> float:
        """As `take`, without taking."""
        if self._rate <= 0:
            return 0.0
        return max(0.0, (1.0 - self._tokens(key, now)) / self._rate)

    def _tokens(self, key: str, now: float) -> float:
        found = self._buckets.get(key)
        if found is None:
            return self._burst
        tokens, at = found
        return min(self._burst, tokens + (now - at) * self._rate)

    def __len__(self) -> int:
        return len(self._buckets)


class Proven:
    """Credentials that were proven lately, as digests; the `most` used last."""

    def __init__(self, *, seconds: float = 600.0, most: int = 100_000) -> None:
        self._seconds = seconds
        self._most = most
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def note(self, credential: str, now: float) -> None:
        digest = _digest(credential)
        self._until[digest] = now + self._seconds
        self._until.move_to_end(digest)
        if len(self._until) > self._most:
            self._until.popitem(last=False)

    def holds(self, credential: str, now: float) -> bool:
        return now < self._until.get(_digest(credential), now)


def _digest(credential: str) -> bytes:
    return hashlib.blake2b(credential.encode("utf-8", "replace"), digest_size=16).digest()
