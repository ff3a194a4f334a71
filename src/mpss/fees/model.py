"""Fees as values. Spec: CT 8."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Schedule(NamedTuple):
    """The payer's fee of one kind of transaction: a fixed part and basis points of the amount, within a range."""

    fixed_fen: int
    basis_points: int
    min_fen: int
    max_fen: int


Schedules = tuple[tuple[datetime, Schedule], ...]
"""All schedules of one kind, each with the instant it begins at, the latest first; each holds until the next begins."""
