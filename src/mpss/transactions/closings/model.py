"""The closing of an account (销户) as values: what stands in its way, and how the rest is paid out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Payout(StrEnum):
    """What becomes of the balance (CM 5.2.3.4)."""

    NONE = "none"
    CASH = "cash"
    BANK_CARD = "bank_card"
    PHONE_BILL = "phone_bill"


class Block(StrEnum):
    """What stands in the way of a closing, besides the account's state."""

    PENDING_TRANSACTIONS = "pending_transactions"
    MEMBERS = "members"
    HELD_MONEY = "held_money"
    FROZEN_MONEY = "frozen_money"
    BALANCE = "balance"
    NOT_WITHDRAWABLE = "not_withdrawable"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a closing looks at; amounts in fen. `members` are those of a corporate account."""

    balance_fen: int
    held_fen: int
    frozen_fen: int
    restricted_fen: int
    pending: int
    members: int = 0


def blocks(standing: Standing, payout: Payout) -> list[Block]:
    """What stands in the way of closing with this payout; empty where nothing does. Pure.

    Money that may not be withdrawn goes out as cash, since a named account's rest is redeemable at a hall, or to the
    phone bill, where it stays with the operator's services; never to a bank card.
    """
    found = []
    if standing.pending:
        found.append(Block.PENDING_TRANSACTIONS)
    if standing.members:
        found.append(Block.MEMBERS)
    if standing.held_fen:
        found.append(Block.HELD_MONEY)
    if standing.frozen_fen:
        found.append(Block.FROZEN_MONEY)
    if payout is Payout.NONE and standing.balance_fen:
        found.append(Block.BALANCE)
    if payout is Payout.BANK_CARD and standing.restricted_fen:
        found.append(Block.NOT_WITHDRAWABLE)
    return found
