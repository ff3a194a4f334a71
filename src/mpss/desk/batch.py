"""One batch of the desk: load, decide, write, commit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from mpss.db.database import Connection, UnitOfWork
from mpss.db.pipeline import Call, Pipeline, Row
from mpss.db.rows import InsertSet, NeedsMore, RowSet
from mpss.desk.model import Answer, Command, Decision, Snapshot, Transaction, TransactionState
from mpss.desk.store import (
    DAY_AND_VERSION,
    FIND_KEYS,
    TAKE_FENCE,
    TRANSACTION_LOG,
    all_or_nothing,
    key_digest,
    make_transaction,
)
from mpss.kernel.errors import ErrorCode, MpssError
from mpss.kernel.unit_flag import unit_of_work_open
from mpss.ledger.day_close import FENCE
from mpss.ledger.model import JournalEntry
from mpss.ledger.post import BALANCES, apply, rows_of

Key = tuple[str, str]
Places = dict[RowSet[Any, Any], dict[Any, bytes]]
"""Where the locked rows of sets that are saved by place are: the ctid of each key."""


class Batch:
    """The commands of one batch, and what it must gather beyond its own portions before it can decide."""

    def __init__(
        self, commands: Sequence[Command], slot: int, hook: Callable[[str, Connection], Awaitable[None]] | None = None
    ) -> None:
        self.commands = commands
        self.slot = slot
        self.hook = hook
        self.key_digests = {key: key_digest(*key) for key in ((command.caller, command.key) for command in commands)}
        self.gather: dict[RowSet[Any, Any], dict[Hashable, int]] = {}
        named: dict[Any, set[Any]] = defaultdict(set)
        for command in commands:
            for sets, key in command.touches():
                named[sets].add(key)
        touched: dict[RowSet[Any, Any], set[Any]] = defaultdict(set)
        for sets, keys in named.items():
            for rows in sets if isinstance(sets, tuple) else (sets,):
                touched[rows] |= keys
        self.touched = sorted(touched.items(), key=lambda item: item[0].order)

    def ask_for_more(self, need: NeedsMore) -> None:
        """Gather enough for the whole batch, and more each time it is asked for again.

        Every key of every set kept in portions is gathered from then on, the others with what their portion holds, so
        that the locks of all portions are taken in one order.
        """
        for rows, keys in self.touched:
            if rows.refill is not None:
                self.gather.setdefault(rows, dict.fromkeys(keys, 0))
        wanted = self.gather.setdefault(need.rows, {})
        wanted[need.key] = max(need.quantity * len(self.commands), 2 * wanted.get(need.key, 0))


class RowGone(MpssError):
    """A row that was locked was not found again when it was to be written; nothing was."""


class Effects:
    """What the decisions of a batch shall leave, gathered by table."""

    def __init__(self) -> None:
        self.recorded: list[Transaction] = []
        self.entries: list[tuple[JournalEntry, datetime]] = []
        self.dirty: dict[RowSet[Any, Any], dict[Any, Any]] = defaultdict(dict)
        self.inserts: dict[InsertSet, list[tuple[Any, ...]]] = defaultdict(list)


class Kept:
    """What a desk keeps between batches: the rows of `RowSet.kept` sets, as of a version of the figures.

    They are read after the version, so they are at least as new; what is newer is read again with the next batch.
    """

    def __init__(self) -> None:
        self._version: int | None = None
        self._rows: dict[RowSet[Any, Any], dict[Any, Any]] = {}
        self._known: dict[RowSet[Any, Any], set[Any]] = {}

    def at(self, version: int) -> None:
        """Forget what is of another version."""
        if version != self._version:
            self._version = version
            self._rows.clear()
            self._known.clear()

    def missing(self, wanted: Sequence[tuple[RowSet[Any, Any], set[Any]]]) -> list[tuple[RowSet[Any, Any], set[Any]]]:
        """What is to be loaded of these sets and keys."""
        found = [(rows, keys - self._known.get(rows, set())) for rows, keys in wanted]
        return [(rows, keys) for rows, keys in found if keys]

    def keep(self, rows: RowSet[Any, Any], keys: set[Any], records: Sequence[Row]) -> None:
        """Take what was loaded of the keys; some may have no row."""
        self._known.setdefault(rows, set()).update(keys)
        self._rows.setdefault(rows, {}).update(map(rows.make, records))

    def of(self, rows: RowSet[Any, Any]) -> dict[Any, Any]:
        return self._rows[rows]


async def serve_batch(pipeline: Pipeline, batch: Batch, kept: Kept) -> list[Answer]:
    """Serve the batch in one unit of work on the desk's connection; the answers, in the commands' order."""
    while True:
        token = unit_of_work_open.set(True)
        try:
            snapshot, known, places = await _load(pipeline, batch, kept)
            await _at(batch, "loaded", pipeline)
            answers, effects = decide_all(batch.commands, snapshot, known)
            await _at(batch, "decided", pipeline)
            await _write(pipeline, batch, effects, snapshot.business_date, places)
            await _at(batch, "committed", pipeline)
            return answers
        except NeedsMore as need:
            await _roll_back(pipeline.connection)
            batch.ask_for_more(need)
        except BaseException:
            await _roll_back(pipeline.connection)
            raise
        finally:
            unit_of_work_open.reset(token)


async def _roll_back(connection: Connection) -> None:
    """Undo an open unit of work; a connection on which that fails is closed, which undoes it too."""
    try:
        await connection.rollback()
    except psycopg.Error:
        await connection.close()
        return
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        await connection.close()


async def _at(batch: Batch, step: str, pipeline: Pipeline) -> None:
    if batch.hook is not None:
        await batch.hook(step, pipeline.connection)


async def _load(pipeline: Pipeline, batch: Batch, kept: Kept) -> tuple[Snapshot, dict[Key, Transaction], Places]:
    """Everything the batch touches, in two round trips: what commands name, then what those rows lead to.

    One more where what is kept has changed.
    """
    named, sifted, seldom = [], [], []
    for rows, wanted in batch.touched:
        if rows.kept:
            seldom.append((rows, wanted))
            continue
        if rows.sift is not None:
            sifted.append((rows, wanted))
            continue
        own = wanted - batch.gather[rows].keys() if rows in batch.gather else wanted
        named.append((rows, own))
    keys = {"keys": list(batch.key_digests.values())}
    calls: list[Call] = [("BEGIN", {}), (TAKE_FENCE, {"fence": FENCE}), (DAY_AND_VERSION, {}), (FIND_KEYS, keys)]
    _, _, day, first, *loaded = await pipeline.run(calls + _loads(named, batch.slot))
    assert day, "there is no open business day"
    snapshot = Snapshot(day[0][0])
    known = {}
    for record in first:
        transaction = make_transaction(record)
        known[transaction.caller, transaction.idempotency_key] = transaction
    places: Places = defaultdict(dict)

    def take(rows: RowSet[Any, Any], records: list[Row]) -> dict[Any, Any]:
        found = dict(map(rows.make, records))
        snapshot[rows].update(found)
        if rows.by_place:
            places[rows].update({record[0]: record[-1] for record in records})
        return found

    led: dict[RowSet[Any, Any], set[Any]] = defaultdict(set)
    for (rows, _), records in zip(named, loaded, strict=True):
        found = take(rows, records)
        for target, key_of in rows.leads:
            led[target].update(map(key_of, found.values()))
            led[target].discard(None)
    kept.at(day[0][1])
    missing = kept.missing(seldom)
    if missing:
        loaded = await pipeline.run(_loads(missing, batch.slot))
        for (rows, wanted), records in zip(missing, loaded, strict=True):
            kept.keep(rows, wanted, records)
    for rows, _ in seldom:
        snapshot[rows] = kept.of(rows)
    for rows, wanted in sifted:
        assert rows.sift is not None
        led[rows].update(rows.sift(snapshot, wanted))
    if batch.gather:
        for rows in [each for each in led if each.refill is not None]:
            portions = batch.gather.setdefault(rows, {})
            for key in led.pop(rows):
                portions.setdefault(key, 0)
    followers = sorted(((rows, keys) for rows, keys in led.items() if keys), key=lambda item: item[0].order)
    if followers:
        loaded = await pipeline.run(_loads(followers, batch.slot))
        for (rows, _), records in zip(followers, loaded, strict=True):
            take(rows, records)
    for rows, needs in sorted(batch.gather.items(), key=lambda item: item[0].order):
        assert rows.refill is not None
        uow = UnitOfWork(pipeline.connection)
        snapshot[rows].update(await rows.refill(uow, sorted(needs.items()), batch.slot))
    return snapshot, known, places


def _loads(wanted: Sequence[tuple[RowSet[Any, Any], set[Any]]], slot: int) -> list[Call]:
    return [(rows.load, {"keys": list(keys), "slot": slot}) for rows, keys in wanted]


def decide_all(
    commands: Sequence[Command], snapshot: Snapshot, known: dict[Key, Transaction]
) -> tuple[list[Answer], Effects]:
    """Decide in arrival order, each on what those before it left. Pure: changes only `snapshot` and `known`."""
    effects = Effects()
    answers = []
    for command in commands:
        key = (command.caller, command.key)
        first = known.get(key)
        if first is not None:
            answers.append(_repeat(command, first, snapshot.business_date))
            continue
        decision = command.decide(snapshot)
        _apply(decision, snapshot, effects)
        if decision.recorded:
            known[key] = decision.transaction
        answers.append(Answer(decision.transaction, repeated=False, recorded=decision.recorded))
    return answers, effects


def _repeat(command: Command, first: Transaction, today: date) -> Answer:
    """The first answer again; or a refusal, when the key came with another body."""
    if first.digest != command.digest:
        return Answer(command.declined(ErrorCode.KEY_REUSED, today), repeated=False, recorded=False)
    # Served again after a lost commit, a command finds itself: that is no repeat.
    return Answer(as_first_answered(first), repeated=first.id != command.id)


def as_first_answered(transaction: Transaction) -> Transaction:
    """The transaction as its first answer said it, whatever became of it since."""
    if transaction.first_state is transaction.state:
        return transaction
    if transaction.first_state in (TransactionState.FUNDING, TransactionState.COMPLETING):
        return transaction  # The first answer waited for another system; what that said is the answer.
    if transaction.first_state in (TransactionState.CONFIRMING, TransactionState.REVIEWING):
        return transaction._replace(state=transaction.first_state, refusal=None, restricted_fen=0, finished_at=None)
    return transaction._replace(state=transaction.first_state)


def _apply(decision: Decision, snapshot: Snapshot, effects: Effects) -> None:
    transaction = decision.transaction
    # Before the entry: a hold that is collected frees the money that the entry takes.
    for rows, key, row in decision.puts:
        snapshot[rows][key] = row
        effects.dirty[rows][key] = row
    if decision.entry is not None:
        balances = snapshot[BALANCES]
        dirty = effects.dirty[BALANCES]
        for ledger_account_id in apply(decision.entry, balances):
            dirty[ledger_account_id] = balances[ledger_account_id]
        effects.entries.append((decision.entry, transaction.finished_at or transaction.created_at))
    for target, row in decision.inserts:
        effects.inserts[target].append(row)
    if decision.recorded:
        effects.recorded.append(transaction)


async def _write(pipeline: Pipeline, batch: Batch, effects: Effects, business_date: date, places: Places) -> None:
    """All effects in sets, then the commit."""
    tables = [*effects.inserts.items(), *rows_of(effects.entries, business_date)]
    if effects.recorded:
        digests = batch.key_digests
        recorded = [(*row, digests[row.caller, row.idempotency_key]) for row in effects.recorded]
        tables.append((TRANSACTION_LOG, recorded))
    await pipeline.copy(tables)
    await _at(batch, "written", pipeline)
    saves: list[Call] = []
    for rows, changed in sorted(effects.dirty.items(), key=lambda item: item[0].order):
        assert rows.save is not None
        assert rows.columns is not None
        parameters = {**rows.columns(list(changed.items())), "slot": batch.slot}
        if rows.by_place:
            parameters["places"] = [places[rows][key] for key in changed]
        saves.append((all_or_nothing(rows.save), {**parameters, "expected": len(changed)}))
    try:
        await pipeline.run([*saves, ("COMMIT", {})])
    except psycopg.errors.DivisionByZero as problem:
        raise RowGone("a row was not where it had been locked") from problem
    # PostgreSQL answers the COMMIT of a unit of work that failed with ROLLBACK, and no error.
    assert pipeline.last_status == "COMMIT", "the unit of work was rolled back"
