"""The clocks, and the accounting day of an instant."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import datetimes, timedeltas

from mpss.kernel.clock import SHANGHAI, FixedClock, SandboxClock, SystemClock, business_date

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
INSTANTS = datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001


class TestBusinessDate:
    @pytest.mark.parametrize(
        ("shanghai", "expected"),
        [("2026-03-01T00:00", "2026-03-01"), ("2026-03-01T23:59", "2026-03-01"), ("2026-03-02T00:00", "2026-03-02")],
    )
    def test_is_the_shanghai_date(self, shanghai: str, expected: str) -> None:
        now = datetime.fromisoformat(shanghai).replace(tzinfo=SHANGHAI)
        assert business_date(now) == date.fromisoformat(expected)
        assert business_date(now.astimezone(UTC)) == date.fromisoformat(expected)

    @pytest.mark.parametrize(
        ("shanghai", "expected"), [("2026-03-01T22:59:59", "2026-03-01"), ("2026-03-01T23:00:00", "2026-03-02")]
    )
    def test_moves_on_at_the_cut(self, shanghai: str, expected: str) -> None:
        now = datetime.fromisoformat(shanghai).replace(tzinfo=SHANGHAI)
        assert business_date(now, cut=time(23, 0)) == date.fromisoformat(expected)

    @given(now=INSTANTS, later=timedeltas(timedelta(0), timedelta(days=40)))
    def test_never_goes_back(self, now: datetime, later: timedelta) -> None:
        for cut in (time(0, 0), time(23, 0)):
            assert business_date(now + later, cut=cut) >= business_date(now, cut=cut)


class TestFixedClock:
    def test_stands_until_it_is_moved(self) -> None:
        clock = FixedClock(NOON)
        assert clock.now() == clock.now() == NOON
        clock.advance(timedelta(seconds=3))
        assert clock.now() == NOON + timedelta(seconds=3)
        clock.set(NOON)
        assert clock.now() == NOON


class TestSystemClock:
    def test_is_aware_and_in_utc(self) -> None:
        assert SystemClock().now().tzinfo is UTC


class TestSandboxClock:
    def test_starts_at_the_systems_time(self, tmp_path: Path) -> None:
        before = datetime.now(UTC)
        assert before <= SandboxClock(tmp_path / "clock").now() <= datetime.now(UTC)
        assert [path.name for path in tmp_path.iterdir()] == ["clock"]

    def test_is_one_time_for_all_who_open_the_file(self, tmp_path: Path) -> None:
        ours, theirs = SandboxClock(tmp_path / "clock"), SandboxClock(tmp_path / "clock")
        ours.set(NOON)
        assert theirs.now() == NOON
        assert SandboxClock(tmp_path / "clock").now() == NOON

    def test_keeps_every_microsecond(self, tmp_path: Path) -> None:
        clock = SandboxClock(tmp_path / "clock")

        @given(instant=INSTANTS)
        def keeps(instant: datetime) -> None:
            clock.set(instant)
            assert clock.now() == instant

        keeps()
