"""PostgreSQL is killed under a desk with commands in flight: each acknowledged command is there, and none twice."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from mpss.db.database import Connection, Database
from mpss.desk.desk import DeskUnavailable
from mpss.desk.model import Transaction
from tests.simulation.processes import Cluster
from tests.support.clauses import clause
from tests.support.postgres import DatabaseUrls, PostgresForTests
from tests.support.world import balance, breaches, count, desks, give_money, open_wallets, pay, put_on_sale, shop


@pytest.fixture
def database_urls(durable: PostgresForTests, cluster: Cluster) -> Iterator[DatabaseUrls]:
    """A fresh database on the server that may be killed."""
    name, urls = durable.create_database()
    yield urls
    durable.drop_database(name)


@pytest.fixture
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    opened = Database(database_urls.run_url)
    await opened.open()
    yield opened
    await opened.close()


async def back(database: Database) -> None:
    """Wait until PostgreSQL has thrown every session out and serves again."""
    for _ in range(100):
        await asyncio.sleep(0.1)
        try:
            await count(database, "SELECT 1")
        except psycopg.OperationalError:
            continue
        return


@clause("CT 10.3")
class TestPostgresKilled:
    async def test_under_load_loses_nothing_acknowledged_and_repeats_nothing(
        self, database: Database, cluster: Cluster
    ) -> None:
        async with desks(database, 2, batch_size=16) as serving:
            people = await open_wallets(database, 10)
            await give_money(serving[0], people, 100_000)
            goods = await put_on_sale(database, stock=5_000)
            acknowledged: dict[str, Transaction] = {}
            busy = True

            async def buy(number: int) -> None:
                person, desk, serial = people[number % 10], serving[number % 2], 0
                while busy:
                    serial += 1
                    key = f"k{number}-{serial}"
                    answer = await desk.submit(pay(person, goods, key=key))
                    assert not answer.repeated
                    acknowledged[key] = answer.transaction

            buying = [asyncio.create_task(buy(number)) for number in range(40)]
            for _ in range(2):
                await asyncio.sleep(0.4)
                await cluster.kill_and_restart()
            await asyncio.sleep(0.3)
            busy = False
            await asyncio.gather(*buying)
            for key, transaction in acknowledged.items():
                number = int(key[1:].split("-")[0])
                answer = await serving[number % 2].submit(pay(people[number % 10], goods, key=key))
                assert (answer.repeated, answer.transaction) == (True, transaction)
            assert await count(database, "SELECT count(*) FROM transaction WHERE kind = 'purchase'") == len(
                acknowledged
            )
            left = sum([(await balance(database, person)).balance_fen for person in people])
            # A fast machine sells everything there is; who comes later is refused.
            paid = [transaction for transaction in acknowledged.values() if transaction.refusal is None]
            assert left == 1_000_000 - 100 * len(paid)
            assert len(paid) == len(acknowledged) or len(paid) == 5_000
        assert await breaches(database) == []

    @pytest.mark.parametrize("step", ["loaded", "written", "committed"])
    async def test_with_one_of_its_backends_comes_back_by_itself(self, database: Database, step: str) -> None:
        """The desk's own backend is killed in a batch; PostgreSQL throws every session out and recovers."""
        armed = False

        async def kill(reached: str, connection: Connection) -> None:
            nonlocal armed
            if armed and reached == step:
                armed = False
                os.kill(connection.info.backend_pid, signal.SIGKILL)

        async with shop(database, hook=kill) as made:
            armed = True
            answers = await made.serve(*(pay(person, made.goods) for person in made.people for _ in range(5)))
            assert not armed
            assert [answer.transaction.refusal for answer in answers] == [None] * 20
            assert not any(answer.repeated for answer in answers)
            await back(database)
            assert [(await balance(database, person)).balance_fen for person in made.people] == [99_500] * 4
        assert await breaches(database) == []

    async def test_and_not_started_again_lets_nobody_wait_for_good(
        self, database: Database, durable: PostgresForTests
    ) -> None:
        async with shop(database, batch_size=4, patience_seconds=1.0) as made:
            commands = [pay(person, made.goods, key=f"k{number}") for number in range(10) for person in made.people]
            await asyncio.to_thread(durable.server.kill)
            began = time.monotonic()
            outcomes = await asyncio.gather(
                *(made.desk.submit(command) for command in commands), return_exceptions=True
            )
            assert {type(outcome) for outcome in outcomes} == {DeskUnavailable}
            assert time.monotonic() - began < 10, "each batch waited for itself"
            await asyncio.to_thread(durable.server.start)
            answers = await made.serve(*commands)
            assert [(answer.repeated, answer.transaction.refusal) for answer in answers] == [(False, None)] * 40
        assert await breaches(database) == []
