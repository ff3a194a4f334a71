"""What a bank of the town remembers: card accounts, every request it answered, and the lines of its statement.

1. A reference is carried out once; asked again it gets its first answer, asked with other facts it is refused.
2. A reversal of what never came is remembered: the late request is refused when it comes.
3. The lines of a card sum to its balance.
"""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mpss.simulators.sqlite_file import one_change, open_store
from mpss.wire.iso8583.messages import BankMessage, Service

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS card (
        number      TEXT PRIMARY KEY,
        holder_name TEXT NOT NULL,
        phone       TEXT NOT NULL,
        balance_fen INTEGER NOT NULL,
        frozen_fen  INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE IF NOT EXISTS request (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,  -- the bank's own reference
        reference  TEXT NOT NULL UNIQUE,
        service    TEXT NOT NULL,
        card       TEXT NOT NULL,
        amount_fen INTEGER NOT NULL,
        response   TEXT NOT NULL,
        held_fen   INTEGER NOT NULL DEFAULT 0,         -- what a freeze still holds
        undone     INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE IF NOT EXISTS line (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        at         TEXT NOT NULL,
        card       TEXT NOT NULL,
        amount_fen INTEGER NOT NULL,                   -- below zero: out of the card
        reference  TEXT NOT NULL,
        service    TEXT NOT NULL,
        original   TEXT NOT NULL                       -- the reference a reversal undid, or ''
    );
"""
_MOVES_OUT = (Service.DEBIT, Service.COLLECT)
_REPEATED_OTHERWISE, _UNDONE, _NOTHING_TO_UNDO, _NEVER_HAD = "94", "22", "12", "25"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the bank answers; `reference` is its own number, or ''."""

    response: str
    reference: str = ""
    available_fen: int | None = None


@dataclass(frozen=True, slots=True)
class CardAccount:
    number: str
    holder_name: str
    phone: str
    balance_fen: int
    frozen_fen: int

    @property
    def available_fen(self) -> int:
        return self.balance_fen - self.frozen_fen

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Request:
    id: int
    reference: str
    service: str
    card: str
    amount_fen: int
    response: str
    held_fen: int
    undone: int


class BankStore:
    """The SQLite file `path`; made with its folder where there is none. One thread only."""

    def __init__(self, path: Path) -> None:
        self._db = open_store(path, _SCHEMA)

    def close(self) -> None:
        self._db.close()

    @property
    def db(self) -> sqlite3.Connection:
        """The open file, for what else is kept in it."""
        return self._db

    def book(self, card: str, amount_fen: int, reference: str, service: str, original: str = "") -> None:
        """Change a card's balance, with a line of the statement, in the caller's unit of work."""
        self._move(card, amount_fen, reference, service, original)

    def open_card(self, number: str, *, holder_name: str, phone: str, balance_fen: int) -> None:
        """A new card account with this much money; an existing one is left as it is."""
        with one_change(self._db):
            made = self._db.execute(
                "INSERT OR IGNORE INTO card (number, holder_name, phone, balance_fen) VALUES (?, ?, ?, 0)",
                (number, holder_name, phone),
            )
            if made.rowcount and balance_fen:
                self._move(number, balance_fen, "", "opening", "")

    def close_card(self, number: str) -> None:
        """The card account is gone; what it did stays in the statement."""
        with one_change(self._db):
            self._db.execute("DELETE FROM card WHERE number = ?", (number,))

    def card(self, number: str) -> CardAccount | None:
        row = self._db.execute(
            "SELECT number, holder_name, phone, balance_fen, frozen_fen FROM card WHERE number = ?", (number,)
        ).fetchone()
        return None if row is None else CardAccount(*row)

    def cards(self) -> list[CardAccount]:
        rows = self._db.execute("SELECT number, holder_name, phone, balance_fen, frozen_fen FROM card ORDER BY number")
        return [CardAccount(*row) for row in rows]

    def lines(self, *, after: int = 0) -> list[dict[str, Any]]:
        """The statement's lines with a higher id, oldest first."""
        names = ("id", "at", "card", "amount_fen", "reference", "service", "original")
        rows = self._db.execute(f"SELECT {', '.join(names)} FROM line WHERE id > ? ORDER BY id", (after,))
        return [dict(zip(names, row, strict=True)) for row in rows]

    def requests(self) -> list[dict[str, Any]]:
        """Every request answered, oldest first."""
        rows = self._db.execute(
            "SELECT id, reference, service, card, amount_fen, response, held_fen, undone FROM request ORDER BY id"
        )
        return [asdict(_Request(*row)) for row in rows]

    def serve(self, asked: BankMessage, *, declined_with: str = "") -> Verdict:
        """Carry the request out and remember it; `declined_with` refuses it whatever it is."""
        if asked.service is Service.BALANCE:
            return self._balance(asked)
        known = self._find(asked.reference)
        if asked.service is Service.INQUIRE:
            return self._said_of(known)
        if known is not None:
            same = (known.service, known.card, known.amount_fen) == self._facts(asked)
            if known.service == "tombstone" or same:
                return self._said_of(known)
            return Verdict(_REPEATED_OTHERWISE)
        with one_change(self._db):
            response, held_fen = (declined_with, 0) if declined_with else self._carry_out(asked)
            return Verdict(response, self._remember(asked.reference, *self._facts(asked), response, held_fen))

    def return_credit(self, reference: str) -> bool:
        """Take a credit back from its card, once; whether there was one."""
        with one_change(self._db):
            credit = self._find(reference)
            if credit is None or credit.service != Service.CREDIT or credit.response != "00" or credit.undone:
                return False
            self._move(credit.card, -credit.amount_fen, reference, "return", reference)
            self._db.execute("UPDATE request SET undone = 1 WHERE id = ?", (credit.id,))
        return True

    # ── what each service does

    def _carry_out(self, asked: BankMessage) -> tuple[str, int]:
        """The response code, and what a freeze holds from now on."""
        if asked.service is Service.REVERSE:
            return self._reverse(asked), 0
        card = self.card(asked.card_number)
        if card is None:
            return "14", 0
        match asked.service:
            case Service.VERIFY:
                return ("00" if (card.holder_name, card.phone) == (asked.holder_name, asked.phone) else "63"), 0
            case Service.CREDIT:
                if asked.holder_name and asked.holder_name != card.holder_name:
                    return "63", 0
                self._move(card.number, asked.amount_fen, asked.reference, asked.service, "")
                return "00", 0
            case Service.DEBIT if card.available_fen >= asked.amount_fen > 0:
                self._move(card.number, -asked.amount_fen, asked.reference, asked.service, "")
                return "00", 0
            case Service.FREEZE if card.available_fen >= asked.amount_fen > 0:
                self._freeze(card.number, asked.amount_fen)
                return "00", asked.amount_fen
            case Service.DEBIT | Service.FREEZE:
                return ("51" if asked.amount_fen else "13"), 0
            case Service.COLLECT | Service.UNFREEZE:
                return self._end_freeze(asked), 0
            case _:
                return "40", 0

    def _end_freeze(self, asked: BankMessage) -> str:
        freeze = None if asked.original is None else self._find(asked.original.reference)
        if freeze is None or freeze.service != Service.FREEZE:
            return _NEVER_HAD
        if not freeze.held_fen:
            return _UNDONE
        if asked.service is Service.COLLECT and asked.amount_fen > freeze.held_fen:
            return "64"
        self._release(freeze)
        if asked.service is Service.COLLECT:
            self._move(freeze.card, -asked.amount_fen, asked.reference, asked.service, freeze.reference)
        return "00"

    def _reverse(self, asked: BankMessage) -> str:
        if asked.original is None:
            return "30"
        original = self._find(asked.original.reference)
        if original is None:
            self._remember(asked.original.reference, "tombstone", asked.card_number, 0, _UNDONE, 0)
            return _NEVER_HAD
        undoable = original.response == "00" and not original.undone
        if not undoable or original.service not in (*_MOVES_OUT, Service.FREEZE):
            return _NOTHING_TO_UNDO
        if original.service == Service.FREEZE:
            if not original.held_fen:
                return _NOTHING_TO_UNDO
            self._release(original)
        else:
            self._move(original.card, original.amount_fen, asked.reference, asked.service, original.reference)
        self._db.execute("UPDATE request SET undone = 1 WHERE id = ?", (original.id,))
        return "00"

    def _balance(self, asked: BankMessage) -> Verdict:
        card = self.card(asked.card_number)
        return Verdict("14") if card is None else Verdict("00", available_fen=card.available_fen)

    # ── rows

    def _said_of(self, known: _Request | None) -> Verdict:
        if known is None:
            return Verdict(_NEVER_HAD)
        return Verdict(_UNDONE if known.undone else known.response, f"{known.id:012d}")

    def _facts(self, asked: BankMessage) -> tuple[str, str, int]:
        return asked.service.value, asked.card_number, asked.amount_fen

    def _find(self, reference: str) -> _Request | None:
        row = self._db.execute(
            "SELECT id, reference, service, card, amount_fen, response, held_fen, undone FROM request"
            " WHERE reference = ?",
            (reference,),
        ).fetchone()
        return None if row is None else _Request(*row)

    def _remember(self, reference: str, service: str, card: str, amount_fen: int, response: str, held_fen: int) -> str:
        made = self._db.execute(
            "INSERT INTO request (reference, service, card, amount_fen, response, held_fen) VALUES (?, ?, ?, ?, ?, ?)",
            (reference, service, card, amount_fen, response, held_fen),
        )
        return f"{made.lastrowid or 0:012d}"

    def _freeze(self, card: str, amount_fen: int) -> None:
        self._db.execute("UPDATE card SET frozen_fen = frozen_fen + ? WHERE number = ?", (amount_fen, card))

    def _release(self, freeze: _Request) -> None:
        self._freeze(freeze.card, -freeze.held_fen)
        self._db.execute("UPDATE request SET held_fen = 0 WHERE id = ?", (freeze.id,))

    def _move(self, card: str, amount_fen: int, reference: str, service: str, original: str) -> None:
        self._db.execute("UPDATE card SET balance_fen = balance_fen + ? WHERE number = ?", (amount_fen, card))
        self._db.execute(
            "INSERT INTO line (at, card, amount_fen, reference, service, original) VALUES (?, ?, ?, ?, ?, ?)",
            (datetime.now(UTC).isoformat(timespec="milliseconds"), card, amount_fen, reference, str(service), original),
        )
