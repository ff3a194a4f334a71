"""Closing a day: the cut under load, the seal, and what a tampered book shows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import LiteralString

import psycopg
import pytest

from mpss.db.database import Connection, Database
from mpss.desk.model import Answer
from mpss.ledger.balances import balance_at_fen, difference_fen, gathered_balance_fen, stored_balance, trial_balance
from mpss.ledger.day_close import close_day, seal_cut_days
from tests.support.clauses import clause
from tests.support.instants import NOON, TODAY
from tests.support.postgres import DatabaseUrls, PostgresForTests
from tests.support.world import (
    Person,
    breaches,
    cash,
    count,
    desks,
    give_money,
    open_wallets,
    pay,
    put_on_sale,
    shop,
    superuser_url,
)

DAY = timedelta(days=1)
_LATE: LiteralString = """
    SELECT count(*) FROM journal_entry AS e JOIN transaction AS t ON t.id = e.id
     WHERE e.business_date <> t.business_date
"""
_OPEN_DAYS: LiteralString = "SELECT count(*) FROM business_day WHERE cut_at IS NULL"


@clause("CT 10.3")
class TestClosingADay:
    async def test_under_load_lets_nothing_into_the_day_that_was_cut(self, database: Database) -> None:
        """Each sealed day counts the entries it has when sealed; what came later would break its chain."""
        async with desks(database, 2, batch_size=16) as serving:
            people = await open_wallets(database, 12)
            await give_money(serving[0], people, 100_000)
            goods = await put_on_sale(database, stock=None)
            busy = True
            served: list[Answer] = []

            async def buy(person: Person, number: int) -> None:
                while busy:
                    served.append(await serving[number % 2].submit(pay(person, goods)))

            buying = [asyncio.create_task(buy(person, number)) for number, person in enumerate(people)]
            for days in range(1, 8):
                await asyncio.sleep(0.05)
                closed = await close_day(database, today=TODAY + days * DAY, now=NOON + days * DAY)
                assert closed == [TODAY + (days - 1) * DAY]
            busy = False
            await asyncio.gather(*buying)
        assert {answer.transaction.refusal for answer in served} == {None}
        assert len({answer.transaction.business_date for answer in served}) >= 7
        assert await count(database, _LATE) == 0
        assert await count(database, _OPEN_DAYS) == 1
        assert await breaches(database) == []

    async def test_waits_for_the_batches_that_have_begun_and_holds_up_the_next(self, database: Database) -> None:
        reached, go_on, armed = asyncio.Event(), asyncio.Event(), False

        async def pause(step: str, _: Connection) -> None:
            if armed and step == "written":
                reached.set()
                await go_on.wait()

        async with shop(database, hook=pause) as made:
            armed = True
            selling = asyncio.create_task(made.desk.submit(pay(made.people[0], made.goods)))
            await reached.wait()
            async with asyncio.timeout(5):
                assert await close_day(database, today=TODAY, now=NOON) == []
            closing = asyncio.create_task(close_day(database, today=TODAY + DAY, now=NOON + DAY))
            await asyncio.sleep(0.1)
            assert not closing.done()
            armed = False
            go_on.set()
            assert (await selling).transaction.business_date == TODAY
            assert await closing == [TODAY]
            (next_day,) = await made.serve(pay(made.people[0], made.goods))
            assert next_day.transaction.business_date == TODAY + DAY
        assert await breaches(database) == []

    async def test_twice_or_by_two_at_once_closes_it_once(self, database: Database) -> None:
        async with shop(database) as made:
            await made.serve(pay(made.people[0], made.goods))
        closed = await asyncio.gather(*(close_day(database, today=TODAY + DAY, now=NOON + DAY) for _ in range(3)))
        assert sorted(closed) == [[], [], [TODAY]]
        assert await close_day(database, today=TODAY + DAY, now=NOON + DAY) == []
        assert await close_day(database, today=TODAY, now=NOON) == []
        assert await breaches(database) == []

    async def test_that_was_cut_when_its_process_died_is_sealed_by_the_next(self, database: Database) -> None:
        async with shop(database) as made:
            await made.serve(pay(made.people[0], made.goods))
        async with database.transaction() as uow:  # the cut, as close_day writes it before it seals
            await uow.execute("UPDATE business_day SET cut_at = %s", [NOON + DAY])
            await uow.execute("INSERT INTO business_day VALUES (%s, %s)", [TODAY + DAY, NOON + DAY])
        assert await seal_cut_days(database, now=NOON + DAY) == [TODAY]
        assert await breaches(database) == []

    async def test_of_days_without_any_entry_too(self, database: Database) -> None:
        for days in (1, 4, 5):
            await close_day(database, today=TODAY + days * DAY, now=NOON + days * DAY)
        sealed = "SELECT count(*) FROM business_day WHERE sealed_at IS NOT NULL AND entry_count = 0"
        assert await count(database, sealed) == 3
        assert await breaches(database) == []


class TestBalances:
    async def test_now_and_at_any_instant_equal_the_sum_of_postings(self, database: Database) -> None:
        """Two wallets and a merchant over four days; the instants lie before, in and after each day."""
        async with shop(database, people=2, money_fen=10_000, stock=None) as made:
            first, second = made.people
            accounts = [first.ledger_account_id, second.ledger_account_id, made.goods.payable, 3]
            for days in range(4):
                at = NOON + days * DAY
                await made.serve(
                    *(pay(first, made.goods, at=at + timedelta(minutes=minute)) for minute in range(days + 1)),
                    cash(second, 50 + days, at=at + timedelta(hours=1)),
                )
                if days < 3:
                    await close_day(database, today=TODAY + (days + 1) * DAY, now=at + DAY / 2)
        instants = [NOON + step * timedelta(hours=7, minutes=3) for step in range(-1, 16)]
        async with database.read() as uow:
            for account in accounts:
                now = await uow.value(
                    "SELECT coalesce(sum(amount_fen), 0) FROM posting WHERE ledger_account_id = %s", [account]
                )
                assert await gathered_balance_fen(uow, account) == now
                stored = await stored_balance(uow, account)
                assert stored is None or stored.balance_fen == -now
                for instant in instants:
                    summed = await uow.value(
                        "SELECT coalesce(sum(p.amount_fen), 0) FROM posting AS p JOIN journal_entry AS e"
                        " ON e.id = p.entry_id WHERE p.ledger_account_id = %s AND e.posted_at <= %s",
                        [account, instant],
                    )
                    assert await balance_at_fen(uow, account, instant) == summed, (account, instant)
            lines = await trial_balance(uow)
        assert difference_fen(lines) == 0
        assert {line.code: line.credit_fen for line in lines if line.credit_fen} == {"2011": 19_206, "2021": 1_000}
        assert {line.code: line.debit_fen for line in lines if line.debit_fen} == {"1003": 20_206}

    async def test_at_the_instant_of_a_cut_leave_out_what_came_in_after_it(self, database: Database) -> None:
        """A command came in just after the cut was asked for, and was served before the cut had the fence."""
        async with shop(database, people=1, money_fen=10_000) as made:
            await made.serve(pay(made.people[0], made.goods, at=NOON + timedelta(milliseconds=5)))
        await close_day(database, today=TODAY + DAY, now=NOON)
        account = made.people[0].ledger_account_id
        async with database.read() as uow:
            assert await balance_at_fen(uow, account, NOON) == -10_000
            assert await balance_at_fen(uow, account, NOON + timedelta(seconds=1)) == -9_900
            assert await balance_at_fen(uow, account, NOON + DAY) == -9_900


TAMPERINGS: dict[str, tuple[LiteralString, set[str]]] = {
    "an amount": (
        "UPDATE posting SET amount_fen = amount_fen + 1 WHERE ctid = (SELECT min(ctid) FROM posting WHERE part = 1)",
        {
            "every entry sums to zero",
            "stored balances equal the sum of postings",
            "day balances equal the sum of postings",
        },
    ),
    "two amounts that cancel": (
        "UPDATE posting SET amount_fen = amount_fen * 2"
        " WHERE entry_id = (SELECT min(entry_id::text)::uuid FROM posting)",
        {"stored balances equal the sum of postings"},
    ),
    "an account of the house": (
        "UPDATE posting SET ledger_account_id = 2"
        " WHERE ctid = (SELECT min(ctid) FROM posting WHERE ledger_account_id = 3)",
        {"day balances equal the sum of postings"},
    ),
    "the time of an entry": (
        "UPDATE journal_entry SET posted_at = posted_at + interval '1 microsecond'"
        " WHERE id = (SELECT min(id::text)::uuid FROM journal_entry)",
        {"sealed days hash to their chain's head"},
    ),
    "an entry taken out": (
        "WITH gone AS (DELETE FROM journal_entry"
        " WHERE id = (SELECT min(id::text)::uuid FROM journal_entry) RETURNING id)"
        " DELETE FROM posting USING gone WHERE entry_id = gone.id",
        {"stored balances equal the sum of postings", "each state has the entries it should"},
    ),
    "an entry put in": (
        "WITH made AS (INSERT INTO journal_entry SELECT gen_random_uuid(), business_date, posted_at, kind"
        " FROM journal_entry LIMIT 1 RETURNING id, business_date)"
        " INSERT INTO posting SELECT id, line, account, NULL, amount, business_date FROM made,"
        " (VALUES (1, 2, 500), (2, 3, -500)) AS legs (line, account, amount)",
        {"every entry has its transaction"},
    ),
    "the part of a posting": (
        "UPDATE posting SET part = 2 WHERE entry_id = (SELECT min(entry_id::text)::uuid FROM posting) AND part = 1",
        {"stored balances equal the sum of postings"},
    ),
    "the day of an entry": (
        "UPDATE journal_entry SET business_date = business_date + 1"
        " WHERE id = (SELECT min(id::text)::uuid FROM journal_entry)",
        {"every posting has its entry, account and day"},
    ),
    "the number of a sealed day's entries": (
        "UPDATE business_day SET entry_count = entry_count + 1 WHERE sealed_at IS NOT NULL",
        {"sealed days hash to their chain's head"},
    ),
    "a stored balance": (
        "UPDATE ledger_balance SET balance_fen = balance_fen + 1"
        " WHERE ledger_account_id = (SELECT max(ledger_account_id) FROM ledger_balance)",
        {"stored balances equal the sum of postings"},
    ),
    "a day's balance": (
        "UPDATE ledger_day_balance SET balance_fen = balance_fen + 1 WHERE ledger_account_id = 3",
        {"day balances equal the sum of postings", "the trial balance is zero"},
    ),
}
CHAINED = {
    "an amount", "two amounts that cancel", "an account of the house", "the time of an entry", "an entry taken out",
    "an entry put in", "the part of a posting", "the day of an entry",
}  # fmt: skip


@clause("CT 10.3")
class TestTampering:
    @pytest.mark.parametrize("what", TAMPERINGS)
    async def test_by_a_superuser_is_found(
        self, database: Database, database_urls: DatabaseUrls, postgres: PostgresForTests, what: str
    ) -> None:
        async with shop(database, people=2, money_fen=5_000) as made:
            await made.serve(*(pay(person, made.goods) for person in made.people))
        await close_day(database, today=TODAY + DAY, now=NOON + DAY)
        assert await breaches(database) == []
        change, found = TAMPERINGS[what]
        with unlocked(superuser_url(postgres, database_urls)) as superuser:
            assert superuser.execute(change).rowcount >= 1
        expected = found | ({"sealed days hash to their chain's head"} if what in CHAINED else set())
        assert expected <= set(await breaches(database))


@contextmanager
def unlocked(url: str) -> Iterator[psycopg.Connection]:
    """The superuser with the books' triggers switched off."""
    with psycopg.connect(url, autocommit=True) as connection:
        for table in ("journal_entry", "posting"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        yield connection
        for table in ("journal_entry", "posting"):
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")
