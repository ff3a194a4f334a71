"""Directed relations (定向转账关系) as values: what the desk loads of one, and what its payer sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID


class PayeeRow(NamedTuple):
    """A directed relation as decisions see it; `sent_fen` is of business date `day`."""

    account_id: UUID
    phone: str
    single_limit_fen: int
    daily_limit_fen: int
    usable_from: datetime
    dissolved_at: datetime | None
    day: date
    sent_fen: int


@dataclass(frozen=True, slots=True)
class Payee:
    """A directed relation that stands. Limits in fen; it counts from `usable_from` on."""

    id: UUID
    phone: str
    single_limit_fen: int
    daily_limit_fen: int
    created_at: datetime
    usable_from: datetime
