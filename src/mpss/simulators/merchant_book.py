"""The order book of a simulated CP/SP, in a SQLite file of its own: what it was asked, what it answered."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mpss.simulators.sqlite_file import open_store

_TABLES = """
    CREATE TABLE IF NOT EXISTS identity (name TEXT PRIMARY KEY, value BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS orders (
        transaction_id TEXT PRIMARY KEY, ordering TEXT NOT NULL, answer TEXT NOT NULL, asked INTEGER NOT NULL,
        received_at TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS webhooks (
        id TEXT PRIMARY KEY, body TEXT NOT NULL, times INTEGER NOT NULL, received_at TEXT NOT NULL
    );
"""


@dataclass(frozen=True, slots=True)
class BookedOrder:
    """A delivery order with what was answered. `asked` counts how often it came."""

    transaction_id: str
    order: dict[str, Any]
    answer: dict[str, str]
    asked: int
    received_at: str


@dataclass(frozen=True, slots=True)
class ReceivedWebhook:
    """An event as received. `times` counts how often it came."""

    id: str
    body: dict[str, Any]
    times: int
    received_at: str


class OrderBook:
    """`path` None keeps it in memory."""

    def __init__(self, path: Path | None) -> None:
        self._database = open_store(path, _TABLES)

    def close(self) -> None:
        self._database.close()

    def private_key(self) -> Ed25519PrivateKey:
        """The key the shop signs its requests with; made at the first call, kept."""
        raw = self._value("private_key")
        if raw is None:
            raw = secrets.token_bytes(32)
            self._keep("private_key", raw)
        return Ed25519PrivateKey.from_private_bytes(raw)

    def credentials(self) -> tuple[str, str, str] | None:
        """(merchant id, API key, webhook secret), or None before the shop has joined."""
        found = self._value("credentials")
        if found is None:
            return None
        merchant_id, api_key, webhook_secret = json.loads(found)
        return merchant_id, api_key, webhook_secret

    def keep_credentials(self, merchant_id: str, api_key: str, webhook_secret: str) -> None:
        self._keep("credentials", json.dumps([merchant_id, api_key, webhook_secret]).encode())

    def take_order(self, order: dict[str, Any], answer: dict[str, str]) -> dict[str, str]:
        """Write an order down with its answer; a repeated one is counted and answered as at first."""
        transaction_id = str(order["transaction_id"])
        self._database.execute(
            "INSERT INTO orders VALUES (?, ?, ?, 1, ?) ON CONFLICT (transaction_id) DO UPDATE SET asked = asked + 1",
            (transaction_id, json.dumps(order), json.dumps(answer), _now()),
        )
        (kept,) = self._database.execute(
            "SELECT answer FROM orders WHERE transaction_id = ?", (transaction_id,)
        ).fetchone()
        first: dict[str, str] = json.loads(kept)
        return first

    def take_webhook(self, webhook_id: str, body: bytes) -> None:
        self._database.execute(
            "INSERT INTO webhooks VALUES (?, ?, 1, ?) ON CONFLICT (id) DO UPDATE SET times = times + 1",
            (webhook_id, body.decode(), _now()),
        )

    def orders(self) -> list[BookedOrder]:
        """Every order, in the order they came."""
        rows = self._database.execute("SELECT * FROM orders ORDER BY rowid").fetchall()
        return [BookedOrder(row[0], json.loads(row[1]), json.loads(row[2]), row[3], row[4]) for row in rows]

    def order(self, transaction_id: str) -> BookedOrder | None:
        row = self._database.execute("SELECT * FROM orders WHERE transaction_id = ?", (transaction_id,)).fetchone()
        return None if row is None else BookedOrder(row[0], json.loads(row[1]), json.loads(row[2]), row[3], row[4])

    def webhooks(self) -> list[ReceivedWebhook]:
        """Every event, in the order they came."""
        rows = self._database.execute("SELECT * FROM webhooks ORDER BY rowid").fetchall()
        return [ReceivedWebhook(row[0], json.loads(row[1]), row[2], row[3]) for row in rows]

    def _value(self, name: str) -> bytes | None:
        row = self._database.execute("SELECT value FROM identity WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def _keep(self, name: str, value: bytes) -> None:
        self._database.execute("INSERT OR REPLACE INTO identity VALUES (?, ?)", (name, value))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
