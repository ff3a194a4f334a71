"""A simulator's SQLite file, and one unit of work on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def open_store(path: Path | None, tables: str, *, timeout_seconds: float = 5.0) -> sqlite3.Connection:
    """The file, made with its folder and tables where there is none; None keeps it in memory."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(":memory:" if path is None else path, isolation_level=None, timeout=timeout_seconds)
    # A killed process loses nothing; only a power cut could, which a town does not mind.
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + tables)
    return db


@contextmanager
def one_change(db: sqlite3.Connection) -> Iterator[None]:
    """All of the block is written, or none of it; nobody else writes meanwhile, another process neither."""
    # Immediate, because another may write between our look and our change.
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
