"""Rows in sets: how the desk loads, locks, changes and adds rows without a statement a row.

A `RowSet` is a kind of row that decisions read and replace; an `InsertSet` is a table that decisions only add to.
Rows are immutable tuples: a decision hands back a new version, the desk writes each changed row once a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, LiteralString, TypeVar

if TYPE_CHECKING:  # Decisions reach this module, and they may not reach the database.
    from mpss.db.database import UnitOfWork

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


@dataclass(frozen=True, eq=False, slots=True)
class RowSet(Generic[K, R]):
    """One kind of row a batch touches.

    `load` takes `%(keys)b`, an array of keys, and `%(slot)s`, the desk's slot; rows that may refuse are locked in it,
    `ORDER BY` key, whatever the order of the array. `order` is the place in the lock order, lower first. `make` turns
    a fetched record into (key, row).
    `save` takes the arrays that `columns` makes of the changed rows; their locks are held, so their order is free.
    `leads` names other sets and how a row of this one gives the key to load there; None leads nowhere.
    With `by_place`, `load`'s first column is the key and its last the locked row's ctid, where `save` finds the row
    again by `%(places)b::tid[]`: an index searched twice costs 2 µs a row more.
    """

    name: str
    order: int
    load: LiteralString
    make: Callable[[Sequence[Any]], tuple[K, R]]
    save: LiteralString | None = None
    columns: Callable[[Sequence[tuple[K, R]]], dict[str, list[Any]]] | None = None
    leads: tuple[tuple[RowSet[Any, Any], Callable[[Any], Hashable | None]], ...] = ()
    by_place: bool = False
    sift: Callable[[Any, Iterable[K]], Iterable[Hashable]] | None = None
    """With it the set is loaded after the others that commands name: it says, on the snapshot with those, what `load`
    is asked for of the keys that were named."""
    kept: bool = False
    """It changes a few times a year: a desk keeps what it loaded until `figures_version` moves. No decision replaces
    such a row, and what `load` finds follows from the keys alone; every table it reads moves the version."""
    refill: Callable[[UnitOfWork, Iterable[tuple[K, int]], int], Any] | None = field(default=None)
    """Async; called with (uow, ((key, quantity needed), …), slot) when a decision raises `NeedsMore` for this set."""


@dataclass(frozen=True, eq=False, slots=True)
class InsertSet:
    """A table that decisions add to, written by COPY. `types` are the columns' PostgreSQL types, in `copy`'s order.

    The driver wraps a number too large for an int2 or int4 without a word; an int8 it refuses. Amounts are int8.
    """

    name: str
    copy: LiteralString
    types: tuple[str, ...]


class NeedsMore(Exception):
    """A decision found too little of a quantity kept in portions; the desk gathers more and decides again."""

    def __init__(self, rows: RowSet[Any, Any], key: Hashable, quantity: int) -> None:
        super().__init__(rows.name)
        self.rows = rows
        self.key = key
        self.quantity = quantity


async def copy_rows(uow: UnitOfWork, target: InsertSet, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows by binary COPY."""
    async with uow.connection.cursor() as cursor, cursor.copy(target.copy) as copy:
        copy.set_types(target.types)
        for row in rows:
            await copy.write_row(row)
