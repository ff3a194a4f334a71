"""What people do in a simulation, drawn from a seed; plain values that cross a pipe as JSON.

A step with a key may be asked for again and again; one without (a reply, a lapse, a day close) is safe to repeat by
what it does.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

KEYED = ("buy", "ask", "reverse", "cash", "undo", "redeem")


@dataclass(frozen=True, slots=True)
class Step:
    """`number` is its place in the seed's walk, and its key where it has one. The rest is of its `kind`:

    buy      person, goods | amount_fen, quantity, right (the payment password), order_no
    ask      the same without `right`: the merchant asks, the payer replies later
    reply    original (a transaction asked for), yes
    reverse  merchant, original | order_no
    cash     person, amount_fen
    undo     original (a cash top-up)
    redeem   person, card
    lapse    ·
    close    ·
    """

    number: int
    kind: str
    key: str
    person: int = 0
    goods: int | None = None
    merchant: int = 0
    quantity: int = 0
    amount_fen: int = 0
    right: bool = True
    order_no: str | None = None
    original: str | None = None
    yes: bool = True
    card: int = 0

    def message(self) -> dict[str, Any]:
        return {"step": asdict(self)}


@dataclass(frozen=True, slots=True)
class Found:
    """What an answer said of a transaction; `repeated` and `recorded` as the desk's."""

    id: str
    kind: str
    state: str
    refusal: str | None
    account_id: str | None
    amount_fen: int
    fee_fen: int
    restricted_fen: int
    original_id: str | None
    repeated: bool = False
    recorded: bool = True

    @property
    def said(self) -> tuple[object, ...]:
        """What a repeat must say too."""
        return self.id, self.kind, self.state, self.refusal, self.amount_fen, self.fee_fen, self.restricted_fen
