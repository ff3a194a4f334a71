"""A connection as the desk uses it: prepared statements in one pipeline, COPY into several tables in one go.

A batch of the desk is some fifteen statements and four tables. Through the driver's cursors their fixed cost was
6 ms a batch, 50 µs a payment with 128 callers; straight through libpq (`psycopg.pq`) it is a tenth of that. The rows
of a result are read by the driver all the same, and everything else that uses the connection may use its cursors.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import count
from typing import Any, LiteralString

from psycopg import errors
from psycopg._copy_base import format_row_binary
from psycopg.abc import PQGen
from psycopg.abc import Transformer as AbstractTransformer
from psycopg.adapt import Transformer
from psycopg.generators import fetch_many, send
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult
from psycopg.waiting import Wait

from mpss.db.binary import array_encoder
from mpss.db.database import Connection
from mpss.db.rows import InsertSet

Row = tuple[Any, ...]
Call = tuple[LiteralString, Mapping[str, Any]]
"""A statement, with placeholders as the driver's, and its parameters."""

SETTINGS: LiteralString = """
    -- Keys come as arrays of any length, and tables grow under a prepared plan. An index is never wrong by much, and
    -- a plan made anew for each array costs 60 µs a statement.
    SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;
    SET enable_mergejoin = off; SET jit = off
"""

_numbers = count(1)
_PLACEHOLDER = re.compile(r"%\((\w+)\)[sb](?:::(\w+)\[\])?")
_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_COPY_PIECE = 128 * 1024  # libpq slows down on larger ones.


class _Statement:
    """A statement as PostgreSQL prepares it, and how its parameters are written."""

    def __init__(self, sql: LiteralString) -> None:
        self.name = b"desk_%d" % next(_numbers)
        self.writers: dict[str, Callable[[Any], bytes]] = {}
        self.formats: list[Format] = []
        self.sql = _PLACEHOLDER.sub(self._number, sql).encode()

    def _number(self, found: re.Match[str]) -> str:
        name, element = found.groups()
        if name not in self.writers:
            self.writers[name] = array_encoder(element) if element else _as_text
            self.formats.append(Format.BINARY if element else Format.TEXT)
        cast = f"::{element}[]" if element else ""
        return f"${list(self.writers).index(name) + 1}{cast}"

    def parameters(self, given: Mapping[str, Any]) -> list[bytes]:
        try:
            return [write(given[name]) for name, write in self.writers.items()]
        except (struct.error, AttributeError, TypeError) as problem:
            raise errors.DataError(f"a parameter is not of its type: {problem}") from problem


def _as_text(value: object) -> bytes:
    return str(value).encode()


_statement = cache(_Statement)


class Pipeline:
    """The connection of one desk. A parameter is an array with its element type as a cast, or a plain number."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.last_status = ""
        """What the last statement run answered: "COMMIT", or "ROLLBACK" to a COMMIT of what had failed."""
        self._prepared: set[_Statement] = set()
        self._transformer = Transformer(connection)
        self._copy_transformers: dict[InsertSet, AbstractTransformer] = {}

    async def set_up(self) -> None:
        """Make the connection ready; once, before anything else."""
        # Were the driver to prepare statements too, it would throw away all that the session has after a rollback.
        self.connection.prepare_threshold = None
        await self.connection.execute(SETTINGS)

    async def run(self, calls: Sequence[Call]) -> list[list[Row]]:
        """Run statements in one round trip; the rows of each. The first that fails ends them.

        Raises:
            psycopg.Error: the first failure.
        """
        # Whatever cannot be written fails here, before anything was sent.
        written = [(_statement(sql), _statement(sql).parameters(given)) for sql, given in calls]
        return await self.connection.wait(self._run(written))

    async def copy(self, tables: Sequence[tuple[InsertSet, Sequence[Row]]]) -> None:
        """Add rows to tables by binary COPY, in the open unit of work.

        Raises:
            psycopg.Error: of the first row that does not fit.
        """
        if tables:
            written = [self._copy_data(target, rows) for target, rows in tables]
            await self.connection.wait(self._copy([target.copy for target, _ in tables], written))

    def _run(self, calls: Sequence[tuple[_Statement, list[bytes]]]) -> PQGen[list[list[Row]]]:
        pgconn = self.connection.pgconn
        preparing: list[_Statement | None] = []
        results: list[PGresult] = []
        try:
            pgconn.enter_pipeline_mode()
            for statement, parameters in calls:
                if statement not in self._prepared and statement not in preparing:
                    pgconn.send_prepare(statement.name, statement.sql)
                    preparing.append(statement)
                pgconn.send_query_prepared(statement.name, parameters, statement.formats, result_format=Format.BINARY)
                preparing.append(None)
            pgconn.pipeline_sync()
            yield from send(pgconn)
            for _ in preparing:
                results += yield from fetch_many(pgconn)
            yield from fetch_many(pgconn)  # of the sync
            pgconn.exit_pipeline_mode()
        except BaseException:
            # Answers may be under way that the next user would take for his own.
            pgconn.finish()
            raise
        answers = []
        # Before any row is read, which may fail: what is prepared is known.
        for prepared, result in zip(preparing, results, strict=False):
            _check(result)
            if prepared is not None:
                self._prepared.add(prepared)
            else:
                answers.append(result)
        if len(results) < len(preparing):
            pgconn.finish()
            raise errors.OperationalError("the connection ended before the last answer")
        self.last_status = (results[-1].command_status or b"").decode()
        return [self._rows(result) for result in answers]

    def _rows(self, result: PGresult) -> list[Row]:
        if not result.ntuples:
            return []
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def _copy(self, statements: Sequence[LiteralString], written: Sequence[bytes]) -> PQGen[None]:
        # One query of several COPYs: the answer to the end of one is the start of the next.
        pgconn = self.connection.pgconn
        try:
            pgconn.send_query("; ".join(statements).encode())
            for data in written:
                yield from send(pgconn)
                _check(*(yield from fetch_many(pgconn)))
                for start in range(0, len(data), _COPY_PIECE):
                    while not pgconn.put_copy_data(data[start : start + _COPY_PIECE]):
                        yield Wait.W
                    yield from send(pgconn)
                while not pgconn.put_copy_end():
                    yield Wait.W
            yield from send(pgconn)
            _check(*(yield from fetch_many(pgconn)))
        except errors.DatabaseError:
            raise  # PostgreSQL said so, and is ready again.
        except BaseException:
            pgconn.finish()
            raise

    def _copy_data(self, target: InsertSet, rows: Sequence[Row]) -> bytes:
        transformer = self._copy_transformers.get(target)
        if transformer is None:
            types = self.connection.adapters.types
            transformer = self._copy_transformers[target] = Transformer(self.connection)
            transformer.set_dumper_types([types[name].oid for name in target.types], Format.BINARY)
        data = bytearray(_COPY_HEAD)
        for row in rows:
            format_row_binary(row, transformer, data)
        data += _COPY_END
        return bytes(data)


def _check(*results: PGresult) -> None:
    for result in results:
        if result.status in (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED):
            raise errors.error_from_result(result)
