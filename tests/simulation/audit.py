"""The end of a simulation: everything is asked for again, and the answers are added up against the books."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from mpss.db.database import Database
from mpss.ledger.balances import gathered_balance_fen, stored_balance
from mpss.ledger.chart import FEE_INCOME
from mpss.transactions.verify import verify
from tests.simulation.steps import KEYED, Found, Step
from tests.simulation.town import STOCK, Town
from tests.support.world import available


async def settle(town: Town) -> None:
    """Nothing is killed any more: everything is asked for again, and what waits for its payer lapses."""
    async with asyncio.timeout(60):
        await asyncio.gather(*(platform.up() for platform in town.platforms))
    for step in list(town.steps.values()):
        if step.kind not in KEYED:
            continue
        before = town.finals.get(step.number)
        found = await town.insist(replace(step, right=True))
        assert found is not None
        if before is not None:
            assert found.repeated, f"{step} was answered {before} and then done again: {found}"
    town.clock.set(town.clock.now() + timedelta(days=1))
    await town.insist(Step(0, "lapse", ""))
    await town.insist(Step(0, "close", ""))


async def compare(town: Town, database: Database) -> None:
    """The answers, added up, against the books."""
    balances: Counter[str] = Counter()
    restricted: Counter[str] = Counter()
    payables: Counter[UUID] = Counter()
    sold: Counter[int | None] = Counter()
    fees = 0
    sales: dict[str, Step] = {}
    paid = town.acknowledged("buy")
    for step, found in town.acknowledged("ask", state="CONFIRMING"):
        last = await town.insist(Step(0, "reply", "", original=found.id, yes=False))
        assert last is not None
        assert last.state != "CONFIRMING"
        if last.state in ("SUCCEEDED", "REVERSED"):
            paid.append((step, last))
    for sign, done in ((1, paid), (-1, _with_sales(town, paid, sales))):
        for step, found in done:
            account = str(found.account_id)
            merchant = town.merchants[step.merchant] if step.goods is None else town.goods[step.goods].merchant_id
            balances[account] -= sign * (found.amount_fen + found.fee_fen)
            restricted[account] -= sign * found.restricted_fen
            payables[merchant] += sign * found.amount_fen
            fees += sign * found.fee_fen
            sold[step.goods] += sign * step.quantity
    for kind, sign in (("cash", 1), ("undo", -1), ("redeem", 1)):
        for _, found in town.acknowledged(kind):
            balances[str(found.account_id)] += sign * found.amount_fen
            if kind == "redeem":
                restricted[str(found.account_id)] += found.amount_fen
    async with database.read() as uow:
        broken = [check for check in await verify(uow) if not check.holds]
        assert broken == []
        for person in town.people:
            stored = await stored_balance(uow, person.ledger_account_id)
            assert stored is not None
            account = str(UUID(int=person.id.int))
            assert (stored.balance_fen, stored.restricted_fen) == (balances[account], restricted[account]), person
        for one in {one.merchant_id: one for one in town.goods}.values():
            assert -await gathered_balance_fen(uow, one.payable) == payables[one.merchant_id]
        assert -await gathered_balance_fen(uow, FEE_INCOME) == fees
        recorded = await uow.value("SELECT count(*) FROM transaction WHERE kind <> 'voucher_activation'")
        assert recorded == len(town.finals)
    for place, stock in enumerate(STOCK):
        if stock is not None:
            assert await available(database, town.goods[place]) == stock - sold[place], town.goods[place]


def _with_sales(town: Town, paid: list[tuple[Step, Found]], sales: dict[str, Step]) -> list[tuple[Step, Found]]:
    """The reversals that gave money back, each with the step of its sale."""
    sales.update({found.id: step for step, found in paid})
    undone = [found for _, found in town.acknowledged("reverse") if found.amount_fen]
    assert len({found.original_id for found in undone}) == len(undone)
    return [(sales[str(found.original_id)], found) for found in undone]
