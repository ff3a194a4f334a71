"""Purchase (消费, 直接支付) from the wallet or the phone bill: of a product, or of a free amount to a merchant.

The payer pays with the payment password; or a merchant (or an SMS) asks for the purchase and the payer confirms by a
reply before money moves. From the phone bill the desk writes the intent,
and `funding` asks the charging system. Spec: CT 5.3, 6.3.2; CM 6.11.1. Decision: ADR-0008.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from mpss.accounts.store import USAGE
from mpss.catalog.store import STOCK
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import (
    Answer,
    Decision,
    Funding,
    Snapshot,
    Transaction,
    TransactionKind,
    TransactionState,
    digest_of,
)
from mpss.fees.quote import quote
from mpss.fees.store import schedule_at
from mpss.kernel.errors import ErrorCode, MalformedField
from mpss.kernel.ids import FundingId, OutboxId, TransactionId
from mpss.observability import TRANSACTIONS
from mpss.outbox.model import notice
from mpss.outbox.store import OUTBOX
from mpss.ports.charging import ChargingOperation
from mpss.runtime import Runtime
from mpss.transactions.funded_sale import new_request
from mpss.transactions.funding import ask
from mpss.transactions.funding_store import BILL_USAGE, FUNDING_REQUESTS
from mpss.transactions.model import Asked, Asking, Proof, transaction
from mpss.transactions.proof import authenticate, unauthenticated
from mpss.transactions.reply_code import NO_CODE, with_reply_code
from mpss.transactions.sale import Parties, Sale, Terms, carry_out, find_parties, sale_touches, settle_terms
from mpss.transactions.store import (
    CONFIRMATIONS,
    MERCHANT_ORDERS,
    ConfirmationRow,
    MerchantOrderRow,
    order_key,
)

MAX_QUANTITY = 1000


@dataclass(frozen=True, slots=True)
class PurchaseCommand(Asking):
    """A purchase to decide. With `proof` it is paid at once; with `confirm_code` it waits for the payer's reply.

    With `request_id` the phone bill pays: that request, to reserve the money, is written with the purchase.
    """

    sale: Sale
    policy: Policy
    proof: Proof | None = None
    confirm_code: str | None = None
    request_id: FundingId | None = None

    @property
    def funding(self) -> Funding:
        return Funding.WALLET if self.request_id is None else Funding.PHONE_BILL

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield from sale_touches(self.sale)
        if self.request_id is not None:
            yield BILL_USAGE, self.sale.account_id

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        sale = self.sale
        return self._transaction(
            TransactionState.DECLINED, business_date, (sale.price_fen or 0) * max(sale.quantity, 1), refusal=code
        )

    def decide(self, snapshot: Snapshot) -> Decision:
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
        parties = find_parties(sale, snapshot)
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
        terms = settle_terms(sale, parties, usage, snapshot, today, self.policy, at=self.asked.at, funding=self.funding)
        if isinstance(terms, ErrorCode):
            decision = Decision(self.declined(terms, today))
            if usage is not parties.usage:
                decision.puts.append((USAGE, sale.account_id, usage))
            return decision
        if self.confirm_code is not None:
            decision = self._ask_payer(self.confirm_code, parties, terms, today)
        elif self.request_id is not None:
            decision = self._reserve(self.request_id, parties, terms, today)
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
        }
        return Decision(
            waiting,
            puts=[(CONFIRMATIONS, self.asked.id, row)],
            inserts=[(OUTBOX, self._notice(parties, "confirm_purchase", question))],
        )

    def _reserve(self, request_id: FundingId, parties: Parties, terms: Terms, today: date) -> Decision:
        """FUNDING: limits and stock are taken, and the charging system is asked once this is committed."""
        intent = self._transaction(TransactionState.FUNDING, today, terms.amount_fen, fee_fen=terms.fee_fen)
        request = new_request(
            ChargingOperation.RESERVE, intent, intent, parties.account.phone, self.asked.at, self.policy
        )
        puts: list[tuple[RowSet[Any, Any], Any, Any]] = [
            (USAGE, parties.account.id, terms.usage),
            (BILL_USAGE, parties.account.id, terms.bill),
            (FUNDING_REQUESTS, request_id, request),
        ]
        if parties.product is not None and terms.stock is not None:
            puts.append((STOCK, parties.product.id, terms.stock))
        return Decision(intent, puts=puts)

    def _notice(self, parties: Parties, event: str, params: dict[str, str | int]) -> tuple[Any, ...]:
        at = self.asked.at
        account = parties.account
        return notice(
            OutboxId.new(at),
            reference=self.asked.id,
            phone=account.phone,
            event=event,
            language=account.language,
            params=params,
            now=at,
        )

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
) -> Answer:
    """Pay now, with the payment password.

    From the phone bill the answer may be pending: FUNDING or IN_DOUBT (the charging system has not said), AUTHORIZED
    (reserved, being delivered), COMPLETING (being charged). A repeat is answered with how it stands then.

    A refusal is the answer's transaction, DECLINED with a code.

    Raises:
        MalformedField: the sale has neither product nor amount, or a quantity or amount out of range.
    """
    return await _submit(runtime, caller, key, channel, sale, proof=proof, funding=funding)


async def request_purchase(runtime: Runtime, *, caller: str, key: str, channel: str, sale: Sale, phone: str) -> Answer:
    """Ask the payer: the transaction waits, CONFIRMING, and an SMS asks `phone` to reply with a code.

    The fee shown in the question is the one that will be charged. RATE_LIMITED where
    `policy.confirmations_per_phone` purchases wait for the number already.

    Raises:
        MalformedField: as `purchase`.
    """

    async def submit(code: str) -> Answer:
        return await _submit(runtime, caller, key, channel, sale, confirm_code=code)

    return await with_reply_code(runtime, phone=phone, submit=submit)


async def _submit(
    runtime: Runtime,
    caller: str,
    key: str,
    channel: str,
    sale: Sale,
    *,
    proof: Proof | None = None,
    confirm_code: str | None = None,
    funding: Funding = Funding.WALLET,
) -> Answer:
    _check_form(sale)
    now = runtime.clock.now()
    parts = (part.hex if isinstance(part, UUID) else part for part in sale)
    from_bill = funding is Funding.PHONE_BILL
    named = [funding.value] if from_bill else []
    body = digest_of(TransactionKind.PURCHASE, *parts, confirm_code is not None, *named)
    asked = Asked(TransactionId.new(now), caller, key, body, now, channel)
    request_id = FundingId.new(now) if from_bill else None
    answer = await runtime.desk.submit(PurchaseCommand(asked, sale, runtime.policy, proof, confirm_code, request_id))
    if request_id is not None and not answer.repeated and answer.transaction.state is TransactionState.FUNDING:
        answer = answer._replace(transaction=await ask(runtime, request_id) or answer.transaction)
    TRANSACTIONS.labels(kind="purchase", result=answer.transaction.refusal or answer.transaction.state).inc()
    return answer


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
