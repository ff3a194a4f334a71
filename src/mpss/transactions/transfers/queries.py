"""Reads of transfers for channels: one, or what a subscriber sent and received, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from mpss.db.database import UnitOfWork

_TRANSFER: LiteralString = """
    SELECT f.transaction_id AS id, f.payer_id, f.payer_phone, f.payee_phone, f.payee_id,
           f.payee_relation AS relation_id, f.amount_fen, f.return_at, f.ended_at,
           t.state, t.refusal, t.channel, t.created_at
      FROM transfer AS f JOIN transaction AS t ON t.id = f.transaction_id
"""
_ONE: LiteralString = _TRANSFER + " WHERE f.transaction_id = %(id)s"
_OF_ACCOUNT: LiteralString = (
    # Two searches, each by its own index, and the newest of both.
    _TRANSFER
    + """ WHERE f.transaction_id IN (
          (SELECT transaction_id FROM transfer WHERE payer_id = %(account_id)s
              AND (%(before)s::uuid IS NULL OR transaction_id < %(before)s)
            ORDER BY transaction_id DESC LIMIT %(limit)s)
           UNION ALL
          (SELECT transaction_id FROM transfer WHERE payee_id = %(account_id)s
              AND (%(before)s::uuid IS NULL OR transaction_id < %(before)s)
            ORDER BY transaction_id DESC LIMIT %(limit)s))
     ORDER BY f.transaction_id DESC LIMIT %(limit)s
"""
)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer with the state of its transaction; the fields of `TransferRow` as there."""

    id: UUID
    payer_id: UUID
    payer_phone: str
    payee_phone: str
    payee_id: UUID | None
    relation_id: UUID | None
    amount_fen: int
    return_at: datetime | None
    ended_at: datetime | None
    state: str
    refusal: str | None
    channel: str
    created_at: datetime


async def get_transfer(uow: UnitOfWork, transaction_id: UUID) -> Transfer | None:
    """The transfer as it stands; None also for one that was refused at once."""
    return await uow.row(Transfer, _ONE, {"id": transaction_id})


async def transfers_of(uow: UnitOfWork, *, account_id: UUID, before: UUID | None, limit: int) -> list[Transfer]:
    """What an account sent and received, newest first; `before` is the last id of the page before."""
    return await uow.rows(Transfer, _OF_ACCOUNT, {"account_id": account_id, "before": before, "limit": limit})
