"""How many of a database's connections are open, and how many are in use, watched from outside."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import psycopg

_PAUSE_SECONDS = 0.02
_LOOK = """
    SELECT count(*), count(*) FILTER (WHERE state <> 'idle')
      FROM pg_stat_activity
     WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
"""


class ConnectionWatch:
    """Looks many times a second, in a thread with a connection of its own, which is not counted.

    In use is a connection within a unit of work, whether a statement runs or the unit merely stands open.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._seen: list[tuple[int, int]] = []
        self._thread = threading.Thread(target=self._look, name="connections", daemon=True)

    def begin(self) -> None:
        """Forget what was seen."""
        with self._lock:
            self._seen = []

    def end(self) -> dict[str, int]:
        """The most connections seen since `begin`: "open_most" and "in_use_most"."""
        with self._lock:
            seen = self._seen or [(0, 0)]
        return {"open_most": max(count for count, _ in seen), "in_use_most": max(count for _, count in seen)}

    def _look(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._stop.wait(_PAUSE_SECONDS):
                row = connection.execute(_LOOK).fetchone()
                assert row is not None
                with self._lock:
                    self._seen.append((row[0], row[1]))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
