"""The fee of a transaction under a schedule. Pure."""

from __future__ import annotations

from datetime import datetime

from mpss.fees.model import Schedule, Schedules
from mpss.kernel.money import share_fen


def quote(schedule: Schedule | None, amount_fen: int) -> int:
    """The payer's fee on `amount_fen`, in fen, the share rounded half-up; without a schedule there is none."""
    if schedule is None:
        return 0
    fee = schedule.fixed_fen + share_fen(amount_fen, schedule.basis_points)
    return min(max(fee, schedule.min_fen), schedule.max_fen)


def in_force(schedules: Schedules | None, at: datetime) -> Schedule | None:
    """The schedule in force at an instant; None before the first."""
    for valid_from, schedule in schedules or ():
        if valid_from <= at:
            return schedule
    return None
