"""What a desk keeps of fees, limits and rules: what is changed meanwhile holds from the next batch on (CM 9)."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import mpss
from mpss.db.database import Database
from mpss.db.rows import RowSet
from mpss.kernel.errors import ErrorCode
from tests.integration.desk.test_limits import refusals, spread
from tests.support.clauses import clause
from tests.support.world import breaches, desks, give_money, open_wallets, pay, put_on_sale

CHANGES = {
    "fee": (
        "INSERT INTO fee_schedule VALUES ('purchase', '2026-01-02', 10000000, 0, 0, 10000000)",
        ErrorCode.INSUFFICIENT_FUNDS,
    ),
    "limit": (
        "INSERT INTO limit_version (version, effective_from) VALUES (2, '2026-01-01');"
        "INSERT INTO limit_rule VALUES (2, 'weak', '*', 'payment', 'single', 50)",
        ErrorCode.SINGLE_LIMIT_EXCEEDED,
    ),
    "rule": (
        "INSERT INTO risk_rule_version (id, rule, action, enabled, figures, effective_from, state, approval_id,"
        " proposed_by, proposed_at, decided_by, decided_at) VALUES (gen_random_uuid(), 'first_day_large', 'refuse',"
        """ true, '{"hours": 24, "amount_fen": 50}', '2026-01-01', 'approved', gen_random_uuid(),"""
        " 'one', '2026-01-01', 'two', '2026-01-01')",
        ErrorCode.RISK_REFUSED,
    ),
}


def row_sets() -> Iterator[RowSet[object, object]]:
    for module in pkgutil.walk_packages(mpss.__path__, "mpss."):
        if module.name.endswith("store"):
            yield from (
                each for each in vars(importlib.import_module(module.name)).values() if isinstance(each, RowSet)
            )


@clause("CM 9.1", "CM 9.5", "CT 10.2")
class TestFiguresThatAreChanged:
    @pytest.mark.parametrize("change", CHANGES)
    async def test_hold_for_every_desk_from_its_next_batch_on(self, database: Database, change: str) -> None:
        statements, refusal = CHANGES[change]
        async with desks(database, 2) as serving:
            (person,) = await open_wallets(database, 1)
            await give_money(serving[0], [person], 100_000)
            goods = await put_on_sale(database)
            assert refusals(await spread(serving, [pay(person, goods, amount_fen=100) for _ in range(4)])) == []
            async with database.transaction() as uow:
                for statement in statements.split(";"):
                    await uow.connection.execute(statement.encode())
                # What is not committed yet holds for nobody, and is not taken for known afterwards.
                assert refusals(await spread(serving, [pay(person, goods, amount_fen=100) for _ in range(4)])) == []
            answers = await spread(serving, [pay(person, goods, amount_fen=100) for _ in range(4)])
            assert refusals(answers) == [refusal] * 4
        assert await breaches(database) == []

    async def test_move_the_version_whatever_table_they_stand_in(self, database: Database) -> None:
        read = {
            table
            for rows in row_sets()
            if rows.kept
            for table in re.findall(r"(?:FROM|JOIN|,) (\w+_\w+)\b(?!\()", rows.load)
        }
        assert read >= {"fee_schedule", "limit_rule", "limit_version", "risk_rule_version"}
        async with database.read() as uow:
            cursor = await uow.connection.execute(
                "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgfoid = 'figures_changed'::regproc"
            )
            assert {record[0] for record in await cursor.fetchall()} == read
