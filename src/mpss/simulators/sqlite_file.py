"""One unit of work on a simulator's SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


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
