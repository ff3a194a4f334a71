"""Calls to a bank or charging system: sent with nothing open, the answer recorded by the desk.

A request is written by the desk with the transaction it serves (its intent), then sent here, or by the job
(`resolve`) where the process that wrote it is gone. Two answers to one request find its state, and the second changes
nothing. Spec: CT 5.1, 6.3.2. Decision: ADR-0013, ADR-0018.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, assert_never
from uuid import UUID

from mpss.accounts.card_model import CardRow
from mpss.accounts.card_store import find_card
from mpss.accounts.limit_model import LimitOperation
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.catalog.store import PRODUCTS, STOCK
from mpss.config import Policy
from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Funding, Snapshot, Transaction, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.ids import CardId, FundingId
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.merchants.store import MERCHANTS
from mpss.ports.bank import BankOperation
from mpss.ports.charging import ChargingOperation
from mpss.runtime import Runtime
from mpss.transactions.by_channel import channel_touches
from mpss.transactions.funding.again import ask_again_at
from mpss.transactions.funding.answer import answered
from mpss.transactions.funding.bank_request import NewRequest, new_request
from mpss.transactions.funding.machine import FundingEvent
from mpss.transactions.funding.model import CHARGING, FundingRow
from mpss.transactions.funding.store import BILL_USAGE, FUNDING_REQUESTS, get_request, taking_request
from mpss.transactions.model import Moving
from mpss.transactions.purchases.call import call
from mpss.transactions.purchases.funded_request import TAKES, relied_upon, source_closed
from mpss.transactions.purchases.funded_sale import Step
from mpss.transactions.queries import get_transaction

_FOLLOWED_UP = frozenset({TransactionState.COMPLETING, TransactionState.RELEASING})
"""The states that an answer may lead to with another request to send at once."""


def funded_touches(sale: Transaction) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
    """The rows that a step of a purchase from outside needs."""
    assert sale.account_id is not None
    assert sale.merchant_id is not None
    yield TRANSACTIONS, sale.id
    yield USAGE, sale.account_id
    yield ACCOUNTS, sale.account_id
    yield from channel_touches(sale.account_id, LimitOperation.PAYMENT.value, sale.channel)
    if sale.funding is Funding.PHONE_BILL:
        yield BILL_USAGE, sale.account_id
    yield MERCHANTS, sale.merchant_id
    if sale.product_id is not None:
        yield PRODUCTS, sale.product_id
        yield STOCK, sale.product_id


@dataclass(frozen=True, slots=True)
class _OfSale(Moving):
    """The head of a step of a purchase: the request that took its money, and the one that may follow from the step."""

    policy: Policy
    new: NewRequest
    take: FundingRow

    @property
    def key(self) -> str:
        return str(self.new.id)


@dataclass(frozen=True, slots=True)
class AnswerFunding(_OfSale):
    """Record what became of a request. `reversal` is the transaction that a refund serves."""

    request_id: UUID
    outcome: Outcome
    due_at: datetime
    reversal: Transaction | None = None

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield FUNDING_REQUESTS, self.request_id
        yield from funded_touches(self.earlier)
        if self.reversal is not None:
            yield TRANSACTIONS, self.reversal.id

    def decide(self, snapshot: Snapshot) -> Decision:
        request = snapshot[FUNDING_REQUESTS][self.request_id]
        sale = snapshot[TRANSACTIONS][self.earlier.id]
        reversal = snapshot[TRANSACTIONS][self.reversal.id] if self.reversal is not None else None
        if request.settled:
            return Decision(reversal or sale, recorded=False)
        step = Step(sale, self.take, snapshot, self.at, self.policy, self.new)
        takes = request.operation in TAKES
        event, reference, reason = FundingEvent.NO_ANSWER, "", ""
        match self.outcome:
            case Approved(reference=reference):
                event = FundingEvent.APPROVE
                decision = self._approved(step, request.operation, reversal)
            case Declined(reason=reason) if takes and relied_upon(request, reason):
                event = FundingEvent.DECLINE
                decision = step.declined(reason)
            case Declined(reason=reason) if reversal is not None and self._ends_refund(request, reason):
                event = FundingEvent.DECLINE
                decision = step.refunded_to_wallet(reversal) if source_closed(reason) else step.refund_again(reversal)
            case Declined(reason=reason) | InDoubt(problem=reason):
                decision = Decision(reversal or sale, recorded=False)
                if takes:
                    given_up = self._gives_up(request, sale)
                    decision = step.unanswered(given_up=given_up)
                    if given_up:
                        # What is insisted upon now is its tombstone; nobody asks about it any more.
                        event, reason = FundingEvent.DECLINE, f"given up: {reason}"
            case _ as never:
                assert_never(never)
        said = answered(request, event, at=self.at, due_at=self.due_at, reason=reason, reference=reference)
        decision.puts.append((FUNDING_REQUESTS, self.request_id, said))
        return decision

    @staticmethod
    def _ends_refund(request: FundingRow, reason: str) -> bool:
        """The source is closed, or a bank refused this reference for good; the charging system is insisted upon."""
        ends = source_closed(reason) or request.operation == BankOperation.CREDIT
        return ends and relied_upon(request, reason)

    def _gives_up(self, request: FundingRow, sale: Transaction) -> bool:
        over = self.at - request.created_at >= timedelta(seconds=self.policy.funding_give_up_seconds)
        # A "no" after silence may be said of the repeat alone: it ends the collection, and is not relied upon.
        said_no = isinstance(self.outcome, Declined)
        return over or said_no or sale.state not in (TransactionState.FUNDING, TransactionState.IN_DOUBT)

    @staticmethod
    def _approved(step: Step, operation: str, reversal: Transaction | None) -> Decision:
        if operation in TAKES:
            return step.taken()
        if operation in (ChargingOperation.COMMIT, BankOperation.COLLECT):
            return step.completed()
        if reversal is not None:
            return step.refunded(reversal)
        return step.released()


@dataclass(frozen=True, slots=True)
class CompleteCommand(_OfSale):
    """AUTHORIZED → COMPLETING, once what was sold is delivered; in any other state nothing changes."""

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        return funded_touches(self.earlier)

    def decide(self, snapshot: Snapshot) -> Decision:
        sale = snapshot[TRANSACTIONS][self.earlier.id]
        if sale.state is not TransactionState.AUTHORIZED:
            return Decision(sale, recorded=False)
        return Step(sale, self.take, snapshot, self.at, self.policy, self.new).complete()


async def complete(runtime: Runtime, transaction_id: UUID) -> Transaction:
    """What was sold is delivered: charge what was reserved, insisting. The purchase as it stands then."""
    async with runtime.database.read() as uow:
        sale = await get_transaction(uow, transaction_id)
        take = await taking_request(uow, transaction_id)
    assert sale is not None
    assert take is not None
    new = await next_request(runtime, take)
    answer = await runtime.desk.submit(CompleteCommand(sale, runtime.clock.now(), runtime.policy, new, take))
    if answer.transaction.state is not TransactionState.COMPLETING:
        return answer.transaction
    return await ask(runtime, new.id) or answer.transaction


async def ask(runtime: Runtime, request_id: UUID) -> Transaction | None:
    """Send a request that is written down, record its answer, and send what follows from it.

    The transaction it serves as it stands then; None where there is no such request, or it is settled.
    """
    told: Transaction | None = None
    while True:
        async with runtime.database.read() as uow:
            request = await get_request(uow, request_id)
            if request is None or request.settled:
                return told
            served = await get_transaction(uow, request.transaction_id)
            assert served is not None
            sale: Transaction | None = served
            if served.original_id is not None:
                sale = await get_transaction(uow, served.original_id)
            assert sale is not None
            take = await taking_request(uow, sale.id)
            assert take is not None
            card = await _card(uow, sale, take)
        outcome = await call(runtime, request, take, card)
        now = runtime.clock.now()
        command = AnswerFunding(
            sale,
            now,
            runtime.policy,
            await next_request(runtime, take),
            take,
            request_id,
            outcome,
            ask_again_at(request.attempts, now=now),
            served if served is not sale else None,
        )
        told = (await runtime.desk.submit(command)).transaction
        refused_credit = isinstance(outcome, Declined) and request.operation == BankOperation.CREDIT
        if told.state not in _FOLLOWED_UP or refused_credit:
            return told  # A credit that a bank refused is asked for again when that is due.
        request_id = command.new.id


async def next_request(runtime: Runtime, take: FundingRow) -> NewRequest:
    """What names the request that may follow: a bank's has a reference of its own."""
    if take.counterpart == CHARGING:
        return NewRequest(FundingId.new(runtime.clock.now()), "")
    return await new_request(runtime)


async def _card(uow: UnitOfWork, sale: Transaction, take: FundingRow) -> CardRow | None:
    if take.counterpart == CHARGING:
        return None
    assert sale.account_id is not None
    return await find_card(uow, CardId.parse(take.subject, field="subject"), account_id=sale.account_id)
