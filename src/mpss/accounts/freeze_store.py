"""The SQL of freezes: one row each, standing or ended, and what accounts and wallets copy of those that stand.

Whoever changes a freeze holds its account's usage row. The account's row copies the kinds of the whole freezes, the
wallet's balance the sum of what freezes of amounts still freeze; both are written with the change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from mpss.accounts.model import Freeze, FreezeKind
from mpss.accounts.state_store import Owner
from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet
from mpss.ledger.frozen import set_frozen

_COLUMNS: LiteralString = """
    id, account_id, kind, amount_fen, left_fen, reason, document, until, made_by, made_at, released_by, released_at
"""


def _make(record: Sequence[Any]) -> tuple[UUID, Freeze]:
    row = Freeze._make((*record[:2], FreezeKind(record[2]), *record[3:]))
    return row.id, row


def _columns(rows: Sequence[tuple[UUID, Freeze]]) -> dict[str, list[Any]]:
    return {
        "ids": [row.id for _, row in rows],
        "left": [row.left_fen for _, row in rows],
        "until": [row.until for _, row in rows],
        "by": [row.released_by for _, row in rows],
        "at": [row.released_at for _, row in rows],
    }


_SAVE: LiteralString = """
    UPDATE account_freeze AS f
       SET left_fen = n.left_fen, until = n.until, released_by = n.released_by, released_at = n.released_at
      FROM unnest(%(ids)b::uuid[], %(left)b::bigint[], %(until)b::timestamptz[], %(by)b::text[], %(at)b::timestamptz[])
           AS n (id, left_fen, until, released_by, released_at)
     WHERE f.id = n.id
"""
FREEZES: RowSet[UUID, Freeze] = RowSet(
    name="account_freeze",
    order=16,
    load="SELECT " + _COLUMNS + " FROM account_freeze WHERE id = ANY(%(keys)b::uuid[]) ORDER BY id FOR UPDATE",
    make=_make,
    save=_SAVE,
    columns=_columns,
)
"""For a decision that takes what is frozen."""

_INSERT: LiteralString = """
    INSERT INTO account_freeze (id, account_id, kind, amount_fen, left_fen, reason, document, until, made_by, made_at)
    VALUES (%(id)s, %(account_id)s, %(kind)s, %(amount_fen)s, %(left_fen)s, %(reason)s, %(document)s, %(until)s,
            %(made_by)s, %(made_at)s)
"""
_RELEASE_OF_USER: LiteralString = """
    UPDATE account_freeze SET released_by = %(by)s, released_at = %(now)s
     WHERE account_id = %(account_id)s AND kind = 'user' AND released_at IS NULL
"""
_COPY_KINDS: LiteralString = """
    UPDATE account AS a
       SET freezes = coalesce(f.kinds, '{}'), user_freeze_until = f.until
      FROM unnest(%(ids)s::uuid[]) AS n (id)
      LEFT JOIN (SELECT account_id, array_agg(DISTINCT kind ORDER BY kind) AS kinds,
                        max(until) FILTER (WHERE kind = 'user') AS until
                   FROM account_freeze
                  WHERE account_id = ANY(%(ids)s::uuid[]) AND amount_fen IS NULL AND released_at IS NULL
                  GROUP BY account_id) AS f ON f.account_id = n.id
     WHERE a.id = n.id
"""
_SUMS: LiteralString = """
    SELECT a.ledger_account_id, coalesce(sum(f.left_fen), 0)::bigint AS frozen_fen
      FROM account AS a LEFT JOIN account_freeze AS f ON f.account_id = a.id AND f.released_at IS NULL
     WHERE a.id = ANY(%(ids)s::uuid[]) GROUP BY a.ledger_account_id
"""
_OF_ACCOUNT: LiteralString = (
    "SELECT "
    + _COLUMNS
    + " FROM account_freeze WHERE account_id = %(account_id)s ORDER BY made_at DESC, id DESC LIMIT 100"
)
_ONE: LiteralString = "SELECT " + _COLUMNS + " FROM account_freeze WHERE id = %(id)s AND account_id = %(account_id)s"
_EARLIER: LiteralString = """
    SELECT e.id FROM account_freeze AS f JOIN account_freeze AS e ON e.account_id = f.account_id
     WHERE f.id = %(id)s AND e.kind = 'law' AND e.released_at IS NULL AND (e.made_at, e.id) < (f.made_at, f.id)
"""
_END_OF_USERS: LiteralString = """
    WITH due AS (
        SELECT a.id FROM account AS a JOIN account_usage AS u ON u.account_id = a.id
         WHERE a.user_freeze_until <= %(now)s
         ORDER BY a.id LIMIT 500 FOR UPDATE OF u SKIP LOCKED),
    ended AS (
        UPDATE account_freeze AS f SET released_by = 'clock', released_at = %(now)s FROM due
         WHERE f.account_id = due.id AND f.kind = 'user' AND f.released_at IS NULL AND f.until <= %(now)s
        RETURNING f.account_id)
    UPDATE account AS a SET freezes = array_remove(a.freezes, 'user'), user_freeze_until = NULL
      FROM ended WHERE a.id = ended.account_id
    RETURNING a.id, a.phone, a.language
"""
_END_OTHERS: LiteralString = """
    WITH due AS (
        SELECT f.id FROM account_freeze AS f JOIN account_usage AS u ON u.account_id = f.account_id
         WHERE f.kind <> 'user' AND f.released_at IS NULL AND f.until <= %(now)s
         ORDER BY f.account_id LIMIT 500 FOR UPDATE OF u SKIP LOCKED)
    UPDATE account_freeze AS f
       SET released_by = 'clock', released_at = %(now)s, left_fen = CASE WHEN f.left_fen IS NOT NULL THEN 0 END
      FROM due, account AS a
     WHERE f.id = due.id AND f.released_at IS NULL AND f.until <= %(now)s AND a.id = f.account_id
    RETURNING a.id, a.phone, a.language
"""
_KINDS_DIFFER: LiteralString = """
    SELECT count(*) FROM account AS a
      LEFT JOIN (SELECT account_id, array_agg(DISTINCT kind ORDER BY kind) AS kinds,
                        max(until) FILTER (WHERE kind = 'user') AS until
                   FROM account_freeze WHERE amount_fen IS NULL AND released_at IS NULL GROUP BY account_id) AS f
        ON f.account_id = a.id
     WHERE a.freezes <> coalesce(f.kinds, '{}') OR a.user_freeze_until IS DISTINCT FROM f.until
"""
_SUMS_DIFFER: LiteralString = """
    SELECT count(*) FROM ledger_balance AS b
      FULL JOIN (SELECT a.ledger_account_id, sum(f.left_fen) AS frozen_fen
                   FROM account_freeze AS f JOIN account AS a ON a.id = f.account_id
                  WHERE f.amount_fen IS NOT NULL AND f.released_at IS NULL GROUP BY a.ledger_account_id) AS s
        USING (ledger_account_id)
     WHERE coalesce(b.frozen_fen, 0) <> coalesce(s.frozen_fen, 0)
"""


async def insert_freeze(uow: UnitOfWork, freeze: Freeze) -> None:
    """Write a freeze of a locked account, and what the account or its wallet says of it."""
    await uow.execute(_INSERT, {**freeze._asdict(), "kind": freeze.kind.value})
    await _keep_copies(uow, [freeze.account_id])


async def save_freeze(uow: UnitOfWork, freeze: Freeze) -> None:
    """Write what was changed of a freeze of a locked account: its end, what is left of it, that it ended."""
    await uow.execute(_SAVE, _columns([(freeze.id, freeze)]))
    await _keep_copies(uow, [freeze.account_id])


async def release_of_user(uow: UnitOfWork, account_id: UUID, *, by: str, now: datetime) -> None:
    """End the holder's own freeze of a locked account, if it stands."""
    await uow.execute(_RELEASE_OF_USER, {"account_id": account_id, "by": by, "now": now})
    await _keep_copies(uow, [account_id])


async def find_freeze(uow: UnitOfWork, account_id: UUID, freeze_id: UUID) -> Freeze | None:
    """A freeze of the account, standing or ended."""
    cursor = await uow.connection.execute(_ONE, {"id": freeze_id, "account_id": account_id})
    record = await cursor.fetchone()
    return None if record is None else _make(record)[1]


async def freezes_of(uow: UnitOfWork, account_id: UUID) -> list[Freeze]:
    """The newest hundred freezes of the account, standing and ended."""
    cursor = await uow.connection.execute(_OF_ACCOUNT, {"account_id": account_id})
    return [_make(record)[1] for record in await cursor.fetchall()]


async def earlier_orders(uow: UnitOfWork, freeze_id: UUID) -> list[UUID]:
    """The standing freezes by law of the same account that were made before this one."""
    return [row["id"] for row in await uow.dicts(_EARLIER, {"id": freeze_id})]


async def end_due_freezes(uow: UnitOfWork, *, now: datetime) -> list[Owner]:
    """End freezes whose date has come, at most 500 of the holders' own and of the others each; whose they were."""
    of_users = await uow.dicts(_END_OF_USERS, {"now": now})
    others = await uow.dicts(_END_OTHERS, {"now": now})
    if others:
        await _keep_copies(uow, sorted({row["id"] for row in others}))
    owners = {row["id"]: Owner(**row) for row in [*of_users, *others]}
    return list(owners.values())


async def freezes_differ(uow: UnitOfWork) -> int:
    """How many accounts' copies of their freezes are not what the freezes say; for `mpss verify`."""
    return int(await uow.value(_KINDS_DIFFER))


async def frozen_differs(uow: UnitOfWork) -> int:
    """Of how many wallets more or less is frozen than their freezes say; for `mpss verify`."""
    return int(await uow.value(_SUMS_DIFFER))


async def _keep_copies(uow: UnitOfWork, ids: list[UUID]) -> None:
    await uow.execute(_COPY_KINDS, {"ids": ids})
    sums = await uow.dicts(_SUMS, {"ids": ids})
    await set_frozen(uow, {row["ledger_account_id"]: row["frozen_fen"] for row in sums})
