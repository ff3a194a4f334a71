"""What stands in the way of a merchant's closing, as a rule of figures."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis.strategies import booleans, builds, integers, none, one_of

from mpss.kernel.errors import MpssError
from mpss.merchants.closing_model import (
    BEFORE_SETTLING,
    BEFORE_THE_END,
    Closing,
    MerchantBlock,
    MerchantStanding,
    in_the_way,
)
from mpss.merchants.machine import MERCHANT, MerchantEvent
from mpss.merchants.model import LEAVING, SHUT, MerchantState
from tests.support.clauses import clause
from tests.support.instants import NOON

pytestmark = clause("CM 5.2.3.3")
_FEW = integers(0, 2)
STANDINGS = builds(
    MerchantStanding, open_sales=_FEW, undelivered=_FEW, webhooks=_FEW, risk_reports=_FEW, payable_fen=integers(-2, 2)
)


def closing_of(days: int | None, *, called_off: bool) -> Closing:
    """One whose notice ends in so many days; None: nobody has decided."""
    begun_at = None if days is None else NOON - timedelta(days=30)
    ends_at = None if days is None else NOON + timedelta(days=days)
    return Closing(UUID(int=1), "given up", "x", NOON, begun_at, ends_at, NOON if called_off else None, None, None)


@given(standing=STANDINGS, days=one_of(none(), integers(-1, 1)), called_off=booleans())
def test_the_end_comes_when_the_notice_is_over_and_every_figure_is_zero(
    standing: MerchantStanding, days: int | None, called_off: bool
) -> None:
    found = in_the_way(standing, closing_of(days, called_off=called_off), now=NOON)
    over = days is not None and days <= 0 and not called_off
    assert (found == []) == (over and standing == MerchantStanding(0, 0, 0, 0, 0))
    assert all(
        (each.count or each.amount_fen or each.until or each.block is MerchantBlock.NOT_DECIDED) for each in found
    )
    assert len({each.block for each in found}) == len(found)


@given(standing=STANDINGS)
def test_money_owed_is_named_one_way_and_never_stands_in_the_way_of_settling_it(standing: MerchantStanding) -> None:
    blocks = {each.block: each for each in in_the_way(standing, closing_of(0, called_off=False), now=NOON)}
    owed = blocks.keys() & {MerchantBlock.PAYABLE, MerchantBlock.RECEIVABLE}
    assert [blocks[block].amount_fen for block in owed] == ([abs(standing.payable_fen)] if standing.payable_fen else [])
    assert BEFORE_THE_END < BEFORE_SETTLING
    assert not owed & BEFORE_SETTLING


def test_nobody_comes_back_from_the_end() -> None:
    def after(state: MerchantState) -> set[MerchantState]:
        reached: set[MerchantState] = set()
        for event in MerchantEvent:
            try:
                reached.add(MERCHANT.move(state, event))
            except MpssError:
                continue
        return reached

    assert after(MerchantState.CLOSED) == set()
    assert after(MerchantState.ENDING) == {MerchantState.CLOSED}
    assert {state for state in MerchantState if MerchantState.CLOSED in after(state)} == {MerchantState.ENDING}
    assert {MerchantState.ACTIVE, MerchantState.SUSPENDED}.isdisjoint(LEAVING | SHUT)
