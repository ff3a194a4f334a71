"""Purchase (消费, 直接支付) of a product or a free amount, from the wallet, the phone bill, a bank card, the company.

The payer pays with the payment password; or a merchant (or an SMS) asks for the purchase and the payer confirms by a
reply before money moves. From outside the desk writes the intent, and `collect` asks the charging system or the bank.
Spec: CT 5.1, 5.3, 6.3.2; CM 6.11.1. Decision: ADR-0008, ADR-0018.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from mpss.accounts.cards import card_in_hand
from mpss.accounts.group_model import GroupSource
from mpss.accounts.group_store import find_source
from mpss.accounts.store import USAGE
from mpss.config import Policy
from mpss.desk.model import (
    Answer,
    Decision,
    Funding,
    Snapshot,
    Touch,
    Transaction,
    TransactionKind,
    TransactionState,
    digest_of,
)
from mpss.fees.quote import quote
from mpss.fees.store import schedule_at
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import TransactionId
from mpss.observability import TRANSACTIONS
from mpss.ports.bank import BankProfile
from mpss.risk.screen import remember
from mpss.risk.store import LISTED
from mpss.runtime import Runtime
from mpss.transactions.funding.bank_request import new_request
from mpss.transactions.funding.store import BILL_USAGE
from mpss.transactions.model import Asked, Asking, Proof, transaction
from mpss.transactions.notify import tell
from mpss.transactions.proof import authenticate, unauthenticated
from mpss.transactions.purchases.collect import ask
from mpss.transactions.purchases.funded_request import Collection, from_bank_card, from_phone_bill
from mpss.transactions.purchases.funded_sale import collect
from mpss.transactions.purchases.group import group_touches
from mpss.transactions.purchases.sale import Parties, Sale, Terms, carry_out, find_parties, sale_touches, settle_terms
from mpss.transactions.reply_code import NO_CODE, with_reply_code
from mpss.transactions.store import (
    CONFIRMATIONS,
    MERCHANT_ORDERS,
    ConfirmationRow,
    MerchantOrderRow,
    key_taken,
    order_key,
)

MAX_QUANTITY = 1000


@dataclass(frozen=True, slots=True)
class PurchaseCommand(Asking):
    """A purchase to decide. With `proof` it is paid at once; with `confirm_code` it waits for the payer's reply.

    With `collection` the phone bill or a bank card pays: the request that takes the money is written with the
    purchase. With `group` the company pays whose member the payer is. `bill_offered` tells the payer who is asked
    that the phone bill may pay.
    """

    sale: Sale
    policy: Policy
    proof: Proof | None = None
    confirm_code: str | None = None
    collection: Collection | None = None
    bill_offered: bool = False
    group: GroupSource | None = None

    @property
    def funding(self) -> Funding:
        if self.collection is not None:
            return self.collection.funding
        return Funding.WALLET if self.group is None else Funding.GROUP

    @property
    def card_id(self) -> UUID | None:
        """The bound card that pays."""
        return None if self.collection is None else self.collection.card_id

    def touches(self) -> Iterable[Touch]:
        yield from sale_touches(self.sale, self.asked.channel)
        if self.group is not None:
            yield from group_touches(self.group)
        if self.collection is not None:
            if self.funding is Funding.PHONE_BILL:
                yield BILL_USAGE, self.sale.account_id
            if self.card_id is not None:
                yield LISTED, self.card_id

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        sale = self.sale
        return self._transaction(
            TransactionState.DECLINED, business_date, (sale.price_fen or 0) * max(sale.quantity, 1), refusal=code
        )

    def decide(self, snapshot: Snapshot) -> Decision:
        return remember(self._decide(snapshot), snapshot)

    def _decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CT 5.3, 6.3.2. Order of checks: ARCHITECTURE §2."""
        sale, today = self.sale, snapshot.business_date
        order = None
        if sale.merchant_order_no is not None:
            order = order_key(sale.merchant_id, sale.merchant_order_no)
            taken = snapshot[MERCHANT_ORDERS].get(order)
            if taken is not None:
                tombstone = taken.transaction_id is None
                code = ErrorCode.ALREADY_TOMBSTONED if tombstone else ErrorCode.DUPLICATE_ORDER
                return Decision(self.declined(code, today))
        parties = find_parties(sale, snapshot, at=self.asked.at, source=self.group)
        if isinstance(parties, ErrorCode):
            return Decision(self.declined(parties, today))
        usage = parties.usage
        if self.proof is not None:
            payer = parties.account
            refusal, usage = authenticate(self.asked, self.proof, payer, usage, today, self.policy)
            if refusal is not None:
                declined = self.declined(refusal, today)
                return unauthenticated(self.asked, self.proof, declined, payer, parties.usage, usage, self.policy)
        if self.confirm_code == NO_CODE:
            return Decision(self.declined(ErrorCode.RATE_LIMITED, today), recorded=False)
        source_open = self.confirm_code is not None and self.bill_offered
        terms = settle_terms(
            sale, parties, usage, snapshot, today, self.policy, at=self.asked.at, channel=self.asked.channel,
            funding=self.funding, source_open=source_open, card_id=self.card_id,
            proven=self.proof is None or self.proof.proven, watched=self.asked.watched,
        )  # fmt: skip
        if isinstance(terms, ErrorCode):
            decision = Decision(self.declined(terms, today), recorded=terms is not ErrorCode.CHALLENGE_REQUIRED)
            if usage is not parties.usage:
                decision.puts.append((USAGE, sale.account_id, usage))
            return decision
        if self.confirm_code is not None:
            decision = self._ask_payer(self.confirm_code, parties, terms, today)
        elif self.collection is not None:
            intent = self._transaction(TransactionState.FUNDING, today, terms.amount_fen, fee_fen=terms.fee_fen)
            decision = collect(Decision(intent), parties, terms, self.collection, at=self.asked.at, policy=self.policy)
        else:
            paid = self._transaction(
                TransactionState.SUCCEEDED,
                today,
                terms.amount_fen,
                fee_fen=terms.fee_fen,
                restricted_fen=terms.restricted_fen,
            )
            decision = carry_out(Decision(paid), parties, terms)
        if order is not None:
            decision.puts.append((MERCHANT_ORDERS, order, MerchantOrderRow(self.asked.id, self.asked.at)))
        return decision

    def _ask_payer(self, code: str, parties: Parties, terms: Terms, today: date) -> Decision:
        """CONFIRMING: nothing moves until the payer replies with the code."""
        waiting = self._transaction(TransactionState.CONFIRMING, today, terms.amount_fen, fee_fen=terms.fee_fen)
        expires_at = self.asked.at + timedelta(seconds=self.policy.confirmation_ttl_seconds)
        row = ConfirmationRow(parties.account.phone, code, expires_at, None)
        question: dict[str, str | int] = {
            "merchant": parties.merchant.name,
            "product": parties.product.name if parties.product is not None else "",
            "amount_fen": terms.amount_fen,
            "fee_fen": terms.fee_fen,
            "code": code,
            "bill_code": code if self.bill_offered else "",
        }
        decision = Decision(waiting, puts=[(CONFIRMATIONS, self.asked.id, row)])
        tell(decision, parties.account, "confirm_purchase", question, at=self.asked.at)
        return decision

    def _transaction(
        self,
        state: TransactionState,
        business_date: date,
        amount_fen: int,
        *,
        refusal: ErrorCode | None = None,
        fee_fen: int = 0,
        restricted_fen: int = 0,
    ) -> Transaction:
        sale = self.sale
        return transaction(
            self.asked,
            TransactionKind.PURCHASE,
            state,
            business_date,
            amount_fen=amount_fen,
            refusal=refusal,
            account_id=sale.account_id,
            merchant_id=sale.merchant_id,
            product_id=sale.product_id,
            quantity=sale.quantity,
            fee_fen=fee_fen,
            restricted_fen=restricted_fen,
            merchant_order_no=sale.merchant_order_no,
            metadata=sale.metadata,
            funding=self.funding,
        )


async def purchase(
    runtime: Runtime,
    *,
    caller: str,
    key: str,
    channel: str,
    sale: Sale,
    proof: Proof,
    funding: Funding = Funding.WALLET,
    card_id: UUID | None = None,
    watched: bool = False,
) -> Answer:
    """Pay now, with the payment password; `card_id` is the bound card that pays, of `Funding.BANK_CARD`, and `watched`
    says that it comes from an address on the grey list.

    From outside the answer may be pending: FUNDING or IN_DOUBT (the other side has not said), AUTHORIZED (taken, being
    delivered), COMPLETING (being charged). A repeat is answered with how it stands then.

    A refusal is the answer's transaction, DECLINED with a code.

    Raises:
        MalformedField: the sale has neither product nor amount, or a quantity or amount out of range; `card_id` is
            missing, or goes with another source.
        Refused: NOT_FOUND, no bank is connected; UNKNOWN_CARD; ILLEGAL_STATE, the card is not bound; BUSY, its bank is
            not connected.
    """
    _check_form(sale)
    collection = await _collection(runtime, caller, key, sale, funding, card_id)
    group = await _group(runtime, sale) if funding is Funding.GROUP else None
    named = [funding.value] if funding is not Funding.WALLET else []
    if card_id is not None:
        named.append(card_id.hex)
    asked = _asked(runtime, caller, key, channel, sale, False, *named, watched=watched)
    command = PurchaseCommand(asked, sale, runtime.policy, proof, collection=collection, group=group)
    answer = await runtime.desk.submit(command)
    if collection is not None and not answer.repeated and answer.transaction.state is TransactionState.FUNDING:
        answer = answer._replace(transaction=await ask(runtime, collection.request.id) or answer.transaction)
    return _counted(answer)


async def request_purchase(
    runtime: Runtime, *, caller: str, key: str, channel: str, sale: Sale, phone: str, watched: bool = False
) -> Answer:
    """Ask the payer: the transaction waits, CONFIRMING, and an SMS asks `phone` to reply with a code.

    The fee shown in the question is the one that will be charged. The reply says whether the wallet or the phone bill
    pays. RATE_LIMITED where `policy.confirmations_per_phone` purchases wait for the number already.

    Raises:
        MalformedField: as `purchase`.
    """
    _check_form(sale)
    bill_offered = runtime.ports.charging is not None

    async def submit(code: str) -> Answer:
        asked = _asked(runtime, caller, key, channel, sale, True, watched=watched)
        command = PurchaseCommand(asked, sale, runtime.policy, confirm_code=code, bill_offered=bill_offered)
        return _counted(await runtime.desk.submit(command))

    return await with_reply_code(runtime, phone=phone, submit=submit)


def _asked(runtime: Runtime, caller: str, key: str, channel: str, sale: Sale, *named: object, watched: bool) -> Asked:
    now = runtime.clock.now()
    parts = (part.hex if isinstance(part, UUID) else part for part in sale)
    digest = digest_of(TransactionKind.PURCHASE, *parts, *named)
    return Asked(TransactionId.new(now), caller, key, digest, now, channel, sale.visited_province, watched)


def _counted(answer: Answer) -> Answer:
    TRANSACTIONS.labels(kind="purchase", result=answer.transaction.refusal or answer.transaction.state).inc()
    return answer


async def _collection(
    runtime: Runtime, caller: str, key: str, sale: Sale, funding: Funding, card_id: UUID | None
) -> Collection | None:
    if (card_id is None) == (funding is Funding.BANK_CARD):
        raise MalformedField(field="card_id", problem="goes with the bank card as the source of the money")
    if card_id is None:
        return from_phone_bill(runtime.clock.now()) if funding is Funding.PHONE_BILL else None
    if runtime.ports.banks is None:
        raise Refused(ErrorCode.NOT_FOUND, detail="no bank is connected")
    async with runtime.database.read() as uow:
        repeated = await key_taken(uow, caller, key)
    bank = BankProfile("", "", real_time_credit=False)  # A repeat is answered as at first, whatever its card is now.
    if not repeated:
        code = (await card_in_hand(runtime, account_id=sale.account_id, card_id=card_id)).bank
        found = {profile.code: profile for profile in runtime.ports.banks.banks()}.get(code)
        if found is None:
            raise Refused(ErrorCode.BUSY, detail="the card's bank is not connected")
        bank = found
    return from_bank_card(bank, card_id, await new_request(runtime), goods=sale.product_id is not None)


async def _group(runtime: Runtime, sale: Sale) -> GroupSource:
    async with runtime.database.read() as uow:
        return await find_source(uow, sale.account_id)


def _check_form(sale: Sale) -> None:
    if sale.product_id is None:
        if sale.price_fen is None:
            raise MalformedField(field="amount_fen", problem="must be given where no product is")
        if sale.quantity != 0:
            raise MalformedField(field="quantity", problem="goes with a product")
    elif not 1 <= sale.quantity <= MAX_QUANTITY:
        raise MalformedField(field="quantity", problem=f"must be from 1 to {MAX_QUANTITY}")
    if sale.price_fen is not None and sale.price_fen <= 0:
        raise MalformedField(field="amount_fen", problem="must be above zero")


class Quote(NamedTuple):
    """What the payer is shown before confirming, in fen."""

    amount_fen: int
    fee_fen: int

    @property
    def total_fen(self) -> int:
        return self.amount_fen + self.fee_fen


async def quote_purchase(runtime: Runtime, *, amount_fen: int) -> Quote:
    """The fee on a purchase of this amount now."""
    async with runtime.database.read() as uow:
        schedule = await schedule_at(uow, TransactionKind.PURCHASE, at=runtime.clock.now())
    return Quote(amount_fen, quote(schedule, amount_fen))
