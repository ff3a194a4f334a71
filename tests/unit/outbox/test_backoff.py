from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis.strategies import floats, integers

from mpss.outbox.backoff import DELIVERY_RULE, NOTICE_RULE, RetryRule, delay_seconds, next_try
from tests.support.instants import NOON

RULE = RetryRule(first_seconds=2, longest_seconds=60, give_up_seconds=3600)


class TestTheDelay:
    def test_doubles_up_to_the_longest(self) -> None:
        assert [delay_seconds(n, rule=RULE, chance=1) for n in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]

    @given(attempt=integers(1, 32_000), chance=floats(0, 1))
    def test_is_between_half_and_the_whole(self, attempt: int, chance: float) -> None:
        whole = delay_seconds(attempt, rule=RULE, chance=1)
        assert whole / 2 <= delay_seconds(attempt, rule=RULE, chance=chance) <= whole <= RULE.longest_seconds


class TestTheNextTry:
    def test_comes_after_the_delay(self) -> None:
        assert next_try(1, created_at=NOON, now=NOON, rule=RULE, chance=1) == NOON + timedelta(seconds=2)

    def test_is_none_when_the_item_is_too_old(self) -> None:
        late = NOON + timedelta(hours=1)
        assert next_try(9, created_at=NOON, now=late, rule=RULE, chance=1) is None

    def test_of_a_delivery_always_comes_because_its_handler_ends_it(self) -> None:
        late = NOON + timedelta(days=30)
        assert next_try(900, created_at=NOON, now=late, rule=DELIVERY_RULE, chance=1) is not None

    def test_of_a_notice_outlives_a_weekend_without_the_smsc(self) -> None:
        late = NOON + timedelta(days=2, hours=12)
        assert next_try(5000, created_at=NOON, now=late, rule=NOTICE_RULE, chance=1) is not None
