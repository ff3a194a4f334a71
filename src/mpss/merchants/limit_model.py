"""What a merchant may be paid in a day (商户收款限额), kept in portions so that no desk waits for another. Pure.

Each desk has a portion: what it let through on a business date, and what it may still let through. A desk that has too
little left takes more of what no portion holds, and then of the others.

Invariant: what all portions hold is never more than the limit less what was paid on the day. What is given back is
taken off what was paid and put into no portion; whoever gathers next finds it. Spec: CM 9.5. Decision: ADR-0026.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple


class MerchantUsageRow(NamedTuple):
    """One desk's portion; `exhausted`: it was gathered just now, and there is no more anywhere."""

    day: date
    paid_fen: int
    left_fen: int
    exhausted: bool = False


def on_day(row: MerchantUsageRow | None, today: date) -> MerchantUsageRow:
    """The portion as it stands on business date `today`; a new day begins with nothing."""
    return row if row is not None and row.day == today else MerchantUsageRow(today, 0, 0)


def paid_out(row: MerchantUsageRow, amount_fen: int) -> MerchantUsageRow:
    """The portion with one more payment, which it holds."""
    return MerchantUsageRow(row.day, row.paid_fen + amount_fen, row.left_fen - amount_fen, row.exhausted)


def given_back(row: MerchantUsageRow | None, amount_fen: int, today: date) -> MerchantUsageRow:
    """The portion without a payment of today, whichever desk let it through."""
    found = on_day(row, today)
    return found._replace(paid_fen=found.paid_fen - amount_fen)


def gathered(
    limit_fen: int | None, need_fen: int, today: date, slot: int, rows: Mapping[int, MerchantUsageRow]
) -> dict[int, MerchantUsageRow]:
    """All portions of a merchant once the desk of `slot` has gathered `need_fen`, and more where there is plenty.

    `limit_fen` None: the limit was lifted meanwhile, and the need is met.
    """
    made = {place: on_day(row, today) for place, row in rows.items()}
    own = made.pop(slot, MerchantUsageRow(today, 0, 0))
    paid_fen = own.paid_fen + sum(row.paid_fen for row in made.values())
    free_fen = max(limit_fen - paid_fen, 0) if limit_fen is not None else need_fen + own.left_fen
    exhausted = free_fen < need_fen
    wanted_fen = max(need_fen, own.left_fen, free_fen // 2 if need_fen else 0)
    left_fen = min(wanted_fen, free_fen)
    rest_fen = free_fen - left_fen
    for place, row in made.items():
        kept_fen = min(row.left_fen, rest_fen)
        rest_fen -= kept_fen
        made[place] = row._replace(left_fen=kept_fen)
    return {**made, slot: MerchantUsageRow(today, own.paid_fen, left_fen, exhausted)}
