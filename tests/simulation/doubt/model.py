"""A storm's operations and the world they are drawn from; plain values that cross a pipe as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

PENDING = ("CONFIRMING", "FUNDING", "IN_DOUBT", "AUTHORIZED", "COMPLETING", "RELEASING", "REVERSING")
"""States that another system, or the job, has still to move."""


@dataclass(frozen=True, slots=True)
class Payer:
    """`cards` are the ids of bound cards by bank."""

    id: str
    phone: str
    ledger_account_id: int
    cards: dict[str, str]

    @property
    def uuid(self) -> UUID:
        return UUID(self.id)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A product on sale; `stock` None is unlimited."""

    id: str
    merchant_id: str
    stock: int | None


@dataclass(frozen=True, slots=True)
class World:
    payers: list[Payer] = field(default_factory=list)
    goods: list[Shelf] = field(default_factory=list)
    merchants: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> World:
        return cls(
            [Payer(**row) for row in found["payers"]], [Shelf(**row) for row in found["goods"]], found["merchants"]
        )


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody asks for; `number` is its key. The rest is as its operation needs it."""

    number: int
    kind: str
    payer: int = 0
    merchant: int = 0
    goods: int | None = None
    quantity: int = 0
    amount_fen: int = 0
    bank: str = ""
    original: str | None = None

    @property
    def key(self) -> str:
        return f"d{self.number}"

    def message(self) -> dict[str, Any]:
        return {"deed": asdict(self)}
