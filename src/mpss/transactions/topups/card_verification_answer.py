"""What a bank said of the debit that verifies a card, and of its way back.

    DEBIT ──yes──► SUCCEEDED   ──no──► DECLINED   ──no answer──► IN_DOUBT ──asked again──► SUCCEEDED, DECLINED
    in doubt too long, or "never had it" ──► RELEASING, REVERSE insisted upon ──acknowledged──► CANCELLED
    the way back: COMPLETING, REVERSE insisted upon ──acknowledged──► SUCCEEDED, and the debit is REVERSED

The amount is told to nobody: the card's owner names it. Spec: CM 5.3.1.3. Decision: ADR-0019.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from mpss.accounts.card_model import CardRow
from mpss.accounts.model import AccountRow
from mpss.accounts.store import ACCOUNTS
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionKind, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import CardId
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.ledger.model import JournalEntry
from mpss.ports.bank import BankOperation
from mpss.transactions.funding.again import leased_until
from mpss.transactions.funding.answer import answered
from mpss.transactions.funding.bank_request import NewRequest, new_bank_request, request_about
from mpss.transactions.funding.machine import FundingEvent
from mpss.transactions.funding.model import FundingRow
from mpss.transactions.funding.store import FUNDING_REQUESTS
from mpss.transactions.machine import REFUND, TOPUP, WAITING, Event
from mpss.transactions.model import Asking, Moving, transaction
from mpss.transactions.notify import tell
from mpss.transactions.postings import card_verification_legs, turned_round

SECRET_AMOUNTS = frozenset({TransactionKind.CARD_VERIFICATION, TransactionKind.CARD_VERIFICATION_RETURN})
"""Of these nobody is shown the amount."""


@dataclass(frozen=True, slots=True)
class DebitCardCommand(Asking):
    """Write the debit down before the bank is asked; it is of no wallet, so no statement has it."""

    card: CardRow
    amount_fen: int
    debit: NewRequest
    policy: Policy

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        return ()

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, code)

    def decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CM 5.3.1.3."""
        intended = self._transaction(TransactionState.FUNDING, snapshot.business_date)
        request = new_bank_request(
            intended,
            BankOperation.DEBIT,
            bank=self.card.bank,
            reference=self.debit.reference,
            card=str(CardId.from_uuid(self.card.id)),
            at=self.asked.at,
            due_at=leased_until(self.asked.at, self.policy, self.card.bank),
        )
        return Decision(intended, puts=[(FUNDING_REQUESTS, self.debit.id, request)])

    def _transaction(self, state: TransactionState, today: date, refusal: ErrorCode | None = None) -> Transaction:
        return transaction(
            self.asked, TransactionKind.CARD_VERIFICATION, state, today, amount_fen=self.amount_fen, refusal=refusal
        )


@dataclass(frozen=True, slots=True)
class ReturnDebitCommand(Asking):
    """Send the debit back; its key is the debit's id, so it goes once."""

    debit: Transaction
    taken: FundingRow
    reversal: NewRequest
    policy: Policy

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield TRANSACTIONS, self.debit.id

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, code)

    def decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CM 5.3.1.3."""
        today = snapshot.business_date
        if snapshot[TRANSACTIONS][self.debit.id].state is not TransactionState.SUCCEEDED:
            return Decision(self.declined(ErrorCode.ILLEGAL_STATE, today), recorded=False)
        back = self._transaction(TransactionState.COMPLETING, today)
        due_at = leased_until(self.asked.at, self.policy, self.taken.counterpart)
        request = request_about(self.taken, back, BankOperation.REVERSE, self.reversal, at=self.asked.at, due_at=due_at)
        return Decision(back, puts=[(FUNDING_REQUESTS, self.reversal.id, request)])

    def _transaction(self, state: TransactionState, today: date, refusal: ErrorCode | None = None) -> Transaction:
        return transaction(
            self.asked,
            TransactionKind.CARD_VERIFICATION_RETURN,
            state,
            today,
            amount_fen=self.debit.amount_fen,
            refusal=refusal,
            original_id=self.debit.id,
        )


@dataclass(frozen=True, slots=True)
class AnswerVerification(Moving):
    """Record what became of a request. `earlier` is the debit; `back` is its return, where that is what was asked for.

    With `give_up` a debit without an answer is reversed.
    """

    request_id: UUID
    outcome: Outcome
    due_at: datetime
    command_id: UUID
    card: CardRow
    policy: Policy
    back: Transaction | None = None
    give_up: NewRequest | None = None

    @property
    def key(self) -> str:
        return str(self.command_id)

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield FUNDING_REQUESTS, self.request_id
        yield TRANSACTIONS, self.earlier.id
        yield ACCOUNTS, self.card.account_id
        if self.back is not None:
            yield TRANSACTIONS, self.back.id

    def decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CM 5.3.1.3."""
        request = snapshot[FUNDING_REQUESTS][self.request_id]
        debit = snapshot[TRANSACTIONS][self.earlier.id]
        back = None if self.back is None else snapshot[TRANSACTIONS][self.back.id]
        if request.settled:
            return Decision(back or debit, recorded=False)
        account = snapshot[ACCOUNTS][self.card.account_id]
        reversal = request.operation == BankOperation.REVERSE
        event, reason, reference = FundingEvent.NO_ANSWER, "", ""
        match self.outcome:
            case Approved(reference=reference):
                event = FundingEvent.APPROVE
                if back is not None:
                    decision = self._returned(debit, back)
                else:
                    decision = self._released(debit, account) if reversal else self._debited(debit, account)
            case Declined(reason=reason) if not reversal and self.give_up is None:
                event = FundingEvent.DECLINE
                decision = self._moved(debit, Event.DECLINE, refusal=ErrorCode.FUNDING_DECLINED)
                if debit.state is TransactionState.IN_DOUBT:
                    self._tell(decision, account, "card_not_bound")
            case Declined(reason=reason) | InDoubt(problem=reason):
                if self.give_up is not None and not reversal:
                    event = FundingEvent.DECLINE
                    decision = self._given_up(debit, request, self.give_up)
                elif debit.state is TransactionState.FUNDING:
                    decision = self._moved(debit, Event.NO_ANSWER)
                else:
                    # A "no" to a reversal changes nothing: it is insisted upon until it is acknowledged.
                    decision = Decision(back or debit, recorded=False)
        said = answered(request, event, at=self.at, due_at=self.due_at, reason=reason, reference=reference)
        decision.puts.append((FUNDING_REQUESTS, self.request_id, said))
        return decision

    def _debited(self, debit: Transaction, account: AccountRow) -> Decision:
        decision = self._moved(debit, Event.APPROVE)
        decision.entry = JournalEntry(debit.id, debit.kind, card_verification_legs(amount_fen=debit.amount_fen))
        self._tell(decision, account, "card_debited", hours=self.policy.card_binding_hours)
        return decision

    def _released(self, debit: Transaction, account: AccountRow) -> Decision:
        decision = self._moved(debit, Event.APPROVE)
        self._tell(decision, account, "card_not_bound")
        return decision

    def _returned(self, debit: Transaction, back: Transaction) -> Decision:
        done = back._replace(state=REFUND.move(back.state, Event.APPROVE), finished_at=self.at)
        undone = debit._replace(state=WAITING.move(debit.state, Event.REVERSE))
        legs = turned_round(card_verification_legs(amount_fen=debit.amount_fen))
        return Decision(
            done,
            entry=JournalEntry(done.id, done.kind, legs, reverses_id=debit.id),
            puts=[(TRANSACTIONS, done.id, done), (TRANSACTIONS, debit.id, undone)],
            recorded=False,
        )

    def _given_up(self, debit: Transaction, request: FundingRow, reversal: NewRequest) -> Decision:
        decision = self._moved(debit, Event.GIVE_UP)
        row = request_about(request, debit, BankOperation.REVERSE, reversal, at=self.at, due_at=self.due_at)
        decision.puts.append((FUNDING_REQUESTS, reversal.id, row))
        return decision

    def _moved(self, debit: Transaction, event: Event, *, refusal: ErrorCode | None = None) -> Decision:
        moved = debit._replace(state=TOPUP.move(debit.state, event), refusal=refusal)
        if not moved.pending:
            moved = moved._replace(finished_at=self.at)
        return Decision(moved, puts=[(TRANSACTIONS, moved.id, moved)], recorded=False)

    def _tell(self, decision: Decision, account: AccountRow, event: str, **facts: int) -> None:
        tell(decision, account, event, {"card": self.card.masked[-4:], **facts}, at=self.at)
