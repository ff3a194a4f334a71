"""The fee of a transaction under a schedule. Pure."""

from __future__ import annotations

from mpss.fees.model import Schedule
from mpss.kernel.money import share_fen


def quote(schedule: Schedule | None, amount_fen: int) -> int:
    """The payer's fee on `amount_fen`, in fen, the share rounded half-up; without a schedule there is none."""
    if schedule is None:
        return 0
    fee = schedule.fixed_fen + share_fen(amount_fen, schedule.basis_points)
    return min(max(fee, schedule.min_fen), schedule.max_fen)
