"""The laws of money: nothing is made or lost by splitting, sharing, writing and reading."""

from __future__ import annotations

from hypothesis import given
from hypothesis.strategies import integers, lists

from mpss.kernel.money import MAX_FEN, Money, share_fen

AMOUNTS = integers(0, MAX_FEN - 1)
WEIGHTS = lists(integers(0, 999), min_size=1, max_size=20).filter(any)


@given(fen=integers(-MAX_FEN, MAX_FEN), weights=WEIGHTS)
def test_split_neither_makes_nor_loses_a_fen(fen: int, weights: list[int]) -> None:
    assert sum(part.fen for part in Money(fen).split(weights)) == fen


@given(fen=AMOUNTS, weights=WEIGHTS)
def test_split_is_within_a_fen_of_the_exact_share(fen: int, weights: list[int]) -> None:
    total = sum(weights)
    for part, weight in zip(Money(fen).split(weights), weights, strict=True):
        assert abs(part.fen * total - fen * weight) < total


@given(fen=AMOUNTS, weights=WEIGHTS)
def test_split_gives_nothing_for_a_weight_of_nothing(fen: int, weights: list[int]) -> None:
    assert all(part.fen == 0 for part, weight in zip(Money(fen).split(weights), weights, strict=True) if weight == 0)


@given(fen=AMOUNTS)
def test_text_is_read_back(fen: int) -> None:
    assert Money.cny(str(Money(fen))) == Money(fen)


@given(fen=AMOUNTS, basis_points=integers(0, 10_000))
def test_share_is_within_half_a_fen_of_the_exact_one(fen: int, basis_points: int) -> None:
    assert abs(share_fen(fen, basis_points) * 10_000 - fen * basis_points) <= 5_000
    assert 0 <= share_fen(fen, basis_points) <= fen


@given(fen=AMOUNTS, more=integers(0, 10**6), basis_points=integers(0, 10_000))
def test_share_of_more_is_never_less(fen: int, more: int, basis_points: int) -> None:
    assert share_fen(fen + more, basis_points) >= share_fen(fen, basis_points)
