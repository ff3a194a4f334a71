"""A party's own ledger account: a wallet's, a merchant's. House accounts have fixed ids (chart.py)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import LiteralString

from mpss.db.database import UnitOfWork
from mpss.ledger.chart import CHART, Code

_OPEN: LiteralString = """
    INSERT INTO ledger_account (code, name, has_floor, opened_at)
    VALUES (%(code)s, %(name)s, %(has_floor)s, %(now)s) RETURNING id
"""
_OPEN_BALANCE: LiteralString = "INSERT INTO ledger_balance (ledger_account_id) VALUES (%(id)s)"
_FLOORS: LiteralString = "SELECT id, has_floor FROM ledger_account WHERE id = ANY(%(ids)s)"


async def open_ledger_account(uow: UnitOfWork, code: Code, *, name: str, now: datetime) -> int:
    """A new ledger account of `code`, empty; its id. An account with a floor gets its stored balance too."""
    line = CHART[code]
    assert line.house_account_id is None, f"{code} is an account of the house"
    opened: int = await uow.value(_OPEN, {"code": code, "name": name, "has_floor": line.has_floor, "now": now})
    if line.has_floor:
        await uow.execute(_OPEN_BALANCE, {"id": opened})
    return opened


async def floors(uow: UnitOfWork, ids: Collection[int]) -> dict[int, bool]:
    """Of those that are there, whether each ledger account has a floor."""
    return {row["id"]: row["has_floor"] for row in await uow.dicts(_FLOORS, {"ids": list(ids)})}
