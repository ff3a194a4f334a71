"""What the books need before the first entry: the house's own accounts and an open business day."""

from __future__ import annotations

from datetime import date, datetime

from mpss.db.database import UnitOfWork
from mpss.ledger.chart import CHART

_HOUSE_ACCOUNTS = """
    INSERT INTO ledger_account (id, code, name, has_floor, opened_at)
    SELECT id, code, name, has_floor, %(now)s
      FROM unnest(%(ids)s::bigint[], %(codes)s::text[], %(names)s::text[], %(floors)s::boolean[])
           AS house (id, code, name, has_floor)
        ON CONFLICT (id) DO NOTHING
"""
_HOUSE_BALANCES = """
    INSERT INTO ledger_balance (ledger_account_id)
    SELECT id FROM ledger_account WHERE id = ANY(%(ids)s) AND has_floor
        ON CONFLICT (ledger_account_id) DO NOTHING
"""
_FIRST_DAY = """
    INSERT INTO business_day (business_date, opened_at)
    SELECT %(today)s, %(now)s WHERE NOT EXISTS (SELECT FROM business_day)
        ON CONFLICT DO NOTHING
"""


async def seed(uow: UnitOfWork, *, today: date, now: datetime) -> None:
    """Open the house's accounts and, on books that never had one, the business day `today`. Safe to repeat."""
    lines = [line for line in CHART.values() if line.house_account_id is not None]
    ids = [line.house_account_id for line in lines]
    accounts = {
        "ids": ids,
        "codes": [line.code.value for line in lines],
        "names": [line.name_zh for line in lines],
        "floors": [line.has_floor for line in lines],
        "now": now,
    }
    await uow.execute(_HOUSE_ACCOUNTS, accounts)
    await uow.execute(_HOUSE_BALANCES, {"ids": ids})
    await uow.execute(_FIRST_DAY, {"today": today, "now": now})
