"""The accounting page: whatever the amounts, legs sum to zero, and turned round they cancel."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis.strategies import SearchStrategy, builds, integers, just, one_of, tuples

from mpss.ledger.model import Part, Posting
from mpss.transactions.postings import (
    bank_card_legs,
    bank_transfer_legs,
    card_verification_legs,
    cash_topup_legs,
    online_bank_legs,
    purchase_legs,
    recharge_card_legs,
    transfer_claim_legs,
    transfer_held_legs,
    transfer_legs,
    turned_round,
    voucher_activation_legs,
    voucher_topup_legs,
    withdrawal_legs,
)

WALLET, OTHER_WALLET, PAYABLE = 100_001, 100_002, 200_001
AMOUNTS = integers(1, 10**10)

PURCHASES: SearchStrategy[tuple[int, int, int]] = tuples(AMOUNTS, integers(0, 10**6), integers(0, 4))


def purchase(amount_fen: int, fee_fen: int, quarters: int) -> tuple[Posting, ...]:
    restricted_fen = (amount_fen + fee_fen) * quarters // 4
    return purchase_legs(
        wallet=WALLET, payable=PAYABLE, amount_fen=amount_fen, fee_fen=fee_fen, restricted_fen=restricted_fen
    )


LEGS = one_of(
    PURCHASES.map(lambda terms: purchase(*terms)),
    builds(card_verification_legs, amount_fen=AMOUNTS),
    builds(bank_transfer_legs, wallet=integers(WALLET, WALLET), amount_fen=AMOUNTS),
    builds(cash_topup_legs, wallet=integers(WALLET, WALLET), amount_fen=AMOUNTS),
    builds(voucher_activation_legs, amount_fen=AMOUNTS),
    builds(transfer_legs, payer=just(WALLET), payee=just(OTHER_WALLET), amount_fen=AMOUNTS),
    builds(transfer_held_legs, payer=just(WALLET), amount_fen=AMOUNTS),
    builds(transfer_claim_legs, payee=just(WALLET), amount_fen=AMOUNTS),
    builds(recharge_card_legs, wallet=just(WALLET), amount_fen=AMOUNTS),
    builds(bank_card_legs, wallet=just(WALLET), amount_fen=AMOUNTS),
    builds(online_bank_legs, wallet=just(WALLET), amount_fen=AMOUNTS),
    builds(withdrawal_legs, wallet=just(WALLET), amount_fen=AMOUNTS, fee_fen=integers(0, 10**6)),
    builds(voucher_topup_legs, wallet=integers(WALLET, WALLET), amount_fen=AMOUNTS),
)


@given(legs=LEGS)
def test_legs_sum_to_zero_and_none_is_empty(legs: tuple[Posting, ...]) -> None:
    assert sum(leg.amount_fen for leg in legs) == 0
    assert all(leg.amount_fen for leg in legs)


@given(legs=LEGS)
def test_only_a_wallet_has_parts(legs: tuple[Posting, ...]) -> None:
    assert all((leg.part is not None) == (leg.ledger_account_id in (WALLET, OTHER_WALLET)) for leg in legs)


@given(legs=LEGS)
def test_turned_round_legs_cancel(legs: tuple[Posting, ...]) -> None:
    left: Counter[tuple[int, Part | None]] = Counter()
    for leg in (*legs, *turned_round(legs)):
        left[leg.ledger_account_id, leg.part] += leg.amount_fen
    assert not any(left.values())
    assert turned_round(turned_round(legs)) == legs


@given(terms=PURCHASES)
def test_payer_pays_amount_and_fee_and_the_merchant_gets_the_amount(terms: tuple[int, int, int]) -> None:
    amount_fen, fee_fen, _ = terms
    legs = purchase(*terms)
    assert sum(leg.amount_fen for leg in legs if leg.ledger_account_id == WALLET) == amount_fen + fee_fen
    assert [leg.amount_fen for leg in legs if leg.ledger_account_id == PAYABLE] == [-amount_fen]
