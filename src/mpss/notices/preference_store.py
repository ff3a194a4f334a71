"""The SQL of what subscribers want to be told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from typing import LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.notices.preference_model import Group, Preferences

_COLUMNS: LiteralString = """
    SELECT a.id, a.phone, q.starts, q.ends,
           ARRAY(SELECT p.event_group FROM notice_preference AS p
                  WHERE p.account_id = a.id AND NOT p.wanted) AS unwanted
      FROM account AS a LEFT JOIN quiet_hours AS q ON q.account_id = a.id
"""
_OF_PHONES: LiteralString = (
    _COLUMNS
    + """WHERE a.phone = ANY(%(phones)s) AND a.kind = 'wallet' AND a.life <> 'closed' AND a.number_left_at IS NULL"""
)
_LEFT: LiteralString = """
    SELECT a.id AS reference, a.phone, a.number_left_at AS left_at FROM account AS a
     WHERE a.id = ANY(%(references)s) AND a.number_left_at IS NOT NULL
     UNION ALL
    SELECT t.id, a.phone, a.number_left_at FROM transaction AS t JOIN account AS a ON a.id = t.account_id
     WHERE t.id = ANY(%(references)s) AND a.number_left_at IS NOT NULL
"""
_OF_ACCOUNT: LiteralString = _COLUMNS + "WHERE a.id = %(account_id)s"
_SET_GROUPS: LiteralString = """
    INSERT INTO notice_preference (account_id, event_group, wanted)
    SELECT %(account_id)s, event_group, wanted FROM unnest(%(groups)s::text[], %(wanted)s::boolean[])
        AS given (event_group, wanted)
    ON CONFLICT (account_id, event_group) DO UPDATE SET wanted = excluded.wanted
"""
_SET_QUIET: LiteralString = """
    INSERT INTO quiet_hours (account_id, starts, ends) VALUES (%(account_id)s, %(starts)s, %(ends)s)
    ON CONFLICT (account_id) DO UPDATE SET starts = excluded.starts, ends = excluded.ends
"""
_SET_LANGUAGE: LiteralString = "UPDATE account SET language = %(language)s WHERE id = %(account_id)s"
_MIDNIGHT = time(0, 0)


class _Row(NamedTuple):
    id: UUID
    phone: str
    starts: time | None
    ends: time | None
    unwanted: list[str]


def _preferences(row: _Row) -> Preferences:
    unwanted = frozenset(Group(group) for group in row.unwanted)
    if row.starts == row.ends:
        return Preferences(unwanted)
    return Preferences(unwanted, row.starts, row.ends)


async def preferences_of_phones(uow: UnitOfWork, phones: Sequence[str]) -> dict[str, Preferences]:
    """By number, E.164; a number without a wallet is not in it."""
    rows = await uow.rows(_Row, _OF_PHONES, {"phones": list(phones)})
    return {row.phone: _preferences(row) for row in rows}


async def preferences_of(uow: UnitOfWork, account_id: UUID) -> Preferences:
    row = await uow.row(_Row, _OF_ACCOUNT, {"account_id": account_id})
    return Preferences() if row is None else _preferences(row)


async def save_preferences(uow: UnitOfWork, account_id: UUID, preferences: Preferences) -> None:
    """Write the whole of what the account's holder wants."""
    groups = [group.value for group in Group]
    wanted = [group not in preferences.unwanted for group in Group]
    await uow.execute(_SET_GROUPS, {"account_id": account_id, "groups": groups, "wanted": wanted})
    starts, ends = preferences.quiet_from or _MIDNIGHT, preferences.quiet_to or _MIDNIGHT
    await uow.execute(_SET_QUIET, {"account_id": account_id, "starts": starts, "ends": ends})


async def save_language(uow: UnitOfWork, account_id: UUID, language: str) -> None:
    await uow.execute(_SET_LANGUAGE, {"account_id": account_id, "language": language})


async def numbers_left(uow: UnitOfWork, references: Sequence[UUID]) -> dict[tuple[UUID, str], datetime]:
    """Since when an account has no longer its number, by what a notice refers to and the number."""
    rows = await uow.dicts(_LEFT, {"references": list(references)})
    return {(row["reference"], row["phone"]): row["left_at"] for row in rows}
