"""The SQL of bank cards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from mpss.accounts.card_model import CardRow, CardState, VerifyBy
from mpss.db.database import UnitOfWork

_NEXT_NUMBERS: LiteralString = """
    SELECT nextval('bank_verification_number') AS number FROM generate_series(1, %(count)s)
"""
_INSERT: LiteralString = """
    INSERT INTO bank_card (id, account_id, bank, number_sealed, number_digest, masked, name_sealed, purposes, state,
                           requested_at, verify_by)
    VALUES (%(id)s, %(account_id)s, %(bank)s, %(number_sealed)s, %(digest)s, %(masked)s, %(name_sealed)s, %(purposes)s,
            %(state)s, %(requested_at)s, %(verify_by)s)
"""
_FIND: LiteralString = """
    SELECT id, account_id, bank, number_sealed, masked, name_sealed, purposes, state, requested_at, bound_at,
           verify_by, verification_id, tries_left
      FROM bank_card WHERE id = %(id)s AND account_id = %(account_id)s
"""
_BOUND: LiteralString = """
    SELECT id, account_id, bank, number_sealed, masked, name_sealed, purposes, state, requested_at, bound_at,
           verify_by, verification_id, tries_left
      FROM bank_card WHERE account_id = %(account_id)s AND state = 'bound' ORDER BY bound_at, id
"""
_OF_NUMBER: LiteralString = """
    SELECT id, account_id, bank, number_sealed, masked, name_sealed, purposes, state, requested_at, bound_at,
           verify_by, verification_id, tries_left
      FROM bank_card WHERE account_id = %(account_id)s AND number_digest = ANY(%(digests)s) ORDER BY requested_at, id
"""
_IS_BOUND: LiteralString = """
    SELECT EXISTS (SELECT FROM bank_card WHERE account_id = %(account_id)s AND state = 'bound'
                      AND number_digest = ANY(%(digests)s))
"""
_MOVE: LiteralString = """
    UPDATE bank_card
       SET state = %(to)s,
           bound_at = CASE WHEN %(to)s = 'bound' THEN %(now)s ELSE bound_at END,
           unbound_at = CASE WHEN %(to)s = 'unbound' THEN %(now)s ELSE unbound_at END
     WHERE id = %(id)s AND state = %(from)s
"""
_PREPARE: LiteralString = """
    UPDATE bank_card SET verification_id = %(verification_id)s, tries_left = %(tries)s WHERE id = %(id)s
"""
_COUNT_TRY: LiteralString = "UPDATE bank_card SET tries_left = tries_left - 1 WHERE id = %(id)s"
_DEBITED: LiteralString = """
    SELECT count(*) FROM bank_card
     WHERE account_id = %(account_id)s AND verification_id IS NOT NULL AND requested_at > %(since)s
"""
_EXPIRE: LiteralString = """
    UPDATE bank_card SET state = 'expired' WHERE state IN ('requested', 'verified') AND requested_at <= %(before)s
"""


async def next_numbers(uow: UnitOfWork, count: int) -> list[int]:
    """Numbers that no request to a bank had before."""
    return [row["number"] for row in await uow.dicts(_NEXT_NUMBERS, {"count": count})]


async def insert_card(uow: UnitOfWork, card: CardRow, *, digest: bytes) -> None:
    await uow.execute(_INSERT, {**card._asdict(), "digest": digest})


async def find_card(uow: UnitOfWork, card_id: UUID, *, account_id: UUID) -> CardRow | None:
    """The account's card of this id, whatever its state."""
    rows = await uow.dicts(_FIND, {"id": card_id, "account_id": account_id})
    return _card(rows[0]) if rows else None


async def bound_cards(uow: UnitOfWork, account_id: UUID) -> list[CardRow]:
    """The account's bound cards, oldest first."""
    return [_card(row) for row in await uow.dicts(_BOUND, {"account_id": account_id})]


async def cards_of_number(uow: UnitOfWork, account_id: UUID, *, digests: Sequence[bytes]) -> list[CardRow]:
    """The account's cards of one number whatever their state, oldest first."""
    return [_card(row) for row in await uow.dicts(_OF_NUMBER, {"account_id": account_id, "digests": list(digests)})]


async def is_bound(uow: UnitOfWork, account_id: UUID, *, digests: Sequence[bytes]) -> bool:
    return bool(await uow.value(_IS_BOUND, {"account_id": account_id, "digests": list(digests)}))


async def move_card(
    uow: UnitOfWork, card_id: UUID, *, from_state: CardState, to_state: CardState, now: datetime
) -> bool:
    """Change the state where it is still `from_state`; whether it was."""
    values = {"id": card_id, "from": from_state.value, "to": to_state.value, "now": now}
    return bool(await uow.execute(_MOVE, values))


async def prepare_debit(uow: UnitOfWork, card_id: UUID, *, verification_id: UUID, tries: int) -> None:
    """Write down the debit that will verify the card, before it is asked for."""
    await uow.execute(_PREPARE, {"id": card_id, "verification_id": verification_id, "tries": tries})


async def count_card_try(uow: UnitOfWork, card_id: UUID) -> None:
    """A wrong amount was named; the account is locked by the caller."""
    await uow.execute(_COUNT_TRY, {"id": card_id})


async def debits_since(uow: UnitOfWork, account_id: UUID, since: datetime) -> int:
    """How many of the account's cards were debited to verify them."""
    return int(await uow.value(_DEBITED, {"account_id": account_id, "since": since}))


async def expire_cards(uow: UnitOfWork, *, before: datetime) -> int:
    """End the bindings asked for before then that nobody confirmed, or whose bank said nothing; how many."""
    return await uow.execute(_EXPIRE, {"before": before})


def _card(row: dict[str, Any]) -> CardRow:
    return CardRow(**{**row, "state": CardState(row["state"]), "verify_by": VerifyBy(row["verify_by"])})
