"""The accounting of the platform on one page: what happened → ledger legs. Pure.

    purchase            Dr wallet (restricted part first)      Cr merchant payable, Cr fee income
    phone-bill purchase Dr phone-bill receivable               Cr merchant payable, Cr fee income
    bank-card purchase  Dr bank-card money in transit          Cr merchant payable, Cr fee income
    refund of one of these whose source is closed: its credits turned round, Cr wallet in place of the claim
    cash top-up         Dr cash in transit                     Cr wallet, withdrawable
    voucher activation  Dr voucher money in transit            Cr vouchers sold
    voucher top-up      Dr vouchers sold                       Cr wallet, restricted
    recharge card       Dr recharge receivable                 Cr wallet, restricted
    online bank         Dr online-bank money in transit        Cr wallet, withdrawable
    bank card           Dr bank-card money in transit          Cr wallet, withdrawable
    bank's own top-up   Dr bank transfers in transit           Cr wallet, withdrawable
    card verification   Dr bank-card money in transit          Cr card verifications, turned round at its end
    transfer            Dr payer's wallet, withdrawable        Cr payee's wallet, withdrawable
    transfer, held      Dr payer's wallet, withdrawable        Cr transfers held, until the payee has a wallet
    transfer claim      Dr transfers held                      Cr payee's wallet, withdrawable
    withdrawal          Dr wallet, withdrawable                Cr withdrawals in transit, Cr fee income
    closing, cash       Dr wallet, both parts                  Cr cash in transit
    closing, phone bill Dr wallet, both parts                  Cr phone-bill receivable
    back after closing  Dr wallet, both parts                  Cr unclaimed rests, until they are fetched
    deduction by law    Dr wallet, withdrawable part first     Cr deductions by law
    merchant closes     Dr merchant payable                    Cr reserve at banks; where it owes us, turned round
    reversal, undo,
    transfer return,
    withdrawal return   the original's legs, turned round

A debit is above zero, a credit below; each tuple sums to zero.
"""

from __future__ import annotations

from collections.abc import Iterable

from mpss.ledger.chart import (
    BANK_CARDS_IN_TRANSIT,
    BANK_TRANSFERS_IN_TRANSIT,
    CARD_VERIFICATIONS,
    CASH_IN_TRANSIT,
    FEE_INCOME,
    LAW_DEDUCTIONS,
    ONLINE_BANK_IN_TRANSIT,
    PHONE_BILL_RECEIVABLE,
    RECHARGE_RECEIVABLE,
    RESERVE_AT_BANK,
    TRANSFERS_HELD,
    UNCLAIMED_RESTS,
    VOUCHERS_IN_TRANSIT,
    VOUCHERS_SOLD,
    WITHDRAWALS_IN_TRANSIT,
)
from mpss.ledger.model import Part, Posting


def purchase_legs(
    *, wallet: int, payable: int, amount_fen: int, fee_fen: int, restricted_fen: int
) -> tuple[Posting, ...]:
    """`restricted_fen` of amount and fee together comes from the part that may not be withdrawn."""
    withdrawable_fen = amount_fen + fee_fen - restricted_fen
    legs = []
    if restricted_fen:
        legs.append(Posting(wallet, restricted_fen, Part.RESTRICTED))
    if withdrawable_fen:
        legs.append(Posting(wallet, withdrawable_fen, Part.WITHDRAWABLE))
    legs.append(Posting(payable, -amount_fen))
    if fee_fen:
        legs.append(Posting(FEE_INCOME, -fee_fen))
    return tuple(legs)


def funded_legs(claim: int, *, payable: int, amount_fen: int, fee_fen: int) -> tuple[Posting, ...]:
    """`claim` is the house's account of what the operator charged, or the banks debited: amount and fee."""
    legs = [Posting(claim, amount_fen + fee_fen), Posting(payable, -amount_fen)]
    if fee_fen:
        legs.append(Posting(FEE_INCOME, -fee_fen))
    return tuple(legs)


def cash_topup_legs(*, wallet: int, amount_fen: int) -> tuple[Posting, ...]:
    return Posting(CASH_IN_TRANSIT, amount_fen), Posting(wallet, -amount_fen, Part.WITHDRAWABLE)


def voucher_activation_legs(*, amount_fen: int) -> tuple[Posting, ...]:
    return Posting(VOUCHERS_IN_TRANSIT, amount_fen), Posting(VOUCHERS_SOLD, -amount_fen)


def voucher_topup_legs(*, wallet: int, amount_fen: int) -> tuple[Posting, ...]:
    return Posting(VOUCHERS_SOLD, amount_fen), Posting(wallet, -amount_fen, Part.RESTRICTED)


def recharge_card_legs(*, wallet: int, amount_fen: int) -> tuple[Posting, ...]:
    return Posting(RECHARGE_RECEIVABLE, amount_fen), Posting(wallet, -amount_fen, Part.RESTRICTED)


def online_bank_legs(*, wallet: int, amount_fen: int) -> tuple[Posting, ...]:
    return Posting(ONLINE_BANK_IN_TRANSIT, amount_fen), Posting(wallet, -amount_fen, Part.WITHDRAWABLE)


def bank_card_legs(*, wallet: int, amount_fen: int) -> tuple[Posting, ...]:
    return Posting(BANK_CARDS_IN_TRANSIT, amount_fen), Posting(wallet, -amount_fen, Part.WITHDRAWABLE)


def card_verification_legs(*, amount_fen: int) -> tuple[Posting, ...]:
    return Posting(BANK_CARDS_IN_TRANSIT, amount_fen), Posting(CARD_VERIFICATIONS, -amount_fen)


def bank_transfer_legs(*, wallet: int, amount_fen: int) -> tuple[Posting, ...]:
    return Posting(BANK_TRANSFERS_IN_TRANSIT, amount_fen), Posting(wallet, -amount_fen, Part.WITHDRAWABLE)


def transfer_legs(*, payer: int, payee: int, amount_fen: int) -> tuple[Posting, ...]:
    return Posting(payer, amount_fen, Part.WITHDRAWABLE), Posting(payee, -amount_fen, Part.WITHDRAWABLE)


def transfer_held_legs(*, payer: int, amount_fen: int) -> tuple[Posting, ...]:
    return Posting(payer, amount_fen, Part.WITHDRAWABLE), Posting(TRANSFERS_HELD, -amount_fen)


def transfer_claim_legs(*, payee: int, amount_fen: int) -> tuple[Posting, ...]:
    return Posting(TRANSFERS_HELD, amount_fen), Posting(payee, -amount_fen, Part.WITHDRAWABLE)


def withdrawal_legs(*, wallet: int, amount_fen: int, fee_fen: int) -> tuple[Posting, ...]:
    """The bank paid the amount; the fee is the payer's beside it."""
    legs = [
        Posting(wallet, amount_fen + fee_fen, Part.WITHDRAWABLE),
        Posting(WITHDRAWALS_IN_TRANSIT, -amount_fen),
    ]
    if fee_fen:
        legs.append(Posting(FEE_INCOME, -fee_fen))
    return tuple(legs)


def cash_payout_legs(*, wallet: int, amount_fen: int, restricted_fen: int) -> tuple[Posting, ...]:
    """The whole balance, `restricted_fen` of it of the restricted part."""
    return _of_both_parts(wallet, amount_fen, restricted_fen, CASH_IN_TRANSIT)


def bill_payout_legs(*, wallet: int, amount_fen: int, restricted_fen: int) -> tuple[Posting, ...]:
    """The whole balance; the operator owes us so much less for phone bills."""
    return _of_both_parts(wallet, amount_fen, restricted_fen, PHONE_BILL_RECEIVABLE)


def rest_taken_legs(*, wallet: int, amount_fen: int, restricted_fen: int) -> tuple[Posting, ...]:
    """All that a closed account has."""
    return _of_both_parts(wallet, amount_fen, restricted_fen, UNCLAIMED_RESTS)


def rest_claimed_legs(*, amount_fen: int) -> tuple[Posting, ...]:
    return Posting(UNCLAIMED_RESTS, amount_fen), Posting(CASH_IN_TRANSIT, -amount_fen)


def merchant_settlement_legs(*, payable: int, amount_fen: int) -> tuple[Posting, ...]:
    """`amount_fen` above zero was paid to the merchant, below zero by it."""
    return Posting(payable, amount_fen), Posting(RESERVE_AT_BANK, -amount_fen)


def law_deduction_legs(*, wallet: int, amount_fen: int, restricted_fen: int) -> tuple[Posting, ...]:
    """`restricted_fen` of the amount is of the restricted part."""
    return _of_both_parts(wallet, amount_fen, restricted_fen, LAW_DEDUCTIONS)


def _of_both_parts(wallet: int, amount_fen: int, restricted_fen: int, to: int) -> tuple[Posting, ...]:
    parts = ((Part.WITHDRAWABLE, amount_fen - restricted_fen), (Part.RESTRICTED, restricted_fen))
    return (*(Posting(wallet, part_fen, part) for part, part_fen in parts if part_fen), Posting(to, -amount_fen))


def turned_round(legs: Iterable[Posting]) -> tuple[Posting, ...]:
    """The legs that undo these."""
    return tuple(Posting(leg.ledger_account_id, -leg.amount_fen, leg.part) for leg in legs)
