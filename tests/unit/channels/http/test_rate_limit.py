"""Token buckets: what they let through over time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mpss.channels.http.rate_limit import Proven, TokenBuckets


class TestABucket:
    def test_lets_the_burst_through_and_then_the_rate(self) -> None:
        buckets = TokenBuckets(rate=2, burst=3)
        assert [buckets.take("a", 100.0) for _ in range(3)] == [0.0, 0.0, 0.0]
        assert buckets.take("a", 100.0) == 0.5
        assert buckets.take("a", 100.25) == 0.25
        assert buckets.take("a", 100.5) == 0.0
        assert buckets.take("a", 100.5) > 0

    def test_is_each_keys_own(self) -> None:
        buckets = TokenBuckets(rate=1, burst=1)
        assert buckets.take("a", 0.0) == 0.0
        assert buckets.take("b", 0.0) == 0.0
        assert buckets.take("a", 0.0) == 1.0

    def test_can_be_looked_at_without_taking(self) -> None:
        buckets = TokenBuckets(rate=1, burst=1)
        assert [buckets.wait("a", 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
        buckets.take("a", 0.0)
        assert buckets.wait("a", 0.0) == 1.0

    def test_of_rate_zero_limits_nothing(self) -> None:
        buckets = TokenBuckets(rate=0, burst=1)
        assert {buckets.take("a", 0.0) for _ in range(100)} == {0.0}
        assert len(buckets) == 0

    def test_is_forgotten_when_there_are_too_many(self) -> None:
        buckets = TokenBuckets(rate=1, burst=1, most_keys=10)
        for number in range(100):
            buckets.take(str(number), 0.0)
        assert len(buckets) == 10

    @given(
        rate=st.integers(1, 100),
        burst=st.integers(1, 100),
        steps=st.lists(st.floats(0, 2, allow_nan=False), min_size=1, max_size=200),
    )
    def test_never_lets_more_through_than_burst_and_rate(self, rate: int, burst: int, steps: list[float]) -> None:
        buckets, now, passed = TokenBuckets(rate=rate, burst=burst), 0.0, 0
        for step in steps:
            now += step
            passed += buckets.take("a", now) == 0.0
        assert passed <= burst + rate * now + 1e-6


class TestProvenCredentials:
    def test_hold_for_a_while(self) -> None:
        proven = Proven(seconds=10)
        assert not proven.holds("a", 0.0)
        proven.note("a", 0.0)
        assert proven.holds("a", 9.9)
        assert not proven.holds("a", 10.0)
        assert not proven.holds("\ud800", 0.0)

    def test_are_the_latest(self) -> None:
        proven = Proven(most=2)
        for credential in ("a", "b", "c"):
            proven.note(credential, 0.0)
        assert [proven.holds(credential, 1.0) for credential in ("a", "b", "c")] == [False, True, True]
