"""The SQL of debits that verify bank cards."""

from __future__ import annotations

from typing import LiteralString, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork

_OWNER: LiteralString = "SELECT account_id FROM bank_card WHERE id = %(id)s"
_REFUSE: LiteralString = """
    UPDATE bank_card AS c SET state = 'refused' FROM transaction AS t
     WHERE c.verification_id = t.id AND NOT c.given_back AND c.state = 'verified'
       AND t.state IN ('DECLINED', 'CANCELLED')
"""
_ENDED: LiteralString = """
    SELECT c.id AS card_id, t.id AS debit_id, t.state
      FROM bank_card AS c JOIN transaction AS t ON t.id = c.verification_id
     WHERE NOT c.given_back AND c.state NOT IN ('requested', 'verified')
       AND t.state IN ('SUCCEEDED', 'REVERSED', 'DECLINED', 'CANCELLED')
     ORDER BY c.verification_id LIMIT %(limit)s
"""
_GIVEN_BACK: LiteralString = "UPDATE bank_card SET given_back = true WHERE id = ANY(%(ids)s)"


class EndedVerification(NamedTuple):
    """A card that waits no more, and the state of its debit."""

    card_id: UUID
    debit_id: UUID
    state: str


async def owner_of_card(uow: UnitOfWork, card_id: UUID) -> UUID:
    """The account of a card that is there."""
    found: UUID = await uow.value(_OWNER, {"id": card_id})
    return found


async def refuse_undebited(uow: UnitOfWork) -> int:
    """End the bindings of cards that their banks did not debit; how many."""
    return await uow.execute(_REFUSE, {})


async def ended_verifications(uow: UnitOfWork, *, limit: int) -> list[EndedVerification]:
    """Cards that wait no more and whose debit is settled and not on its way back, oldest first."""
    return await uow.rows(EndedVerification, _ENDED, {"limit": limit})


async def mark_given_back(uow: UnitOfWork, card_ids: list[UUID]) -> None:
    """The debits of these cards are on their way back, or there is nothing to give back."""
    await uow.execute(_GIVEN_BACK, {"ids": card_ids})
