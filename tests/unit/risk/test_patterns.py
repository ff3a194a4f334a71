"""Every pattern of a day as a table: just shown, just not (CM 9)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis.strategies import builds, integers, just

from mpss.risk.patterns import PATTERNS, DaySums, MerchantSums, figures_in_force, figures_of, patterns_of
from mpss.risk.rules import Action, Figures, RuleVersion
from tests.support.clauses import clause
from tests.support.instants import NOON

DAY = DaySums(UUID(int=1), UUID(int=2), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
MOST = {"amount_fen": 1000, "percent": 90}
SHARE = {"days": 7, "amount_fen": 300, "percent": 30}
TABLE = [
    ("large_cash", {"amount_fen": 100}, DAY._replace(cash_in_fen=100), 100),
    ("large_cash", {"amount_fen": 100}, DAY._replace(cash_out_fen=100), 100),
    ("large_cash", {"amount_fen": 100}, DAY._replace(cash_in_fen=99, cash_out_fen=99, moved_in_fen=900), 0),
    ("large_transfer", {"amount_fen": 100}, DAY._replace(moved_out_fen=100), 100),
    ("large_transfer", {"amount_fen": 100}, DAY._replace(moved_in_fen=99, moved_out_fen=99, cash_in_fen=900), 0),
    ("split_cash", {"count": 3, "amount_fen": 100}, DAY._replace(cash_in_fen=100, cash_in_count=3), 100),
    ("split_cash", {"count": 3, "amount_fen": 100}, DAY._replace(cash_in_fen=900, cash_in_count=2), 0),
    ("gathered", {"count": 3, "amount_fen": 100}, DAY._replace(payers=3, received_fen=100), 100),
    ("gathered", {"count": 3, "amount_fen": 100}, DAY._replace(payers=2, payees=3, received_fen=100), 0),
    ("scattered", {"count": 3, "amount_fen": 100}, DAY._replace(payees=3, sent_fen=100), 100),
    ("scattered", {"count": 3, "amount_fen": 101}, DAY._replace(payees=3, sent_fen=100), 0),
    ("passed_through", MOST, DAY._replace(cash_in_fen=400, moved_in_fen=600, moved_out_fen=900), 1000),
    ("passed_through", MOST, DAY._replace(moved_in_fen=1000, moved_out_fen=899), 0),
    ("passed_through", MOST, DAY._replace(moved_in_fen=999, moved_out_fen=999), 0),
    ("refund_share", SHARE, MerchantSums(UUID(int=3), 1000, 300, 2), 300),
    ("refund_share", SHARE, MerchantSums(UUID(int=3), 1001, 300, 2), 0),
    ("refund_share", SHARE, MerchantSums(UUID(int=3), 100, 299, 2), 0),
    ("refund_share", SHARE, MerchantSums(UUID(int=3), 0, 300, 2), 300),
]


@clause("CM 9")
@pytest.mark.parametrize(("pattern", "figures", "day", "amount_fen"), TABLE)
def test_a_pattern_is_shown_where_the_table_says(
    pattern: str, figures: dict[str, int], day: DaySums | MerchantSums, amount_fen: int
) -> None:
    assert PATTERNS[pattern].test(day, figures) == amount_fen


def test_every_pattern_is_in_the_table() -> None:
    assert {pattern for pattern, _, _, amount_fen in TABLE if amount_fen} == set(PATTERNS)


_FEN = integers(0, 10**8)
_DAYS = builds(
    DaySums, just(UUID(int=1)), just(UUID(int=2)), integers(1, 99), _FEN, integers(0, 99), _FEN, _FEN, _FEN,
    integers(0, 99), integers(0, 99), _FEN, _FEN,
)  # fmt: skip


@given(day=_DAYS, least_fen=integers(1, 10**8))
def test_nothing_is_reported_below_the_amount_that_the_day_is_searched_for(day: DaySums, least_fen: int) -> None:
    """The books are asked only for who moved the lowest figure one way, so nothing less may ever be found."""
    day = day._replace(received_fen=min(day.received_fen, day.moved_in_fen))
    day = day._replace(sent_fen=min(day.sent_fen, day.moved_out_fen))
    figures: dict[str, Figures] = {
        name: {**pattern.figures, "amount_fen": least_fen} for name, pattern in PATTERNS.items()
    }
    figures = figures_of(figures, merchants=False)
    if patterns_of(day, figures):
        assert max(day.came_fen, day.left_fen) >= least_fen


def test_a_version_replaces_the_defaults_or_switches_a_pattern_off() -> None:
    def version(rule: str, days: int, amount_fen: int, *, enabled: bool = True) -> RuleVersion:
        return RuleVersion(rule, Action.REPORT, enabled, {"amount_fen": amount_fen}, NOON + timedelta(days=days))

    versions = [
        version("large_cash", -2, 1), version("large_cash", -1, 2), version("large_cash", 1, 3),
        version("large_transfer", -1, 1, enabled=False), version("scattered", 1, 1, enabled=False),
    ]  # fmt: skip
    found = figures_in_force(versions, NOON)
    assert set(found) == set(PATTERNS) - {"large_transfer"}
    assert found["large_cash"] == {"amount_fen": 2}
    assert found["scattered"] == PATTERNS["scattered"].figures
