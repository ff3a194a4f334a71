"""The SQL of BOSS events and of the subscriptions that accounts belong to."""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork

# An event that comes twice at once waits here for the first, and is then not inserted.
_INSERT_EVENT: LiteralString = """
    INSERT INTO boss_event (id, kind, phone, subscription_id, sequence, payload, occurred_at, received_at, result)
    VALUES (%(id)s, %(kind)s, %(phone)s, %(subscription_id)s, %(sequence)s, %(payload)s, %(occurred_at)s,
            %(now)s, 'no_account')
    ON CONFLICT (id) DO NOTHING RETURNING id
"""
_RECORD: LiteralString = """
    UPDATE boss_event SET result = %(result)s, account_id = %(account_id)s, applied_at = %(applied_at)s
     WHERE id = %(id)s
"""
_LOCK: LiteralString = "SELECT pg_advisory_xact_lock(7120, hashtext(%(subscription_id)s))"
_FIND: LiteralString = """
    SELECT s.account_id, s.subscription_id, s.boss_status, s.status_sequence, s.number_sequence, s.card_sequence
      FROM account_subscription s JOIN account a ON a.id = s.account_id
     WHERE s.subscription_id = %(subscription_id)s ORDER BY a.opened_at DESC LIMIT 1
"""
_BIND: LiteralString = """
    -- A wallet that belongs to no subscription yet, opened before the event happened: an event of who had the number
    -- earlier is not of this account.
    INSERT INTO account_subscription (account_id, subscription_id, boss_status, status_sequence, number_sequence,
                                      card_sequence)
    SELECT a.id, %(subscription_id)s, 'active', 0, 0, 0 FROM account a
     WHERE a.phone = %(phone)s AND a.kind = 'wallet' AND a.life <> 'closed' AND a.opened_at <= %(occurred_at)s
        ON CONFLICT (account_id) DO NOTHING
"""
_SAVE: LiteralString = """
    UPDATE account_subscription
       SET boss_status = %(boss_status)s, status_sequence = %(status_sequence)s, number_sequence = %(number_sequence)s,
           card_sequence = %(card_sequence)s, sim_serial = coalesce(%(sim_serial)s, sim_serial)
     WHERE account_id = %(account_id)s
"""
_SET_STOPPED: LiteralString = "UPDATE account SET boss_stopped = %(stopped)s WHERE id = %(id)s"
_SET_PHONE: LiteralString = "UPDATE account SET phone = %(phone)s, home_province = %(province)s WHERE id = %(id)s"
_END_SESSIONS: LiteralString = "DELETE FROM account_session WHERE account_id = %(id)s"


class Subscription(NamedTuple):
    """Whose account it is, as BOSS knows it; the sequences are the highest applied."""

    account_id: UUID
    subscription_id: str
    boss_status: str
    status_sequence: int
    number_sequence: int
    card_sequence: int


async def insert_boss_event(uow: UnitOfWork, values: dict[str, Any]) -> bool:
    """Write an event down; False where it was already."""
    return await uow.value(_INSERT_EVENT, values) is not None


async def record_result(
    uow: UnitOfWork, event_id: str, result: str, *, account_id: UUID | None, applied_at: datetime | None
) -> None:
    values = {"id": event_id, "result": result, "account_id": account_id, "applied_at": applied_at}
    await uow.execute(_RECORD, values)


async def lock_subscription(
    uow: UnitOfWork, *, subscription_id: str, phone: str, occurred_at: datetime
) -> Subscription | None:
    """The account's subscription, one event of it at a time; a wallet of the number that has none is bound to it."""
    values = {"subscription_id": subscription_id, "phone": phone, "occurred_at": occurred_at}
    await uow.execute(_LOCK, values)
    rows = await uow.dicts(_FIND, values)
    if not rows:
        await uow.execute(_BIND, values)
        rows = await uow.dicts(_FIND, values)
    return Subscription(**rows[0]) if rows else None


async def save_subscription(uow: UnitOfWork, subscription: Subscription, *, sim_serial: str | None) -> None:
    await uow.execute(_SAVE, {**subscription._asdict(), "sim_serial": sim_serial})


async def set_boss_stopped(uow: UnitOfWork, account_id: UUID, stopped: bool) -> None:
    await uow.execute(_SET_STOPPED, {"id": account_id, "stopped": stopped})


async def set_phone(uow: UnitOfWork, account_id: UUID, *, phone: str, province: str) -> None:
    """Give a locked account another number."""
    await uow.execute(_SET_PHONE, {"id": account_id, "phone": phone, "province": province})


async def end_sessions(uow: UnitOfWork, account_id: UUID) -> None:
    await uow.execute(_END_SESSIONS, {"id": account_id})
