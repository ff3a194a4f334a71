"""The recharge platform's own books, in a SQLite file: its cards, and what became of every reference.

Invariants: (1) a reference has one answer, the first; (2) a card is consumed by one reference at most; (3) a reference
that was closed before it came is refused when it comes.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mpss.simulators.sqlite_file import one_change, open_store

_TABLES = """
    CREATE TABLE IF NOT EXISTS card (
        number TEXT PRIMARY KEY, serial TEXT NOT NULL UNIQUE, face_fen INTEGER NOT NULL CHECK (face_fen > 0),
        state TEXT NOT NULL CHECK (state IN ('good', 'used', 'frozen', 'expired'))
    );
    CREATE TABLE IF NOT EXISTS consumption (
        reference TEXT PRIMARY KEY, card_number TEXT, phone TEXT, serial TEXT, face_fen INTEGER, reason TEXT,
        asked INTEGER NOT NULL, at TEXT NOT NULL, CHECK ((reason IS NULL) = (face_fen IS NOT NULL))
    );
    -- One consumption stands for a card.
    CREATE UNIQUE INDEX IF NOT EXISTS consumption_card ON consumption (card_number) WHERE reason IS NULL;
"""


@dataclass(frozen=True, slots=True)
class Card:
    """`number` is what is scratched free; `serial` is printed openly. State: good, used, frozen or expired."""

    number: str
    serial: str
    face_fen: int
    state: str


@dataclass(frozen=True, slots=True)
class Consumption:
    """What a reference was answered. `reason` None: the card was consumed. `asked` counts how often it came."""

    reference: str
    serial: str | None
    phone: str | None
    face_fen: int | None
    reason: str | None
    asked: int
    at: str

    def answer(self) -> dict[str, Any]:
        if self.reason is not None:
            return {"result": "refused", "reason": self.reason}
        return {"result": "consumed", "face_fen": self.face_fen, "serial": self.serial}


class RechargeStore:
    """`path` None keeps it in memory."""

    def __init__(self, path: Path | None) -> None:
        self._db = open_store(path, _TABLES)

    def close(self) -> None:
        self._db.close()

    def make_cards(self, face_fen: int, count: int, *, prefix: str, digits: int) -> list[Card]:
        """New cards, good for `face_fen` each; their numbers begin with `prefix`."""
        made = []
        with one_change(self._db):
            for _ in range(count):
                rest = digits - len(prefix)
                number = prefix + f"{secrets.randbelow(10**rest):0{rest}d}"
                serial = f"RC{secrets.token_hex(6).upper()}"
                self._db.execute("INSERT INTO card VALUES (?, ?, ?, 'good')", (number, serial, face_fen))
                made.append(Card(number, serial, face_fen, "good"))
        return made

    def set_state(self, number: str, state: str) -> None:
        self._db.execute("UPDATE card SET state = ? WHERE number = ?", (state, number))

    def card(self, number: str) -> Card | None:
        row = self._db.execute(
            "SELECT number, serial, face_fen, state FROM card WHERE number = ?", (number,)
        ).fetchone()
        return None if row is None else Card(*row)

    def cards(self) -> list[Card]:
        """Every card, in the order they were made."""
        return [
            Card(*row) for row in self._db.execute("SELECT number, serial, face_fen, state FROM card ORDER BY rowid")
        ]

    def consume(self, reference: str, number: str, phone: str, most_fen: int) -> Consumption:
        """Use a card up for a reference, or say why not; a reference asked again is answered as at first."""
        with one_change(self._db):
            known = self._again(reference)
            if known is not None:
                asked_for = self._db.execute(
                    "SELECT card_number FROM consumption WHERE reference = ?", (reference,)
                ).fetchone()[0]
                if asked_for is not None and asked_for != number:
                    return Consumption(reference, None, None, None, "reference_reused", known.asked, known.at)
                return known
            card = self.card(number)
            reason = self.refusal(card)
            if reason is None and card is not None and card.face_fen > most_fen:
                reason = "above_most"
            if reason is None:
                self._db.execute("UPDATE card SET state = 'used' WHERE number = ?", (number,))
            return self._write(reference, number, phone, card, reason)

    def refuse(self, reference: str, number: str, phone: str, reason: str) -> Consumption:
        """Refuse a reference for a reason of one's own; one known is answered as at first."""
        with one_change(self._db):
            return self._again(reference) or self._write(reference, number, phone, None, reason)

    def inquire(self, reference: str) -> Consumption:
        """What became of a reference; one that never came is closed."""
        with one_change(self._db):
            return self._find(reference) or self._write(reference, None, None, None, "closed")

    @staticmethod
    def refusal(card: Card | None) -> str | None:
        """Why a card is not good, or None."""
        if card is None:
            return "unknown_card"
        return None if card.state == "good" else card.state

    def consumptions(self) -> list[Consumption]:
        """Every reference that came or was asked about, in that order."""
        rows = self._db.execute(
            "SELECT reference, serial, phone, face_fen, reason, asked, at FROM consumption ORDER BY rowid"
        )
        return [Consumption(*row) for row in rows]

    def _again(self, reference: str) -> Consumption | None:
        self._db.execute("UPDATE consumption SET asked = asked + 1 WHERE reference = ?", (reference,))
        return self._find(reference)

    def _find(self, reference: str) -> Consumption | None:
        row = self._db.execute(
            "SELECT reference, serial, phone, face_fen, reason, asked, at FROM consumption WHERE reference = ?",
            (reference,),
        ).fetchone()
        return None if row is None else Consumption(*row)

    def _write(
        self, reference: str, number: str | None, phone: str | None, card: Card | None, reason: str | None
    ) -> Consumption:
        serial = card.serial if card is not None else None
        face_fen = card.face_fen if card is not None and reason is None else None
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._db.execute(
            "INSERT INTO consumption VALUES (?, ?, ?, ?, ?, ?, 1, ?)",
            (reference, number, phone, serial, face_fen, reason, at),
        )
        return Consumption(reference, serial, phone, face_fen, reason, 1, at)
