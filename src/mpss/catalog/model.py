"""Goods as values: who may see them, where they stand, how many there are. Spec: CT 4.2, 5.5."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Scope(StrEnum):
    """What a product may be sold to (CT 4.2)."""

    LOCAL = "local"  # 本地: subscribers whose home is the merchant's province
    NATIONAL = "national"  # 全国: everybody
    VISITED = "visited"  # 漫游地: subscribers of other provinces who are in the merchant's province now


class ProductState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"


class ProductRow(NamedTuple):
    """What a decision needs to know of a product. `has_stock` False: the quantity available is unlimited."""

    id: UUID
    merchant_id: UUID
    name: str
    price_fen: int
    scope: Scope
    state: ProductState
    has_stock: bool


@dataclass(frozen=True, slots=True)
class Product:
    """A product as shown: `available` None is an unlimited quantity; `sms_code` is what subscribers type to buy it.

    `merchant_name` and `province` are the provider's; `picture_type` is a media type or None; `revision` counts the
    edits, from 1.
    """

    id: UUID
    merchant_id: UUID
    merchant_name: str
    province: str
    name: str
    description: str
    category: str
    price_fen: int
    scope: str
    state: str
    available: int | None
    picture_type: str | None
    revision: int
    review_note: str
    created_at: datetime
    published_at: datetime | None
    sms_code: int


class StockRow(NamedTuple):
    """A product's quantity in this desk's portion; `exhausted` says that nothing more can be gathered into it."""

    available: int
    exhausted: bool


def in_scope(scope: Scope, merchant_province: str, home_province: str, visited_province: str | None) -> bool:
    """May a subscriber of `home_province`, now in `visited_province` (None: at home), see and buy it? Spec: CT 4.2."""
    if scope is Scope.NATIONAL:
        return True
    if scope is Scope.LOCAL:
        return home_province == merchant_province
    return home_province != merchant_province and visited_province == merchant_province


class Gathering(NamedTuple):
    """Portions after a desk gathered: its own, and the changed others by slot."""

    own: int
    others: dict[int, int]
    exhausted: bool


def gather(need: int, *, own: int, others: dict[int, int]) -> Gathering:
    """Move stock into a desk's portion until it holds `need`, or everything there is. Neither makes nor loses a piece.

    `others` are the other portions by slot; slot 0 is the common store. The common store gives at least a quarter of
    what it has, so that a desk does not come back for every sale; then the fullest portions give at least half.
    """
    changed: dict[int, int] = {}
    common = others.get(0, 0)
    sources = sorted(((quantity, slot) for slot, quantity in others.items() if slot != 0), reverse=True)
    offers = [(0, common, common // 4), *((slot, quantity, (quantity + 1) // 2) for quantity, slot in sources)]
    for slot, quantity, portion in offers:
        if own >= need:
            break
        moved = min(quantity, max(need - own, portion))
        if moved:
            changed[slot] = quantity - moved
            own += moved
    return Gathering(own, changed, own < need)
