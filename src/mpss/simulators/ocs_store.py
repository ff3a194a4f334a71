"""What the town's OCS remembers: subscribers with balance and credit limit, sessions, answers given, and the ledger.

One SQLite file, which several doors and processes may share. Invariants: (1) an answer is written together with what
it did, and the same Session-Id and CC-Request-Number get it again; (2) available = balance + credit limit − reserved,
and no reservation or debit takes it below zero; (3) the ledger has one line for each amount charged or refunded;
(4) a reservation that is not ended within its validity lapses: nothing is charged, and who ends it is told 5002.
"""

from __future__ import annotations

import math
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mpss.simulators.sqlite_file import one_change, open_store
from mpss.wire.diameter import Action, CreditAnswer, CreditRequest, RequestType, Result

DEFAULT_BALANCE_FEN = 100_000
"""What a number that nobody has set up starts with, prepaid."""
LARGEST_AMOUNT_FEN = 10**12
VALIDITY_SECONDS = 3600
_BUSY_SECONDS = 10.0

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS subscriber (
        phone            TEXT PRIMARY KEY,
        kind             TEXT NOT NULL CHECK (kind IN ('prepaid', 'postpaid')),
        balance_fen      INTEGER NOT NULL,     -- of a post-paid one below zero: what the next bill asks for
        credit_limit_fen INTEGER NOT NULL,
        reserved_fen     INTEGER NOT NULL DEFAULT 0,
        barred           INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE IF NOT EXISTS session (
        session_id   TEXT PRIMARY KEY,
        phone        TEXT NOT NULL,
        reserved_fen INTEGER NOT NULL,
        state        TEXT NOT NULL CHECK (state IN ('open', 'committed', 'released', 'tombstone'))
    );
    CREATE TABLE IF NOT EXISTS validity (      -- of the sessions that are open, and of those that lapsed
        session_id TEXT PRIMARY KEY,
        ends_at    REAL NOT NULL,              -- seconds since 1970
        lapsed     INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX IF NOT EXISTS validity_ends ON validity (ends_at) WHERE lapsed = 0;
    CREATE TABLE IF NOT EXISTS answer (
        session_id  TEXT NOT NULL,
        number      INTEGER NOT NULL,
        asked       TEXT NOT NULL,             -- what was asked, so that the same ids for something else are refused
        result_code INTEGER NOT NULL,
        granted_fen INTEGER,
        repeats     INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (session_id, number)
    );
    CREATE TABLE IF NOT EXISTS ledger (
        id                  INTEGER PRIMARY KEY AUTOINCREMENT,
        session_id          TEXT NOT NULL,
        number              INTEGER NOT NULL,
        phone               TEXT NOT NULL,
        kind                TEXT NOT NULL CHECK (kind IN ('charge', 'refund')),
        amount_fen          INTEGER NOT NULL,
        original_session_id TEXT,
        at                  TEXT NOT NULL,
        UNIQUE (session_id, number)
    );
    CREATE INDEX IF NOT EXISTS ledger_original ON ledger (original_session_id) WHERE original_session_id IS NOT NULL;
"""


@dataclass(frozen=True, slots=True)
class Subscriber:
    phone: str
    kind: str
    balance_fen: int
    credit_limit_fen: int
    reserved_fen: int
    barred: bool

    @property
    def available_fen(self) -> int:
        return self.balance_fen + self.credit_limit_fen - self.reserved_fen


class OcsStore:
    """The SQLite file `path`, made where there is none. A reservation is good for `validity_seconds`."""

    def __init__(self, path: Path, *, validity_seconds: float = VALIDITY_SECONDS) -> None:
        self.validity_seconds = validity_seconds
        self._db = open_store(path, _SCHEMA, timeout_seconds=_BUSY_SECONDS)
        self._db.row_factory = sqlite3.Row

    def close(self) -> None:
        self._db.close()

    # ── credit control

    def answer(self, request: CreditRequest) -> CreditAnswer:
        """Carry the request out, once; a repeat is answered as the first time, of a lapsed reservation with 5002."""
        if request.action is Action.CHECK_BALANCE:
            return self._check(request)
        asked = f"{request.kind.value} {request.action} {request.phone} {request.amount_fen}"
        with one_change(self._db):
            self._lapse()
            row = self._one(
                "SELECT asked, result_code, granted_fen FROM answer WHERE session_id = ? AND number = ?",
                (request.session_id, request.number),
            )
            if row is None:
                result, granted_fen = self._carry_out(request)
                self._db.execute(
                    "INSERT INTO answer (session_id, number, asked, result_code, granted_fen) VALUES (?, ?, ?, ?, ?)",
                    (request.session_id, request.number, asked, int(result), granted_fen),
                )
                return self._answer(request, result, granted_fen)
            self._db.execute(
                "UPDATE answer SET repeats = repeats + 1 WHERE session_id = ? AND number = ?",
                (request.session_id, request.number),
            )
            if row["asked"] != asked:
                return self._answer(request, Result.UNABLE_TO_COMPLY)
            if request.kind is RequestType.INITIAL and self._has_lapsed(request.session_id):
                return self._answer(request, Result.UNKNOWN_SESSION)
            return self._answer(request, row["result_code"], row["granted_fen"])

    def _check(self, request: CreditRequest) -> CreditAnswer:
        subscriber = self.subscriber(request.phone)
        if subscriber.barred:
            return self._answer(request, Result.USER_UNKNOWN)
        enough = subscriber.available_fen >= request.amount_fen
        return CreditAnswer(request.session_id, Result.SUCCESS, int(request.kind), request.number, enough=enough)

    def _carry_out(self, request: CreditRequest) -> tuple[Result, int | None]:
        subscriber = self._subscriber(request.phone)
        if subscriber.barred and request.kind is not RequestType.TERMINATION:
            return Result.USER_UNKNOWN, None
        if request.amount_fen > LARGEST_AMOUNT_FEN:
            return Result.RATING_FAILED, None
        match request.kind, request.action:
            case RequestType.INITIAL, None:
                return self._reserve(request, subscriber)
            case RequestType.TERMINATION, None:
                return self._end(request)
            case RequestType.EVENT, Action.DEBIT:
                return self._debit(request, subscriber)
            case RequestType.EVENT, Action.REFUND:
                return self._refund(request)
            case _:
                return Result.UNABLE_TO_COMPLY, None

    def _reserve(self, request: CreditRequest, subscriber: Subscriber) -> tuple[Result, int | None]:
        if self._one("SELECT 1 FROM session WHERE session_id = ?", (request.session_id,)) is not None:
            return Result.UNABLE_TO_COMPLY, None  # Ended before it began: a late copy of a released reservation.
        if request.amount_fen == 0 or subscriber.available_fen < request.amount_fen:
            return (Result.CREDIT_LIMIT_REACHED if request.amount_fen else Result.RATING_FAILED), None
        self._reserved(request.phone, request.amount_fen)
        self._add_session(request, "open")
        ends_at = time.time() + self.validity_seconds
        self._db.execute("INSERT INTO validity (session_id, ends_at) VALUES (?, ?)", (request.session_id, ends_at))
        return Result.SUCCESS, request.amount_fen

    def _end(self, request: CreditRequest) -> tuple[Result, int | None]:
        session = self._one("SELECT * FROM session WHERE session_id = ?", (request.session_id,))
        if session is None:
            if request.amount_fen == 0:
                self._add_session(request, "tombstone")
            return Result.UNKNOWN_SESSION, None
        if session["state"] != "open" or session["phone"] != request.phone:
            return Result.UNKNOWN_SESSION, None
        if request.amount_fen > session["reserved_fen"]:
            return Result.RATING_FAILED, None
        self._reserved(request.phone, -session["reserved_fen"])
        if request.amount_fen:
            self._charge(request)
        self._db.execute(
            "UPDATE session SET state = ? WHERE session_id = ?",
            ("committed" if request.amount_fen else "released", request.session_id),
        )
        self._db.execute("DELETE FROM validity WHERE session_id = ?", (request.session_id,))
        return Result.SUCCESS, None

    def _lapse(self) -> None:
        """Release what was reserved in sessions that nobody ended in time."""
        late = self._rows(
            "SELECT session_id, phone, reserved_fen FROM validity JOIN session USING (session_id)"
            " WHERE lapsed = 0 AND ends_at <= ?",
            (time.time(),),
        )
        for session in late:
            self._reserved(session["phone"], -session["reserved_fen"])
            self._db.execute("UPDATE session SET state = 'released' WHERE session_id = ?", (session["session_id"],))
            self._db.execute("UPDATE validity SET lapsed = 1 WHERE session_id = ?", (session["session_id"],))

    def _has_lapsed(self, session_id: str) -> bool:
        return self._one("SELECT 1 FROM validity WHERE session_id = ? AND lapsed = 1", (session_id,)) is not None

    def _debit(self, request: CreditRequest, subscriber: Subscriber) -> tuple[Result, int | None]:
        if request.amount_fen == 0:
            return Result.RATING_FAILED, None
        if subscriber.available_fen < request.amount_fen:
            return Result.CREDIT_LIMIT_REACHED, None
        self._charge(request)
        return Result.SUCCESS, request.amount_fen

    def _refund(self, request: CreditRequest) -> tuple[Result, int | None]:
        if request.amount_fen == 0:
            return Result.RATING_FAILED, None
        if request.original_session_id is not None:
            charged = self._sum("charge", "session_id", request.original_session_id, request.phone)
            refunded = self._sum("refund", "original_session_id", request.original_session_id, request.phone)
            if charged == 0:
                return Result.UNKNOWN_SESSION, None
            if refunded + request.amount_fen > charged:
                return Result.RATING_FAILED, None
        self._post(request, "refund", request.amount_fen)
        return Result.SUCCESS, None

    def _charge(self, request: CreditRequest) -> None:
        self._post(request, "charge", -request.amount_fen)

    def _post(self, request: CreditRequest, kind: str, change_fen: int) -> None:
        self._db.execute(
            "UPDATE subscriber SET balance_fen = balance_fen + ? WHERE phone = ?", (change_fen, request.phone)
        )
        self._db.execute(
            "INSERT INTO ledger (session_id, number, phone, kind, amount_fen, original_session_id, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                request.session_id,
                request.number,
                request.phone,
                kind,
                request.amount_fen,
                request.original_session_id,
                datetime.now(UTC).isoformat(timespec="milliseconds"),
            ),
        )

    # ── what the control shows and sets

    def subscriber(self, phone: str) -> Subscriber:
        """The subscriber; one that nobody set up is prepaid with the default balance."""
        with one_change(self._db):
            self._lapse()
            return self._subscriber(phone)

    def set_subscriber(
        self, phone: str, *, kind: str, balance_fen: int, credit_limit_fen: int, barred: bool
    ) -> Subscriber:
        """Set a subscriber up, or change one; what is reserved stays."""
        with one_change(self._db):
            self._db.execute(
                "INSERT INTO subscriber (phone, kind, balance_fen, credit_limit_fen, barred) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (phone) DO UPDATE SET kind = excluded.kind, balance_fen = excluded.balance_fen,"
                " credit_limit_fen = excluded.credit_limit_fen, barred = excluded.barred",
                (phone, kind, balance_fen, credit_limit_fen, int(barred)),
            )
            return self._subscriber(phone)

    def subscribers(self) -> list[dict[str, Any]]:
        """One line for each subscriber, by number."""
        with one_change(self._db):
            self._lapse()
        return self._rows("SELECT * FROM subscriber ORDER BY phone")

    def sessions(self, *, state: str | None = None) -> list[dict[str, Any]]:
        """The sessions, by id: open, committed, released, lapsed, or tombstone (released before it began)."""
        with one_change(self._db):
            self._lapse()
        rows = self._rows(
            "SELECT session_id, phone, reserved_fen, ends_at, CASE WHEN lapsed THEN 'lapsed' ELSE state END AS state"
            " FROM session LEFT JOIN validity USING (session_id) ORDER BY session_id"
        )
        return [row for row in rows if state in (None, row["state"])]

    def ledger(self, *, after: int = 0, phone: str | None = None, limit: int = 1000) -> list[dict[str, Any]]:
        """The lines with a higher id than `after`, oldest first."""
        return self._rows(
            "SELECT * FROM ledger WHERE id > ? AND (? IS NULL OR phone = ?) ORDER BY id LIMIT ?",
            (after, phone, phone, limit),
        )

    def repeats(self) -> int:
        """How many requests were answered as before."""
        row = self._one("SELECT coalesce(sum(repeats), 0) AS count FROM answer")
        assert row is not None
        return int(row["count"])

    # ── rows

    def _subscriber(self, phone: str) -> Subscriber:
        self._db.execute(
            "INSERT OR IGNORE INTO subscriber (phone, kind, balance_fen, credit_limit_fen) VALUES (?, 'prepaid', ?, 0)",
            (phone, DEFAULT_BALANCE_FEN),
        )
        row = self._one("SELECT * FROM subscriber WHERE phone = ?", (phone,))
        assert row is not None
        return Subscriber(
            row["phone"],
            row["kind"],
            row["balance_fen"],
            row["credit_limit_fen"],
            row["reserved_fen"],
            bool(row["barred"]),
        )

    def _reserved(self, phone: str, change_fen: int) -> None:
        self._db.execute("UPDATE subscriber SET reserved_fen = reserved_fen + ? WHERE phone = ?", (change_fen, phone))

    def _add_session(self, request: CreditRequest, state: str) -> None:
        self._db.execute(
            "INSERT INTO session VALUES (?, ?, ?, ?)", (request.session_id, request.phone, request.amount_fen, state)
        )

    def _sum(self, kind: str, column: str, session_id: str, phone: str) -> int:
        row = self._one(
            f"SELECT coalesce(sum(amount_fen), 0) AS fen FROM ledger WHERE kind = ? AND {column} = ? AND phone = ?",
            (kind, session_id, phone),
        )
        assert row is not None
        return int(row["fen"])

    def _one(self, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
        return row

    def _rows(self, sql: str, values: tuple[object, ...] = ()) -> list[dict[str, Any]]:
        return [dict(row) for row in self._db.execute(sql, values)]

    def _answer(self, request: CreditRequest, result_code: int, granted_fen: int | None = None) -> CreditAnswer:
        """The answer; what is reserved comes with the seconds it is still good for."""
        row = None
        if granted_fen is not None and request.kind is RequestType.INITIAL:
            row = self._one("SELECT ends_at FROM validity WHERE session_id = ? AND lapsed = 0", (request.session_id,))
        return CreditAnswer(
            request.session_id,
            int(result_code),
            int(request.kind),
            request.number,
            granted_fen=granted_fen,
            validity_seconds=None if row is None else max(math.ceil(row["ends_at"] - time.time()), 0),
        )
