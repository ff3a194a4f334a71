"""What a bank said of a withdrawal in real time, and the payer's answer to one asked for by SMS.

    first asked    yes ──► SUCCEEDED    no ──► DECLINED       silence ──► IN_DOUBT
    asked about    yes ──► SUCCEEDED    no ──► DECLINED       silence ──► asked about again, with backoff, for good
                   "25, never had it"   ──► the same request again, with the same reference

A "no" to a request that was sent again may be said of that copy alone, so it is believed once the bank says it when it
is asked about the reference. Nothing is reversed. Spec: CM 5.3.3, 6.6. Decision: ADR-0020.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mpss.accounts.card_store import find_card
from mpss.accounts.checks import check_state
from mpss.accounts.state import Operation
from mpss.accounts.store import ACCOUNTS
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import CardId, FundingId
from mpss.kernel.machine import Machine
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.ledger.model import Balance
from mpss.observability import log
from mpss.risk.machine import ReviewEvent
from mpss.risk.review_store import ReviewRow
from mpss.runtime import Runtime
from mpss.transactions.funding.again import ask_again_at
from mpss.transactions.funding.answer import answered
from mpss.transactions.funding.bank_request import NewRequest, connected, never_had, new_request, sent_to_bank
from mpss.transactions.funding.machine import FundingEvent
from mpss.transactions.funding.model import FundingRow
from mpss.transactions.funding.store import FUNDING_REQUESTS, get_request
from mpss.transactions.machine import WITHDRAWAL, Event
from mpss.transactions.queries import get_transaction
from mpss.transactions.reply import Replying
from mpss.transactions.review import Reviewing
from mpss.transactions.withdrawals.end import OfWithdrawal
from mpss.transactions.withdrawals.model import Mode, WithdrawalOrder
from mpss.transactions.withdrawals.queries import get_withdrawal
from mpss.transactions.withdrawals.terms import hold_back, keep_for_review, order_touches, settle_terms


@dataclass(frozen=True, slots=True)
class AnswerCredit(OfWithdrawal):
    """Record what became of a withdrawal's request to its bank."""

    request_id: UUID
    outcome: Outcome
    due_at: datetime

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield FUNDING_REQUESTS, self.request_id
        yield from self.own_rows()

    def decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CM 6.6."""
        request = snapshot[FUNDING_REQUESTS][self.request_id]
        withdrawal = snapshot[TRANSACTIONS][self.earlier.id]
        if request.settled:
            return Decision(withdrawal, recorded=False)
        reference, reason = "", ""
        match self.outcome:
            case Approved(reference=reference):
                event, decision = FundingEvent.APPROVE, self.paid(withdrawal, snapshot)
            case Declined(reason=reason):
                event, decision = FundingEvent.DECLINE, self.refused(withdrawal, snapshot, reason)
            case InDoubt(problem=reason):
                event, decision = FundingEvent.NO_ANSWER, self.unanswered(withdrawal, snapshot)
        said = answered(request, event, at=self.at, due_at=self.due_at, reason=reason, reference=reference)
        decision.puts.append((FUNDING_REQUESTS, self.request_id, said))
        return decision


async def ask_credit(runtime: Runtime, request_id: UUID, *, first: bool = False) -> Transaction | None:
    """Send a withdrawal's request, or ask what became of it and insist, and record the answer.

    The withdrawal as it stands then; None where there is no such request, or it is settled.
    """
    async with runtime.database.read() as uow:
        request = await get_request(uow, request_id)
        if request is None or request.settled:
            return None
        withdrawal = await get_transaction(uow, request.transaction_id)
        row = await get_withdrawal(uow, request.transaction_id)
        assert withdrawal is not None
        assert row is not None
        card = await find_card(uow, CardId.parse(request.subject, field="subject"), account_id=row.account_id)
    assert card is not None
    key_store = runtime.ports.key_store
    number, name = (key_store.unseal(sealed).decode() for sealed in (card.number_sealed, card.name_sealed))
    outcome = await _said(runtime, request, number, name, first=first)
    now = runtime.clock.now()
    if not isinstance(outcome, Approved):
        log.info(
            "withdrawal.not_approved", counterpart=request.counterpart, reference=request.session, outcome=repr(outcome)
        )
    due_at = ask_again_at(request.attempts, now=now)
    command = AnswerCredit(withdrawal, now, row, FundingId.new(now), request_id, outcome, due_at)
    return (await runtime.desk.submit(command)).transaction


async def _said(runtime: Runtime, request: FundingRow, number: str, name: str, *, first: bool) -> Outcome:
    port, seconds = connected(runtime, request.counterpart), runtime.policy.bank_timeout_seconds
    if port is None:
        return InDoubt("the bank is not connected")
    sent = sent_to_bank(request, number, holder_name=name)
    if first:
        outcome = await port.ask(sent, timeout_seconds=seconds)
        return InDoubt("the bank says of a new request that it never had it") if never_had(outcome) else outcome
    outcome = await port.inquire(sent, timeout_seconds=seconds)
    if not never_had(outcome):
        return outcome
    outcome = await port.ask(sent, timeout_seconds=seconds)
    if isinstance(outcome, Declined):
        outcome = await port.inquire(sent, timeout_seconds=seconds)
    return InDoubt("the bank never had it, and was told again") if never_had(outcome) else outcome


@dataclass(frozen=True, slots=True)
class ReplyToWithdrawal(Replying):
    """Move a withdrawal that waits for its payer; `credit` is what the bank will know a request by."""

    order: WithdrawalOrder
    credit: NewRequest

    @property
    def machine(self) -> Machine[TransactionState, Event]:
        return WITHDRAWAL

    def own_rows(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        return order_touches(self.order, self.earlier.channel)

    def confirmed(self, waiting: Transaction, snapshot: Snapshot) -> Decision:
        """Decided anew, with the fee that the question named. Spec: CM 6.6."""
        account = snapshot[ACCOUNTS].get(self.order.account_id)
        refusal = check_state(account, Operation.WITHDRAW, at=self.at)
        if account is None or refusal is not None:
            return self.moved(waiting, Event.REFUSE, snapshot, refusal)
        today = snapshot.business_date
        terms = settle_terms(
            self.order, account, snapshot, today, self.policy, quoted_at=waiting.created_at, channel=waiting.channel,
            province=waiting.province,
        )  # fmt: skip
        if isinstance(terms, ErrorCode):
            return self.moved(waiting, Event.REFUSE, snapshot, terms)
        if terms.finding is not None:
            held = self.moved(waiting, Event.REVIEW, snapshot)
            return keep_for_review(held, self.order, account, terms, terms.finding, self.policy, at=self.at)
        decision = self.moved(waiting, Event.CONFIRM, snapshot)
        return hold_back(decision, self.order, account, terms, self.credit, self.policy, at=self.at)


async def reply_to_withdrawal(
    runtime: Runtime, waiting: Transaction, event: Event, *, at: datetime
) -> ReplyToWithdrawal:
    """The command for a payer's answer to a withdrawal."""
    order, credit = await _order(runtime, waiting), await new_request(runtime)
    return ReplyToWithdrawal(waiting, at, event, runtime.policy, order, credit)


async def _order(runtime: Runtime, waiting: Transaction) -> WithdrawalOrder:
    async with runtime.database.read() as uow:
        row = await get_withdrawal(uow, waiting.id)
    assert row is not None, f"{waiting.id} has no withdrawal"
    return WithdrawalOrder(row.account_id, row.card_id, row.card, row.bank, row.mode, row.amount_fen, row.fee_fen)


@dataclass(frozen=True, slots=True)
class ReviewOfWithdrawal(Reviewing):
    """Move a withdrawal that is held for review; `credit` is what the bank will know a request by."""

    order: WithdrawalOrder
    credit: NewRequest

    @property
    def machine(self) -> Machine[TransactionState, Event]:
        return WITHDRAWAL

    def own_rows(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        return order_touches(self.order, self.earlier.channel)

    def released(self, waiting: Transaction, snapshot: Snapshot, balance: Balance) -> Decision:
        """Decided anew, with the fee that was held. Spec: CM 6.6, 9.4."""
        account = snapshot[ACCOUNTS][self.order.account_id]
        refusal = check_state(account, Operation.WITHDRAW, at=self.at)
        if refusal is not None:
            return self.moved(waiting, Event.REFUSE, snapshot, refusal)
        terms = settle_terms(
            self.order, account, snapshot, snapshot.business_date, self.policy, quoted_at=waiting.created_at,
            channel=waiting.channel, released=balance,
        )  # fmt: skip
        if isinstance(terms, ErrorCode):
            return self.moved(waiting, Event.REFUSE, snapshot, terms)
        decision = self.moved(waiting, Event.CONFIRM, snapshot)
        return hold_back(decision, self.order, account, terms, self.credit, self.policy, at=self.at)


async def review_of_withdrawal(
    runtime: Runtime, waiting: Transaction, event: ReviewEvent, row: ReviewRow, *, by: str, reason: str, at: datetime
) -> ReviewOfWithdrawal:
    """The command for somebody's word on a withdrawal that is held."""
    order, credit = await _order(runtime, waiting), await new_request(runtime)
    return ReviewOfWithdrawal(waiting, at, event, runtime.policy, row, by, reason, order, credit)


async def after_reply(
    runtime: Runtime, command: ReplyToWithdrawal | ReviewOfWithdrawal, told: Transaction
) -> Transaction:
    """Send what a yes, or a release, wrote down; the withdrawal as it stands then."""
    if told.state is not TransactionState.FUNDING or command.order.mode is not Mode.REAL_TIME:
        return told
    return await ask_credit(runtime, command.credit.id, first=True) or told
