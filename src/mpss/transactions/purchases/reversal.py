"""Reversal (冲正) of a sale: asked for by its CP/SP, or by the platform when the CP/SP refused or was silent.

The money goes back to the parts of the wallet it came from, the limits and the stock it used are given back. A
reversal that arrives before its original leaves a tombstone under the merchant's order number, and the late original
is refused. Spec: CT 5.3, 6.5.1. Decision: ADR-0009.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from mpss.accounts.checks import give_back
from mpss.accounts.group_model import GroupSource
from mpss.accounts.limit_model import LimitOperation, uncount_customer
from mpss.accounts.limit_store import CUSTOMER_USAGE
from mpss.accounts.model import AccountRow
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.catalog.model import StockRow
from mpss.catalog.store import PRODUCTS, STOCK
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import (
    OUTSIDE,
    Answer,
    Decision,
    Snapshot,
    Transaction,
    TransactionKind,
    TransactionState,
    digest_of,
)
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import MerchantId, OutboxId, TransactionId
from mpss.ledger.model import JournalEntry
from mpss.ledger.post import BALANCES
from mpss.merchants.model import SHUT
from mpss.merchants.store import MERCHANTS
from mpss.outbox.model import webhook
from mpss.outbox.store import OUTBOX
from mpss.runtime import Runtime
from mpss.transactions.by_channel import channel_touches, give_channel_back
from mpss.transactions.funding.bank_request import NewRequest
from mpss.transactions.funding.model import FundingRow
from mpss.transactions.funding.store import taking_request
from mpss.transactions.machine import WAITING, Event
from mpss.transactions.model import Asked, Asking, transaction
from mpss.transactions.notify import Facts, tell
from mpss.transactions.postings import purchase_legs, turned_round
from mpss.transactions.purchases.allowance import give_merchant_back
from mpss.transactions.purchases.collect import ask, funded_touches, next_request
from mpss.transactions.purchases.funded_sale import Step
from mpss.transactions.purchases.group import give_group_back, group_touches
from mpss.transactions.queries import find_order, get_transaction
from mpss.transactions.store import CONFIRMATIONS, MERCHANT_ORDERS, MerchantOrderRow, group_of, order_key

_REREADS = 3
_REFUNDABLE = (TransactionState.SUCCEEDED, TransactionState.AUTHORIZED, TransactionState.IN_DOUBT)


class WayBack(NamedTuple):
    """The request that took a sale's money, and the one that will give it back."""

    take: FundingRow
    new: NewRequest


@dataclass(frozen=True, slots=True)
class ReversalCommand(Asking):
    """Undo a merchant's sale. `original` is as it was read before; the desk locks it and looks again.

    With no original, `order_no` is what the merchant calls the sale that has not come yet. `policy` and `way_back`
    are for a sale from outside: the request that gives the money back is written with the reversal. `group` is the
    company whose money paid.
    """

    merchant_id: UUID
    original: Transaction | None
    order_no: str | None
    reason: str
    policy: Policy | None = None
    way_back: WayBack | None = None
    group: GroupSource | None = None

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield MERCHANTS, self.merchant_id
        if self.order_no is not None:
            yield MERCHANT_ORDERS, order_key(self.merchant_id, self.order_no)
        original = self.original
        if original is None:
            return
        if original.funding in OUTSIDE:
            yield from funded_touches(original)
            return
        yield TRANSACTIONS, original.id
        yield CONFIRMATIONS, original.id
        assert original.account_id is not None
        yield USAGE, original.account_id
        yield ACCOUNTS, original.account_id
        if self.group is not None:
            yield from group_touches(self.group)
        else:
            yield from channel_touches(original.account_id, LimitOperation.PAYMENT.value, original.channel)
        if original.product_id is not None:
            yield PRODUCTS, original.product_id
            yield STOCK, original.product_id

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CT 6.5.1."""
        today = snapshot.business_date
        merchant = snapshot[MERCHANTS].get(self.merchant_id)
        if merchant is None:
            return Decision(self.declined(ErrorCode.UNKNOWN_MERCHANT, today))
        if merchant.state in SHUT:
            return Decision(self.declined(ErrorCode.MERCHANT_NOT_ACTIVE, today), recorded=False)
        if self.original is None:
            return self._before_its_original(snapshot)
        original = snapshot[TRANSACTIONS].get(self.original.id)
        if original is None or original.kind is not TransactionKind.PURCHASE:
            return Decision(self.declined(ErrorCode.UNKNOWN_TRANSACTION, today))
        if original.merchant_id != self.merchant_id:
            return Decision(self.declined(ErrorCode.UNKNOWN_TRANSACTION, today))
        if original.funding is not self.original.funding:
            # The payer chose the source between the flow's reading and the desk's; the flow reads again.
            return Decision(self.declined(ErrorCode.BUSY, today), recorded=False)
        if original.funding in OUTSIDE:
            return self._to_the_source(original, snapshot)
        if original.state is TransactionState.CONFIRMING:
            return self._cancel(original, snapshot)
        if original.state is not TransactionState.SUCCEEDED:
            return Decision(self.declined(ErrorCode.ILLEGAL_STATE, today))
        return self._reverse(original, snapshot)

    def _before_its_original(self, snapshot: Snapshot) -> Decision:
        today = snapshot.business_date
        if self.order_no is None:
            return Decision(self.declined(ErrorCode.UNKNOWN_TRANSACTION, today))
        key = order_key(self.merchant_id, self.order_no)
        taken = snapshot[MERCHANT_ORDERS].get(key)
        if taken is None:
            stone = MerchantOrderRow(None, self.asked.at)
            done = self._transaction(TransactionState.SUCCEEDED, today)
            return Decision(done, puts=[(MERCHANT_ORDERS, key, stone)])
        if taken.transaction_id is None:
            return Decision(self._transaction(TransactionState.SUCCEEDED, today))
        # The original came between the flow's reading and the desk's; the flow reads again.
        return Decision(self.declined(ErrorCode.BUSY, today), recorded=False)

    def _cancel(self, original: Transaction, snapshot: Snapshot) -> Decision:
        """A sale its payer has not confirmed: no money moved, so none goes back."""
        moved = original._replace(
            state=WAITING.move(original.state, Event.CANCEL),
            business_date=snapshot.business_date,
            finished_at=self.asked.at,
        )
        answered = snapshot[CONFIRMATIONS][original.id]._replace(answered_at=self.asked.at)
        done = self._transaction(TransactionState.SUCCEEDED, snapshot.business_date)
        return Decision(done, puts=[(TRANSACTIONS, original.id, moved), (CONFIRMATIONS, original.id, answered)])

    def _to_the_source(self, original: Transaction, snapshot: Snapshot) -> Decision:
        """What was taken is released, what was charged is refunded; both insisted upon. Spec: CT 6.5.1."""
        today = snapshot.business_date
        if original.state not in _REFUNDABLE:
            # A moment from now it is known whether there is something to give back.
            busy = original.state in (TransactionState.FUNDING, TransactionState.COMPLETING)
            code = ErrorCode.BUSY if busy else ErrorCode.ILLEGAL_STATE
            return Decision(self.declined(code, today), recorded=not busy)
        assert self.policy is not None
        assert self.way_back is not None
        step = Step(original, self.way_back.take, snapshot, self.asked.at, self.policy, self.way_back.new)
        match original.state:
            case TransactionState.SUCCEEDED:
                reversal = self._transaction(TransactionState.COMPLETING, today, original=original)
                why = json.dumps({"reason": self.reason}, ensure_ascii=False)
                return step.refund(reversal._replace(metadata=why, funding=original.funding))
            case _:
                decision = step.cancel()
                decision.transaction = self._transaction(TransactionState.SUCCEEDED, today)
                decision.recorded = True
                return decision

    def _reverse(self, original: Transaction, snapshot: Snapshot) -> Decision:
        today, now = snapshot.business_date, self.asked.at
        account_id, product_id = original.account_id, original.product_id
        assert account_id is not None
        account = snapshot[ACCOUNTS][account_id]
        merchant = snapshot[MERCHANTS][self.merchant_id]
        done = self._transaction(TransactionState.SUCCEEDED, today, original=original)
        done = done._replace(funding=original.funding)
        payer = account if self.group is None else self._master(snapshot)
        legs = purchase_legs(
            wallet=payer.ledger_account_id,
            payable=merchant.ledger_account_id,
            amount_fen=original.amount_fen,
            fee_fen=original.fee_fen,
            restricted_fen=original.restricted_fen,
        )
        reversed_ = original._replace(state=WAITING.move(original.state, Event.REVERSE))
        decision = Decision(
            done,
            entry=JournalEntry(done.id, done.kind, turned_round(legs), reverses_id=original.id),
            puts=[(TRANSACTIONS, original.id, reversed_)],
        )
        if self.group is None:
            self._to_wallet(decision, original, snapshot)
        else:
            give_group_back(decision, self.group, original, snapshot, merchant=merchant.name, reason=self.reason)
        product = snapshot[PRODUCTS].get(product_id) if product_id is not None else None
        if product is not None and product.has_stock:
            stock = snapshot[STOCK].get(product.id, StockRow(0, False))
            decision.puts.append((STOCK, product.id, StockRow(stock.available + original.quantity, stock.exhausted)))
        give_merchant_back(decision, merchant, original.amount_fen, original.business_date, snapshot)
        event = webhook(
            OutboxId.new(now),
            merchant_id=self.merchant_id,
            event="purchase.reversed",
            reference=original.id,
            data={
                "transaction_id": str(original.id),
                "reversal_id": str(done.id),
                "merchant_order_no": original.merchant_order_no,
                "amount_fen": original.amount_fen,
                "reason": self.reason,
            },
            now=now,
        )
        decision.inserts.append((OUTBOX, event))
        return decision

    def _master(self, snapshot: Snapshot) -> AccountRow:
        assert self.group is not None
        assert self.group.master_account_id is not None
        return snapshot[ACCOUNTS][self.group.master_account_id]

    def _to_wallet(self, decision: Decision, original: Transaction, snapshot: Snapshot) -> None:
        """The payer's own counters, and their notice."""
        assert original.account_id is not None
        account = snapshot[ACCOUNTS][original.account_id]
        total_fen = original.amount_fen + original.fee_fen
        usage = give_back(snapshot[USAGE][account.id], original.amount_fen, original.business_date)
        decision.puts.append((USAGE, account.id, usage))
        give_channel_back(decision, original, LimitOperation.PAYMENT.value, snapshot)
        customer_id = account.customer_id
        customer = None if customer_id is None else snapshot[CUSTOMER_USAGE].get(customer_id)
        if customer is not None:
            left = uncount_customer(customer, original.amount_fen, original.business_date)
            decision.puts.append((CUSTOMER_USAGE, customer_id, left))
        facts: Facts = {
            "amount_fen": total_fen,
            "merchant": snapshot[MERCHANTS][self.merchant_id].name,
            "balance_fen": snapshot[BALANCES][account.ledger_account_id].balance_fen + total_fen,
            "reason": self.reason,
        }
        tell(decision, account, "reversed", facts, at=self.asked.at)

    def _transaction(
        self,
        state: TransactionState,
        business_date: date,
        *,
        refusal: ErrorCode | None = None,
        original: Transaction | None = None,
    ) -> Transaction:
        named = original or self.original
        if named is not None and named.merchant_id != self.merchant_id:
            named = None  # Of somebody else's transaction the merchant learns nothing.
        return transaction(
            self.asked,
            TransactionKind.REVERSAL,
            state,
            business_date,
            amount_fen=original.amount_fen if original is not None else 0,
            refusal=refusal,
            account_id=named.account_id if named is not None else None,
            merchant_id=self.merchant_id,
            product_id=named.product_id if named is not None else None,
            quantity=named.quantity if named is not None else 0,
            fee_fen=original.fee_fen if original is not None else 0,
            restricted_fen=original.restricted_fen if original is not None else 0,
            merchant_order_no=self.order_no,
            original_id=named.id if named is not None else None,
        )


async def reverse(
    runtime: Runtime,
    *,
    caller: str,
    key: str,
    channel: str,
    merchant_id: UUID,
    original_id: UUID | None = None,
    order_no: str | None = None,
    reason: str,
) -> Answer:
    """Undo a sale of `merchant_id`, named by its transaction or by the merchant's own order number.

    Money from a phone bill or a bank card goes back there: COMPLETING until the other side acknowledges it, and BUSY
    where the sale is being charged just now. Only where that source is closed, the wallet gets it.

    Refusals: UNKNOWN_TRANSACTION (no such sale of this merchant), ILLEGAL_STATE (it was declined or is reversed
    already), MERCHANT_NOT_ACTIVE (its closing is at the end). An order number not seen yet is answered SUCCEEDED and
    refuses its late original.

    Spec: CT 5.3, 6.5.1.
    """
    now = runtime.clock.now()
    asked = Asked(
        TransactionId.new(now),
        caller,
        key,
        digest_of(TransactionKind.REVERSAL, merchant_id.hex, original_id and original_id.hex, order_no, reason),
        now,
        channel,
    )
    way_back: WayBack | None = None
    for _ in range(_REREADS):
        async with runtime.database.read() as uow:
            identity = original_id
            if identity is None and order_no is not None:
                identity = await find_order(uow, merchant_id=merchant_id, order_no=order_no)
            original = await get_transaction(uow, identity) if identity is not None else None
            take = await taking_request(uow, original.id) if original is not None else None
            group = await group_of(uow, original.id) if original is not None else None
        if original is not None and original.account_id is None:
            original = None
        named = order_no if original_id is None else None
        way_back = None if take is None else WayBack(take, await next_request(runtime, take))
        command = ReversalCommand(asked, merchant_id, original, named, reason, runtime.policy, way_back, group)
        answer = await runtime.desk.submit(command)
        if answer.transaction.refusal is not ErrorCode.BUSY:
            break
    if not answer.repeated and way_back is not None:
        told = await ask(runtime, way_back.new.id)
        if told is not None and told.id == answer.transaction.id:
            answer = answer._replace(transaction=told)
    return answer


def caller_of_merchant(merchant_id: UUID) -> str:
    """Whose key a merchant's commands carry."""
    return f"merchant:{MerchantId.from_uuid(merchant_id)}"
