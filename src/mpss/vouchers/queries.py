"""What staff may see of voucher batches: face, state, who made and who activated it, how many are redeemed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import LiteralString
from uuid import UUID

from mpss.db.database import UnitOfWork

_BATCHES: LiteralString = """
    SELECT b.id, b.number, b.face_fen, b.quantity, b.state, b.valid_until, b.created_by, b.created_at, b.activated_by,
           b.activated_at, (SELECT count(*) FROM voucher AS v WHERE v.batch_id = b.id AND v.redeemed_by IS NOT NULL)
               AS redeemed
      FROM voucher_batch AS b
     WHERE (%(id)s::uuid IS NULL OR b.id = %(id)s) AND (%(before)s::uuid IS NULL OR b.id < %(before)s)
     ORDER BY b.id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class BatchOverview:
    """`redeemed` is how many of `quantity` were; `created_by` and `activated_by` are staff ids."""

    id: UUID
    number: int
    face_fen: int
    quantity: int
    state: str
    valid_until: date
    created_by: str
    created_at: datetime
    activated_by: str | None
    activated_at: datetime | None
    redeemed: int


async def get_batch(uow: UnitOfWork, batch_id: UUID) -> BatchOverview | None:
    return await uow.row(BatchOverview, _BATCHES, {"id": batch_id, "before": None, "limit": 1})


async def list_batches(uow: UnitOfWork, *, before: UUID | None, limit: int) -> list[BatchOverview]:
    """Batches, newest first; `before` is the last id of the page before."""
    return await uow.rows(BatchOverview, _BATCHES, {"id": None, "before": before, "limit": limit})
