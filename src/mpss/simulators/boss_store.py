"""The town's BOSS's own books, in a SQLite file: subscriptions, and every event of them with what became of it.

Invariants: (1) a number has one subscription that stands at most; (2) sequences count within a subscription without a
gap; (3) a subscription and its event are written together, so that what is not told can still be asked about.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mpss.simulators.sqlite_file import one_change, open_store

_TABLES = """
    CREATE TABLE IF NOT EXISTS subscription (
        subscription_id TEXT PRIMARY KEY, phone TEXT NOT NULL, status TEXT NOT NULL, owner TEXT NOT NULL,
        sim_serial TEXT NOT NULL, service_class TEXT NOT NULL, since TEXT NOT NULL,
        status_sequence INTEGER NOT NULL, number_sequence INTEGER NOT NULL, card_sequence INTEGER NOT NULL,
        end_sequence INTEGER NOT NULL
    );
    CREATE UNIQUE INDEX IF NOT EXISTS subscription_phone ON subscription (phone)
        WHERE status NOT IN ('cancelled', 'transferred');
    CREATE TABLE IF NOT EXISTS event (
        event_id TEXT PRIMARY KEY, subscription_id TEXT NOT NULL, sequence INTEGER NOT NULL, body TEXT NOT NULL,
        state TEXT NOT NULL, attempts INTEGER NOT NULL, answer TEXT NOT NULL,
        UNIQUE (subscription_id, sequence)
    );
"""
_COLUMNS = (
    "subscription_id, phone, status, owner, sim_serial, service_class, since,"
    " status_sequence, number_sequence, card_sequence, end_sequence"
)
_STANDS = "status NOT IN ('cancelled', 'transferred')"


class NotPossible(Exception):
    """The subscription cannot be changed so; the message says why."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """As the books have it; `since` is ISO 8601. An owner of "" is registered nowhere."""

    subscription_id: str
    phone: str
    status: str
    owner: str
    sim_serial: str
    service_class: str
    since: str
    status_sequence: int
    number_sequence: int
    card_sequence: int
    end_sequence: int

    @property
    def sequence(self) -> int:
        """The last event's."""
        return max(self.status_sequence, self.number_sequence, self.card_sequence, self.end_sequence)


@dataclass(frozen=True, slots=True)
class Event:
    """`state`: waiting, taken, refused or lost; `answer` is the center's last."""

    event_id: str
    subscription_id: str
    sequence: int
    body: str
    state: str
    attempts: int
    answer: str


# What a change makes of the status; None where it may be any that stands and stays.
_STATUS = {
    "stop_1way": "stopped_1way", "stop_2way": "stopped_2way", "resume": "active",
    "cancel_user": "cancelled", "cancel_system": "cancelled", "transfer_owner": "transferred",
    "change_number": None, "sim_swap": None,
}  # fmt: skip
_ASPECT = {
    "stop_1way": "status_sequence", "stop_2way": "status_sequence", "resume": "status_sequence",
    "cancel_user": "end_sequence", "cancel_system": "end_sequence", "transfer_owner": "end_sequence",
    "change_number": "number_sequence", "sim_swap": "card_sequence",
}  # fmt: skip


class BossStore:
    """`path` None keeps it in memory; `now` is the town's time."""

    def __init__(self, path: Path | None, *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._db = open_store(path, _TABLES)

    def close(self) -> None:
        self._db.close()

    def sell(
        self, phone: str, *, owner: str | None = None, service_class: str = "prepaid", since: datetime | None = None
    ) -> Subscription:
        """A subscription of a number that nobody has; without `owner` somebody new is registered, without `since` now.

        Raises:
            NotPossible: somebody has the number.
        """
        with one_change(self._db):
            return self._sell(phone, owner, service_class, since)

    def change(
        self, kind: str, phone: str, *, new_phone: str | None = None, new_owner: str | None = None
    ) -> tuple[Subscription, Event]:
        """Change the subscription that stands on the number, and write the event; the state after it, and the event.

        With another owner the number has a new subscription of theirs.

        Raises:
            NotPossible: there is no such change, nobody has the number, or somebody has the new one.
        """
        if kind not in _STATUS:
            raise NotPossible(f"a change is one of {', '.join(_STATUS)}")
        with one_change(self._db):
            old = self.standing(phone)
            if old is None:
                raise NotPossible("nobody has the number")
            changed = asdict(old) | {"status": _STATUS[kind] or old.status, _ASPECT[kind]: old.sequence + 1}
            more: dict[str, Any] = {}
            if kind == "change_number":
                if not new_phone or self.standing(new_phone) is not None:
                    raise NotPossible("somebody has the new number, or it is missing")
                changed["phone"] = more["new_phone"] = new_phone
            if kind == "sim_swap":
                changed["sim_serial"] = more["sim_serial"] = _new_serial()
            columns = ", ".join(f"{name} = :{name}" for name in changed)
            self._db.execute(f"UPDATE subscription SET {columns} WHERE subscription_id = :subscription_id", changed)
            if kind == "transfer_owner":
                self._sell(phone, new_owner, old.service_class)
            new = Subscription(**changed)
            return new, self._write_event(kind, phone, new, more)

    def standing(self, phone: str) -> Subscription | None:
        """Who has the number now."""
        return self._one(f"phone = ? AND {_STANDS}", phone)

    def known(self, phone: str) -> bool:
        """Whether anybody ever had the number."""
        return self._one("phone = ?", phone) is not None

    def subscription(self, subscription_id: str) -> Subscription | None:
        """A subscription, ended or not."""
        return self._one("subscription_id = ?", subscription_id)

    def subscriptions(self) -> list[Subscription]:
        """Every subscription, oldest first."""
        return [Subscription(*row) for row in self._db.execute(f"SELECT {_COLUMNS} FROM subscription ORDER BY rowid")]

    def events(self, state: str | None = None) -> list[Event]:
        """Every event, or those in a state, oldest first."""
        rows = self._db.execute("SELECT * FROM event WHERE ? IS NULL OR state = ? ORDER BY rowid", (state, state))
        return [Event(*row) for row in rows]

    def tried(self, event_id: str, state: str, answer: str) -> None:
        """What became of one delivery."""
        self._db.execute(
            "UPDATE event SET state = ?, answer = ?, attempts = attempts + 1 WHERE event_id = ?",
            (state, answer, event_id),
        )

    def _one(self, where: str, value: str) -> Subscription | None:
        row = self._db.execute(f"SELECT {_COLUMNS} FROM subscription WHERE {where}", (value,)).fetchone()
        return None if row is None else Subscription(*row)

    def _sell(self, phone: str, owner: str | None, service_class: str, since: datetime | None = None) -> Subscription:
        if self.standing(phone) is not None:
            raise NotPossible("somebody has the number")
        made = Subscription(
            f"SUB{secrets.token_hex(8).upper()}", phone, "active",
            f"CUST{secrets.token_hex(6).upper()}" if owner is None else owner, _new_serial(), service_class,
            (since or self._now()).astimezone(UTC).isoformat(), 0, 0, 0, 0,
        )  # fmt: skip
        self._db.execute(
            "INSERT INTO subscription VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", tuple(asdict(made).values())
        )
        return made

    def _write_event(self, kind: str, phone: str, now: Subscription, more: dict[str, Any]) -> Event:
        event_id = f"BE{secrets.token_hex(10).upper()}"
        body = {
            "message": "boss_event", "event_id": event_id, "kind": kind, "phone": phone,
            "subscription_id": now.subscription_id, "sequence": now.sequence,
            "occurred_at": self._now().astimezone(UTC).isoformat(), **more,
        }  # fmt: skip
        made = Event(event_id, now.subscription_id, now.sequence, json.dumps(body), "waiting", 0, "")
        self._db.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)", tuple(asdict(made).values()))
        return made


def _new_serial() -> str:
    """An ICCID's 20 digits."""
    return f"8986{secrets.randbelow(10**16):016d}"
