"""One key, one decision: repeats, keys used for something else, and keys that a failed try does not use up."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from mpss.db.database import Connection, Database
from mpss.desk.model import TransactionState
from mpss.kernel.errors import ErrorCode
from mpss.transactions.purchases.reversal import ReversalCommand, caller_of_merchant
from tests.support.clauses import clause
from tests.support.instants import NOON
from tests.support.sales import POLICY, asked
from tests.support.world import (
    Goods,
    available,
    balance,
    blocked,
    breaches,
    cash,
    count,
    desks,
    give_money,
    open_wallets,
    pay,
    put_on_sale,
    retries,
    shop,
    submit_all,
)


def take_back(original: object, goods: Goods, *, key: str = "r1") -> ReversalCommand:
    head = asked(key, "reversal", caller=caller_of_merchant(goods.merchant_id))
    return ReversalCommand(head, goods.merchant_id, original, None, "asked by the merchant")  # type: ignore[arg-type]


@clause("CT 5.3")
class TestARepeat:
    async def test_is_answered_as_at_first_and_moves_nothing(self, database: Database) -> None:
        async with shop(database, stock=10) as made:
            person = made.people[0]
            (first,) = await made.serve(pay(person, made.goods, key="k1"))
            (again,) = await made.serve(pay(person, made.goods, key="k1", at=NOON + timedelta(days=400)))
            assert (again.repeated, again.transaction) == (True, first.transaction)
            assert (await balance(database, person)).balance_fen == 99_900
            assert await available(database, made.goods) == 9
            assert await breaches(database) == []

    async def test_in_the_same_batch_too(self, database: Database) -> None:
        async with shop(database) as made:
            person = made.people[0]
            answers = await made.serve(*(pay(person, made.goods, key="k1") for _ in range(20)))
            assert [answer.repeated for answer in answers] == [False] + [True] * 19
            assert len({answer.transaction for answer in answers}) == 1
            assert (await balance(database, person)).balance_fen == 99_900

    async def test_of_a_refusal_is_the_refusal_though_there_is_money_now(self, database: Database) -> None:
        async with shop(database, people=1, money_fen=50) as made:
            person = made.people[0]
            (first,) = await made.serve(pay(person, made.goods, key="k1"))
            await made.serve(cash(person, 1_000))
            (again,) = await made.serve(pay(person, made.goods, key="k1"))
            assert first.transaction.refusal is ErrorCode.INSUFFICIENT_FUNDS
            assert (first.recorded, again.repeated, again.transaction) == (True, True, first.transaction)
            refused = "SELECT count(*) FROM transaction WHERE state = 'DECLINED' AND refusal = 'insufficient_funds'"
            assert await count(database, refused) == 1
            assert await breaches(database) == []

    async def test_after_the_sale_was_reversed_still_says_that_it_succeeded(self, database: Database) -> None:
        async with shop(database, stock=10) as made:
            person = made.people[0]
            (first,) = await made.serve(pay(person, made.goods, key="k1"))
            (undone,) = await made.serve(take_back(first.transaction, made.goods))
            (again,) = await made.serve(pay(person, made.goods, key="k1"))
            (undone_again,) = await made.serve(take_back(first.transaction, made.goods))
            assert undone.transaction.state is TransactionState.SUCCEEDED
            assert (again.repeated, again.transaction) == (True, first.transaction)
            assert (undone_again.repeated, undone_again.transaction) == (True, undone.transaction)
            assert (await balance(database, person)).balance_fen == 100_000
            assert await available(database, made.goods) == 10
            assert await breaches(database) == []

    async def test_that_two_desks_meet_at_once_is_paid_once(self, database: Database) -> None:
        """The second has looked for the key before the first commits; it finds it when it tries again."""
        paused, go_on, armed = asyncio.Event(), asyncio.Event(), False

        async def pause(step: str, _: Connection) -> None:
            if step == "written" and armed:
                paused.set()
                await go_on.wait()

        async with desks(database, 1, hook=pause) as (first,), desks(database, 1) as (second,):
            (person,) = await open_wallets(database, 1)
            await give_money(second, [person], 10_000)
            goods = await put_on_sale(database)
            armed = True
            before = retries("UniqueViolation")
            paying = asyncio.create_task(first.submit(pay(person, goods, amount_fen=100, key="k1")))
            await paused.wait()
            meeting = asyncio.create_task(second.submit(pay(person, goods, amount_fen=100, key="k1")))
            await blocked(database, 1)
            armed = False
            go_on.set()
            answer, repeat = await paying, await meeting
            assert retries("UniqueViolation") == before + 1
        assert (repeat.repeated, repeat.transaction) == (True, answer.transaction)
        assert (await balance(database, person)).balance_fen == 9_900
        assert await breaches(database) == []


@clause("CT 5.3")
class TestAKeyUsedForSomethingElse:
    async def test_is_refused_and_moves_nothing(self, database: Database) -> None:
        async with shop(database, stock=10) as made:
            person = made.people[0]
            (first,) = await made.serve(pay(person, made.goods, key="k1"))
            (other,) = await made.serve(pay(person, made.goods, key="k1", quantity=2))
            assert (other.transaction.refusal, other.recorded) == (ErrorCode.KEY_REUSED, False)
            assert (await balance(database, person)).balance_fen == 99_900
            assert await available(database, made.goods) == 9
            (again,) = await made.serve(pay(person, made.goods, key="k1"))
            assert again.transaction == first.transaction
            assert await count(database, "SELECT count(*) FROM transaction WHERE idempotency_key = 'k1'") == 1

    async def test_is_refused_in_the_same_batch_too(self, database: Database) -> None:
        async with shop(database) as made:
            person = made.people[0]
            first, other = await made.serve(
                pay(person, made.goods, key="k1"), pay(person, made.goods, key="k1", amount_fen=77)
            )
            assert (first.transaction.refusal, other.transaction.refusal) == (None, ErrorCode.KEY_REUSED)

    async def test_is_another_key_when_another_caller_uses_it(self, database: Database) -> None:
        async with shop(database, people=2) as made:
            answers = await made.serve(*(pay(person, made.goods, key="k1") for person in made.people))
            assert [answer.transaction.refusal for answer in answers] == [None, None]
            assert [(await balance(database, person)).balance_fen for person in made.people] == [99_900, 99_900]


@clause("CT 5.2", "CT 5.3")
class TestAFailedAuthentication:
    async def test_does_not_use_the_key_up(self, database: Database) -> None:
        async with shop(database) as made:
            person = made.people[0]
            (wrong,) = await made.serve(pay(person, made.goods, key="k1", right=False))
            assert (wrong.transaction.refusal, wrong.recorded) == (ErrorCode.WRONG_PASSWORD, False)
            (right,) = await made.serve(pay(person, made.goods, key="k1"))
            assert (right.transaction.refusal, right.repeated) == (None, False)
            assert (await balance(database, person)).balance_fen == 99_900
            assert await count(database, "SELECT count(*) FROM transaction WHERE idempotency_key = 'k1'") == 1

    @pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "one by one"])
    async def test_is_counted_and_locks(self, database: Database, at_once: bool) -> None:
        async with shop(database, batch_size=256 if at_once else 1) as made:
            person = made.people[0]
            tries = POLICY.password_tries_per_day
            commands = [pay(person, made.goods, key="k1", right=False) for _ in range(tries)]
            answers = await made.serve(*commands, pay(person, made.goods, key="k1"))
            codes = [answer.transaction.refusal for answer in answers]
            assert codes == [ErrorCode.WRONG_PASSWORD] * tries + [ErrorCode.PASSWORD_LOCKED]
            assert await count(database, "SELECT count(*) FROM password_failure") == tries
            locked = "SELECT count(*) FROM outbox WHERE payload::jsonb ->> 'event' = 'password_locked'"
            assert await count(database, locked) == 1
            (next_day,) = await made.serve(pay(person, made.goods, key="k1", at=NOON + timedelta(days=1)))
            assert next_day.transaction.refusal is None
            assert await breaches(database) == []


@clause("CT 5.3", "CT 6.5.1")
class TestAMerchantsOrder:
    async def test_number_is_taken_once_by_two_desks_at_once(self, database: Database) -> None:
        async with desks(database, 2) as serving:
            people = await open_wallets(database, 2)
            await give_money(serving[0], people, 10_000)
            goods = await put_on_sale(database)
            for round_ in range(8):
                answers = await asyncio.gather(
                    *(
                        desk.submit(pay(person, goods, order_no=f"order {round_}"))
                        for desk, person in zip(serving, people, strict=True)
                    )
                )
                refusals = [answer.transaction.refusal for answer in answers]
                assert sorted(refusals, key=str) == [None, ErrorCode.DUPLICATE_ORDER]
            spent = [10_000 - (await balance(database, person)).balance_fen for person in people]
            assert sum(spent) == 800
        assert await breaches(database) == []

    async def test_whose_reversal_came_first_is_refused(self, database: Database) -> None:
        async with shop(database) as made:
            head = asked("r1", "reversal", caller=caller_of_merchant(made.goods.merchant_id))
            stone = ReversalCommand(head, made.goods.merchant_id, None, "late", "could not deliver")
            (undone,) = await made.serve(stone)
            (late,) = await made.serve(pay(made.people[0], made.goods, order_no="late"))
            assert undone.transaction.state is TransactionState.SUCCEEDED
            assert late.transaction.refusal is ErrorCode.ALREADY_TOMBSTONED
            assert (await balance(database, made.people[0])).balance_fen == 100_000
            assert await breaches(database) == []

    async def test_and_its_reversal_that_race_end_without_the_money_moved(self, database: Database) -> None:
        """Whichever comes first: a tombstone refuses the sale, or the reversal is told to look again."""
        async with desks(database, 2) as (first, second):
            (person,) = await open_wallets(database, 1)
            await give_money(first, [person], 10_000)
            goods = await put_on_sale(database)
            for round_ in range(10):
                order_no = f"order {round_}"
                head = asked(f"r{round_}", "reversal", caller=caller_of_merchant(goods.merchant_id))
                stone = ReversalCommand(head, goods.merchant_id, None, order_no, "could not deliver")
                sold, undone = await asyncio.gather(
                    first.submit(pay(person, goods, order_no=order_no)), second.submit(stone)
                )
                if undone.transaction.refusal is ErrorCode.BUSY:
                    assert sold.transaction.refusal is None
                    again = ReversalCommand(head, goods.merchant_id, sold.transaction, order_no, "could not deliver")
                    (undone,) = await submit_all(second, [again])
                else:
                    assert sold.transaction.refusal is ErrorCode.ALREADY_TOMBSTONED
                assert undone.transaction.state is TransactionState.SUCCEEDED
            assert (await balance(database, person)).balance_fen == 10_000
        assert await breaches(database) == []
