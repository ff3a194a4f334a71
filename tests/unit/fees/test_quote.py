from __future__ import annotations

from hypothesis import given
from hypothesis.strategies import builds, integers

from mpss.fees.model import Schedule
from mpss.fees.quote import quote
from tests.support.clauses import clause

AMOUNTS = integers(1, 10**12)
SCHEDULES = builds(
    lambda fixed, basis_points, least, more: Schedule(fixed, basis_points, least, least + more),
    integers(0, 10_000), integers(0, 10_000), integers(0, 10_000), integers(0, 10**9),
)  # fmt: skip


@clause("CT 8")
class TestAFee:
    def test_is_rounded_half_up_to_the_fen(self) -> None:
        rate = Schedule(fixed_fen=0, basis_points=60, min_fen=0, max_fen=10_000)
        assert [quote(rate, amount) for amount in (2500, 83, 84, 1)] == [15, 0, 1, 0]
        assert quote(Schedule(0, 5000, 0, 10), 1) == 1

    def test_adds_the_fixed_part_and_keeps_to_the_range(self) -> None:
        rate = Schedule(fixed_fen=10, basis_points=100, min_fen=20, max_fen=100)
        assert [quote(rate, amount) for amount in (1, 2000, 1_000_000)] == [20, 30, 100]

    def test_is_nothing_without_a_schedule(self) -> None:
        assert quote(None, 2500) == 0

    @given(schedule=SCHEDULES, amount=AMOUNTS)
    def test_keeps_to_its_range(self, schedule: Schedule, amount: int) -> None:
        assert schedule.min_fen <= quote(schedule, amount) <= schedule.max_fen

    @given(schedule=SCHEDULES, amount=AMOUNTS, more=integers(0, 10**9))
    def test_never_falls_when_the_amount_grows(self, schedule: Schedule, amount: int, more: int) -> None:
        assert quote(schedule, amount) <= quote(schedule, amount + more)
