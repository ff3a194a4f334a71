"""The fee schedules' table. Schedules are effective-dated: the latest that has begun is in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet
from mpss.fees.model import Schedule, Schedules

INSERT_SCHEDULE = """
    INSERT INTO fee_schedule (kind, valid_from, fixed_fen, basis_points, min_fen, max_fen)
    VALUES (%(kind)s, %(valid_from)s, %(fixed_fen)s, %(basis_points)s, %(min_fen)s, %(max_fen)s)
"""

SELECT_IN_FORCE = """
    SELECT fixed_fen, basis_points, min_fen, max_fen FROM fee_schedule
     WHERE kind = %(kind)s AND valid_from <= %(at)s ORDER BY valid_from DESC LIMIT 1
"""


def _schedules(record: Sequence[Any]) -> tuple[str, Schedules]:
    kind, valid_from, *terms = record
    return kind, tuple(zip(valid_from, map(Schedule, *terms), strict=True))


FEES: RowSet[str, Schedules] = RowSet(
    name="fee_schedule",
    order=34,
    load="""
        -- All of a kind, few in a lifetime: which is in force is told by the command's own instant, as it was quoted.
        SELECT kind, array_agg(valid_from ORDER BY valid_from DESC), array_agg(fixed_fen ORDER BY valid_from DESC),
               array_agg(basis_points ORDER BY valid_from DESC), array_agg(min_fen ORDER BY valid_from DESC),
               array_agg(max_fen ORDER BY valid_from DESC)
          FROM fee_schedule WHERE kind = ANY(%(keys)b::text[]) GROUP BY kind
    """,
    make=_schedules,
    kept=True,
)


async def add_schedule(uow: UnitOfWork, kind: str, schedule: Schedule, *, valid_from: datetime) -> None:
    """A schedule that is in force from `valid_from` until the next one begins."""
    await uow.execute(INSERT_SCHEDULE, {"kind": kind, "valid_from": valid_from, **schedule._asdict()})


async def schedule_at(uow: UnitOfWork, kind: str, *, at: datetime) -> Schedule | None:
    """The schedule in force at an instant, for showing a fee before the payer confirms."""
    return await uow.row(Schedule, SELECT_IN_FORCE, {"kind": kind, "at": at})
