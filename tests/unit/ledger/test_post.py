"""Changing floored balances by an entry's postings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import builds, integers, lists, sampled_from

from mpss.kernel.ids import TransactionId
from mpss.ledger.model import Balance, JournalEntry, Part, Posting
from mpss.ledger.post import BelowFloor, PartMissing, UnbalancedEntry, apply
from tests.support.instants import NOON

WALLET, OTHER, PAYABLE = 100_001, 100_002, 200_001


def entry(*postings: Posting) -> JournalEntry:
    return JournalEntry(TransactionId.new(NOON), "adjustment", postings)


class TestApply:
    def test_takes_from_the_part_it_names(self) -> None:
        balances = {WALLET: Balance(100, 40, 0)}
        changed = apply(
            entry(Posting(WALLET, 40, Part.RESTRICTED), Posting(WALLET, 10, Part.WITHDRAWABLE), Posting(PAYABLE, -50)),
            balances,
        )
        assert set(changed) == {WALLET}
        assert balances == {WALLET: Balance(50, 0, 0)}

    def test_moves_between_two_wallets(self) -> None:
        balances = {WALLET: Balance(100, 0, 0), OTHER: Balance(0, 0, 0)}
        apply(entry(Posting(WALLET, 30, Part.WITHDRAWABLE), Posting(OTHER, -30, Part.RESTRICTED)), balances)
        assert balances == {WALLET: Balance(70, 0, 0), OTHER: Balance(30, 30, 0)}

    @pytest.mark.parametrize(
        ("before", "leg"),
        [
            (Balance(100, 0, 0), Posting(WALLET, 101, Part.WITHDRAWABLE)),
            (Balance(100, 40, 0), Posting(WALLET, 61, Part.WITHDRAWABLE)),
            (Balance(100, 40, 0), Posting(WALLET, 41, Part.RESTRICTED)),
            (Balance(100, 0, 60), Posting(WALLET, 41, Part.WITHDRAWABLE)),
        ],
        ids=["all of it", "withdrawable part", "restricted part", "what is held"],
    )
    def test_refuses_to_go_below_the_floor(self, before: Balance, leg: Posting) -> None:
        with pytest.raises(BelowFloor):
            apply(entry(leg, Posting(PAYABLE, -leg.amount_fen)), {WALLET: before})

    def test_refuses_an_entry_that_does_not_sum_to_zero(self) -> None:
        with pytest.raises(UnbalancedEntry):
            apply(entry(Posting(WALLET, 10, Part.WITHDRAWABLE), Posting(PAYABLE, -9)), {WALLET: Balance(100, 0, 0)})

    def test_refuses_a_posting_on_a_wallet_without_a_part(self) -> None:
        with pytest.raises(PartMissing):
            apply(entry(Posting(WALLET, 10), Posting(PAYABLE, -10)), {WALLET: Balance(100, 0, 0)})

    def test_needs_the_wallet_to_be_loaded(self) -> None:
        with pytest.raises(KeyError):
            apply(entry(Posting(WALLET, -10, Part.WITHDRAWABLE), Posting(PAYABLE, 10)), {})


LEGS = lists(
    builds(
        Posting,
        sampled_from([WALLET, OTHER]),
        integers(-500, 500).filter(bool),
        sampled_from([Part.WITHDRAWABLE, Part.RESTRICTED]),
    ),
    min_size=1,
    max_size=6,
)


@given(legs=LEGS)
def test_an_entry_is_applied_whole_within_the_floors_or_refused(legs: list[Posting]) -> None:
    first = {WALLET: Balance(600, 200, 100), OTHER: Balance(300, 0, 0)}
    balances = dict(first)
    total = sum(leg.amount_fen for leg in legs)
    postings = (*legs, Posting(PAYABLE, -total)) if total else tuple(legs)
    expected = {
        account: Balance(
            before.balance_fen - sum(leg.amount_fen for leg in legs if leg.ledger_account_id == account),
            before.restricted_fen
            - sum(leg.amount_fen for leg in legs if leg.ledger_account_id == account and leg.part is Part.RESTRICTED),
            before.held_fen,
        )
        for account, before in first.items()
    }
    legal = all(
        after.balance_fen >= after.held_fen and 0 <= after.restricted_fen <= after.balance_fen
        for account, after in expected.items()
        if any(leg.ledger_account_id == account for leg in legs)
    )
    if legal:
        assert set(apply(entry(*postings), balances)) == {leg.ledger_account_id for leg in legs}
        assert balances == expected
    else:
        with pytest.raises(BelowFloor):
            apply(entry(*postings), balances)
