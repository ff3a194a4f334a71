"""The fee schedules' table. Schedules are effective-dated: the latest that has begun is in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet
from mpss.fees.model import Schedule

INSERT_SCHEDULE = """
    INSERT INTO fee_schedule (kind, valid_from, fixed_fen, basis_points, min_fen, max_fen)
    VALUES (%(kind)s, %(valid_from)s, %(fixed_fen)s, %(basis_points)s, %(min_fen)s, %(max_fen)s)
"""

SELECT_IN_FORCE = """
    SELECT fixed_fen, basis_points, min_fen, max_fen FROM fee_schedule
     WHERE kind = %(kind)s AND valid_from <= %(at)s ORDER BY valid_from DESC LIMIT 1
"""


def _schedule(record: Sequence[Any]) -> tuple[str, Schedule]:
    return record[0], Schedule(*record[1:])


FEES: RowSet[str, Schedule] = RowSet(
    name="fee_schedule",
    order=34,
    load="""
        SELECT DISTINCT ON (kind) kind, fixed_fen, basis_points, min_fen, max_fen FROM fee_schedule
         WHERE kind = ANY(%(keys)b::text[]) AND valid_from <= now() ORDER BY kind, valid_from DESC
    """,
    make=_schedule,
)


async def add_schedule(uow: UnitOfWork, kind: str, schedule: Schedule, *, valid_from: datetime) -> None:
    """A schedule that is in force from `valid_from` until the next one begins."""
    await uow.execute(INSERT_SCHEDULE, {"kind": kind, "valid_from": valid_from, **schedule._asdict()})


async def schedule_at(uow: UnitOfWork, kind: str, *, at: datetime) -> Schedule | None:
    """The schedule in force at an instant, for showing a fee before the payer confirms."""
    return await uow.row(Schedule, SELECT_IN_FORCE, {"kind": kind, "at": at})
