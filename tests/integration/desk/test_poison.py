"""A command that breaks its batch is found by halving and fails alone; those around it are served."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from mpss.catalog.model import StockRow
from mpss.catalog.store import STOCK
from mpss.db.database import Database
from mpss.db.rows import NeedsMore
from mpss.desk.model import Command, Decision, Snapshot
from mpss.ledger.model import Balance, Part, Posting
from mpss.ledger.post import BALANCES, BelowFloor, UnbalancedEntry
from mpss.merchants.store import MERCHANTS
from mpss.transactions.store import MERCHANT_ORDERS, MerchantOrderRow
from tests.support.commands import Scripted, nothing, scripted
from tests.support.instants import NOON
from tests.support.world import Shop, breaches, count, pay, retries, shop

Poison = Callable[[Shop], Command]


def raises(made: Shop) -> Command:
    def decide(command: Scripted, snapshot: Snapshot) -> Decision:
        raise ZeroDivisionError

    return scripted(decide)


def touches_nonsense(made: Shop) -> Command:
    return scripted(nothing, (BALANCES, "not a number"))


def does_not_sum(made: Shop) -> Command:
    def decide(command: Scripted, snapshot: Snapshot) -> Decision:
        wallet = made.people[0].ledger_account_id
        entry = command.entry(Posting(wallet, -100, Part.WITHDRAWABLE), Posting(made.goods.payable, 99))
        return Decision(command.becomes(snapshot.business_date, amount_fen=100), entry=entry)

    return scripted(decide, (BALANCES, made.people[0].ledger_account_id))


def takes_too_much(made: Shop) -> Command:
    def decide(command: Scripted, snapshot: Snapshot) -> Decision:
        wallet = made.people[0].ledger_account_id
        entry = command.entry(Posting(wallet, 10**9, Part.WITHDRAWABLE), Posting(made.goods.payable, -(10**9)))
        return Decision(command.becomes(snapshot.business_date, amount_fen=10**9), entry=entry)

    return scripted(decide, (BALANCES, made.people[0].ledger_account_id))


def posts_nothing(made: Shop) -> Command:
    def decide(command: Scripted, snapshot: Snapshot) -> Decision:
        entry = command.entry(Posting(made.goods.payable, 0), Posting(3, 0))
        return Decision(command.becomes(snapshot.business_date), entry=entry)

    return scripted(decide)


def puts_below_the_floor(made: Shop) -> Command:
    wallet = made.people[0].ledger_account_id

    def decide(command: Scripted, snapshot: Snapshot) -> Decision:
        return Decision(command.becomes(snapshot.business_date), puts=[(BALANCES, wallet, Balance(-1, 0, 0))])

    return scripted(decide, (BALANCES, wallet))


def puts_negative_stock(made: Shop) -> Command:
    def decide(command: Scripted, snapshot: Snapshot) -> Decision:
        return Decision(command.becomes(snapshot.business_date), puts=[(STOCK, made.goods.id, StockRow(-1, True))])

    return scripted(decide, (STOCK, made.goods.id))


def writes_a_zero_byte(made: Shop) -> Command:
    def decide(command: Scripted, snapshot: Snapshot) -> Decision:
        return Decision(command.becomes(snapshot.business_date, metadata="\0"))

    return scripted(decide)


def writes_half_a_character(made: Shop) -> Command:
    def decide(command: Scripted, snapshot: Snapshot) -> Decision:
        return Decision(command.becomes(snapshot.business_date, metadata="\ud800"))

    return scripted(decide)


def writes_an_amount_too_large(made: Shop) -> Command:
    def decide(command: Scripted, snapshot: Snapshot) -> Decision:
        return Decision(command.becomes(snapshot.business_date)._replace(fee_fen=2**63))

    return scripted(decide)


def takes_an_order_too_long_for_the_index(made: Shop) -> Command:
    order = "".join(random.Random(1).choices("0123456789abcdef", k=20_000))

    def decide(command: Scripted, snapshot: Snapshot) -> Decision:
        puts = [(MERCHANT_ORDERS, order, MerchantOrderRow(None, NOON))]
        return Decision(command.becomes(snapshot.business_date), puts=puts)

    return scripted(decide)


def takes_an_order_that_is_taken(made: Shop) -> Command:
    """What it puts is there, though it does not look."""
    return scripted(takes_order)


def asks_for_more_of_what_has_no_portions(made: Shop) -> Command:
    def decide(command: Scripted, snapshot: Snapshot) -> Decision:
        raise NeedsMore(MERCHANTS, made.goods.merchant_id, 1)

    return scripted(decide, (MERCHANTS, made.goods.merchant_id))


def speaks_of_rows_it_does_not_touch(made: Shop) -> Command:
    def decide(command: Scripted, snapshot: Snapshot) -> Decision:
        entry = command.entry(Posting(10**12, -1, Part.WITHDRAWABLE), Posting(3, 1))
        return Decision(command.becomes(snapshot.business_date, amount_fen=1), entry=entry)

    return scripted(decide)


def has_no_id(made: Shop) -> Command:
    command = pay(made.people[0], made.goods)
    return replace(command, asked=command.asked._replace(id=None))  # type: ignore[arg-type]


POISONS: dict[Poison, type[Exception]] = {
    raises: ZeroDivisionError,
    touches_nonsense: psycopg.Error,
    does_not_sum: UnbalancedEntry,
    takes_too_much: BelowFloor,
    posts_nothing: psycopg.errors.CheckViolation,
    puts_below_the_floor: psycopg.errors.CheckViolation,
    puts_negative_stock: psycopg.errors.CheckViolation,
    writes_a_zero_byte: psycopg.DataError,
    writes_half_a_character: UnicodeEncodeError,
    writes_an_amount_too_large: OverflowError,
    takes_an_order_too_long_for_the_index: psycopg.errors.ProgramLimitExceeded,
    takes_an_order_that_is_taken: psycopg.errors.UniqueViolation,
    asks_for_more_of_what_has_no_portions: AssertionError,
    speaks_of_rows_it_does_not_touch: KeyError,
    has_no_id: Exception,
}


class TestAPoisonCommand:
    @pytest.mark.parametrize("poison", POISONS, ids=lambda poison: poison.__name__)
    async def test_fails_alone_and_leaves_nothing(self, database: Database, poison: Poison) -> None:
        async with shop(database, people=8, stock=100) as made:
            await made.serve(scripted(takes_order))
            bad = poison(made)
            good = [pay(person, made.goods) for person in made.people for _ in range(2)]
            commands = [*good[:5], bad, *good[5:]]
            reconnected = retries("connection")
            outcomes = await settle(made, commands)
            problem = outcomes.pop(5)
            assert isinstance(problem, POISONS[poison]), problem
            assert all(getattr(outcome, "transaction", None) is not None for outcome in outcomes), outcomes
            assert [outcome.transaction.refusal for outcome in outcomes] == [None] * len(good)
            assert retries("connection") == reconnected
            recorded = "SELECT count(*) FROM transaction WHERE caller = %(caller)s AND idempotency_key = %(key)s"
            assert await count(database, recorded, caller=bad.caller, key=bad.key[:100]) == 0
            assert await breaches(database) == []
            (after,) = await made.serve(pay(made.people[0], made.goods))
            assert after.transaction.refusal is None

    async def test_of_which_there_are_many_fail_each_alone(self, database: Database) -> None:
        async with shop(database, people=4) as made:
            commands = [
                raises(made) if number % 3 == 0 else pay(made.people[number % 4], made.goods) for number in range(60)
            ]
            outcomes = await settle(made, commands)
            failed = [isinstance(outcome, ZeroDivisionError) for outcome in outcomes]
            assert failed == [number % 3 == 0 for number in range(60)]
            assert await count(database, "SELECT count(*) FROM transaction WHERE kind = 'purchase'") == 40
            assert await breaches(database) == []

    async def test_alone_in_its_batch_fails_too(self, database: Database) -> None:
        async with shop(database, people=1) as made:
            with pytest.raises(ZeroDivisionError):
                await made.serve(raises(made))


def takes_order(command: Scripted, snapshot: Snapshot) -> Decision:
    return Decision(
        command.becomes(snapshot.business_date), puts=[(MERCHANT_ORDERS, "taken", MerchantOrderRow(None, NOON))]
    )


async def settle(made: Shop, commands: list[Command]) -> list[Any]:
    """Hand all in at once; each one's answer or exception."""
    return list(await asyncio.gather(*(made.desk.submit(command) for command in commands), return_exceptions=True))
