"""Money: what is read, what is written, and what is refused. Its laws are in tests/properties/test_money.py."""

from __future__ import annotations

import pytest

from mpss.kernel.errors import ErrorCode, MalformedField
from mpss.kernel.money import MAX_FEN, Money, share_fen


class TestParsing:
    @pytest.mark.parametrize(
        ("text", "fen"),
        [
            ("0", 0),
            ("25", 2500),
            ("25.0", 2500),
            ("25.00", 2500),
            ("0.05", 5),
            ("0.5", 50),
            ("99999999999.99", MAX_FEN - 1),
        ],
    )
    def test_takes_yuan_with_at_most_two_decimals(self, text: str, fen: int) -> None:
        assert Money.cny(text) == Money(fen)

    @pytest.mark.parametrize(
        "text",
        [
            "", " ", "-1", "+1", "1.", ".5", "1.005", "01", "00.10", "1,000", "1e3", "1 ", " 1", "1\n", "NaN",
            "Infinity", "0x10", "２５", "1_000", "¥5", "100000000000",
        ],
    )  # fmt: skip
    def test_refuses_anything_else_and_names_the_field(self, text: str) -> None:
        with pytest.raises(MalformedField) as refused:
            Money.cny(text, field="price")
        assert refused.value.field == "price"
        assert refused.value.code is ErrorCode.MALFORMED_REQUEST


class TestText:
    @pytest.mark.parametrize(
        ("fen", "text"), [(0, "0.00"), (5, "0.05"), (2500, "25.00"), (-5, "-0.05"), (-2505, "-25.05")]
    )
    def test_is_yuan_with_two_decimals(self, fen: int, text: str) -> None:
        assert str(Money(fen)) == text


class TestShare:
    @pytest.mark.parametrize(
        ("fen", "basis_points", "expected"),
        [
            (2500, 60, 15),
            (0, 60, 0),
            (1, 5000, 1),
            (1, 4999, 0),
            (99, 50, 0),
            (100, 50, 1),
            (333, 10_000, 333),
            (7, 0, 0),
        ],
    )
    def test_rounds_half_up_to_the_fen(self, fen: int, basis_points: int, expected: int) -> None:
        assert Money(fen).share(basis_points=basis_points) == Money(expected)
        assert share_fen(fen, basis_points) == expected


class TestSplit:
    def test_gives_the_odd_fen_to_the_largest_remainders_first(self) -> None:
        assert Money(100).split([1, 1, 1]) == [Money(34), Money(33), Money(33)]
        assert Money(10).split([7, 2, 1]) == [Money(7), Money(2), Money(1)]
        assert Money(5).split([1, 0, 1]) == [Money(3), Money(0), Money(2)]

    @pytest.mark.parametrize("weights", [[], [0], [0, 0], [1, -1], [3, -1]])
    def test_refuses_weights_that_divide_nothing(self, weights: list[int]) -> None:
        with pytest.raises(ValueError, match="weights"):
            Money(100).split(weights)


class TestArithmetic:
    def test_adds_subtracts_and_compares(self) -> None:
        assert Money(1) + Money(2) == Money(3)
        assert Money(1) - Money(2) == -Money(1)
        assert Money(1) < Money(2)
