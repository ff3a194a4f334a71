"""What the town's SMSC remembers: handsets, the messages they received and sent, and what we have not acknowledged.

Kept in one SQLite file, so that a second start finds yesterday's handsets. A call writes and commits; one thread only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mpss.simulators.sqlite_file import one_change, open_store

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS handset (
        phone      TEXT PRIMARY KEY,
        created_at TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS message (
        id       INTEGER PRIMARY KEY AUTOINCREMENT,
        phone    TEXT NOT NULL,
        sent     INTEGER NOT NULL,        -- 1: by the handset, 0: to it
        text     TEXT NOT NULL,
        serial   INTEGER,                 -- of a notice, read from its text
        segments INTEGER NOT NULL,
        at       TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS message_phone ON message (phone, id);
    CREATE INDEX IF NOT EXISTS message_serial ON message (serial) WHERE serial IS NOT NULL;
    CREATE TABLE IF NOT EXISTS upstream (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        phone      TEXT NOT NULL,
        ours       TEXT NOT NULL,         -- the number it goes to
        text       TEXT NOT NULL,
        receipt_of TEXT,                  -- the message id, of a delivery receipt; NULL: a message from the handset
        attempts   INTEGER NOT NULL DEFAULT 0,
        done_at    TEXT                   -- when it was acknowledged or refused for good
    );
    CREATE INDEX IF NOT EXISTS upstream_waiting ON upstream (phone, id) WHERE done_at IS NULL;
"""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message in a handset; `at` is ISO 8601 in UTC, `serial` the notice's or None."""

    id: int
    phone: str
    sent: bool
    text: str
    serial: int | None
    segments: int
    at: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Upstream:
    """A message or receipt on its way to the bound ESME; kept until acknowledged."""

    id: int
    phone: str
    ours: str
    text: str
    receipt_of: str | None


class HandsetStore:
    """The SQLite file `path`; made with its folder where there is none."""

    def __init__(self, path: Path) -> None:
        self._db = open_store(path, _SCHEMA)

    def close(self) -> None:
        self._db.close()

    def add_handset(self, phone: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO handset VALUES (?, ?)", (phone, _now()))

    def handsets(self) -> list[dict[str, Any]]:
        """One line for each handset, by number: phone, how many messages it received, its last message's text."""
        rows = self._db.execute(
            "SELECT h.phone, (SELECT count(*) FROM message m WHERE m.phone = h.phone AND NOT m.sent),"
            " (SELECT m.text FROM message m WHERE m.phone = h.phone ORDER BY m.id DESC LIMIT 1)"
            " FROM handset h ORDER BY h.phone"
        )
        return [{"phone": phone, "received": received, "last": last} for phone, received, last in rows]

    def receive(self, phone: str, text: str, *, serial: int | None, segments: int) -> None:
        """Put a message into a handset's inbox."""
        self._insert_message(phone, sent=False, text=text, serial=serial, segments=segments)

    def send(self, phone: str, ours: str, text: str, *, segments: int) -> int:
        """Write down a message from a handset to our number; its id."""
        with one_change(self._db):
            self._insert_message(phone, sent=True, text=text, serial=None, segments=segments)
            return self._insert_upstream(phone, ours, text, None)

    def add_receipt(self, phone: str, ours: str, text: str, receipt_of: str) -> None:
        self._insert_upstream(phone, ours, text, receipt_of)

    def messages(self, phone: str, *, after: int = 0, limit: int = 1000) -> list[StoredMessage]:
        """The handset's messages with a higher id than `after`, both directions, oldest first."""
        rows = self._db.execute(
            "SELECT id, phone, sent, text, serial, segments, at FROM message"
            " WHERE phone = ? AND id > ? ORDER BY id LIMIT ?",
            (phone, after, limit),
        )
        return [StoredMessage(i, p, bool(sent), t, s, n, at) for i, p, sent, t, s, n, at in rows]

    def conversation(self, phone: str, *, limit: int = 200) -> list[StoredMessage]:
        """The handset's latest messages, both directions, oldest first."""
        rows = self._db.execute(
            "SELECT id, phone, sent, text, serial, segments, at FROM message WHERE phone = ? ORDER BY id DESC LIMIT ?",
            (phone, limit),
        )
        return [StoredMessage(i, p, bool(sent), t, s, n, at) for i, p, sent, t, s, n, at in rows][::-1]

    def waiting_phones(self) -> list[str]:
        """Numbers that have something on its way to us."""
        return [phone for (phone,) in self._db.execute("SELECT DISTINCT phone FROM upstream WHERE done_at IS NULL")]

    def next_upstream(self, phone: str) -> Upstream | None:
        """The oldest that is not acknowledged, counting the attempt."""
        row = self._db.execute(
            "SELECT id, phone, ours, text, receipt_of FROM upstream"
            " WHERE phone = ? AND done_at IS NULL ORDER BY id LIMIT 1",
            (phone,),
        ).fetchone()
        if row is None:
            return None
        self._db.execute("UPDATE upstream SET attempts = attempts + 1 WHERE id = ?", (row[0],))
        return Upstream(*row)

    def finish_upstream(self, upstream_id: int) -> None:
        self._db.execute("UPDATE upstream SET done_at = ? WHERE id = ?", (_now(), upstream_id))

    def counts(self) -> dict[str, Any]:
        """Messages received by serial (two for one serial is a second copy), and what still waits to go upstream."""
        serials = self._db.execute("SELECT serial, count(*) FROM message WHERE serial IS NOT NULL GROUP BY serial")
        by_serial = {str(serial): count for serial, count in serials}
        waiting = self._db.execute("SELECT count(*) FROM upstream WHERE done_at IS NULL").fetchone()[0]
        received = self._db.execute("SELECT count(*) FROM message WHERE NOT sent").fetchone()[0]
        return {"received": received, "by_serial": by_serial, "waiting_upstream": waiting}

    def _insert_message(self, phone: str, *, sent: bool, text: str, serial: int | None, segments: int) -> None:
        self.add_handset(phone)
        self._insert(
            "INSERT INTO message (phone, sent, text, serial, segments, at) VALUES (?, ?, ?, ?, ?, ?)",
            (phone, int(sent), text, serial, segments, _now()),
        )

    def _insert_upstream(self, phone: str, ours: str, text: str, receipt_of: str | None) -> int:
        values = (phone, ours, text, receipt_of)
        return self._insert("INSERT INTO upstream (phone, ours, text, receipt_of) VALUES (?, ?, ?, ?)", values)

    def _insert(self, sql: str, values: Sequence[object]) -> int:
        row_id = self._db.execute(sql, values).lastrowid
        assert row_id is not None
        return row_id


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
