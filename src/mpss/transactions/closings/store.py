"""The SQL of closings."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from mpss.accounts.state_store import Owner
from mpss.db.database import UnitOfWork
from mpss.transactions.closings.model import Payout, Standing

_PENDING = (
    "('CONFIRMING', 'REVIEWING', 'FUNDING', 'IN_DOUBT', 'AUTHORIZED', 'COMPLETING', 'RELEASING', 'REVERSING', "
    "'WAITING')"
)
_STANDING: LiteralString = (
    """
    SELECT b.balance_fen, b.held_fen, b.frozen_fen, b.restricted_fen,
           (SELECT count(*) FROM transaction AS t WHERE t.account_id = a.id AND t.state IN """
    + _PENDING
    + """) AS pending,
           (SELECT count(*) FROM group_member AS m WHERE m.master_account_id = a.id AND m.removed_at IS NULL) AS members
      FROM account AS a JOIN ledger_balance AS b ON b.ledger_account_id = a.ledger_account_id WHERE a.id = %(id)s
"""
)
_LEFT: LiteralString = """
    SELECT a.id, a.opened_at, a.number_left_at AS left_at, b.balance_fen
      FROM account AS a JOIN ledger_balance AS b ON b.ledger_account_id = a.ledger_account_id
     WHERE a.phone = %(phone)s AND a.number_left_at IS NOT NULL AND a.kind = 'wallet' AND a.life = 'pre_closed'
     ORDER BY a.number_left_at DESC, a.id
"""
_ASK: LiteralString = """
    INSERT INTO account_closing (account_id, payout, reason, asked_by, asked_at)
    VALUES (%(id)s, %(payout)s, %(reason)s, %(by)s, %(now)s)
    ON CONFLICT (account_id) DO UPDATE
       SET payout = EXCLUDED.payout, reason = EXCLUDED.reason, asked_by = EXCLUDED.asked_by,
           asked_at = EXCLUDED.asked_at
"""
_FINISH: LiteralString = (
    """
    WITH due AS (
        SELECT a.id FROM account AS a
          JOIN account_usage AS u ON u.account_id = a.id
          JOIN ledger_balance AS b ON b.ledger_account_id = a.ledger_account_id
         WHERE a.life = 'pre_closed' AND (%(id)s::uuid IS NULL OR a.id = %(id)s)
           AND b.balance_fen = 0 AND b.held_fen = 0 AND b.frozen_fen = 0
           AND NOT EXISTS (SELECT FROM transaction AS t WHERE t.account_id = a.id AND t.state IN """
    + _PENDING
    + """)
         ORDER BY a.id LIMIT 500 FOR UPDATE OF u SKIP LOCKED),
    cards AS (
        UPDATE bank_card AS c SET state = 'unbound', unbound_at = %(now)s FROM due
         WHERE c.account_id = due.id AND c.state = 'bound'),
    payees AS (
        UPDATE payee AS p SET dissolved_at = %(now)s FROM due
         WHERE p.account_id = due.id AND p.dissolved_at IS NULL),
    members AS (
        UPDATE group_member AS m SET removed_at = %(now)s FROM due
         WHERE (m.member_account_id = due.id OR m.master_account_id = due.id) AND m.removed_at IS NULL),
    sessions AS (DELETE FROM account_session AS s USING due WHERE s.account_id = due.id)
    UPDATE account AS a SET life = 'closed', closed_at = %(now)s FROM due WHERE a.id = due.id
    RETURNING a.id, a.phone, a.language
"""
)


_HOLD: LiteralString = "SELECT id FROM hold WHERE transaction_id = %(id)s"


async def hold_of(uow: UnitOfWork, transaction_id: UUID) -> UUID | None:
    """The hold of a payout that waits for the other side."""
    found: UUID | None = await uow.value(_HOLD, {"id": transaction_id})
    return found


_CLOSED_WITH_MONEY: LiteralString = """
    SELECT a.id FROM account AS a JOIN ledger_balance AS b ON b.ledger_account_id = a.ledger_account_id
     WHERE a.life = 'closed' AND b.balance_fen > 0 ORDER BY a.id LIMIT 500
"""
_RESTS: LiteralString = """
    SELECT t.id, t.account_id, a.phone, t.amount_fen, t.created_at, a.closed_at
      FROM account AS a JOIN transaction AS t ON t.account_id = a.id
     WHERE a.phone = %(phone)s AND a.life = 'closed' AND t.kind = 'closing_rest' AND t.state = 'WAITING'
     ORDER BY t.id
"""
_REST: LiteralString = """
    SELECT t.id, t.account_id, a.phone, t.amount_fen, t.created_at, a.closed_at
      FROM transaction AS t JOIN account AS a ON a.id = t.account_id
     WHERE t.id = %(id)s AND t.kind = 'closing_rest'
"""


class Rest(NamedTuple):
    """What came back after an account was closed; `closed_at` is the account's."""

    id: UUID
    account_id: UUID
    phone: str
    amount_fen: int
    created_at: datetime
    closed_at: datetime | None


async def closed_with_money(uow: UnitOfWork) -> list[UUID]:
    """Closed accounts that have money, at most 500."""
    return [row["id"] for row in await uow.dicts(_CLOSED_WITH_MONEY)]


async def waiting_rests(uow: UnitOfWork, *, phone: str) -> list[Rest]:
    """What waits of closed accounts that had the number, oldest first."""
    return await uow.rows(Rest, _RESTS, {"phone": phone})


async def find_rest(uow: UnitOfWork, rest_id: UUID) -> Rest | None:
    return await uow.row(Rest, _REST, {"id": rest_id})


class LeftAccount(NamedTuple):
    """An account whose number was given up or is another's, and which waits to be paid out."""

    id: UUID
    opened_at: datetime
    left_at: datetime
    balance_fen: int


async def left_accounts(uow: UnitOfWork, phone: str) -> list[LeftAccount]:
    """Accounts that the number has left and that are not closed, the one it left last first."""
    return [LeftAccount(**row) for row in await uow.dicts(_LEFT, {"phone": phone})]


async def standing_of(uow: UnitOfWork, account_id: UUID) -> Standing:
    """What a closing of the account looks at now."""
    (row,) = await uow.dicts(_STANDING, {"id": account_id})
    return Standing(**row)


async def insert_closing(
    uow: UnitOfWork, account_id: UUID, *, payout: Payout, reason: str, by: str, now: datetime
) -> None:
    values = {"id": account_id, "payout": payout.value, "reason": reason, "by": by, "now": now}
    await uow.execute(_ASK, values)


async def close_empty(uow: UnitOfWork, *, now: datetime, account_id: UUID | None = None) -> list[Owner]:
    """Close pre-closed accounts (or the one) without money or anything pending, at most 500; whose they were.

    Their cards are unbound, their relations dissolved, their memberships and sessions ended.
    """
    return [Owner(**row) for row in await uow.dicts(_FINISH, {"now": now, "id": account_id})]
