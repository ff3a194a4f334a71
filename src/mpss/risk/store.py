"""The SQL of the lists: what the desk loads of the parties of its batch, and the writes of entries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet
from mpss.desk.model import Snapshot
from mpss.risk.model import Colour, Entry, EntryState, Listed, Scope


def _make_listed(record: Sequence[Any]) -> tuple[UUID, Listed]:
    return record[0], Listed(record[1], record[2])


LISTED: RowSet[UUID, Listed] = RowSet(
    name="risk_entry",
    order=13,
    # Not locked: an entry that comes into force counts from the next batch on. Nothing is looked up by a scope while
    # nothing of it is listed. OFFSET 0: a plan made while the list was short would else go through the whole of it for
    # each account.
    load="""
        SELECT found.id, bool_or(found.colour = 'black'), bool_or(found.colour = 'grey')
          FROM (SELECT e.subject_id AS id, e.colour FROM risk_entry AS e
                 WHERE e.subject_id = ANY(%(keys)b::uuid[]) AND e.state IN ('listed', 'leaving')
                   AND (SELECT EXISTS (SELECT FROM risk_entry WHERE state IN ('listed', 'leaving')))
                 UNION ALL
                SELECT a.id, e.colour FROM account AS a, LATERAL (
                    SELECT n.colour FROM risk_entry AS n
                     WHERE n.scope = 'number' AND n.value = a.phone AND n.state IN ('listed', 'leaving') OFFSET 0) AS e
                 WHERE a.id = ANY(%(keys)b::uuid[])
                   AND (SELECT EXISTS (SELECT FROM risk_entry
                                        WHERE scope = 'number' AND state IN ('listed', 'leaving')))
                 UNION ALL
                SELECT a.id, e.colour FROM account AS a, LATERAL (
                    SELECT p.colour FROM customer AS h JOIN risk_entry AS p ON p.value = h.person_digest
                     WHERE h.id = a.customer_id AND p.scope = 'person' AND p.state IN ('listed', 'leaving')
                    OFFSET 0) AS e
                 WHERE a.id = ANY(%(keys)b::uuid[])
                   AND (SELECT EXISTS (SELECT FROM risk_entry
                                        WHERE scope = 'person' AND state IN ('listed', 'leaving')))
                 UNION ALL
                SELECT m.id, e.colour FROM merchant AS m, LATERAL (
                    SELECT p.colour FROM risk_entry AS p
                     WHERE p.scope = 'person' AND p.value = m.person_digest AND p.state IN ('listed', 'leaving')
                    OFFSET 0) AS e
                 WHERE m.id = ANY(%(keys)b::uuid[])
                   AND (SELECT EXISTS (SELECT FROM risk_entry
                                        WHERE scope = 'person' AND state IN ('listed', 'leaving')))
                 UNION ALL
                SELECT c.id, e.colour FROM bank_card AS c, LATERAL (
                    SELECT b.colour FROM risk_entry AS b
                     WHERE b.scope = 'bank_card' AND b.state IN ('listed', 'leaving')
                       AND b.aliases @> ARRAY[encode(c.number_digest, 'hex')] OFFSET 0) AS e
                 WHERE c.id = ANY(%(keys)b::uuid[])
                   AND (SELECT EXISTS (SELECT FROM risk_entry
                                        WHERE scope = 'bank_card' AND state IN ('listed', 'leaving')))) AS found
         GROUP BY found.id
    """,
    make=_make_listed,
)
"""The lists that a party is on, by the id of an account (also by its number and its holder's document), a merchant
(also by its company's code) or a bound bank card; no row for a party that is on none."""

_INSERT: LiteralString = """
    INSERT INTO risk_entry (id, colour, scope, value, aliases, subject_id, shown, state, reason, evidence, entered_by,
                            entered_at, listed_at, until, approval_id)
    VALUES (%(id)s, %(colour)s, %(scope)s, %(value)s, %(aliases)s, %(subject_id)s, %(shown)s, %(state)s, %(reason)s,
            %(evidence)s, %(entered_by)s, %(entered_at)s, %(listed_at)s, %(until)s, %(approval_id)s)
    ON CONFLICT (scope, value, colour) WHERE state IN ('proposed', 'listed', 'leaving') DO NOTHING
"""
_LOCK: LiteralString = """
    SELECT id, colour, scope, value, subject_id, shown, state, reason, evidence, entered_by, entered_at, listed_at,
           until, approval_id, released_by, released_at, release_reason
      FROM risk_entry WHERE id = %(id)s FOR UPDATE
"""
_SAVE: LiteralString = """
    UPDATE risk_entry SET state = %(state)s, listed_at = %(listed_at)s, approval_id = %(approval_id)s,
           released_by = %(released_by)s, released_at = %(released_at)s, release_reason = %(release_reason)s
     WHERE id = %(id)s
"""
_LAPSE: LiteralString = """
    UPDATE risk_entry SET state = 'released', released_by = 'platform', released_at = %(now)s
     WHERE state IN ('listed', 'leaving') AND until <= %(now)s
    RETURNING id
"""
_IS_BLACK: LiteralString = """
    SELECT EXISTS (SELECT FROM risk_entry
                    WHERE scope = %(scope)s AND value = %(value)s AND colour = 'black'
                      AND state IN ('listed', 'leaving'))
"""
_HOLDERS: LiteralString = """
    -- By the account's key, the number's, the document's: each is an index of its own.
    WITH named AS (
        SELECT a.id, a.phone, a.language FROM risk_entry AS e JOIN account AS a ON a.id = e.subject_id
         WHERE e.id = ANY(%(ids)s) AND e.colour = 'grey' AND e.scope = 'account' AND a.life <> 'closed'
           AND a.number_left_at IS NULL
         UNION
        SELECT a.id, a.phone, a.language FROM risk_entry AS e JOIN account AS a ON a.phone = e.value
         WHERE e.id = ANY(%(ids)s) AND e.colour = 'grey' AND e.scope = 'number' AND a.life <> 'closed'
           AND a.number_left_at IS NULL
         UNION
        SELECT a.id, a.phone, a.language FROM risk_entry AS e JOIN customer AS h ON h.person_digest = e.value
          JOIN account AS a ON a.customer_id = h.id
         WHERE e.id = ANY(%(ids)s) AND e.colour = 'grey' AND e.scope = 'person' AND a.life <> 'closed'
           AND a.number_left_at IS NULL
    )
    SELECT n.id, n.phone, n.language FROM named AS n
     WHERE NOT EXISTS (SELECT FROM risk_entry AS o
                        WHERE o.subject_id = n.id AND o.colour = 'grey' AND o.state IN ('listed', 'leaving')
                          AND o.id <> ALL(%(ids)s))
       AND NOT EXISTS (SELECT FROM risk_entry AS o
                        WHERE o.scope = 'number' AND o.value = n.phone AND o.colour = 'grey'
                          AND o.state IN ('listed', 'leaving') AND o.id <> ALL(%(ids)s))
       AND NOT EXISTS (SELECT FROM account AS a JOIN customer AS h ON h.id = a.customer_id
                         JOIN risk_entry AS o ON o.scope = 'person' AND o.value = h.person_digest
                        WHERE a.id = n.id AND o.colour = 'grey' AND o.state IN ('listed', 'leaving')
                          AND o.id <> ALL(%(ids)s))
     ORDER BY n.id
"""
_LISTED_VALUES: LiteralString = """
    SELECT colour, scope, value FROM risk_entry
     WHERE scope = ANY(%(scopes)s) AND state IN ('listed', 'leaving')
"""


def make_entry(record: Sequence[Any]) -> Entry:
    """An entry of the columns of `Entry`."""
    id_, colour, scope, value, subject_id, shown, state, *rest = record
    return Entry(id_, Colour(colour), Scope(scope), value, subject_id, shown, EntryState(state), *rest)


def blacklisted(snapshot: Snapshot, parties: Iterable[UUID | None]) -> bool:
    """Whether one of the parties, which the command touched in LISTED, is on the black list. Pure."""
    listed = snapshot[LISTED]
    return bool(listed) and any(party in listed and listed[party].black for party in parties if party is not None)


def greylisted(snapshot: Snapshot, parties: Iterable[UUID | None]) -> bool:
    """Whether one of the parties, which the command touched in LISTED, is on the grey list. Pure."""
    listed = snapshot[LISTED]
    return bool(listed) and any(party in listed and listed[party].grey for party in parties if party is not None)


async def insert_entry(uow: UnitOfWork, entry: Entry, *, aliases: Sequence[str]) -> bool:
    """Write a new entry; False where one of the colour stands for the value."""
    return bool(await uow.execute(_INSERT, {**entry._asdict(), "aliases": list(aliases)}))


async def lock_entry(uow: UnitOfWork, entry_id: UUID) -> Entry | None:
    cursor = await uow.connection.execute(_LOCK, {"id": entry_id})
    record = await cursor.fetchone()
    return None if record is None else make_entry(record)


async def save_entry(uow: UnitOfWork, entry: Entry) -> None:
    """Write where an entry that is locked stands now."""
    await uow.execute(_SAVE, entry._asdict())


async def lapse(uow: UnitOfWork, *, now: datetime) -> list[UUID]:
    """Release every entry whose time is over; their ids."""
    cursor = await uow.connection.execute(_LAPSE, {"now": now})
    return [record[0] for record in await cursor.fetchall()]


async def is_black(uow: UnitOfWork, scope: Scope, value: str) -> bool:
    """Whether the value, in the form it is kept in, is on the black list."""
    return bool(await uow.value(_IS_BLACK, {"scope": scope, "value": value}))


async def listed_values(uow: UnitOfWork, scopes: Sequence[Scope]) -> list[tuple[str, str, str]]:
    """List, scope and value of every entry of these scopes in force."""
    cursor = await uow.connection.execute(_LISTED_VALUES, {"scopes": [scope.value for scope in scopes]})
    return [(record[0], record[1], record[2]) for record in await cursor.fetchall()]


async def holders_of_grey(uow: UnitOfWork, entry_ids: Sequence[UUID]) -> list[tuple[UUID, str, str]]:
    """Account, number and language of each that these grey entries name and no other in force does."""
    cursor = await uow.connection.execute(_HOLDERS, {"ids": list(entry_ids)})
    return [(record[0], record[1], record[2]) for record in await cursor.fetchall()]
