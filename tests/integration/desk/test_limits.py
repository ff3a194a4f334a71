"""Two desks, one account: what a day, a year and a top-up limit let through is exact (CM 9)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from mpss.db.database import Database
from mpss.desk.desk import Desk
from mpss.desk.model import Answer, Command
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import TransactionId
from mpss.transactions.model import Asked
from mpss.transactions.purchases.reversal import ReversalCommand
from tests.support.clauses import clause
from tests.support.instants import NOON
from tests.support.world import Goods, breaches, cash, desks, give_money, open_wallets, pay, put_on_sale, retries, send


async def spread(serving: Sequence[Desk], commands: Sequence[Command]) -> list[Answer]:
    """Each command to the next desk, all at once."""
    submitted = (serving[place % len(serving)].submit(command) for place, command in enumerate(commands))
    return list(await asyncio.gather(*submitted))


def refusals(answers: Sequence[Answer]) -> list[ErrorCode]:
    return [answer.transaction.refusal for answer in answers if answer.transaction.refusal is not None]


@clause("CM 9.1", "CM 9.3", "CM 9.5", "CT 10.2")
class TestTwoDesksAndOneAccount:
    async def test_let_exactly_a_days_limit_through(self, database: Database) -> None:
        async with desks(database, 2, batch_size=4) as serving:
            (person,) = await open_wallets(database, 1, daily_limit_fen=1_000)
            await give_money(serving[0], [person], 100_000)
            goods = await put_on_sale(database)
            answers = await spread(serving, [pay(person, goods, amount_fen=100) for _ in range(40)])
        assert refusals(answers) == [ErrorCode.DAILY_LIMIT_EXCEEDED] * 30
        assert await breaches(database) == []

    async def test_let_exactly_a_lifetime_of_payments_and_transfers_through(self, database: Database) -> None:
        async with desks(database, 2, batch_size=4) as serving:
            payer, payee = await open_wallets(database, 2)
            await give_money(serving[0], [payer], 200_000)
            goods = await put_on_sale(database)
            async with database.transaction() as uow:
                await uow.execute("INSERT INTO limit_version (version, effective_from) VALUES (2, '2026-01-01')")
                await uow.execute("INSERT INTO limit_rule VALUES (2, 'weak', '*', '*', 'lifetime_amount', 60000)")
            moves: list[Command] = []
            for _ in range(20):
                moves += [pay(payer, goods, amount_fen=2_000), send(payer, payee, 2_000), send(payer, payee, 1)]
            answers = await spread(serving, moves)
        assert set(refusals(answers)) == {ErrorCode.LIFETIME_LIMIT_EXCEEDED}
        passed_fen = sum(each.transaction.amount_fen for each in answers if each.transaction.refusal is None)
        assert 58_000 < passed_fen <= 60_000
        assert await breaches(database) == []

    async def test_let_no_top_up_lift_a_balance_beyond_its_class(self, database: Database) -> None:
        async with desks(database, 2, batch_size=4) as serving:
            (person,) = await open_wallets(database, 1)
            async with database.transaction() as uow:
                await uow.execute("UPDATE account SET account_class = 'class_1' WHERE id = %(id)s", {"id": person.id})
            topped = await spread(serving, [cash(person, 9_000) for _ in range(20)])
        assert refusals(topped) == [ErrorCode.BALANCE_LIMIT_EXCEEDED] * 9
        assert await breaches(database) == []


def _asked(key: str) -> Asked:
    return Asked(TransactionId.new(NOON), "merchant:shop", key, key.encode(), NOON, "http")


async def limit(database: Database, goods: Goods, daily_fen: int) -> None:
    async with database.transaction() as uow:
        await uow.execute(
            "UPDATE merchant SET daily_limit_fen = %(fen)s WHERE id = %(id)s",
            {"fen": daily_fen, "id": goods.merchant_id},
        )


@clause("CM 9.5", "CT 10.2")
class TestTwoDesksAndOneMerchant:
    async def test_let_exactly_a_days_limit_through_and_again_what_is_given_back(self, database: Database) -> None:
        async with desks(database, 2, batch_size=4) as serving:
            people = await open_wallets(database, 8)
            await give_money(serving[0], people, 10_000)
            goods = await put_on_sale(database)
            await limit(database, goods, 2_050)
            answers = await spread(serving, [pay(people[n % 8], goods, amount_fen=100) for n in range(60)])
            assert refusals(answers) == [ErrorCode.MERCHANT_LIMIT_EXCEEDED] * 40
            assert await breaches(database) == []
            paid = [answer.transaction for answer in answers if answer.transaction.refusal is None]
            backs = [
                ReversalCommand(_asked(f"back-{each.id}"), goods.merchant_id, each, None, "test") for each in paid[:3]
            ]
            assert refusals(await spread(serving, backs)) == []
            again = await spread(serving, [pay(people[n % 8], goods, amount_fen=100) for n in range(8)])
            assert refusals(again) == [ErrorCode.MERCHANT_LIMIT_EXCEEDED] * 5
        assert await breaches(database) == []

    async def test_sell_scarce_goods_of_limited_merchants_without_a_deadlock(self, database: Database) -> None:
        """Stock and limits are both kept in portions, and gathered in one order."""
        met = retries("DeadlockDetected")
        async with desks(database, 2, batch_size=6) as serving:
            people = await open_wallets(database, 6)
            await give_money(serving[0], people, 20_000)
            goods = [await put_on_sale(database, stock=20) for _ in range(3)]
            for each in goods:
                await limit(database, each, 1_500)
            answers = await spread(serving, [pay(people[n % 6], goods[n % 3]) for n in range(90)])
        counted = Counter(refusals(answers))
        assert counted == {ErrorCode.MERCHANT_LIMIT_EXCEEDED: 45}
        assert retries("DeadlockDetected") == met
        assert await breaches(database) == []
