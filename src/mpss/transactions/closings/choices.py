"""How a holder closes the account without a hall: the ways of paying the rest out that are open. Spec: CM 5.2.3.4."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from mpss.accounts.card_model import CardPurpose
from mpss.accounts.cards import BoundCard, list_cards
from mpss.runtime import Runtime
from mpss.transactions.closings.close import closing_standing
from mpss.transactions.closings.model import Payout, Standing


class Choice(NamedTuple):
    """`card` goes with the payout to a bank card."""

    payout: Payout
    card: BoundCard | None = None

    @property
    def key(self) -> str:
        """What names the choice in a form."""
        return self.payout.value if self.card is None else str(self.card.id)


async def closing_choices(runtime: Runtime, *, account_id: UUID) -> tuple[Standing, list[Choice]]:
    """What a closing looks at, and what the holder can choose: nothing to pay out alone where the balance is zero."""
    standing, ways = await closing_standing(runtime, account_id=account_id)
    if not ways[Payout.NONE]:
        return standing, [Choice(Payout.NONE)]
    found: list[Choice] = []
    if not ways[Payout.BANK_CARD]:
        cards = await list_cards(runtime, account_id=account_id)
        found += [Choice(Payout.BANK_CARD, card) for card in cards if CardPurpose.WITHDRAW in card.purposes]
    if not ways[Payout.PHONE_BILL] and runtime.ports.charging is not None:
        found.append(Choice(Payout.PHONE_BILL))
    return standing, found
