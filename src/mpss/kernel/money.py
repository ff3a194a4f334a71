"""Money in integer fen (分). The product sells in CNY; a ledger account names its currency.

Invariants: (1) an amount is a whole number of fen; (2) a split neither makes nor loses a fen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mpss.kernel.errors import MalformedField

MAX_FEN = 10**13  # 100 billion yuan: far above any real amount, far below bigint.
_YUAN = re.compile(r"(0|[1-9][0-9]{0,10})(?:\.([0-9]{1,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount of fen, negative allowed (a difference may be)."""

    fen: int

    @classmethod
    def cny(cls, text: str, *, field: str = "amount") -> Money:
        """Parse yuan with at most two decimals, unsigned and below `MAX_FEN`: "25", "25.0", "25.00".

        Raises:
            MalformedField: anything else, naming `field`.
        """
        match = _YUAN.fullmatch(text)
        if match is None:
            raise MalformedField(field=field, problem='must be yuan with at most two decimals, such as "25.00"')
        yuan, cents = match.groups()
        return cls(int(yuan) * 100 + int((cents or "0").ljust(2, "0")))

    def __str__(self) -> str:
        """Yuan with two decimals: "25.00", "-0.05"."""
        sign = "-" if self.fen < 0 else ""
        return f"{sign}{abs(self.fen) // 100}.{abs(self.fen) % 100:02d}"

    def __add__(self, other: Money) -> Money:
        return Money(self.fen + other.fen)

    def __sub__(self, other: Money) -> Money:
        return Money(self.fen - other.fen)

    def __neg__(self) -> Money:
        return Money(-self.fen)

    def share(self, *, basis_points: int) -> Money:
        """That many ten-thousandths of the amount, rounded half-up to the fen (amounts from zero up)."""
        return Money(share_fen(self.fen, basis_points))

    def split(self, weights: Sequence[int]) -> list[Money]:
        """Shares in proportion to `weights` by largest remainder; they always sum to the amount.

        Raises:
            ValueError: no weight is above zero, or one is below.
        """
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise ValueError("weights must be non-negative and not all zero")
        shares = [self.fen * weight // total for weight in weights]
        remainders = [(self.fen * weight % total, -index) for index, weight in enumerate(weights)]
        for _, negative_index in sorted(remainders, reverse=True)[: self.fen - sum(shares)]:
            shares[-negative_index] += 1
        return [Money(share) for share in shares]


def share_fen(fen: int, basis_points: int) -> int:
    """`basis_points` ten-thousandths of `fen`, rounded half-up; both from zero up."""
    return (fen * basis_points * 2 + 10_000) // 20_000
