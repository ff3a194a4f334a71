from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import dictionaries, integers

from mpss.catalog.machine import PRODUCT, ProductEvent
from mpss.catalog.model import ProductState, Scope, gather, in_scope
from tests.support.clauses import clause

PORTIONS = dictionaries(integers(0, 6), integers(0, 10_000), max_size=6)


@clause("CT 4.2")
class TestScope:
    """The three cases of the text: A sells flight tickets to its own, to everybody, to visitors alone."""

    @pytest.mark.parametrize(
        ("scope", "home", "visited", "seen"),
        [
            (Scope.LOCAL, "A", None, True),
            (Scope.LOCAL, "A", "B", True),
            (Scope.LOCAL, "B", None, False),
            (Scope.LOCAL, "B", "A", False),
            (Scope.NATIONAL, "A", None, True),
            (Scope.NATIONAL, "B", "C", True),
            (Scope.VISITED, "A", None, False),
            (Scope.VISITED, "A", "A", False),
            (Scope.VISITED, "B", None, False),
            (Scope.VISITED, "B", "C", False),
            (Scope.VISITED, "B", "A", True),
        ],
    )
    def test_follows_home_and_visited_province(self, scope: Scope, home: str, visited: str | None, seen: bool) -> None:
        assert in_scope(scope, "A", home, visited) is seen


class TestAProduct:
    def test_is_sold_only_after_review(self) -> None:
        into_the_window = {source for (source, _), target in PRODUCT.moves.items() if target is ProductState.PUBLISHED}
        assert into_the_window == {ProductState.SUBMITTED}

    def test_that_was_withdrawn_stays_so(self) -> None:
        assert PRODUCT.is_final(ProductState.WITHDRAWN)
        assert all(
            (state, ProductEvent.WITHDRAW) in PRODUCT.moves for state in PRODUCT.states()[:-1] if state != "withdrawn"
        )


class TestGatheringStock:
    @given(need=integers(0, 50_000), own=integers(0, 10_000), others=PORTIONS)
    def test_makes_and_loses_no_piece(self, need: int, own: int, others: dict[int, int]) -> None:
        after = gather(need, own=own, others=others)
        left = {**others, **after.others}
        assert after.own + sum(left.values()) == own + sum(others.values())
        assert min([after.own, *left.values()]) >= 0
        assert after.own >= own

    @given(need=integers(0, 50_000), own=integers(0, 10_000), others=PORTIONS)
    def test_fails_only_when_everything_is_gathered(self, need: int, own: int, others: dict[int, int]) -> None:
        after = gather(need, own=own, others=others)
        assert after.exhausted is (own + sum(others.values()) < need)
        assert after.exhausted is (after.own < need)
        if after.exhausted:
            assert sum({**others, **after.others}.values()) == 0

    def test_takes_a_quarter_of_the_common_store_at_least(self) -> None:
        assert gather(1, own=0, others={0: 1000}) == (250, {0: 750}, False)
        assert gather(400, own=0, others={0: 1000}) == (400, {0: 600}, False)

    def test_goes_to_the_fullest_portion_when_the_common_store_is_empty(self) -> None:
        assert gather(1, own=0, others={0: 0, 2: 10, 3: 40}) == (20, {3: 20}, False)
        assert gather(45, own=0, others={0: 0, 2: 10, 3: 40}) == (45, {3: 0, 2: 5}, False)

    def test_leaves_everything_where_it_is_when_there_is_enough(self) -> None:
        assert gather(5, own=5, others={0: 100}) == (5, {}, False)
