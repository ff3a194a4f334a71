"""What becomes of a purchase from the phone bill when the charging system answers, or its CP/SP does. Pure.

    FUNDING ──reserved──► AUTHORIZED ──delivered──► COMPLETING ──committed──► SUCCEEDED ──► REVERSING ──► REVERSED
       │ no answer           └──refused, cancelled──► RELEASING ──released──► CANCELLED
       ▼                                                 ▲
    IN_DOUBT ──given up──────────────────────────────────┘

Invariants: (1) the entry is written with SUCCEEDED and turned round with REVERSED, never before the other side said
yes; (2) limits and stock are taken when the purchase is asked for and given back when it ends without being paid;
(3) each state but AUTHORIZED and the final ones has one request under way. A free amount has nothing to deliver, so it
is committed as soon as it is reserved. Spec: CT 5.1, 6.3.2, 6.5.1. Decision: ADR-0013.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mpss.accounts.checks import give_back
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.catalog.model import StockRow
from mpss.catalog.store import PRODUCTS, STOCK
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import OutboxId, TransactionId
from mpss.ledger.model import JournalEntry
from mpss.merchants.store import MERCHANTS
from mpss.outbox.model import delivery, notice, webhook
from mpss.outbox.store import OUTBOX
from mpss.ports.charging import ChargingOperation
from mpss.transactions.funding_model import CHARGING, FundingRow, give_back_to_bill
from mpss.transactions.funding_store import BILL_USAGE, FUNDING_REQUESTS
from mpss.transactions.machine import FUNDED, REFUND, Event, FundingState
from mpss.transactions.postings import phone_bill_legs, turned_round
from mpss.transactions.sale import tell_merchant

_LEASE_SECONDS = 10
"""Beside the call's own time: what the process that sends may take before the job asks in its place."""


def lease_seconds(policy: Policy) -> int:
    return policy.charging_timeout_seconds + _LEASE_SECONDS


def session_of(transaction_id: UUID) -> str:
    """A Session-Id (RFC 6733 §8.8) that no other transaction has."""
    return f"mpss;charging;{TransactionId.outside(transaction_id)}"


def new_request(
    operation: ChargingOperation, transaction: Transaction, sale: Transaction, phone: str, at: datetime, policy: Policy
) -> FundingRow:
    """The request as it is written before it is sent. A refund has the reversal's session and names the sale's."""
    refund = operation is ChargingOperation.REFUND
    ends = operation in (ChargingOperation.COMMIT, ChargingOperation.RELEASE)
    return FundingRow(
        transaction.id,
        CHARGING,
        operation,
        session_of(transaction.id),
        1 if ends else 0,
        phone,
        sale.amount_fen + sale.fee_fen,
        session_of(sale.id) if refund else None,
        FundingState.SENT,
        1,
        at + timedelta(seconds=lease_seconds(policy)),
        at,
    )


class Step:
    """One step of a purchase on a snapshot: it gathers a decision."""

    def __init__(self, sale: Transaction, snapshot: Snapshot, at: datetime, policy: Policy, next_id: UUID) -> None:
        assert sale.account_id is not None
        assert sale.merchant_id is not None
        self.sale = sale
        self.snapshot = snapshot
        self.at = at
        self.policy = policy
        self.next_id = next_id
        self.account = snapshot[ACCOUNTS][sale.account_id]
        self.merchant = snapshot[MERCHANTS][sale.merchant_id]
        self.decision = Decision(sale, recorded=False)

    def reserved(self) -> Decision:
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
        """The charging system's first word is no: nothing is reserved, and the payer is told so at once."""
        if self.sale.state is not TransactionState.FUNDING:
            return self.decision
        poor = reason.startswith("4012")  # DIAMETER_CREDIT_LIMIT_REACHED (RFC 8506 §9.1)
        code = ErrorCode.INSUFFICIENT_FUNDS if poor else ErrorCode.FUNDING_DECLINED
        self.move(Event.DECLINE, refusal=code)
        self.put_back()
        return self.decision

    def unanswered(self, *, given_up: bool) -> Decision:
        """In doubt; past its time the collection is given up, and released whatever the other side knows of it."""
        if self.sale.state is TransactionState.FUNDING:
            self.move(Event.NO_ANSWER)
            self.tell("bill_in_doubt", {})
        if given_up and self.sale.state is TransactionState.IN_DOUBT:
            self.move(Event.GIVE_UP)
            self.request(ChargingOperation.RELEASE, self.sale)
        return self.decision

    def complete(self) -> Decision:
        """AUTHORIZED → COMPLETING: the commit is insisted upon from here on."""
        self.move(Event.DELIVER)
        self.request(ChargingOperation.COMMIT, self.sale)
        return self.decision

    def cancel(self) -> Decision:
        """IN_DOUBT or AUTHORIZED → RELEASING."""
        self.move(Event.CANCEL)
        self.request(ChargingOperation.RELEASE, self.sale)
        return self.decision

    def committed(self) -> Decision:
        self.move(Event.APPROVE)
        self.decision.entry = JournalEntry(self.sale.id, self.sale.kind, self._legs())
        product = self.snapshot[PRODUCTS].get(self.sale.product_id) if self.sale.product_id is not None else None
        self.tell("bill_paid", {"fee_fen": self.sale.fee_fen, "product": product.name if product is not None else ""})
        self.decision.inserts.append((OUTBOX, tell_merchant(self.sale, "purchase.succeeded", self.account.phone)))
        return self.decision

    def released(self) -> Decision:
        self.move(Event.APPROVE)
        self.put_back()
        self.tell("bill_not_charged", {})
        self.decision.inserts.append((OUTBOX, tell_merchant(self.sale, "purchase.cancelled", self.account.phone)))
        return self.decision

    def refund(self, reversal: Transaction) -> Decision:
        """SUCCEEDED → REVERSING; `reversal` is recorded COMPLETING, and its entry waits for the acknowledgment."""
        self.move(Event.REVERSE)
        self.decision.transaction = reversal
        self.decision.recorded = True
        self.request(ChargingOperation.REFUND, reversal)
        return self.decision

    def refunded(self, reversal: Transaction) -> Decision:
        self.move(Event.APPROVE)
        done = reversal._replace(state=REFUND.move(reversal.state, Event.APPROVE), finished_at=self.at)
        self.decision.transaction = done
        self.decision.puts.append((TRANSACTIONS, done.id, done))
        self.decision.entry = JournalEntry(
            done.id, done.kind, turned_round(self._legs()), reverses_id=TransactionId.from_uuid(self.sale.id)
        )
        self.put_back()
        reason: str = json.loads(reversal.metadata or "{}").get("reason", "")
        self.tell("bill_refunded", {"reason": reason}, reference=done.id)
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

    def request(self, operation: ChargingOperation, transaction: Transaction) -> None:
        row = new_request(operation, transaction, self.sale, self.account.phone, self.at, self.policy)
        self.decision.puts.append((FUNDING_REQUESTS, self.next_id, row))

    def tell(self, event: str, facts: dict[str, str | int], *, reference: UUID | None = None) -> None:
        told = notice(
            OutboxId.new(self.at),
            reference=reference or self.sale.id,
            phone=self.account.phone,
            event=event,
            language=self.account.language,
            params={
                "amount_fen": self.sale.amount_fen + (self.sale.fee_fen if event == "bill_refunded" else 0),
                "merchant": self.merchant.name,
                **facts,
            },
            now=self.at,
        )
        self.decision.inserts.append((OUTBOX, told))

    def put_back(self) -> None:
        """Limits and stock, as they were before the purchase."""
        sale, snapshot = self.sale, self.snapshot
        assert sale.account_id is not None
        total_fen = sale.amount_fen + sale.fee_fen
        usage = give_back(snapshot[USAGE][sale.account_id], sale.amount_fen, sale.business_date)
        bill = give_back_to_bill(snapshot[BILL_USAGE][sale.account_id], total_fen, sale.business_date)
        puts: list[tuple[RowSet[Any, Any], Any, Any]] = [
            (USAGE, sale.account_id, usage),
            (BILL_USAGE, sale.account_id, bill),
        ]
        product = snapshot[PRODUCTS].get(sale.product_id) if sale.product_id is not None else None
        if product is not None and product.has_stock:
            stock = snapshot[STOCK].get(product.id, StockRow(0, False))
            puts.append((STOCK, product.id, StockRow(stock.available + sale.quantity, stock.exhausted)))
        self.decision.puts += puts

    def _legs(self) -> tuple[Any, ...]:
        return phone_bill_legs(
            payable=self.merchant.ledger_account_id, amount_fen=self.sale.amount_fen, fee_fen=self.sale.fee_fen
        )
