"""The SQL of inbound messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from mpss.db.database import UnitOfWork

_TAKE: LiteralString = """
    -- A row older than the window is a message of long ago whose reference came round again.
    INSERT INTO inbound_sms AS known (id, phone, reference, received_at)
    VALUES (%(id)s, %(phone)s, %(reference)s, %(now)s)
    ON CONFLICT ON CONSTRAINT inbound_sms_reference DO UPDATE
       SET id = CASE WHEN known.received_at < %(window)s THEN EXCLUDED.id ELSE known.id END,
           answered_at = CASE WHEN known.received_at < %(window)s THEN NULL ELSE known.answered_at END,
           received_at = CASE WHEN known.received_at < %(window)s THEN EXCLUDED.received_at ELSE known.received_at END
    RETURNING known.id, known.answered_at
"""
_ANSWERED: LiteralString = "UPDATE inbound_sms SET answered_at = %(now)s WHERE id = %(id)s AND answered_at IS NULL"
_RECEIVED: LiteralString = "SELECT count(*) FROM inbound_sms WHERE phone = %(phone)s AND received_at >= %(since)s"
_SWEEP: LiteralString = "DELETE FROM inbound_sms WHERE received_at < %(before)s"


@dataclass(frozen=True, slots=True)
class Taken:
    """A message as it was first taken; `answered_at` is set once it was carried out."""

    id: UUID
    answered_at: datetime | None


async def take(
    uow: UnitOfWork, message_id: UUID, *, phone: str, reference: str, now: datetime, window: datetime
) -> Taken:
    """Write a message down, or find it as taken since `window`."""
    params = {"id": message_id, "phone": phone, "reference": reference, "now": now, "window": window}
    found = await uow.row(Taken, _TAKE, params)
    assert found is not None
    return found


async def mark_answered(uow: UnitOfWork, message_id: UUID, *, now: datetime) -> bool:
    """Whether it was not marked before."""
    return await uow.execute(_ANSWERED, {"id": message_id, "now": now}) == 1


async def received(uow: UnitOfWork, *, phone: str, since: datetime) -> int:
    """How many messages came from the phone since then."""
    return int(await uow.value(_RECEIVED, {"phone": phone, "since": since}))


async def sweep(uow: UnitOfWork, *, before: datetime) -> int:
    """Forget messages received before; how many."""
    return await uow.execute(_SWEEP, {"before": before})
