"""The SQL of an account's state: loss, dormancy, life, and the record of every change of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from mpss.accounts.model import Life, Loss
from mpss.db.database import UnitOfWork
from mpss.db.rows import InsertSet
from mpss.kernel.ids import Id

_SET_LOSS: LiteralString = "UPDATE account SET loss = %(loss)s, loss_until = %(until)s WHERE id = %(id)s"
_SET_LIFE: LiteralString = """
    UPDATE account SET life = %(life)s, closed_at = CASE WHEN %(life)s = 'closed' THEN %(now)s END WHERE id = %(id)s
"""
_SET_AWAKE: LiteralString = """
    UPDATE account SET dormant_since = NULL, dormancy_warned_at = NULL, woken_at = %(now)s WHERE id = %(id)s
"""
ACCOUNT_EVENTS = InsertSet(
    name="account_event",
    copy="COPY account_event (id, account_id, event, detail, actor, at) FROM STDIN (FORMAT BINARY)",
    types=("uuid", "uuid", "text", "text", "text", "timestamptz"),
)
"""For a decision that changes an account's state."""
_INSERT_EVENT: LiteralString = """
    INSERT INTO account_event (id, account_id, event, detail, actor, at)
    VALUES (%(id)s, %(account_id)s, %(event)s, %(detail)s, %(actor)s, %(at)s)
"""
_EVENTS: LiteralString = """
    SELECT id, event, detail, actor, at FROM account_event
     WHERE account_id = %(account_id)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
     ORDER BY id DESC LIMIT %(limit)s
"""
_END_LOSSES: LiteralString = """
    WITH due AS (
        SELECT a.id FROM account AS a JOIN account_usage AS u ON u.account_id = a.id
         WHERE a.loss = 'oral' AND a.loss_until <= %(now)s
         ORDER BY a.id LIMIT 500 FOR UPDATE OF u SKIP LOCKED)
    UPDATE account AS a SET loss = 'none', loss_until = NULL FROM due
     WHERE a.id = due.id AND a.loss = 'oral' AND a.loss_until <= %(now)s
    RETURNING a.id, a.phone, a.language
"""
# Money moved in the wallet, or what its holder bought was paid from outside or with the company's money: each by an
# index of its own, whose last entry tells.
_USED: LiteralString = """
    (EXISTS (SELECT FROM posting AS p WHERE p.ledger_account_id = a.ledger_account_id
                AND p.part IS NOT NULL AND p.entry_id >= %(first)s)
     OR EXISTS (SELECT FROM transaction AS t WHERE t.account_id = a.id AND t.id >= %(first)s
                   AND t.funding NOT IN ('wallet', 'group') AND t.state <> 'DECLINED')
     OR EXISTS (SELECT FROM group_purchase AS g
                 WHERE g.member_account_id = a.id AND g.transaction_id >= %(first)s))
"""
# Opened, woken and used before the date. The first two are on the account.
_WARN: LiteralString = (
    """
    WITH due AS (
        SELECT a.id FROM account AS a JOIN account_usage AS u ON u.account_id = a.id
         WHERE a.life = 'active' AND a.dormant_since IS NULL AND a.dormancy_warned_at IS NULL
           AND a.opened_at < %(before)s AND coalesce(a.woken_at, a.opened_at) < %(before)s
           AND NOT """
    + _USED
    + """
         ORDER BY a.id LIMIT 500 FOR UPDATE OF u SKIP LOCKED)
    UPDATE account AS a SET dormancy_warned_at = %(now)s FROM due
     WHERE a.id = due.id AND a.dormancy_warned_at IS NULL
    RETURNING a.id, a.phone, a.language
"""
)
_UNWARN: LiteralString = (
    """
    UPDATE account AS a SET dormancy_warned_at = NULL
     WHERE a.life = 'active' AND a.dormant_since IS NULL AND a.dormancy_warned_at <= %(warned)s
       AND """
    + _USED
)
_FALL_DORMANT: LiteralString = (
    """
    WITH due AS (
        SELECT a.id FROM account AS a JOIN account_usage AS u ON u.account_id = a.id
         WHERE a.life = 'active' AND a.dormant_since IS NULL AND a.dormancy_warned_at <= %(warned)s
           AND NOT """
    + _USED
    + """
         ORDER BY a.id LIMIT 500 FOR UPDATE OF u SKIP LOCKED)
    UPDATE account AS a SET dormant_since = %(now)s FROM due
     WHERE a.id = due.id AND a.dormant_since IS NULL
    RETURNING a.id, a.phone, a.language
"""
)


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """A change of an account's state: who made it, when; `detail` is JSON."""

    id: UUID
    event: str
    detail: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Owner:
    """Who is told of what the clock did to an account."""

    id: UUID
    phone: str
    language: str


async def set_loss(uow: UnitOfWork, account_id: UUID, loss: Loss, *, until: datetime | None) -> None:
    await uow.execute(_SET_LOSS, {"id": account_id, "loss": loss.value, "until": until})


async def set_life(uow: UnitOfWork, account_id: UUID, life: Life, *, now: datetime) -> None:
    """Move a locked account to `life`; a closed one keeps when it was closed."""
    await uow.execute(_SET_LIFE, {"id": account_id, "life": life.value, "now": now})


async def set_awake(uow: UnitOfWork, account_id: UUID, *, now: datetime) -> None:
    await uow.execute(_SET_AWAKE, {"id": account_id, "now": now})


def event_row(account_id: UUID, event: str, *, detail: Mapping[str, Any], actor: str, now: datetime) -> tuple[Any, ...]:
    """The row for ACCOUNT_EVENTS."""
    return Id.new(now), account_id, event, json.dumps(dict(detail), ensure_ascii=False, sort_keys=True), actor, now


async def insert_event(
    uow: UnitOfWork, account_id: UUID, event: str, *, detail: Mapping[str, Any], actor: str, now: datetime
) -> None:
    text = json.dumps(dict(detail), ensure_ascii=False, sort_keys=True)
    values = {"id": Id.new(now), "account_id": account_id, "event": event, "detail": text, "actor": actor, "at": now}
    await uow.execute(_INSERT_EVENT, values)


async def events_of(uow: UnitOfWork, account_id: UUID, *, before: UUID | None, limit: int) -> list[AccountEvent]:
    """The changes of an account's state, newest first; `before` is the last id of the page before."""
    rows = await uow.dicts(_EVENTS, {"account_id": account_id, "before": before, "limit": limit})
    return [AccountEvent(**row) for row in rows]


async def end_losses(uow: UnitOfWork, *, now: datetime) -> list[Owner]:
    """Oral reports of loss that ran out, at most 500; whose they were."""
    return _owners(await uow.dicts(_END_LOSSES, {"now": now}))


async def warn_of_dormancy(uow: UnitOfWork, *, now: datetime, before: datetime) -> list[Owner]:
    """Active accounts that were not used since `before`, not yet warned, at most 500; they are marked as warned."""
    return _owners(await uow.dicts(_WARN, {"now": now, "before": before, "first": _first_id(before)}))


async def fall_dormant(uow: UnitOfWork, *, now: datetime, warned: datetime, before: datetime) -> list[Owner]:
    """Those warned before `warned` and not used since `before` either, at most 500, become dormant.

    Who used the account after the warning is free of it.
    """
    params = {"now": now, "warned": warned, "first": _first_id(before)}
    await uow.execute(_UNWARN, params)
    return _owners(await uow.dicts(_FALL_DORMANT, params))


def _first_id(at: datetime) -> UUID:
    """The smallest id that an entry made at `at` could have."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def _owners(rows: list[dict[str, Any]]) -> list[Owner]:
    return [Owner(**row) for row in rows]
