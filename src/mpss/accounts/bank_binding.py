"""Bank cards bound and unbound from the bank's side: it has asked its customer, we check the account (CM 5.3.1.3).

    the bank's request ──► account active, one holder for all its cards ──► BOUND ──the bank's request──► UNBOUND

Invariants: (1) a bank binds for the phone it knows its customer by, and unbinds what is its own; (2) the same request
again is answered as before and told once; (3) all bound cards of an account have one holder's name. ADR-0019.
"""

from __future__ import annotations

from mpss.accounts.card_model import CardPurpose, CardRow, CardState, parse_card_number, parse_holder_name
from mpss.accounts.card_store import bound_cards, cards_of_number, insert_card
from mpss.accounts.cards import active_account, card_digests, moved, tell_of_card
from mpss.accounts.locks import lock_live, wallet_of
from mpss.accounts.machine import CardEvent
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import CardId
from mpss.kernel.masking import mask_tail
from mpss.kernel.phone import parse_phone
from mpss.runtime import Runtime


async def bind_by_bank(runtime: Runtime, *, bank: str, phone: str, card_number: str, holder_name: str) -> CardId:
    """Bind a card of `bank` to the wallet of `phone`, and tell its owner; bound already, nothing changes.

    Raises:
        MalformedField: `phone`, `card_number`, `holder_name`.
        Refused: UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE; CARD_REFUSED, a bound card of the account has another name, or
            this one is bound as another bank's.

    Spec: CT 5.1; CM 5.3.1.3.
    """
    phone, number, name = parse_phone(phone), parse_card_number(card_number), parse_holder_name(holder_name)
    now, key_store = runtime.clock.now(), runtime.ports.key_store
    digests = card_digests(key_store, number)
    number_sealed, name_sealed = key_store.seal(number.encode()), key_store.seal(name.encode())
    async with runtime.database.transaction() as uow:
        account = await active_account(uow, await wallet_of(uow, phone), at=now)
        for bound in await bound_cards(uow, account.id):
            if key_store.unseal(bound.name_sealed).decode() != name:
                raise Refused(ErrorCode.CARD_REFUSED, detail="the account's cards must have one holder")
        known = await cards_of_number(uow, account.id, digests=digests)
        for card in known:
            if card.state is CardState.BOUND:
                if card.bank != bank:
                    raise Refused(ErrorCode.CARD_REFUSED, detail="the card is bound as another bank's")
                return CardId.from_uuid(card.id)
        card = CardRow(
            CardId.new(now), account.id, bank, number_sealed, mask_tail(number), name_sealed,
            [purpose.value for purpose in CardPurpose], CardState.REQUESTED, now, None,
        )  # fmt: skip
        await insert_card(uow, card, digest=digests[-1])
        card = await moved(uow, card, CardEvent.BANK_BINDS, now)
        await tell_of_card(uow, "card_bound", account, card, now)
    return CardId.from_uuid(card.id)


async def unbind_by_bank(runtime: Runtime, *, bank: str, phone: str, card_number: str) -> None:
    """End the binding of a card of `bank`, and tell its owner; unbound already, nothing changes.

    Raises:
        MalformedField: `phone`, `card_number`.
        Refused: UNKNOWN_ACCOUNT; UNKNOWN_CARD, it was never bound.

    Spec: CM 5.3.1.4, 5.3.3.2.
    """
    phone, number = parse_phone(phone), parse_card_number(card_number)
    now, digests = runtime.clock.now(), card_digests(runtime.ports.key_store, number)
    async with runtime.database.transaction() as uow:
        account, _ = await lock_live(uow, await wallet_of(uow, phone))
        known = [card for card in await cards_of_number(uow, account.id, digests=digests) if card.bank == bank]
        for card in known:
            if card.state is CardState.BOUND:
                await tell_of_card(uow, "card_unbound", account, await moved(uow, card, CardEvent.UNBIND, now), now)
                return
    if not any(card.state is CardState.UNBOUND for card in known):
        raise Refused(ErrorCode.UNKNOWN_CARD)
