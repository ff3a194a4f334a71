"""The online bank's own books, in a SQLite file: the orders customers came with, and what became of them.

Invariants: (1) an order is paid or refused once, and stays so; (2) an order that was closed or is past its end is not
paid; (3) the same number with another amount or center is another order, and is not taken; the first's end stands.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mpss.simulators.sqlite_file import open_store

_SAME = ("amount_fen", "currency", "return_url", "notify_url")
_TABLES = """
    CREATE TABLE IF NOT EXISTS orders (
        order_no TEXT PRIMARY KEY, content TEXT, amount_fen INTEGER, state TEXT NOT NULL
            CHECK (state IN ('waiting', 'paid', 'refused')),
        reason TEXT, gateway_reference TEXT NOT NULL, token TEXT NOT NULL, at TEXT NOT NULL
    );
"""


@dataclass(frozen=True, slots=True)
class BankOrder:
    """`content` is the order as it was signed, None where it was closed before it came; `token` proves the page."""

    order_no: str
    content: dict[str, Any] | None
    amount_fen: int | None
    state: str
    reason: str | None
    gateway_reference: str
    token: str
    at: str

    def result(self) -> dict[str, Any]:
        """What we tell a center about the order."""
        told: dict[str, Any] = {"order_no": self.order_no, "result": self.state}
        if self.amount_fen is not None:
            told["amount_fen"] = self.amount_fen
        if self.state == "paid":
            told["gateway_reference"] = self.gateway_reference
        if self.state == "refused":
            told["reason"] = self.reason
        return told


class OnlineBankStore:
    """`path` None keeps it in memory."""

    def __init__(self, path: Path | None) -> None:
        self._db = open_store(path, _TABLES)

    def close(self) -> None:
        self._db.close()

    def take(self, content: dict[str, Any]) -> BankOrder | None:
        """The order as it stands, written down if it is new; None where its number is another's."""
        order = self._insert(str(content["order_no"]), content)
        same = order.content is None or all(order.content[name] == content[name] for name in _SAME)
        return order if same else None

    def order(self, order_no: str) -> BankOrder | None:
        """The order; one past its end that nobody decided is refused as expired."""
        self._expire(order_no)
        row = self._db.execute("SELECT * FROM orders WHERE order_no = ?", (order_no,)).fetchone()
        if row is None:
            return None
        return BankOrder(row[0], None if row[1] is None else json.loads(row[1]), *row[2:])

    def decide(self, order_no: str, *, agree: bool) -> BankOrder | None:
        """Pay or refuse an order; one decided before stays as it was."""
        self._expire(order_no)
        state, reason = ("paid", None) if agree else ("refused", "refused")
        self._db.execute(
            "UPDATE orders SET state = ?, reason = ?, at = ? WHERE order_no = ? AND state = 'waiting'",
            (state, reason, _now(), order_no),
        )
        return self.order(order_no)

    def inquire(self, order_no: str, *, close: bool) -> BankOrder | None:
        """What became of an order. With `close` one undecided or unknown is closed; without, None where unknown."""
        if close:
            self._insert(order_no, None)
            self._expire(order_no)
            self._db.execute(
                "UPDATE orders SET state = 'refused', reason = 'closed', at = ?"
                " WHERE order_no = ? AND state = 'waiting'",
                (_now(), order_no),
            )
        return self.order(order_no)

    def orders(self) -> list[BankOrder]:
        """Every order, in the order they came."""
        numbers = [number for (number,) in self._db.execute("SELECT order_no FROM orders ORDER BY rowid")]
        return [order for order in map(self.order, numbers) if order is not None]

    def _insert(self, order_no: str, content: dict[str, Any] | None) -> BankOrder:
        self._db.execute(
            "INSERT OR IGNORE INTO orders VALUES (?, ?, ?, 'waiting', NULL, ?, ?, ?)",
            (
                order_no,
                None if content is None else json.dumps(content),
                None if content is None else content["amount_fen"],
                f"OB{secrets.token_hex(8).upper()}",
                secrets.token_urlsafe(16),
                _now(),
            ),
        )
        found = self.order(order_no)
        assert found is not None
        return found

    def _expire(self, order_no: str) -> None:
        row = self._db.execute(
            "SELECT content FROM orders WHERE order_no = ? AND state = 'waiting' AND content IS NOT NULL", (order_no,)
        ).fetchone()
        if row is not None and datetime.fromisoformat(json.loads(row[0])["expires_at"]) <= datetime.now(UTC):
            self._db.execute(
                "UPDATE orders SET state = 'refused', reason = 'expired', at = ? WHERE order_no = ?", (_now(), order_no)
            )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
