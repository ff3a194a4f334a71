"""Statements and COPYs straight through libpq: values arrive as they were, a failure leaves the connection usable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, LiteralString

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import (
    SearchStrategy,
    binary,
    booleans,
    characters,
    dates,
    datetimes,
    integers,
    just,
    lists,
    none,
    one_of,
    text,
    uuids,
)
from psycopg.pq import TransactionStatus

from mpss.db.database import Database
from mpss.db.pipeline import Pipeline
from mpss.db.rows import InsertSet
from tests.support.postgres import DatabaseUrls

_MAKE: LiteralString = """
    CREATE TEMPORARY TABLE one (number bigint CONSTRAINT one_pk PRIMARY KEY, word text NOT NULL);
    CREATE TEMPORARY TABLE two (number bigint, CONSTRAINT two_positive CHECK (number > 0))
"""
ONE = InsertSet("one", "COPY one (number, word) FROM STDIN (FORMAT BINARY)", ("int8", "text"))
TWO = InsertSet("two", "COPY two (number) FROM STDIN (FORMAT BINARY)", ("int8",))
ADD: LiteralString = "INSERT INTO one SELECT n, 'w' FROM unnest(%(numbers)b::bigint[]) AS n"
COUNT: LiteralString = "SELECT count(*) FROM one"

VALUES: dict[LiteralString, SearchStrategy[Any]] = {
    "bool": booleans(),
    "bytea": binary(max_size=40),
    "smallint": integers(-(2**15), 2**15 - 1),
    "integer": integers(-(2**31), 2**31 - 1),
    "bigint": integers(-(2**63), 2**63 - 1),
    "text": text(characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    "uuid": uuids(),
    "date": dates(date(1, 1, 1), date(9999, 12, 31)),
    "timestamptz": datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=just(UTC)),  # noqa: DTZ001
}
ECHO: dict[LiteralString, LiteralString] = {
    "bool": "SELECT n FROM unnest(%(values)b::bool[]) WITH ORDINALITY AS v (n, place) ORDER BY place",
    "bytea": "SELECT n FROM unnest(%(values)b::bytea[]) WITH ORDINALITY AS v (n, place) ORDER BY place",
    "smallint": "SELECT n FROM unnest(%(values)b::smallint[]) WITH ORDINALITY AS v (n, place) ORDER BY place",
    "integer": "SELECT n FROM unnest(%(values)b::integer[]) WITH ORDINALITY AS v (n, place) ORDER BY place",
    "bigint": "SELECT n FROM unnest(%(values)b::bigint[]) WITH ORDINALITY AS v (n, place) ORDER BY place",
    "text": "SELECT n FROM unnest(%(values)b::text[]) WITH ORDINALITY AS v (n, place) ORDER BY place",
    "uuid": "SELECT n FROM unnest(%(values)b::uuid[]) WITH ORDINALITY AS v (n, place) ORDER BY place",
    "date": "SELECT n FROM unnest(%(values)b::date[]) WITH ORDINALITY AS v (n, place) ORDER BY place",
    "timestamptz": "SELECT n FROM unnest(%(values)b::timestamptz[]) WITH ORDINALITY AS v (n, place) ORDER BY place",
}
ANY_TYPE = pytest.mark.parametrize("element", list(VALUES))


@pytest.fixture
async def pipeline(database: Database) -> AsyncIterator[Pipeline]:
    connection = await database.connect()
    made = Pipeline(connection)
    await made.set_up()
    yield made
    await connection.close()


async def usable(pipeline: Pipeline) -> bool:
    """Whether the connection serves the next unit of work as if nothing had been."""
    await pipeline.connection.rollback()
    (one,) = await pipeline.run([("SELECT n FROM unnest(%(n)b::bigint[]) AS n", {"n": [1]})])
    return one == [(1,)] and pipeline.connection.info.transaction_status is TransactionStatus.IDLE


class TestAnArray:
    @ANY_TYPE
    def test_arrives_as_it_was(self, database_urls: DatabaseUrls, element: LiteralString) -> None:
        @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
        @given(values=lists(one_of(none(), VALUES[element]), max_size=12))
        def arrives(values: Sequence[Any]) -> None:
            assert runner.run(echo(values)) == list(values)

        async def echo(values: Sequence[Any]) -> list[Any]:
            (rows,) = await made.run([(ECHO[element], {"values": values})])
            return [row[0] for row in rows]

        async def connect() -> Pipeline:
            ready = Pipeline(await psycopg.AsyncConnection.connect(database_urls.run_url, autocommit=True))
            await ready.set_up()
            return ready

        with asyncio.Runner() as runner:
            made = runner.run(connect())
            arrives()
            runner.run(made.connection.close())

    @pytest.mark.parametrize(
        ("element", "value"),
        [
            ("smallint", 2**15),
            ("integer", -(2**31) - 1),
            ("bigint", 2**63),
            ("bigint", "1"),
            ("bigint", 1.5),
            ("uuid", "no uuid"),
            ("text", 7),
            ("timestamptz", datetime(2026, 3, 1)),  # noqa: DTZ001 - without a zone
            ("date", 7),
        ],
    )
    async def test_of_what_is_not_of_its_type_is_refused_before_it_is_sent(
        self, pipeline: Pipeline, element: LiteralString, value: object
    ) -> None:
        with pytest.raises(psycopg.DataError):
            await pipeline.run([("BEGIN", {}), (ECHO[element], {"values": [value]})])
        assert pipeline.connection.info.transaction_status is TransactionStatus.IDLE
        assert await usable(pipeline)


class TestAPipeline:
    async def test_gives_the_rows_of_each_statement_in_order(self, pipeline: Pipeline) -> None:
        numbers = "SELECT n FROM unnest(%(n)b::bigint[]) AS n ORDER BY n"
        for _ in range(3):  # prepared, and prepared before
            found = await pipeline.run(
                [(numbers, {"n": [2, 1]}), (numbers, {"n": []}), ("SELECT %(x)s::int", {"x": 7})]
            )
            assert found == [[(1,), (2,)], [], [(7,)]]

    @pytest.mark.parametrize("rounds", [0, 3], ids=["at first", "when prepared"])
    async def test_that_fails_tells_the_first_failure_and_undoes_the_unit_of_work(
        self, pipeline: Pipeline, rounds: int
    ) -> None:
        await pipeline.connection.execute(_MAKE)
        for number in range(rounds):
            await pipeline.run([("BEGIN", {}), (ADD, {"numbers": [100 + number]}), (COUNT, {}), ("COMMIT", {})])
        for _ in range(2):
            with pytest.raises(psycopg.errors.UniqueViolation) as problem:
                await pipeline.run(
                    [("BEGIN", {}), (ADD, {"numbers": [1]}), (ADD, {"numbers": [1]}), (COUNT, {}), ("COMMIT", {})]
                )
            assert problem.value.diag.constraint_name == "one_pk"
            assert pipeline.connection.info.transaction_status is TransactionStatus.INERROR
            assert await usable(pipeline)
            (rows,) = await pipeline.run([(COUNT, {})])
            assert rows == [(rounds,)]

    async def test_says_when_a_commit_was_none(self, pipeline: Pipeline) -> None:
        await pipeline.run([("BEGIN", {})])
        with pytest.raises(psycopg.errors.DivisionByZero):
            await pipeline.connection.execute("SELECT 1 / 0")
        await pipeline.run([("COMMIT", {})])
        assert pipeline.last_status == "ROLLBACK"

    async def test_keeps_what_it_prepared_though_the_driver_is_used_beside_it(self, pipeline: Pipeline) -> None:
        for _ in range(4):
            await pipeline.run([("BEGIN", {}), ("SELECT 1", {})])
            for _ in range(12):
                await pipeline.connection.execute("SELECT %s::int", [1])
            assert await usable(pipeline)

    async def test_that_is_cut_off_is_told_as_lost(self, pipeline: Pipeline) -> None:
        with pytest.raises(psycopg.OperationalError):
            await pipeline.run(
                [("BEGIN", {}), ("SELECT pg_terminate_backend(pg_backend_pid())", {}), ("SELECT 1", {}), ("COMMIT", {})]
            )
        with pytest.raises(psycopg.Error):
            await pipeline.run([("SELECT 1", {})])
        assert pipeline.connection.closed

    async def test_that_is_cancelled_leaves_no_answer_for_the_next(self, pipeline: Pipeline) -> None:
        running = asyncio.create_task(pipeline.run([("BEGIN", {}), ("SELECT pg_sleep(30)", {}), ("SELECT 7", {})]))
        await asyncio.sleep(0.1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(10):
                await running
        assert pipeline.connection.closed or await usable(pipeline)


class TestACopy:
    async def test_fills_several_tables_at_once(self, pipeline: Pipeline) -> None:
        await pipeline.connection.execute(_MAKE)
        await pipeline.run([("BEGIN", {})])
        words = [(number, "字" * 50) for number in range(20_000)]
        await pipeline.copy([(ONE, words), (TWO, [(1,), (2,)])])
        await pipeline.run([("COMMIT", {})])
        found = await pipeline.run(
            [("SELECT count(*), min(word) FROM one", {}), ("SELECT sum(number)::int FROM two", {})]
        )
        assert found == [[(20_000, "字" * 50)], [(3,)]]

    @pytest.mark.parametrize(
        ("first", "second", "problem"),
        [
            ([(1, "a"), (1, "b")], [(1,)], psycopg.errors.UniqueViolation),
            ([(1, None)], [(1,)], psycopg.errors.NotNullViolation),
            ([(1, "a")], [(1,), (-1,)], psycopg.errors.CheckViolation),
            ([(number // 2, "x" * 100) for number in range(20_000)], [(1,)], psycopg.errors.UniqueViolation),
            ([(1, "a")], [(-1,)] * 200_000, psycopg.errors.CheckViolation),
            ([(1, "a\0")], [(1,)], psycopg.DataError),
            ([(2**63, "a")], [(1,)], OverflowError),
        ],
        ids=["key", "null", "second table", "much follows", "much of the second", "zero byte", "too large"],
    )
    async def test_that_fails_adds_nothing_and_leaves_the_connection_usable(
        self,
        pipeline: Pipeline,
        first: list[tuple[Any, ...]],
        second: list[tuple[Any, ...]],
        problem: type[Exception],
    ) -> None:
        await pipeline.connection.execute(_MAKE)
        for _ in range(2):
            await pipeline.run([("BEGIN", {})])
            async with asyncio.timeout(20):
                with pytest.raises(problem):
                    await pipeline.copy([(ONE, first), (TWO, second)])
            assert await usable(pipeline)
            (rows,) = await pipeline.run([(COUNT, {})])
            assert rows == [(0,)]

    async def test_of_nothing_does_nothing(self, pipeline: Pipeline) -> None:
        await pipeline.copy([])
        assert await usable(pipeline)
