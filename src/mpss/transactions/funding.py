"""Calls to a bank or charging system: sent with nothing open, the answer recorded by the desk.

A request is written by the desk with the transaction it serves (its intent), then sent here, or by the job
(`resolve`) where the process that wrote it is gone. Two answers to one request find its state, and the second changes
nothing. Spec: CT 5.1, 6.3.2. Decision: ADR-0013.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, assert_never
from uuid import UUID

from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.catalog.store import PRODUCTS, STOCK
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.ids import FundingId, TransactionId
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.merchants.store import MERCHANTS
from mpss.observability import log
from mpss.outbox.backoff import RetryRule, delay_seconds
from mpss.ports.charging import ChargingOperation, ChargingRequest
from mpss.runtime import Runtime
from mpss.transactions.funded_sale import Step
from mpss.transactions.funding_model import INSISTED, FundingRow
from mpss.transactions.funding_store import BILL_USAGE, FUNDING_REQUESTS, get_request
from mpss.transactions.machine import FUNDING_REQUEST, FundingEvent, FundingState
from mpss.transactions.model import Moving
from mpss.transactions.queries import get_transaction

INQUIRY_RULE = RetryRule(first_seconds=1.0, longest_seconds=60.0, give_up_seconds=None)
"""How soon an unanswered request is asked about again."""


def ask_again_at(attempts: int, *, now: datetime) -> datetime:
    """When a request that was asked about `attempts` times is due again, unless it is settled before."""
    return now + timedelta(seconds=delay_seconds(attempts, rule=INQUIRY_RULE, chance=random.random()))  # noqa: S311


_FOLLOWED_UP = frozenset({TransactionState.COMPLETING, TransactionState.RELEASING})
"""The states that an answer may lead to with another request to send at once."""


def funded_touches(sale: Transaction) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
    """The rows that a step of a purchase from the phone bill needs."""
    assert sale.account_id is not None
    assert sale.merchant_id is not None
    yield TRANSACTIONS, sale.id
    yield USAGE, sale.account_id
    yield ACCOUNTS, sale.account_id
    yield BILL_USAGE, sale.account_id
    yield MERCHANTS, sale.merchant_id
    if sale.product_id is not None:
        yield PRODUCTS, sale.product_id
        yield STOCK, sale.product_id


@dataclass(frozen=True, slots=True)
class _OfSale(Moving):
    """The head of a step of a purchase; `next_id` is the id of the request that follows from it."""

    policy: Policy
    next_id: UUID

    @property
    def key(self) -> str:
        return str(self.next_id)


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
        step = Step(sale, snapshot, self.at, self.policy, self.next_id)
        operation = ChargingOperation(request.operation)
        given_up = False
        first = request.state is FundingState.SENT and request.attempts == 1
        match self.outcome:
            case Approved(reference=reference):
                event, reason = FundingEvent.APPROVE, ""
                decision = self._approved(step, operation, reversal)
            case Declined(reason=reason) if operation not in INSISTED and first:
                event, reference = FundingEvent.DECLINE, ""
                decision = step.declined(reason)
            case Declined(reason=reason) | InDoubt(problem=reason):
                event, reference = FundingEvent.NO_ANSWER, ""
                over = self.at - request.created_at >= timedelta(seconds=self.policy.funding_give_up_seconds)
                # A "no" after silence may be said of the repeat alone: it ends the collection, and is not relied upon.
                said_no = isinstance(self.outcome, Declined)
                given_up = operation not in INSISTED and (
                    over or said_no or sale.state not in (TransactionState.FUNDING, TransactionState.IN_DOUBT)
                )
                decision = Decision(reversal or sale, recorded=False)
                if operation not in INSISTED:
                    decision = step.unanswered(given_up=given_up)
            case _ as never:
                assert_never(never)
        state = FUNDING_REQUEST.move(request.state, event)
        if given_up:
            # The release that is insisted upon is its tombstone; nobody asks about it any more.
            state, reason = FUNDING_REQUEST.move(state, FundingEvent.DECLINE), f"given up: {reason}"
        answered = request._replace(state=state, reason=reason, foreign_reference=reference, due_at=self.due_at)
        if answered.settled:
            answered = answered._replace(answered_at=self.at)
        decision.puts.append((FUNDING_REQUESTS, self.request_id, answered))
        return decision

    @staticmethod
    def _approved(step: Step, operation: ChargingOperation, reversal: Transaction | None) -> Decision:
        match operation:
            case ChargingOperation.RESERVE:
                return step.reserved()
            case ChargingOperation.COMMIT:
                return step.committed()
            case ChargingOperation.RELEASE:
                return step.released()
            case ChargingOperation.REFUND:
                assert reversal is not None
                return step.refunded(reversal)
            case ChargingOperation.DEBIT:
                raise AssertionError("no flow debits a phone bill without reserving first")


@dataclass(frozen=True, slots=True)
class CompleteCommand(_OfSale):
    """AUTHORIZED → COMPLETING, once what was sold is delivered; in any other state nothing changes."""

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        return funded_touches(self.earlier)

    def decide(self, snapshot: Snapshot) -> Decision:
        sale = snapshot[TRANSACTIONS][self.earlier.id]
        if sale.state is not TransactionState.AUTHORIZED:
            return Decision(sale, recorded=False)
        return Step(sale, snapshot, self.at, self.policy, self.next_id).complete()


async def complete(runtime: Runtime, transaction_id: UUID) -> Transaction:
    """What was sold is delivered: charge what was reserved, insisting. The purchase as it stands then."""
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        sale = await get_transaction(uow, transaction_id)
    assert sale is not None
    request_id = FundingId.new(now)
    answer = await runtime.desk.submit(CompleteCommand(sale, now, runtime.policy, request_id))
    if answer.transaction.state is not TransactionState.COMPLETING:
        return answer.transaction
    return await ask(runtime, request_id) or answer.transaction


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
            if request.operation == ChargingOperation.REFUND:
                assert served.original_id is not None
                sale = await get_transaction(uow, served.original_id)
            assert sale is not None
        outcome = await _call(runtime, request)
        now = runtime.clock.now()
        next_id = FundingId.new(now)
        command = AnswerFunding(
            sale,
            now,
            runtime.policy,
            next_id,
            request_id,
            outcome,
            ask_again_at(request.attempts, now=now),
            served if served is not sale else None,
        )
        told = (await runtime.desk.submit(command)).transaction
        if told.state not in _FOLLOWED_UP:
            return told
        request_id = next_id


async def _call(runtime: Runtime, request: FundingRow) -> Outcome:
    charging = runtime.ports.charging
    if charging is None:
        return Declined("no charging system is connected")
    outcome = await charging.charge(
        ChargingRequest(
            ChargingOperation(request.operation),
            request.session,
            request.number,
            request.subject,
            request.amount_fen,
            request.created_at,
            request.original_session,
            again=request.attempts > 1,
        ),
        timeout_seconds=runtime.policy.charging_timeout_seconds,
    )
    if not isinstance(outcome, Approved):
        transaction = TransactionId.outside(request.transaction_id)
        log.info("funding.not_approved", operation=request.operation, transaction=transaction, outcome=repr(outcome))
    return outcome
