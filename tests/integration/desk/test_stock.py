"""Several desks sell one product: exactly as many as there are, and nobody is refused while there is more."""

from __future__ import annotations

import asyncio

from mpss.db.database import Connection, Database
from mpss.kernel.errors import ErrorCode
from tests.support.clauses import clause
from tests.support.world import (
    available,
    blocked,
    breaches,
    desks,
    give_money,
    open_wallets,
    pay,
    put_on_sale,
    retries,
    submit_all,
)


@clause("CT 10.2")
class TestHotProduct:
    async def test_refuses_nobody_when_several_desks_begin_to_sell_it_at_once(self, database: Database) -> None:
        async with desks(database, 3) as serving:
            people = await open_wallets(database, 30)
            await give_money(serving[0], people, 100_000)
            for _ in range(6):
                goods = await put_on_sale(database, stock=1_000_000)
                answers = await asyncio.gather(
                    *(
                        desk.submit(pay(person, goods))
                        for offset, desk in enumerate(serving)
                        for person in people[offset::3]
                    )
                )
                assert [a.transaction.refusal for a in answers if a.transaction.refusal] == []
                assert await available(database, goods) == 1_000_000 - len(answers)
        assert await breaches(database) == []

    @clause("CT 5.3", "CT 5.5")
    async def test_sells_exactly_what_there_is(self, database: Database) -> None:
        async with desks(database, 3, batch_size=8) as serving:
            people = await open_wallets(database, 60)
            await give_money(serving[0], people, 10_000)
            goods = await put_on_sale(database, stock=100)
            answers = await asyncio.gather(
                *(
                    desk.submit(pay(person, goods))
                    for offset, desk in enumerate(serving)
                    for person in people[offset::3]
                    for _ in range(4)
                )
            )
            sold = [answer for answer in answers if answer.transaction.refusal is None]
            refusals = {answer.transaction.refusal for answer in answers} - {None}
            assert len(sold) == 100
            assert refusals == {ErrorCode.OUT_OF_STOCK}
            assert await available(database, goods) == 0
        assert await breaches(database) == []


class TestGathering:
    async def test_sees_the_portion_another_desk_made_meanwhile(self, database: Database) -> None:
        """The first desk gathers all ten into its portion and sells six; the second waits for the common store."""
        paused, go_on = asyncio.Event(), asyncio.Event()

        async def pause(step: str, _: Connection) -> None:
            if step == "decided" and armed:
                paused.set()
                await go_on.wait()

        armed = False
        async with desks(database, 1, hook=pause) as (first,), desks(database, 1) as (second,):
            people = await open_wallets(database, 2)
            await give_money(second, people, 10_000)
            goods = await put_on_sale(database, stock=10)
            armed = True
            selling = asyncio.gather(*(first.submit(pay(people[0], goods, quantity=n)) for n in (5, 1)))
            await paused.wait()
            waiting = asyncio.create_task(second.submit(pay(people[1], goods, quantity=4)))
            await blocked(database, 1)
            armed = False
            go_on.set()
            await selling
            answer = await waiting
        assert answer.transaction.refusal is None
        assert await available(database, goods) == 0

    async def test_ends_where_one_sale_asks_for_more_than_those_around_it(self, database: Database) -> None:
        async with desks(database, 1) as (desk,):
            people = await open_wallets(database, 4)
            await give_money(desk, people, 10_000)
            async with asyncio.timeout(20):
                for stock, quantities in ((8, (1, 2, 1)), (40, (1, 1, 9, 1, 3)), (90, (5, 1, 40, 1))):
                    goods = await put_on_sale(database, stock=stock)
                    commands = [pay(people[0], goods, quantity=quantity) for quantity in quantities]
                    answers = await submit_all(desk, commands)
                    assert [answer.transaction.refusal for answer in answers] == [None] * len(quantities)
                    assert await available(database, goods) == stock - sum(quantities)

    async def test_of_many_products_by_two_desks_at_once_does_not_deadlock(self, database: Database) -> None:
        async with desks(database, 2) as serving:
            people = await open_wallets(database, 40)
            await give_money(serving[0], people, 100_000)
            shelf = [await put_on_sale(database, stock=30) for _ in range(8)]
            before = retries("DeadlockDetected")
            answers = await asyncio.gather(
                *(
                    desk.submit(pay(people[(round_ * 2 + number) % 40], shelf[(round_ + number * 3) % 8]))
                    for number, desk in enumerate(serving)
                    for round_ in range(200)
                )
            )
            sold = [answer for answer in answers if answer.transaction.refusal is None]
            assert len(sold) == 240
            assert [await available(database, goods) for goods in shelf] == [0] * 8
            assert retries("DeadlockDetected") == before
        assert await breaches(database) == []
