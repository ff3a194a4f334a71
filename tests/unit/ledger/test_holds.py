"""Holds as rows: what is held is there, and each hold ends once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, sampled_from, tuples

from mpss.db.rows import RowSet
from mpss.kernel.ids import TransactionId
from mpss.kernel.machine import IllegalMove
from mpss.ledger.holds import HOLDS, Hold, collect, lapse, release, reserve
from mpss.ledger.machine import HoldState
from mpss.ledger.model import Balance, Part, Posting
from mpss.ledger.post import BALANCES, BelowFloor, apply
from tests.support.instants import NOON
from tests.unit.ledger.test_post import PAYABLE, WALLET, entry

LATER = NOON + timedelta(minutes=5)


@dataclass
class Books:
    balances: dict[int, Balance]
    holds: dict[Any, Hold]

    def put(self, puts: Iterable[tuple[RowSet[Any, Any], Any, Any]]) -> None:
        for rows, key, row in puts:
            (self.balances if rows is BALANCES else self.holds)[key] = row

    def reserve(self, amount_fen: int) -> Hold:
        before = set(self.holds)
        self.put(
            reserve(
                self.balances[WALLET], ledger_account_id=WALLET, transaction_id=TransactionId.new(NOON),
                amount_fen=amount_fen, at=NOON, expires_at=LATER,
            )
        )  # fmt: skip
        (made,) = set(self.holds) - before
        return self.holds[made]

    @property
    def open_fen(self) -> int:
        return sum(hold.amount_fen for hold in self.holds.values() if hold.state is HoldState.OPEN)


def books(balance_fen: int = 100, restricted_fen: int = 0) -> Books:
    return Books({WALLET: Balance(balance_fen, restricted_fen, 0)}, {})


class TestAHold:
    def test_makes_money_unavailable_and_moves_none(self) -> None:
        made = books()
        made.reserve(70)
        assert made.balances[WALLET] == Balance(100, 0, 70)
        assert made.balances[WALLET].available_fen == 30

    def test_takes_no_more_than_is_available(self) -> None:
        made = books()
        made.reserve(70)
        with pytest.raises(BelowFloor):
            made.reserve(31)

    def test_keeps_others_from_spending_it(self) -> None:
        made = books()
        made.reserve(70)
        with pytest.raises(BelowFloor):
            apply(entry(Posting(WALLET, 31, Part.WITHDRAWABLE), Posting(PAYABLE, -31)), made.balances)

    def test_frees_the_rest_at_once_when_a_part_is_collected(self) -> None:
        made = books()
        hold = made.reserve(70)
        made.put(collect(hold, made.balances[WALLET], amount_fen=40, at=LATER))
        apply(entry(Posting(WALLET, 40, Part.WITHDRAWABLE), Posting(PAYABLE, -40)), made.balances)
        assert made.balances[WALLET] == Balance(60, 0, 0)
        assert (made.holds[hold.id].state, made.holds[hold.id].ended_at) == (HoldState.COLLECTED, LATER)

    def test_collects_all_there_is(self) -> None:
        made = books()
        hold = made.reserve(100)
        made.put(collect(hold, made.balances[WALLET], amount_fen=100, at=LATER))
        apply(entry(Posting(WALLET, 100, Part.WITHDRAWABLE), Posting(PAYABLE, -100)), made.balances)
        assert made.balances[WALLET] == Balance(0, 0, 0)

    def test_ends_once(self) -> None:
        made = books()
        hold = made.reserve(70)
        made.put(release(hold, made.balances[WALLET], at=LATER))
        for end in (release, lapse):
            with pytest.raises(IllegalMove):
                end(made.holds[hold.id], made.balances[WALLET], at=LATER)
        with pytest.raises(IllegalMove):
            collect(made.holds[hold.id], made.balances[WALLET], amount_fen=1, at=LATER)
        assert made.balances[WALLET] == Balance(100, 0, 0)

    def test_lapses_only_when_its_time_is_over(self) -> None:
        made = books()
        hold = made.reserve(70)
        with pytest.raises(AssertionError):
            lapse(hold, made.balances[WALLET], at=LATER - timedelta(seconds=1))
        made.put(lapse(hold, made.balances[WALLET], at=LATER))
        assert made.holds[hold.id].state is HoldState.LAPSED
        assert made.balances[WALLET].held_fen == 0


STEPS = lists(tuples(sampled_from(["reserve", "collect", "release", "lapse"]), integers(1, 60), integers(0, 5)))


@given(steps=STEPS)
def test_held_is_always_the_sum_of_open_holds_and_never_more_than_there_is(steps: list[tuple[str, int, int]]) -> None:
    made = books(200)
    for step, amount_fen, place in steps:
        open_holds = [hold for hold in made.holds.values() if hold.state is HoldState.OPEN]
        balance = made.balances[WALLET]
        if step == "reserve":
            if balance.available_fen >= amount_fen:
                made.reserve(amount_fen)
            else:
                with pytest.raises(BelowFloor):
                    made.reserve(amount_fen)
        elif place < len(open_holds):
            hold = open_holds[place]
            if step == "collect":
                taken = min(amount_fen, hold.amount_fen)
                made.put(collect(hold, balance, amount_fen=taken, at=LATER))
                apply(entry(Posting(WALLET, taken, Part.WITHDRAWABLE), Posting(PAYABLE, -taken)), made.balances)
            else:
                made.put((release if step == "release" else lapse)(hold, balance, at=LATER))
        after = made.balances[WALLET]
        assert after.held_fen == made.open_fen <= after.balance_fen
        assert set(made.holds) == {hold.id for hold in made.holds.values()}


def test_the_set_of_holds_is_locked_after_the_balances() -> None:
    assert HOLDS.order > BALANCES.order
