"""Which fee schedule holds at an instant."""

from __future__ import annotations

from datetime import timedelta

from mpss.fees.model import Schedule
from mpss.fees.quote import in_force
from tests.support.instants import NOON

OLD, NEW = Schedule(1, 0, 0, 10), Schedule(2, 0, 0, 10)
BOTH = ((NOON, NEW), (NOON - timedelta(days=9), OLD))


class TestInForce:
    def test_is_the_latest_that_has_begun(self) -> None:
        assert in_force(BOTH, NOON) == NEW
        assert in_force(BOTH, NOON - timedelta(microseconds=1)) == OLD

    def test_is_none_before_the_first(self) -> None:
        assert in_force(BOTH, NOON - timedelta(days=10)) is None
        assert in_force(None, NOON) is None
