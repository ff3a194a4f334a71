"""The SQL of BOSS events and of the subscriptions that accounts belong to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from mpss.accounts.boss_findings import Link
from mpss.db.database import UnitOfWork
from mpss.ports.boss import Subscriber

# An event that comes twice at once waits here for the first, and is then not inserted. One that was found missing, and
# could not take effect since the number was taken, is tried again.
_INSERT_EVENT: LiteralString = """
    INSERT INTO boss_event (id, kind, phone, subscription_id, sequence, payload, occurred_at, received_at, result,
                            source)
    VALUES (%(id)s, %(kind)s, %(phone)s, %(subscription_id)s, %(sequence)s, %(payload)s, %(occurred_at)s,
            %(now)s, 'no_account', %(source)s)
    ON CONFLICT (id) DO UPDATE SET received_at = EXCLUDED.received_at
     WHERE boss_event.result = 'number_taken' AND EXCLUDED.source <> 'feed'
    RETURNING id
"""
_RECORD: LiteralString = """
    UPDATE boss_event SET result = %(result)s, account_id = %(account_id)s, applied_at = %(applied_at)s
     WHERE id = %(id)s
"""
_LOCK: LiteralString = "SELECT pg_advisory_xact_lock(7120, hashtext(%(subscription_id)s))"
_FIND: LiteralString = """
    SELECT s.account_id, s.subscription_id, s.boss_status, s.status_sequence, s.number_sequence, s.card_sequence,
           coalesce(s.sim_serial, '') AS sim_serial
      FROM account_subscription s JOIN account a ON a.id = s.account_id
     WHERE s.subscription_id = %(subscription_id)s ORDER BY a.opened_at DESC LIMIT 1
"""
_BIND: LiteralString = """
    -- A wallet that belongs to no subscription yet, opened before the event happened: an event of who had the number
    -- earlier is not of this account.
    INSERT INTO account_subscription (account_id, subscription_id, boss_status, status_sequence, number_sequence,
                                      card_sequence)
    SELECT a.id, %(subscription_id)s, 'active', 0, 0, 0 FROM account a
     WHERE a.phone = %(phone)s AND a.kind = 'wallet' AND a.life <> 'closed'
       AND a.number_left_at IS NULL AND a.opened_at <= %(occurred_at)s
        ON CONFLICT (account_id) DO NOTHING
"""
_SAVE: LiteralString = """
    UPDATE account_subscription
       SET boss_status = %(boss_status)s, status_sequence = %(status_sequence)s, number_sequence = %(number_sequence)s,
           card_sequence = %(card_sequence)s, sim_serial = coalesce(%(sim_serial)s, sim_serial)
     WHERE account_id = %(account_id)s
"""
_SIM_CHANGED: LiteralString = "UPDATE account_subscription SET sim_changed_at = %(now)s WHERE account_id = %(id)s"
_SIM_CHANGED_AT: LiteralString = """
    SELECT s.sim_changed_at FROM account_subscription AS s JOIN account AS a ON a.id = s.account_id
     WHERE s.account_id = %(id)s AND a.password_digest IS NOT NULL
"""
_SIM_REPLACED: LiteralString = """
    INSERT INTO replaced_sim (account_id, sim_serial, event_id, replaced_at)
    VALUES (%(account_id)s, %(sim_serial)s, %(event_id)s, %(now)s) ON CONFLICT DO NOTHING
"""
_BIND_FOUND: LiteralString = """
    INSERT INTO account_subscription (account_id, subscription_id, sim_serial, boss_status, status_sequence,
                                      number_sequence, card_sequence, owner, service_class, compared_at)
    SELECT account_id, subscription_id, sim_serial, 'active', 0, 0, 0, owner, service_class, %(now)s
      FROM unnest(%(account_ids)s::uuid[], %(subscription_ids)s::text[], %(sim_serials)s::text[], %(owners)s::text[],
                  %(classes)s::text[]) AS given (account_id, subscription_id, sim_serial, owner, service_class)
        ON CONFLICT (account_id) DO NOTHING
"""
_AGREED: LiteralString = """
    UPDATE account_subscription AS s
       SET status_sequence = greatest(s.status_sequence, given.status_sequence),
           number_sequence = greatest(s.number_sequence, given.number_sequence),
           card_sequence = greatest(s.card_sequence, given.card_sequence),
           sim_serial = coalesce(s.sim_serial, given.sim_serial),
           owner = CASE s.owner WHEN '' THEN given.owner ELSE s.owner END,
           service_class = given.service_class, compared_at = %(now)s
      FROM unnest(%(account_ids)s::uuid[], %(sim_serials)s::text[], %(owners)s::text[], %(classes)s::text[],
                  %(status)s::bigint[], %(number)s::bigint[], %(card)s::bigint[])
        AS given (account_id, sim_serial, owner, service_class, status_sequence, number_sequence, card_sequence)
     WHERE s.account_id = given.account_id
"""
_LINK_COLUMNS: LiteralString = """
    SELECT a.id AS account_id, a.phone, a.opened_at, coalesce(s.subscription_id, '') AS subscription_id,
           coalesce(s.owner, '') AS owner, coalesce(s.boss_status, 'active') AS boss_status,
           coalesce(s.sim_serial, '') AS sim_serial, coalesce(s.status_sequence, 0) AS status_sequence,
           coalesce(s.number_sequence, 0) AS number_sequence, coalesce(s.card_sequence, 0) AS card_sequence
"""
_LINK_OF: LiteralString = (
    _LINK_COLUMNS
    + """, s.compared_at, a.dormant_since IS NOT NULL AS dormant
      FROM account AS a LEFT JOIN account_subscription AS s ON s.account_id = a.id
     WHERE a.phone = %(phone)s AND a.kind = 'wallet' AND a.life <> 'closed' AND a.number_left_at IS NULL
"""
)
_LINK_BY_ACCOUNT: LiteralString = (
    _LINK_COLUMNS
    + """
      FROM account AS a LEFT JOIN account_subscription AS s ON s.account_id = a.id
     WHERE a.id = %(id)s AND a.life <> 'closed' AND a.number_left_at IS NULL
"""
)
_FOLLOW: LiteralString = """
    UPDATE account_subscription
       SET status_sequence = %(status)s, number_sequence = %(number)s, card_sequence = %(card)s
     WHERE account_id = %(id)s
"""
_LINKS_AFTER: LiteralString = (
    _LINK_COLUMNS
    + """
      FROM account AS a LEFT JOIN account_subscription AS s ON s.account_id = a.id
     WHERE a.kind = 'wallet' AND a.life <> 'closed' AND a.number_left_at IS NULL
       AND (%(after)s::uuid IS NULL OR a.id > %(after)s)
     ORDER BY a.id LIMIT %(limit)s
"""
)
_LEAVE_NUMBER: LiteralString = (
    "UPDATE account SET number_left_at = %(now)s WHERE id = %(id)s AND number_left_at IS NULL"
)
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
    sim_serial: str = ""


class KnownLink(NamedTuple):
    """A link, and when BOSS last said how it stands; None: never."""

    link: Link
    compared_at: datetime | None
    dormant: bool


async def insert_boss_event(uow: UnitOfWork, values: dict[str, Any]) -> bool:
    """Write an event down; False where it was already, and has been dealt with."""
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


async def set_sim_changed(uow: UnitOfWork, account_id: UUID, *, now: datetime) -> None:
    """The subscription got another card or another number."""
    await uow.execute(_SIM_CHANGED, {"id": account_id, "now": now})


async def sim_changed_at(uow: UnitOfWork, account_id: UUID) -> datetime | None:
    """When it last did; None: never, or the account has no payment password."""
    found: datetime | None = await uow.value(_SIM_CHANGED_AT, {"id": account_id})
    return found


async def insert_replaced_sim(
    uow: UnitOfWork, account_id: UUID, *, sim_serial: str, event_id: str, now: datetime
) -> None:
    """The card that a subscription no longer uses, "" where BOSS never told which it was."""
    values = {"account_id": account_id, "sim_serial": sim_serial, "event_id": event_id, "now": now}
    await uow.execute(_SIM_REPLACED, values)


async def bind_accounts(uow: UnitOfWork, bound: Sequence[tuple[UUID, Subscriber]], *, now: datetime) -> None:
    """Accounts that belonged to no subscription belong to these."""
    values = {
        "account_ids": [account_id for account_id, _ in bound],
        "subscription_ids": [subscriber.subscription_id for _, subscriber in bound],
        "now": now,
    }
    await uow.execute(_BIND_FOUND, values | _told(bound))


async def save_agreed(
    uow: UnitOfWork, agreed: Sequence[tuple[UUID, Subscriber, tuple[int, int, int]]], *, now: datetime
) -> None:
    """What BOSS and we have alike of each account, with the sequences of its aspects; they never go back."""
    values = {
        "account_ids": [account_id for account_id, _, _ in agreed],
        "status": [sequences[0] for _, _, sequences in agreed],
        "number": [sequences[1] for _, _, sequences in agreed],
        "card": [sequences[2] for _, _, sequences in agreed],
        "now": now,
    }
    await uow.execute(_AGREED, values | _told([(account_id, subscriber) for account_id, subscriber, _ in agreed]))


def _told(subscribers: Sequence[tuple[UUID, Subscriber]]) -> dict[str, Any]:
    return {
        "sim_serials": [subscriber.sim_serial for _, subscriber in subscribers],
        "owners": [subscriber.owner for _, subscriber in subscribers],
        "classes": [subscriber.service_class for _, subscriber in subscribers],
    }


async def link_of(uow: UnitOfWork, phone: str) -> KnownLink | None:
    """The wallet that the number has, and what it belongs to."""
    rows = await uow.dicts(_LINK_OF, {"phone": phone})
    if not rows:
        return None
    row = dict(rows[0])
    return KnownLink(compared_at=row.pop("compared_at"), dormant=row.pop("dormant"), link=Link(**row))


async def link_by_account(uow: UnitOfWork, account_id: UUID) -> Link | None:
    """What the account belongs to; None where it is closed, or has no number any more."""
    rows = await uow.dicts(_LINK_BY_ACCOUNT, {"id": account_id})
    return Link(**rows[0]) if rows else None


async def follow_sequences(uow: UnitOfWork, account_id: UUID, sequences: tuple[int, int, int]) -> None:
    """Take BOSS's sequences of status, number and card for ours, also lower ones."""
    status, number, card = sequences
    await uow.execute(_FOLLOW, {"id": account_id, "status": status, "number": number, "card": card})


async def links_after(uow: UnitOfWork, account_id: UUID | None, *, limit: int) -> list[Link]:
    """The next accounts that have a number, in the order of their ids."""
    return [Link(**row) for row in await uow.dicts(_LINKS_AFTER, {"after": account_id, "limit": limit})]


async def leave_number(uow: UnitOfWork, account_id: UUID, *, now: datetime) -> None:
    """The number is no longer the locked account's; whoever has it next may open one."""
    await uow.execute(_LEAVE_NUMBER, {"id": account_id, "now": now})


async def set_boss_stopped(uow: UnitOfWork, account_id: UUID, stopped: bool) -> None:
    await uow.execute(_SET_STOPPED, {"id": account_id, "stopped": stopped})


async def set_phone(uow: UnitOfWork, account_id: UUID, *, phone: str, province: str) -> None:
    """Give a locked account another number."""
    await uow.execute(_SET_PHONE, {"id": account_id, "phone": phone, "province": province})


async def end_sessions(uow: UnitOfWork, account_id: UUID) -> None:
    await uow.execute(_END_SESSIONS, {"id": account_id})
