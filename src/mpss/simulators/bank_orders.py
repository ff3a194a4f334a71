"""What a bank's customers send to wallets: the card is debited first, and what was not credited comes back.

    sent ──00──► done    ──a no──► returned    ──no answer──► reversing ──acknowledged──► returned
                                                                        ──spent meanwhile (51)──► done

Kept in the bank's own file, with a line of the statement for each movement; what was sent when the bank died is
reversed after its restart, because nobody knows whether it arrived.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mpss.simulators.bank_store import BankStore
from mpss.simulators.sqlite_file import one_change

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS sent_topup (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        card       TEXT NOT NULL,
        phone      TEXT NOT NULL,
        amount_fen INTEGER NOT NULL,
        sent_at    TEXT NOT NULL,
        state      TEXT NOT NULL,
        response   TEXT NOT NULL DEFAULT ''
    )
"""
DOUBTFUL = frozenset({"06", "09", "68", "96", "98", "A0"})
_TAKEN_BACK = frozenset({"00", "12", "22", "25"})
_SPENT = "51"
SENT, BACK = "top_up", "top_up_back"
"""The services of the statement's lines."""


class NotEnough(ValueError):
    """The card is unknown or has too little."""


@dataclass(frozen=True, slots=True)
class SentTopup:
    """One top-up; `sent_at` is MMDDhhmmss in Shanghai, `response` what was last heard."""

    id: int
    card: str
    phone: str
    amount_fen: int
    sent_at: str
    state: str
    response: str

    @property
    def reference(self) -> str:
        return f"T{self.id:011d}"

    @property
    def reversal_reference(self) -> str:
        return f"R{self.id:011d}"

    @property
    def trace(self) -> str:
        return f"{self.id % 1_000_000:06d}"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "reference": self.reference}


class BankOrders:
    """The top-ups that the customers of `store`'s cards sent."""

    def __init__(self, store: BankStore) -> None:
        self._store = store
        self._db = store.db
        self._db.execute(_SCHEMA)
        self._db.execute("UPDATE sent_topup SET state = 'reversing' WHERE state = 'sent'")

    def place(self, card: str, *, phone: str, amount_fen: int, sent_at: str) -> SentTopup:
        """Debit the card and write the top-up down, before it is sent.

        Raises:
            NotEnough: the card is unknown, or has less than `amount_fen`.
        """
        with one_change(self._db):
            account = self._store.card(card)
            if account is None or not 0 < amount_fen <= account.available_fen:
                raise NotEnough(f"card {card} has not {amount_fen} fen")
            made = self._db.execute(
                "INSERT INTO sent_topup (card, phone, amount_fen, sent_at, state) VALUES (?, ?, ?, ?, 'sent')",
                (card, phone, amount_fen, sent_at),
            )
            order = self.get(made.lastrowid or 0)
            self._store.book(card, -amount_fen, order.reference, SENT)
        return order

    def answered(self, order_id: int, response: str) -> SentTopup:
        """What the platform said of the top-up; '' where it said nothing."""
        with one_change(self._db):
            order = self.get(order_id)
            if order.state == "sent":
                if response == "00":
                    self._move(order, "done", response)
                elif not response or response in DOUBTFUL:
                    self._move(order, "reversing", response)
                else:
                    self._give_back(order, response)
        return self.get(order_id)

    def reversal_answered(self, order_id: int, response: str) -> SentTopup:
        """What the platform said of the reversal; whatever is no answer leaves it to be insisted upon."""
        with one_change(self._db):
            order = self.get(order_id)
            if order.state == "reversing" and response in _TAKEN_BACK:
                self._give_back(order, response)
            elif order.state == "reversing" and response == _SPENT:
                self._move(order, "done", response)
        return self.get(order_id)

    def get(self, order_id: int) -> SentTopup:
        return next(order for order in self._read("WHERE id = ?", order_id))

    def by_reference(self, reference: str) -> SentTopup:
        return self.get(int(reference[1:]))

    def all(self) -> list[SentTopup]:
        """Every top-up, oldest first."""
        return self._read("ORDER BY id")

    def to_reverse(self) -> list[SentTopup]:
        return self._read("WHERE state = 'reversing' ORDER BY id")

    def _read(self, rest: str, *values: object) -> list[SentTopup]:
        rows = self._db.execute(
            f"SELECT id, card, phone, amount_fen, sent_at, state, response FROM sent_topup {rest}", values
        )
        return [SentTopup(*row) for row in rows]

    def _give_back(self, order: SentTopup, response: str) -> None:
        self._move(order, "returned", response)
        self._store.book(order.card, order.amount_fen, order.reversal_reference, BACK, order.reference)

    def _move(self, order: SentTopup, state: str, response: str) -> None:
        self._db.execute("UPDATE sent_topup SET state = ?, response = ? WHERE id = ?", (state, response, order.id))
