"""What new books hold."""

from __future__ import annotations

from datetime import timedelta

from mpss.db.database import Database
from mpss.ledger.chart import CHART
from mpss.ledger.seed import seed
from tests.support.instants import NOON, TODAY


class TestSeed:
    async def test_opens_every_account_of_the_house(self, database: Database) -> None:
        async with database.read() as uow:
            accounts = await uow.dicts("SELECT id, code, has_floor FROM ledger_account ORDER BY id")
            balances = await uow.dicts("SELECT ledger_account_id, balance_fen FROM ledger_balance")
        house = [line for line in CHART.values() if line.house_account_id is not None]
        expected = [
            {"id": line.house_account_id, "code": line.code.value, "has_floor": line.has_floor} for line in house
        ]
        assert accounts == sorted(expected, key=lambda row: row["id"] or 0)
        floored = [line.house_account_id for line in house if line.has_floor]
        assert balances == [{"ledger_account_id": number, "balance_fen": 0} for number in floored]

    async def test_changes_nothing_on_books_that_have_a_day(self, database: Database) -> None:
        later = NOON + timedelta(days=3)
        async with database.transaction() as uow:
            await seed(uow, today=later.date(), now=later)
            days = await uow.dicts("SELECT business_date, opened_at, cut_at FROM business_day")
            opened = await uow.value("SELECT max(opened_at) FROM ledger_account")
        assert days == [{"business_date": TODAY, "opened_at": NOON, "cut_at": None}]
        assert opened == NOON

    async def test_a_new_center_charges_nothing(self, database: Database) -> None:
        async with database.read() as uow:
            rows = await uow.dicts("SELECT kind, fixed_fen, basis_points FROM fee_schedule WHERE valid_from <= now()")
        assert sorted(rows, key=lambda row: row["kind"]) == [
            {"kind": kind, "fixed_fen": 0, "basis_points": 0} for kind in ("purchase", "withdrawal")
        ]
