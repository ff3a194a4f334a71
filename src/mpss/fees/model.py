"""Fees as values. Spec: CT 8."""

from __future__ import annotations

from typing import NamedTuple


class Schedule(NamedTuple):
    """The payer's fee of one kind of transaction: a fixed part and basis points of the amount, within a range."""

    fixed_fen: int
    basis_points: int
    min_fen: int
    max_fen: int
