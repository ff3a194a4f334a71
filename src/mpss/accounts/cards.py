"""Bank cards of an account: bind from our side, unbind, list, ask for the balance (CT 5.1; CM 5.3.1).

    request ──► row REQUESTED ──► bank: do card, name and phone belong together? ──► VERIFIED, SMS code ──► BOUND
    neither answered nor confirmed for `policy.card_binding_hours` ──► EXPIRED

Instead of the code, the owner may name the amount of a small debit (`transactions.topups.card_verification`).

Invariants: (1) a card number and its holder's name are sealed in the database and shown masked; (2) the bank is asked
about the account's own phone, so a card of somebody with another phone cannot be bound; (3) all bound cards of an
account have one holder's name; (4) no unit of work is open while the bank is asked. Decision: ADR-0016.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mpss.accounts.card_model import (
    CardPurpose,
    CardRow,
    CardState,
    VerifyBy,
    parse_card_number,
    parse_holder_name,
)
from mpss.accounts.card_store import bound_cards, find_card, insert_card, is_bound, move_card, next_numbers
from mpss.accounts.checks import check_state
from mpss.accounts.codes import Purpose, check_code, request_code, use_code
from mpss.accounts.locks import lock_live
from mpss.accounts.machine import BANK_CARD, CardEvent
from mpss.accounts.model import AccountRow
from mpss.accounts.notify import tell_holder
from mpss.accounts.state import Operation
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import CardId
from mpss.kernel.masking import mask_tail
from mpss.kernel.outcome import Approved, Declined, InDoubt
from mpss.observability import log
from mpss.ports.bank import BankOperation, BankPort, BankRequest
from mpss.ports.key_store import KeyStore
from mpss.risk.lists import digests, refuse_black
from mpss.risk.model import Scope
from mpss.runtime import Runtime

CARD_KEY = "card"
BANK_TIMEOUT_SECONDS = 10.0
_BEHIND = 10**11


@dataclass(frozen=True, slots=True)
class BoundCard:
    """A card as its owner may see it."""

    id: CardId
    bank: str
    bank_name: str
    masked: str
    purposes: tuple[CardPurpose, ...]
    state: CardState
    requested_at: datetime
    bound_at: datetime | None
    verify_by: VerifyBy


@dataclass(frozen=True, slots=True)
class CardInHand:
    """A bound card in clear, for a call to its bank; never logged, never written down."""

    bank: str
    number: str
    holder_name: str

    def __repr__(self) -> str:
        return f"CardInHand({self.bank} {mask_tail(self.number)})"


async def request_binding(
    runtime: Runtime, *, account_id: UUID, bank: str, card_number: str, holder_name: str, source: str
) -> BoundCard:
    """Ask the bank whether card, name and the account's phone belong together, and send the phone a BIND_CARD code.

    Raises:
        MalformedField: `bank` is none of ours; `card_number`, `holder_name`.
        Refused: UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE; ILLEGAL_STATE, the card is bound already; CARD_REFUSED, by the
            bank or because another card of the account has another name; BLACKLISTED; BUSY, the bank did not answer:
            ask again; RATE_LIMITED, too many codes.

    Spec: CT 5.1; CM 5.3.1.
    """
    account, card = await verify_card(
        runtime, account_id=account_id, bank=bank, card_number=card_number, holder_name=holder_name,
        verify_by=VerifyBy.SMS_CODE,
    )  # fmt: skip
    await request_code(
        runtime, phone=account.phone, purpose=Purpose.BIND_CARD, source=source, language=account.language
    )
    return shown(runtime, card)


async def verify_card(
    runtime: Runtime, *, account_id: UUID, bank: str, card_number: str, holder_name: str, verify_by: VerifyBy
) -> tuple[AccountRow, CardRow]:
    """The first step of a binding: the card, verified by its bank, and its account. Raises as `request_binding`."""
    number, name = parse_card_number(card_number), parse_holder_name(holder_name)
    port, now, key_store = _port(runtime, bank), runtime.clock.now(), runtime.ports.key_store
    card = CardRow(
        CardId.new(now), account_id, bank, key_store.seal(number.encode()), mask_tail(number),
        key_store.seal(name.encode()), [purpose.value for purpose in CardPurpose], CardState.REQUESTED, now, None,
        verify_by,
    )  # fmt: skip
    async with runtime.database.transaction() as uow:
        account = await active_account(uow, account_id, at=now)
        await refuse_unless_bindable(uow, key_store, account_id, number=number, name=name)
        await refuse_black(uow, Scope.BANK_CARD, digests(key_store, Scope.BANK_CARD, number)[0])
        (serial,) = await next_numbers(uow, 1)
        await insert_card(uow, card, digest=card_digests(key_store, number)[-1])
    asked = BankRequest(
        bank, BankOperation.VERIFY, f"{serial % 1_000_000:06d}", f"9{serial % _BEHIND:011d}", number, 0, now,
        holder_name=name, phone=account.phone,
    )  # fmt: skip
    event, answer = CardEvent.VERIFY, await port.ask(asked, timeout_seconds=BANK_TIMEOUT_SECONDS)
    if isinstance(answer, InDoubt):
        log.warning("card.bank_silent", bank=bank, problem=answer.problem)
        raise Refused(ErrorCode.BUSY, detail="the bank does not answer; ask again later")
    if isinstance(answer, Declined):
        event = CardEvent.REFUSE
    async with runtime.database.transaction() as uow:
        card = await moved(uow, card, event, now)
    if isinstance(answer, Declined):
        log.info("card.refused", bank=bank, reason=answer.reason)
        raise Refused(ErrorCode.CARD_REFUSED)
    return account, card


async def confirm_binding(runtime: Runtime, *, account_id: UUID, card_id: UUID, code: str) -> BoundCard:
    """Bind a verified card by the code that its owner's phone was sent.

    Raises:
        MalformedField: `code`.
        Refused: UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE, UNKNOWN_CARD, ILLEGAL_STATE, WRONG_CODE, CODE_EXPIRED.

    Spec: CT 5.1; CM 5.3.1.
    """
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        card = await found_card(uow, card_id, account_id)
        refuse_unless(card, CardEvent.CONFIRM)
    if card.verify_by is not VerifyBy.SMS_CODE:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="the card is confirmed by the amount of its debit")
    async with runtime.database.transaction() as uow:
        account = await active_account(uow, account_id, at=now)
    code_id = await check_code(runtime, phone=account.phone, purpose=Purpose.BIND_CARD, code=code)
    async with runtime.database.transaction() as uow:
        account = await active_account(uow, account_id, at=now)
        await use_code(uow, code_id, now=now)
        card = await bind_verified(uow, runtime.ports.key_store, account, card, now)
    return shown(runtime, card)


async def bind_verified(
    uow: UnitOfWork, key_store: KeyStore, account: AccountRow, card: CardRow, now: datetime
) -> CardRow:
    """Bind a card whose owner is proven, and tell them; the account is locked by the caller.

    Raises:
        Refused: ILLEGAL_STATE, the card is bound already; CARD_REFUSED, a bound card has another holder.
    """
    number, name = (key_store.unseal(sealed).decode() for sealed in (card.number_sealed, card.name_sealed))
    await refuse_unless_bindable(uow, key_store, account.id, number=number, name=name)
    card = await moved(uow, card, CardEvent.CONFIRM, now)
    await tell_of_card(uow, "card_bound", account, card, now)
    return card._replace(bound_at=now)


async def refuse_unless_bindable(
    uow: UnitOfWork, key_store: KeyStore, account_id: UUID, *, number: str, name: str
) -> None:
    """All bound cards of an account have one holder, and none is bound twice; the account is locked by the caller.

    Raises:
        Refused: ILLEGAL_STATE, the card is bound already; CARD_REFUSED, a bound card has another holder.
    """
    if await is_bound(uow, account_id, digests=card_digests(key_store, number)):
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="the card is bound already")
    for bound in await bound_cards(uow, account_id):
        if key_store.unseal(bound.name_sealed).decode() != name:
            raise Refused(ErrorCode.CARD_REFUSED, detail="the account's cards must have one holder")


async def unbind(runtime: Runtime, *, account_id: UUID, card_id: UUID) -> None:
    """End a binding at once.

    Raises:
        Refused: UNKNOWN_ACCOUNT, or what the account's state refuses with; UNKNOWN_CARD; ILLEGAL_STATE, the card is
            not bound.

    Spec: CM 5.3.1.
    """
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account, _ = await lock_live(uow, account_id)
        # The rest of an account that is being closed may be on its way to the card.
        refusal = check_state(account, Operation.UNBIND_CARD, at=now)
        if refusal is not None:
            raise Refused(refusal)
        card = await found_card(uow, card_id, account_id)
        refuse_unless(card, CardEvent.UNBIND)
        card = await moved(uow, card, CardEvent.UNBIND, now)
        await tell_of_card(uow, "card_unbound", account, card, now)


async def unbind_by_digits(runtime: Runtime, *, account_id: UUID, last_digits: str) -> BoundCard:
    """End the binding of the one bound card with these last four digits; the card it was.

    Raises:
        Refused: UNKNOWN_ACCOUNT; UNKNOWN_CARD, there is none, or there are several.

    Spec: CM 6.4.7, 6.6.2.
    """
    found = [card for card in await list_cards(runtime, account_id=account_id) if card.masked[-4:] == last_digits]
    if len(found) != 1:
        raise Refused(ErrorCode.UNKNOWN_CARD)
    await unbind(runtime, account_id=account_id, card_id=found[0].id)
    return found[0]


async def list_cards(runtime: Runtime, *, account_id: UUID) -> list[BoundCard]:
    """The account's bound cards, oldest first."""
    async with runtime.database.read() as uow:
        cards = await bound_cards(uow, account_id)
    return [shown(runtime, card) for card in cards]


async def card_balance(runtime: Runtime, *, account_id: UUID, card_id: UUID) -> int:
    """The available balance of a bound card in fen, as its bank says.

    Raises:
        Refused: UNKNOWN_CARD, ILLEGAL_STATE (not bound), CARD_REFUSED, BUSY (the bank did not answer).
    """
    card = await card_in_hand(runtime, account_id=account_id, card_id=card_id)
    answer = await _port(runtime, card.bank).balance(card.bank, card.number, timeout_seconds=BANK_TIMEOUT_SECONDS)
    match answer:
        case Approved(content=digits):
            return int(digits)
        case Declined():
            raise Refused(ErrorCode.CARD_REFUSED)
        case InDoubt():
            raise Refused(ErrorCode.BUSY, detail="the bank does not answer; ask again later")


async def card_in_hand(runtime: Runtime, *, account_id: UUID, card_id: UUID) -> CardInHand:
    """A bound card of the account, in clear.

    Raises:
        Refused: UNKNOWN_CARD, ILLEGAL_STATE (not bound).
    """
    async with runtime.database.read() as uow:
        card = await found_card(uow, card_id, account_id)
    refuse_unless(card, CardEvent.UNBIND)
    key_store = runtime.ports.key_store
    name = key_store.unseal(card.name_sealed).decode()
    return CardInHand(card.bank, key_store.unseal(card.number_sealed).decode(), name)


def card_digests(key_store: KeyStore, number: str) -> list[bytes]:
    """The digests a card may be found by, one for each version of the key, the current one last."""
    versions = range(1, key_store.current(CARD_KEY) + 1)
    return [key_store.mac(CARD_KEY, number.encode(), version=version) for version in versions]


def _port(runtime: Runtime, bank: str) -> BankPort:
    port = runtime.ports.banks
    if port is None or bank not in {profile.code for profile in port.banks()}:
        raise MalformedField(field="bank", problem="must be the code of a bank that is connected")
    return port


def refuse_unless(card: CardRow, event: CardEvent) -> None:
    """
    Raises:
        Refused: ILLEGAL_STATE, the card is in a state without this move.
    """
    if (card.state, event) not in BANK_CARD.moves:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail=f"the card is {card.state}")


async def moved(uow: UnitOfWork, card: CardRow, event: CardEvent, now: datetime) -> CardRow:
    """The card in its next state.

    Raises:
        Refused: ILLEGAL_STATE, another request moved it meanwhile.
    """
    state = BANK_CARD.move(card.state, event)
    if not await move_card(uow, card.id, from_state=card.state, to_state=state, now=now):
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="the card changed meanwhile")
    return card._replace(state=state)


async def found_card(uow: UnitOfWork, card_id: UUID, account_id: UUID) -> CardRow:
    """The account's card.

    Raises:
        Refused: UNKNOWN_CARD.
    """
    card = await find_card(uow, card_id, account_id=account_id)
    if card is None:
        raise Refused(ErrorCode.UNKNOWN_CARD)
    return card


async def active_account(uow: UnitOfWork, account_id: UUID, *, at: datetime) -> AccountRow:
    """The account, locked, in a state that lets cards be bound.

    Raises:
        Refused: UNKNOWN_ACCOUNT, or what its state refuses with.
    """
    account, _ = await lock_live(uow, account_id)
    refusal = check_state(account, Operation.BIND_CARD, at=at)
    if refusal is not None:
        raise Refused(refusal)
    return account


async def tell_of_card(uow: UnitOfWork, event: str, account: AccountRow, card: CardRow, now: datetime) -> None:
    """Write the owner's notice of a change of the card."""
    params = {"card": card.masked[-4:]}
    await tell_holder(uow, account, event, now=now, params=params)


def _bank_name(port: BankPort | None, code: str) -> str:
    names = {} if port is None else {profile.code: profile.name for profile in port.banks()}
    return names.get(code, code)


def shown(runtime: Runtime, card: CardRow) -> BoundCard:
    """The card as its owner may see it."""
    purposes = tuple(CardPurpose(purpose) for purpose in card.purposes)
    return BoundCard(
        CardId.from_uuid(card.id), card.bank, _bank_name(runtime.ports.banks, card.bank), card.masked, purposes,
        card.state, card.requested_at, card.bound_at, card.verify_by,
    )  # fmt: skip
