"""The SQL of telephone calls: where each stands in its dialogue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from mpss.db.database import UnitOfWork

_INSERT: LiteralString = """
    INSERT INTO voice_call (id, reference, phone, step, standing, started_at, expires_at)
    VALUES (%(id)s, %(reference)s, %(phone)s, 1, %(standing)s, %(now)s, %(expires_at)s)
    ON CONFLICT (reference) DO NOTHING
"""
_LOCK: LiteralString = """
    SELECT id, reference, phone, step, standing, claimed_until, expires_at FROM voice_call
     WHERE reference = %(reference)s FOR UPDATE
"""
_CLAIM: LiteralString = "UPDATE voice_call SET claimed_until = %(until)s WHERE id = %(id)s"
_ANSWER: LiteralString = """
    UPDATE voice_call
       SET step = step + 1, standing = %(standing)s, claimed_until = NULL, expires_at = %(expires_at)s
     WHERE id = %(id)s AND step = %(step)s AND claimed_until = %(until)s
"""
_SWEEP: LiteralString = "DELETE FROM voice_call WHERE expires_at < %(before)s"


@dataclass(frozen=True, slots=True)
class CallRow:
    """`step` is the document that the caller hears; `claimed_until`: somebody carries out what was keyed there."""

    id: UUID
    reference: str
    phone: str | None
    step: int
    standing: str
    claimed_until: datetime | None
    expires_at: datetime


async def insert_call(
    uow: UnitOfWork,
    call_id: UUID,
    *,
    reference: str,
    phone: str | None,
    standing: str,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Write a new call down; one of this reference that is there stays as it is."""
    params = {
        "id": call_id, "reference": reference, "phone": phone, "standing": standing, "now": now,
        "expires_at": expires_at,
    }  # fmt: skip
    await uow.execute(_INSERT, params)


async def lock_call(uow: UnitOfWork, reference: str) -> CallRow | None:
    return await uow.row(CallRow, _LOCK, {"reference": reference})


async def claim_call(uow: UnitOfWork, call_id: UUID, *, until: datetime) -> None:
    await uow.execute(_CLAIM, {"id": call_id, "until": until})


async def answer_call(
    uow: UnitOfWork, call_id: UUID, *, step: int, until: datetime, standing: str, expires_at: datetime
) -> bool:
    """Go on to the next step; False where the claim is somebody else's by now."""
    params = {"id": call_id, "step": step, "until": until, "standing": standing, "expires_at": expires_at}
    return await uow.execute(_ANSWER, params) == 1


async def sweep_calls_before(uow: UnitOfWork, *, before: datetime) -> int:
    return await uow.execute(_SWEEP, {"before": before})
