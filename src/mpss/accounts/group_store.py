"""The SQL of memberships: the row for the desk, and what members and companies are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

from mpss.accounts.group_model import GroupSource, Membership, QuotaRow
from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet


def _make(record: Sequence[Any]) -> tuple[UUID, QuotaRow]:
    return record[0], QuotaRow._make(record[1:])


def _columns(rows: Sequence[tuple[UUID, QuotaRow]]) -> dict[str, list[Any]]:
    return {
        "ids": [key for key, _ in rows],
        "months": [row.used_month for _, row in rows],
        "used": [row.used_fen for _, row in rows],
    }


QUOTAS: RowSet[UUID, QuotaRow] = RowSet(
    name="group_member",
    order=11,
    # Not locked: whoever changes a membership holds both usage rows, which the desk locked before it read this.
    load="""
        SELECT id, master_account_id, member_account_id, quota_month_fen, quota_single_fen, used_month, used_fen,
               removed_at
          FROM group_member WHERE id = ANY(%(keys)b::uuid[])
    """,
    make=_make,
    save="""
        UPDATE group_member AS m SET used_month = n.month, used_fen = n.used
          FROM unnest(%(ids)b::uuid[], %(months)b::date[], %(used)b::bigint[]) AS n (id, month, used)
         WHERE m.id = n.id
    """,
    columns=_columns,
)
"""Memberships by their own id; also those that ended, to which a refund still counts."""

_SOURCE: LiteralString = """
    SELECT id AS member_id, master_account_id FROM group_member
     WHERE member_account_id = %(account_id)s AND removed_at IS NULL
"""
_OF_MEMBER: LiteralString = """
    SELECT m.id, a.phone, m.quota_month_fen, m.quota_single_fen, m.used_month, m.used_fen, m.added_at,
           c.name_sealed AS company_sealed
      FROM group_member AS m
      JOIN account AS a ON a.id = m.member_account_id
      JOIN account AS company ON company.id = m.master_account_id
      JOIN customer AS c ON c.id = company.customer_id
     WHERE m.member_account_id = %(account_id)s AND m.removed_at IS NULL
"""


async def find_source(uow: UnitOfWork, account_id: UUID) -> GroupSource:
    """Whose money the account may pay with; of None where it is no member."""
    found = await uow.row(GroupSource, _SOURCE, {"account_id": account_id})
    return found or GroupSource(None, None)


async def find_membership(uow: UnitOfWork, account_id: UUID) -> Membership | None:
    """The account's membership as it stands."""
    return await uow.row(Membership, _OF_MEMBER, {"account_id": account_id})
