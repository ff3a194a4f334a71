"""A desk starts, is overloaded, loses a caller, and stops: nobody waits for good, and nothing is half done."""

from __future__ import annotations

import asyncio

import pytest

from mpss.db.database import Connection, Database
from mpss.desk.desk import Desk, DeskOverloaded, DeskUnavailable
from mpss.kernel.errors import ErrorCode
from tests.support.commands import nothing, scripted
from tests.support.world import balance, breaches, count, desks, pay, shop


class Gate:
    """A hook at which the desk waits, at the steps named, while the gate is shut."""

    def __init__(self, *steps: str) -> None:
        self.steps = steps
        self.reached = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()

    def shut(self) -> None:
        self.reached.clear()
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    async def __call__(self, step: str, _: Connection) -> None:
        if step in self.steps and not self._open.is_set():
            self.reached.set()
            await self._open.wait()


class TestStopping:
    @pytest.mark.parametrize("step", ["loaded", "written", "committed"])
    async def test_serves_the_batch_in_flight_and_all_that_waits(self, database: Database, step: str) -> None:
        gate = Gate(step)
        async with shop(database, batch_size=4, hook=gate) as made:
            gate.shut()
            waiting = [
                asyncio.create_task(made.desk.submit(pay(person, made.goods)))
                for person in made.people
                for _ in range(5)
            ]
            await gate.reached.wait()
            stopping = asyncio.create_task(made.desk.stop())
            await asyncio.sleep(0)
            with pytest.raises(DeskUnavailable):
                await made.desk.submit(pay(made.people[0], made.goods))
            gate.open()
            await stopping
            answers = [task.result() for task in waiting]
            assert [answer.transaction.refusal for answer in answers] == [None] * 20
        assert [(await balance(database, person)).balance_fen for person in made.people] == [99_500] * 4
        assert await breaches(database) == []

    async def test_serves_those_before_a_caller_who_gave_up(self, database: Database) -> None:
        gate = Gate("loaded")
        async with shop(database, batch_size=1, hook=gate) as made:
            gate.shut()
            waiting = [asyncio.create_task(made.desk.submit(pay(made.people[0], made.goods))) for _ in range(4)]
            await gate.reached.wait()
            waiting[-1].cancel()
            stopping = asyncio.create_task(made.desk.stop())
            await asyncio.sleep(0.05)
            gate.open()
            await stopping
            assert [task.result().transaction.refusal for task in waiting[:-1]] == [None] * 3
            assert waiting[-1].cancelled()

    async def test_cut_short_tells_every_caller_that_the_outcome_is_unknown(self, database: Database) -> None:
        gate = Gate("written")
        async with shop(database, batch_size=2, hook=gate) as made:
            gate.shut()
            waiting = [
                asyncio.create_task(made.desk.submit(pay(made.people[0], made.goods, key=f"k{number}")))
                for number in range(6)
            ]
            await gate.reached.wait()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(made.desk.stop(), 0.05)
            problems = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(problem) for problem in problems] == [DeskUnavailable] * 6
            gate.open()
            await made.desk.start()
            answers = await made.serve(*(pay(made.people[0], made.goods, key=f"k{number}") for number in range(6)))
            assert [answer.transaction.refusal for answer in answers] == [None] * 6
            assert (await balance(database, made.people[0])).balance_fen == 99_400
        assert await breaches(database) == []

    async def test_twice_is_harmless(self, database: Database) -> None:
        async with shop(database) as made:
            await made.desk.stop()
            await made.desk.stop()
            with pytest.raises(DeskUnavailable):
                await made.serve(pay(made.people[0], made.goods))

    async def test_before_starting_is_harmless_and_nobody_waits(self, database: Database) -> None:
        desk = Desk(database)
        with pytest.raises(DeskUnavailable):
            await desk.submit(scripted(nothing))
        await desk.stop()


class TestAFullQueue:
    async def test_refuses_with_busy_and_does_nothing(self, database: Database) -> None:
        gate = Gate("loaded")
        async with shop(database, people=2, batch_size=1, queue_size=3, hook=gate) as made:
            person = made.people[0]
            gate.shut()
            waiting = [asyncio.create_task(made.desk.submit(pay(person, made.goods)))]
            await gate.reached.wait()
            waiting += [asyncio.create_task(made.desk.submit(pay(person, made.goods))) for _ in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(DeskOverloaded) as refused:
                await made.desk.submit(pay(person, made.goods, key="one too many"))
            assert refused.value.code is ErrorCode.BUSY
            gate.open()
            await asyncio.gather(*waiting)
            assert (await balance(database, person)).balance_fen == 99_600
            (later,) = await made.serve(pay(person, made.goods, key="one too many"))
            assert (later.repeated, later.transaction.refusal) == (False, None)


class TestACallerWhoGivesUp:
    async def test_leaves_the_others_their_answers(self, database: Database) -> None:
        gate = Gate("loaded")
        async with shop(database, hook=gate) as made:
            person = made.people[0]
            gate.shut()
            waiting = [
                asyncio.create_task(made.desk.submit(pay(person, made.goods, amount_fen=number + 1, key=f"k{number}")))
                for number in range(5)
            ]
            await gate.reached.wait()
            waiting[2].cancel()
            await asyncio.sleep(0)
            gate.open()
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
            amounts = [None if isinstance(found, BaseException) else found.transaction.amount_fen for found in outcomes]
            assert amounts == [1, 2, None, 4, 5]
            (again,) = await made.serve(pay(person, made.goods, amount_fen=3, key="k2"))
            assert again.repeated
            assert (await balance(database, person)).balance_fen == 99_985
        assert await breaches(database) == []


class TestAnswers:
    async def test_come_to_whom_asked(self, database: Database) -> None:
        async with shop(database, people=8, batch_size=7) as made:
            commands = [
                pay(made.people[number % 8], made.goods, amount_fen=number + 1, right=number % 5 != 4)
                for number in range(60)
            ]
            answers = await made.serve(*commands)
            assert [answer.transaction.id for answer in answers] == [command.id for command in commands]
            assert [answer.transaction.amount_fen for answer in answers] == list(range(1, 61))


class TestSlots:
    async def test_are_the_lowest_free_ones_and_come_back(self, database: Database) -> None:
        async with desks(database, 3) as serving:
            assert [desk.slot for desk in serving] == [1, 2, 3]
            await serving[1].stop()
            async with desks(database, 1) as (fourth,):
                assert fourth.slot == 2

    async def test_of_a_desk_that_stopped_are_gathered_by_the_others(self, database: Database) -> None:
        async with desks(database, 1) as (first,):
            async with shop(database, stock=10) as made:
                assert made.desk.slot == 2
                await made.serve(pay(made.people[0], made.goods))
                assert await count(database, "SELECT coalesce(sum(available), 0) FROM product_stock WHERE slot = 2") > 0
            answer = await first.submit(pay(made.people[0], made.goods, quantity=9))
            assert answer.transaction.refusal is None
        assert await breaches(database) == []
