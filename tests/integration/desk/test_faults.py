"""Faults between any two steps of a batch, and inside its pipelines: each command is carried out once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import LiteralString

import psycopg
import pytest

from mpss.config import Policy
from mpss.db.database import Connection, Database
from mpss.desk.model import TransactionState
from mpss.transactions.confirm import ReplyToPurchase
from mpss.transactions.machine import Event
from mpss.transactions.purchases.purchase import PurchaseCommand
from mpss.transactions.purchases.sale import Sale
from tests.support.clauses import clause
from tests.support.instants import NOON
from tests.support.postgres import DatabaseUrls, PostgresForTests
from tests.support.sales import asked
from tests.support.world import Shop, balance, blocked, breaches, count, pay, retries, shop, superuser_url

STEPS = ["loaded", "decided", "written", "committed"]
_LOCK_USAGE: LiteralString = "SELECT FROM account_usage WHERE account_id = %s FOR UPDATE"
_MOVE: dict[str, LiteralString] = {
    "account_usage": "UPDATE account_usage SET spent_fen = spent_fen",
    "ledger_balance": "UPDATE ledger_balance SET held_fen = held_fen",
}


class Once:
    """A hook that does something at a step, the first time after it was armed."""

    def __init__(self, step: str, fault: Callable[[Connection], Awaitable[None]]) -> None:
        self.step, self.fault = step, fault
        self.armed = False
        self.happened = 0

    async def __call__(self, step: str, connection: Connection) -> None:
        if self.armed and step == self.step:
            self.armed = False
            self.happened += 1
            await self.fault(connection)


async def error(_: Connection) -> None:
    raise RuntimeError("a fault between two steps")


async def cut(connection: Connection) -> None:
    """The session ends, as when its backend is killed."""
    await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


async def close(connection: Connection) -> None:
    await connection.close()
    raise psycopg.OperationalError("the connection is lost")


async def fail(connection: Connection) -> None:
    """The unit of work fails on the server while the connection lives."""
    await connection.execute("SELECT 1 / 0")


FAULTS = pytest.mark.parametrize("fault", [error, cut, close, fail], ids=lambda fault: fault.__name__)


@FAULTS
@pytest.mark.parametrize("step", STEPS)
class TestAFault:
    @clause("CT 10.3")
    async def test_lets_each_command_be_carried_out_once(
        self, database: Database, step: str, fault: Callable[[Connection], Awaitable[None]]
    ) -> None:
        hook = Once(step, fault)
        async with shop(database, people=6, money_fen=10_000, stock=100, hook=hook) as made:
            hook.armed = True
            answers = await made.serve(*(pay(person, made.goods) for person in made.people for _ in range(3)))
            assert hook.happened == 1
            assert [answer.transaction.refusal for answer in answers] == [None] * 18
            assert not any(answer.repeated for answer in answers)
            assert [(await balance(database, person)).balance_fen for person in made.people] == [9_700] * 6
            assert await count(database, "SELECT count(*) FROM transaction WHERE kind = 'purchase'") == 18
            assert await breaches(database) == []

    @clause("CT 6.3.2", "CT 10.3")
    async def test_lets_an_answer_to_a_waiting_sale_count_once(
        self, database: Database, step: str, fault: Callable[[Connection], Awaitable[None]]
    ) -> None:
        """An answer is not recorded under a key: served again, it finds the sale moved, and says what became of it."""
        hook = Once(step, fault)
        async with shop(database, people=1, money_fen=250, hook=hook) as made:
            waiting = await made.serve(*(question(made, code) for code in ("1111", "2222", "3333")))
            answers = [
                ReplyToPurchase(found.transaction, NOON, event, Policy())
                for found, event in zip(waiting, [Event.CONFIRM, Event.CANCEL, Event.CONFIRM], strict=True)
            ]
            hook.armed = True
            moved = await made.serve(*answers)
            assert [answer.transaction.state for answer in moved] == [
                TransactionState.SUCCEEDED,
                TransactionState.CANCELLED,
                TransactionState.SUCCEEDED,
            ]
            assert (await balance(database, made.people[0])).balance_fen == 50
            assert await breaches(database) == []


def question(made: Shop, code: str) -> PurchaseCommand:
    """A purchase that waits for its payer."""
    person, goods = made.people[0], made.goods
    sale = Sale(person.id, goods.merchant_id, goods.id, 1, None, None)
    return PurchaseCommand(asked(code, sale, caller="merchant:test"), sale, Policy(), confirm_code=code)


class TestALockedRow:
    async def test_that_is_not_where_it_was_is_not_passed_over(self, database: Database) -> None:
        """The rows move within the unit of work, so that the places they were locked at are empty."""

        async def move(connection: Connection) -> None:
            await connection.execute("UPDATE ledger_balance SET held_fen = held_fen")

        hook = Once("decided", move)
        async with shop(database, people=4, hook=hook) as made:
            hook.armed = True
            answers = await made.serve(*(pay(person, made.goods) for person in made.people for _ in range(2)))
            assert hook.happened == 1
            assert [answer.transaction.refusal for answer in answers] == [None] * 8
            assert [(await balance(database, person)).balance_fen for person in made.people] == [99_800] * 4
        assert await breaches(database) == []

    async def test_that_others_changed_while_it_was_waited_for_is_found(
        self, database: Database, database_urls: DatabaseUrls
    ) -> None:
        """Another session moves the row, and moves it again, between the desk's waiting and its lock."""
        async with (
            shop(database, people=1) as made,
            await psycopg.AsyncConnection.connect(database_urls.run_url) as other,
        ):
            (person,) = made.people
            for _ in range(6):
                for table in ("account_usage", "ledger_balance"):
                    await other.execute(_MOVE[table])
                serving = asyncio.create_task(made.serve(pay(person, made.goods)))
                await blocked(database, 1)
                await other.commit()
                (answer,) = await serving
                assert answer.transaction.refusal is None
            assert (await balance(database, person)).balance_fen == 99_400
        assert await breaches(database) == []


class TestAMeetingOfTwo:
    async def test_that_deadlocks_while_loading_is_tried_again(
        self, database: Database, database_urls: DatabaseUrls, postgres: PostgresForTests
    ) -> None:
        async with (
            shop(database, people=2) as made,
            await psycopg.AsyncConnection.connect(superuser_url(postgres, database_urls)) as other,
        ):
            # So that it is always the desk that notices.
            await other.execute("SET deadlock_timeout = '1min'")
            await other.commit()
            first, second = sorted(made.people, key=lambda person: person.id)
            reconnected = retries("connection")
            for _ in range(2):  # the second time, the statements of the pipeline are prepared ones
                before = retries("DeadlockDetected")
                await other.execute(_LOCK_USAGE, [second.id])
                serving = asyncio.create_task(made.serve(pay(first, made.goods), pay(second, made.goods)))
                await blocked(database, 1)
                # The desk holds the first and waits for the second.
                await other.execute(_LOCK_USAGE, [first.id])
                await other.rollback()
                answers = await serving
                assert [answer.transaction.refusal for answer in answers] == [None, None]
                assert retries("DeadlockDetected") == before + 1
                await made.serve(*(pay(first, made.goods) for _ in range(4)))
            assert retries("connection") == reconnected
        assert await breaches(database) == []


class TestAStatementThatFailsInThePipeline:
    @pytest.mark.parametrize("rounds", [1, 6], ids=["at first", "when prepared"])
    async def test_leaves_the_connection_usable_and_the_unit_of_work_undone(
        self, database: Database, database_urls: DatabaseUrls, rounds: int
    ) -> None:
        async with shop(database, people=2, stock=1_000) as made:
            for _ in range(rounds):
                await made.serve(*(pay(person, made.goods) for person in made.people))
            spent = 100 * rounds
            async with await psycopg.AsyncConnection.connect(database_urls.owner_url, autocommit=True) as owner:
                await owner.execute(
                    "ALTER TABLE ledger_balance ADD CONSTRAINT test_floor CHECK (balance_fen >= 99000) NOT VALID"
                )
                broken = [
                    await asyncio.gather(
                        *(made.desk.submit(pay(person, made.goods, quantity=99)) for person in made.people),
                        return_exceptions=True,
                    )
                    for _ in range(2)
                ]
                problems = [type(problem) for pair in broken for problem in pair]
                assert problems == [psycopg.errors.CheckViolation] * 4
                await owner.execute("ALTER TABLE ledger_balance DROP CONSTRAINT test_floor")
            answers = await made.serve(*(pay(person, made.goods) for person in made.people))
            assert [answer.transaction.refusal for answer in answers] == [None, None]
            left = [(await balance(database, person)).balance_fen for person in made.people]
            assert left == [100_000 - spent - 100] * 2
        assert await breaches(database) == []
