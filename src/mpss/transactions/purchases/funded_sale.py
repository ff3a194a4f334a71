"""What becomes of a purchase from outside when the charging system or bank answers, or its CP/SP does. Pure.

    FUNDING ──taken──► AUTHORIZED ──delivered──► COMPLETING ──charged──► SUCCEEDED ──► REVERSING ──► REVERSED
       │ no answer           └──refused, cancelled──► RELEASING ──released──► CANCELLED
       ▼                                                 ▲
    IN_DOUBT ──given up──────────────────────────────────┘

Invariants: (1) the entry is written with SUCCEEDED and turned round with REVERSED, never before the other side said
yes; (2) limits and stock are taken when the purchase is asked for and given back when it ends without being paid;
(3) each state but AUTHORIZED and the final ones has one request under way. A free amount has nothing to deliver, so it
is completed as soon as it is taken; what a bank debited in real time has nothing left to charge.
Spec: CT 5.1, 6.3.2, 6.5.1. Decision: ADR-0013, ADR-0018.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from mpss.accounts.checks import give_back
from mpss.accounts.limit_model import LimitOperation
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.catalog.model import StockRow
from mpss.catalog.store import PRODUCTS, STOCK
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Funding, Snapshot, Transaction, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import OutboxId, TransactionId
from mpss.ledger.chart import BANK_CARDS_IN_TRANSIT, PHONE_BILL_RECEIVABLE
from mpss.ledger.model import JournalEntry, Posting
from mpss.ledger.post import BALANCES
from mpss.merchants.limit_store import MERCHANT_USAGE
from mpss.merchants.store import MERCHANTS
from mpss.outbox.model import delivery, webhook
from mpss.outbox.store import OUTBOX
from mpss.ports.bank import BankOperation
from mpss.transactions.by_channel import give_channel_back, put_by_channel
from mpss.transactions.funding.bank_request import NewRequest
from mpss.transactions.funding.model import FundingRow, give_back_to_bill
from mpss.transactions.funding.store import BILL_USAGE, FUNDING_REQUESTS
from mpss.transactions.machine import FUNDED, REFUND, Event
from mpss.transactions.notify import tell
from mpss.transactions.postings import funded_legs, purchase_legs, turned_round
from mpss.transactions.purchases.allowance import give_merchant_back
from mpss.transactions.purchases.funded_request import Collection, to_complete, to_give_up, to_refund, to_take
from mpss.transactions.purchases.sale import Parties, Terms, tell_merchant

_POOR = ("4012", "51 ")
"""DIAMETER_CREDIT_LIMIT_REACHED (RFC 8506 §9.1); insufficient funds (ISO 8583)."""
_SOURCES = {Funding.PHONE_BILL: "bill", Funding.BANK_CARD: "card"}
_CLAIMS = {Funding.PHONE_BILL: PHONE_BILL_RECEIVABLE, Funding.BANK_CARD: BANK_CARDS_IN_TRANSIT}


class Step:
    """One step of a purchase on a snapshot: it gathers a decision."""

    def __init__(
        self, sale: Transaction, take: FundingRow, snapshot: Snapshot, at: datetime, policy: Policy, new: NewRequest
    ) -> None:
        assert sale.account_id is not None
        assert sale.merchant_id is not None
        self.sale = sale
        self.take = take
        self.snapshot = snapshot
        self.at = at
        self.policy = policy
        self.new = new
        self.account = snapshot[ACCOUNTS][sale.account_id]
        self.merchant = snapshot[MERCHANTS][sale.merchant_id]
        self.decision = Decision(sale, recorded=False)

    def taken(self) -> Decision:
        """Deliver what was sold; of a free amount, charge it."""
        if self.sale.state not in (TransactionState.FUNDING, TransactionState.IN_DOUBT):
            return self.decision  # Cancelled meanwhile: the release is on its way.
        self.move(Event.APPROVE)
        if self.sale.product_id is None:
            return self.complete()
        sale = self.sale
        assert sale.merchant_id is not None
        ordered = delivery(
            sale.id,
            merchant_id=sale.merchant_id,
            product_id=sale.product_id,
            quantity=sale.quantity,
            amount_fen=sale.amount_fen,
            phone=self.account.phone,
            merchant_order_no=sale.merchant_order_no,
            now=self.at,
        )
        self.decision.inserts.append((OUTBOX, ordered))
        return self.decision

    def declined(self, reason: str) -> Decision:
        """The first word is no, or a bank's inquiry says so: nothing was taken."""
        doubted = self.sale.state is TransactionState.IN_DOUBT
        if not doubted and self.sale.state is not TransactionState.FUNDING:
            return self.decision
        poor = reason.startswith(_POOR)
        code = ErrorCode.INSUFFICIENT_FUNDS if poor else ErrorCode.FUNDING_DECLINED
        self.move(Event.DECLINE, refusal=code)
        self.put_back()
        if doubted:
            self.tell("not_charged", {})
        if doubted or self.sale.caller.startswith("merchant:"):
            self.decision.inserts.append((OUTBOX, tell_merchant(self.sale, "purchase.declined", self.account.phone)))
        return self.decision

    def unanswered(self, *, given_up: bool) -> Decision:
        """In doubt; past its time the collection is given up, and released whatever the other side knows of it."""
        if self.sale.state is TransactionState.FUNDING:
            self.move(Event.NO_ANSWER)
            self.tell("in_doubt", {})
        if given_up and self.sale.state is TransactionState.IN_DOUBT:
            self.move(Event.GIVE_UP)
            self.give_up(in_doubt=True)
        return self.decision

    def complete(self) -> Decision:
        """AUTHORIZED → COMPLETING: the charge is insisted upon from here on."""
        self.move(Event.DELIVER)
        if self.take.operation == BankOperation.DEBIT:
            return self.completed()
        self.request(to_complete(self.take, self.sale, self.new, self.at, self.policy))
        return self.decision

    def cancel(self) -> Decision:
        """IN_DOUBT or AUTHORIZED → RELEASING."""
        in_doubt = self.sale.state is TransactionState.IN_DOUBT
        self.move(Event.CANCEL)
        self.give_up(in_doubt=in_doubt)
        return self.decision

    def completed(self) -> Decision:
        self.move(Event.APPROVE)
        self.decision.entry = JournalEntry(self.sale.id, self.sale.kind, self._legs())
        product = self.snapshot[PRODUCTS].get(self.sale.product_id) if self.sale.product_id is not None else None
        self.tell("paid", {"fee_fen": self.sale.fee_fen, "product": product.name if product is not None else ""})
        self.decision.inserts.append((OUTBOX, tell_merchant(self.sale, "purchase.succeeded", self.account.phone)))
        return self.decision

    def released(self) -> Decision:
        self.move(Event.APPROVE)
        self.put_back()
        self.tell("not_charged", {})
        self.decision.inserts.append((OUTBOX, tell_merchant(self.sale, "purchase.cancelled", self.account.phone)))
        return self.decision

    def refund(self, reversal: Transaction) -> Decision:
        """SUCCEEDED → REVERSING; `reversal` is recorded COMPLETING, and its entry waits for the acknowledgment."""
        self.move(Event.REVERSE)
        self.decision.transaction = reversal
        self.decision.recorded = True
        self.refund_again(reversal)
        return self.decision

    def refund_again(self, reversal: Transaction) -> Decision:
        """The refund is asked for, again where a bank refused it: under a reference of its own each time."""
        self.request(to_refund(self.take, reversal, self.new, self.at, self.policy))
        return self.decision

    def refunded(self, reversal: Transaction) -> Decision:
        return self._given_back(reversal, turned_round(self._legs()), "refunded", {})

    def refunded_to_wallet(self, reversal: Transaction) -> Decision:
        """The account that paid is closed: the wallet gets it; what a phone bill paid may not be withdrawn."""
        total_fen = self.sale.amount_fen + self.sale.fee_fen
        wallet = self.account.ledger_account_id
        legs = purchase_legs(
            wallet=wallet,
            payable=self.merchant.ledger_account_id,
            amount_fen=self.sale.amount_fen,
            fee_fen=self.sale.fee_fen,
            restricted_fen=total_fen if self.sale.funding is Funding.PHONE_BILL else 0,
        )
        balance_fen = self.snapshot[BALANCES][wallet].balance_fen + total_fen
        return self._given_back(reversal, turned_round(legs), "refunded_to_wallet", {"balance_fen": balance_fen})

    def _given_back(
        self, reversal: Transaction, legs: tuple[Posting, ...], told: str, facts: dict[str, str | int]
    ) -> Decision:
        self.move(Event.APPROVE)
        done = reversal._replace(state=REFUND.move(reversal.state, Event.APPROVE), finished_at=self.at)
        self.decision.transaction = done
        self.decision.puts.append((TRANSACTIONS, done.id, done))
        self.decision.entry = JournalEntry(done.id, done.kind, legs, reverses_id=TransactionId.from_uuid(self.sale.id))
        self.put_back()
        reason: str = json.loads(reversal.metadata or "{}").get("reason", "")
        self.tell(told, {**facts, "reason": reason}, reference=done.id)
        event = webhook(
            OutboxId.new(self.at),
            merchant_id=self.merchant.id,
            event="purchase.reversed",
            reference=self.sale.id,
            data={
                "transaction_id": str(self.sale.id),
                "reversal_id": str(done.id),
                "merchant_order_no": self.sale.merchant_order_no,
                "amount_fen": self.sale.amount_fen,
                "reason": reason,
            },
            now=self.at,
        )
        self.decision.inserts.append((OUTBOX, event))
        return self.decision

    def move(self, event: Event, *, refusal: ErrorCode | None = None) -> None:
        state = FUNDED.move(self.sale.state, event)
        moved = self.sale._replace(state=state, refusal=refusal)
        if not moved.pending:
            moved = moved._replace(finished_at=self.sale.finished_at or self.at)
        self.sale = self.decision.transaction = moved
        self.decision.puts.append((TRANSACTIONS, moved.id, moved))

    def give_up(self, *, in_doubt: bool) -> None:
        self.request(to_give_up(self.take, self.sale, self.new, self.at, self.policy, in_doubt=in_doubt))

    def request(self, row: FundingRow) -> None:
        self.decision.puts.append((FUNDING_REQUESTS, self.new.id, row))

    def tell(self, event: str, facts: dict[str, str | int], *, reference: UUID | None = None) -> None:
        """The notice of this event, by the source that pays."""
        whole = event.startswith("refunded")
        named = event if event == "refunded_to_wallet" else f"{_SOURCES[self.sale.funding]}_{event}"
        amount_fen = self.sale.amount_fen + (self.sale.fee_fen if whole else 0)
        told = {"amount_fen": amount_fen, "merchant": self.merchant.name, **facts}
        tell(self.decision, self.account, named, told, at=self.at, about=reference or self.sale.id)

    def put_back(self) -> None:
        """Limits and stock, as they were before the purchase."""
        sale, snapshot = self.sale, self.snapshot
        assert sale.account_id is not None
        total_fen = sale.amount_fen + sale.fee_fen
        usage = give_back(snapshot[USAGE][sale.account_id], sale.amount_fen, sale.business_date, from_balance=False)
        puts: list[tuple[RowSet[Any, Any], Any, Any]] = [(USAGE, sale.account_id, usage)]
        if sale.funding is Funding.PHONE_BILL:
            bill = give_back_to_bill(snapshot[BILL_USAGE][sale.account_id], total_fen, sale.business_date)
            puts.append((BILL_USAGE, sale.account_id, bill))
        product = snapshot[PRODUCTS].get(sale.product_id) if sale.product_id is not None else None
        if product is not None and product.has_stock:
            stock = snapshot[STOCK].get(product.id, StockRow(0, False))
            puts.append((STOCK, product.id, StockRow(stock.available + sale.quantity, stock.exhausted)))
        self.decision.puts += puts
        give_channel_back(self.decision, sale, LimitOperation.PAYMENT.value, snapshot)
        give_merchant_back(self.decision, self.merchant, sale.amount_fen, sale.business_date, snapshot)

    def _legs(self) -> tuple[Posting, ...]:
        return funded_legs(
            _CLAIMS[self.sale.funding],
            payable=self.merchant.ledger_account_id,
            amount_fen=self.sale.amount_fen,
            fee_fen=self.sale.fee_fen,
        )


def collect(
    decision: Decision, parties: Parties, terms: Terms, collection: Collection, *, at: datetime, policy: Policy
) -> Decision:
    """Add to an intended purchase what it takes: limits, stock, and the request that is sent once this is committed."""
    intent = decision.transaction
    request = to_take(intent, collection, phone=parties.account.phone, at=at, policy=policy)
    decision.puts.append((USAGE, parties.account.id, terms.usage))
    if terms.bill is not None:
        decision.puts.append((BILL_USAGE, parties.account.id, terms.bill))
    if parties.product is not None and terms.stock is not None:
        decision.puts.append((STOCK, parties.product.id, terms.stock))
    if terms.merchant is not None:
        decision.puts.append((MERCHANT_USAGE, parties.merchant.id, terms.merchant))
    put_by_channel(decision, LimitOperation.PAYMENT.value, terms.by_channel)
    decision.puts.append((FUNDING_REQUESTS, collection.request.id, request))
    return decision
