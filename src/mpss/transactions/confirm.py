"""The payer's answer to a purchase, a transfer or a withdrawal that waits (CONFIRMING): yes, no, or none in time.

The answer moves the waiting transaction itself; its entry carries its id, so a second yes meets the state and, were
that wrong, a primary key. The yes to a purchase may name the phone bill as its source. Spec: CT 5.1, 5.3, 6.3.2.
Decision: ADR-0008, ADR-0018.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mpss.accounts.card_model import CardPurpose
from mpss.desk.model import Command, Decision, Funding, Snapshot, Touch, Transaction, TransactionKind, TransactionState
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.machine import Machine
from mpss.outbox.store import OUTBOX
from mpss.risk.store import LISTED
from mpss.runtime import Runtime
from mpss.transactions.funding.bank_request import first_card, new_request
from mpss.transactions.funding.store import BILL_USAGE
from mpss.transactions.machine import FUNDED, WAITING, Event
from mpss.transactions.purchases.collect import ask
from mpss.transactions.purchases.funded_request import Collection, from_bank_card, from_phone_bill
from mpss.transactions.purchases.funded_sale import collect
from mpss.transactions.purchases.sale import Sale, carry_out, find_parties, sale_touches, settle_terms, tell_merchant
from mpss.transactions.queries import get_transaction
from mpss.transactions.reply import Replying
from mpss.transactions.store import CONFIRMATIONS, find_confirmation, lapsed
from mpss.transactions.topups.card_reply import ReplyToCardTopup, after_topup_reply, reply_to_card_topup
from mpss.transactions.transfers.answer import transfer_answer
from mpss.transactions.withdrawals.answer import ReplyToWithdrawal, after_reply, reply_to_withdrawal

_ENDED = {
    Event.REFUSE: "purchase.declined",
    Event.CANCEL: "purchase.cancelled",
    Event.LAPSE: "purchase.expired",
}
"""What a merchant is told of a sale it asked for that was not paid."""


@dataclass(frozen=True, slots=True)
class ReplyToPurchase(Replying):
    """Move a purchase that waits for its payer; with `collection` a yes takes the money from outside."""

    collection: Collection | None = None

    @property
    def machine(self) -> Machine[TransactionState, Event]:
        return WAITING if self.collection is None else FUNDED

    @property
    def _sale(self) -> Sale:
        waiting = self.earlier
        assert waiting.account_id is not None
        assert waiting.merchant_id is not None
        # The price and the fee are those that the payer was shown when asked, and where the payer was then counts.
        price_fen = waiting.amount_fen // waiting.quantity if waiting.product_id else waiting.amount_fen
        return Sale(
            waiting.account_id, waiting.merchant_id, waiting.product_id, waiting.quantity, price_fen, waiting.fee_fen,
            visited_province=waiting.province,
        )  # fmt: skip

    @property
    def _card_id(self) -> UUID | None:
        """The bound card that the reply names as what pays."""
        return None if self.collection is None else self.collection.card_id

    def own_rows(self) -> Iterable[Touch]:
        yield from sale_touches(self._sale, self.earlier.channel)
        if self.collection is not None and self.collection.funding is Funding.PHONE_BILL:
            yield BILL_USAGE, self._sale.account_id
        if self._card_id is not None:
            yield LISTED, self._card_id

    def confirmed(self, waiting: Transaction, snapshot: Snapshot) -> Decision:
        """Spec: CT 5.1, 5.3."""
        parties = find_parties(self._sale, snapshot, at=self.at, check_scope=False)
        if isinstance(parties, ErrorCode):
            return self.moved(waiting, Event.REFUSE, snapshot, parties)
        today = snapshot.business_date
        funding = Funding.WALLET if self.collection is None else self.collection.funding
        terms = settle_terms(
            self._sale, parties, parties.usage, snapshot, today, self.policy, at=waiting.created_at,
            channel=waiting.channel, funding=funding, card_id=self._card_id,
        )  # fmt: skip
        if isinstance(terms, ErrorCode):
            return self.moved(waiting, Event.REFUSE, snapshot, terms)
        if self.collection is None:
            paid = waiting._replace(restricted_fen=terms.restricted_fen)
            return carry_out(self.moved(paid, Event.CONFIRM, snapshot), parties, terms)
        intended = self.moved(waiting._replace(funding=funding), Event.CONFIRM, snapshot)
        return collect(intended, parties, terms, self.collection, at=self.at, policy=self.policy)

    def moved(
        self, waiting: Transaction, event: Event, snapshot: Snapshot, refusal: ErrorCode | None = None
    ) -> Decision:
        decision = Replying.moved(self, waiting, event, snapshot, refusal)
        # Who asked over HTTP waits for an answer; a sale asked for by SMS was never announced to its merchant.
        if event in _ENDED and waiting.caller.startswith("merchant:"):
            phone = snapshot[CONFIRMATIONS][waiting.id].phone
            decision.inserts.append((OUTBOX, tell_merchant(decision.transaction, _ENDED[event], phone)))
        return decision


async def confirm(runtime: Runtime, *, phone: str, code: str, funding: Funding = Funding.WALLET) -> Transaction:
    """The payer says yes by SMS: what waits is paid, or declined for a reason. A second yes changes nothing.

    With `funding` the phone bill, or the bank card that was bound first, pays a purchase, and the answer may be
    pending, as of `purchase`.

    Raises:
        Refused: UNKNOWN_TRANSACTION, nothing waits for this reply of this number; ILLEGAL_STATE, what waits is no
            purchase, or nothing of that source is connected; UNKNOWN_CARD, no card is bound; BUSY, its bank is not
            connected.
    """
    return await _answer(runtime, phone=phone, code=code, event=Event.CONFIRM, funding=funding)


async def cancel(runtime: Runtime, *, phone: str, code: str) -> Transaction:
    """The payer says no: CANCELLED.

    Raises:
        Refused: UNKNOWN_TRANSACTION.
    """
    return await _answer(runtime, phone=phone, code=code, event=Event.CANCEL)


async def lapse_waiting(runtime: Runtime, *, limit: int = 500) -> int:
    """Expire what a payer was asked for, and did not reply to in time; how many were looked at."""
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        waiting = [await get_transaction(uow, identity) for identity in await lapsed(uow, now=now, limit=limit)]
    for found in waiting:
        if found is not None:
            await runtime.desk.submit(await _command(runtime, found, Event.LAPSE, now))
    return len(waiting)


async def _answer(
    runtime: Runtime, *, phone: str, code: str, event: Event, funding: Funding = Funding.WALLET
) -> Transaction:
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        identity: UUID | None = await find_confirmation(uow, phone=phone, code=code)
        waiting = await get_transaction(uow, identity) if identity is not None else None
    if waiting is None:
        raise Refused(ErrorCode.UNKNOWN_TRANSACTION, detail="nothing waits for this reply", field="code")
    collection = None
    if funding is not Funding.WALLET and waiting.state is TransactionState.CONFIRMING:
        collection = await _collection(runtime, waiting, funding, at=now)
    command = await _command(runtime, waiting, event, now, collection)
    told = (await runtime.desk.submit(command)).transaction
    if collection is not None and told.state is TransactionState.FUNDING:
        return await ask(runtime, collection.request.id) or told
    if isinstance(command, ReplyToCardTopup):
        return await after_topup_reply(runtime, command, told)
    return await after_reply(runtime, command, told) if isinstance(command, ReplyToWithdrawal) else told


async def _collection(runtime: Runtime, waiting: Transaction, funding: Funding, *, at: datetime) -> Collection:
    """How a purchase is collected from outside, once its payer says so."""
    ports = runtime.ports
    connected = ports.charging if funding is Funding.PHONE_BILL else ports.banks
    if waiting.kind is not TransactionKind.PURCHASE or connected is None:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail=f"the {funding} cannot pay this", field="code")
    if funding is Funding.PHONE_BILL:
        return from_phone_bill(at)
    assert waiting.account_id is not None
    card, bank = await first_card(runtime, waiting.account_id, purpose=CardPurpose.PAY)
    return from_bank_card(bank, card.id, await new_request(runtime), goods=waiting.product_id is not None)


async def _command(
    runtime: Runtime, waiting: Transaction, event: Event, at: datetime, collection: Collection | None = None
) -> Command:
    """What moves a waiting transaction of this kind."""
    if waiting.kind is TransactionKind.TRANSFER:
        return await transfer_answer(runtime, waiting, event, at=at)
    if waiting.kind is TransactionKind.BANK_CARD_TOPUP:
        return await reply_to_card_topup(runtime, waiting, event, at=at)
    if waiting.kind is TransactionKind.WITHDRAWAL:
        return await reply_to_withdrawal(runtime, waiting, event, at=at)
    return ReplyToPurchase(waiting, at, event, runtime.policy, collection)
