"""What a bank said of a card top-up's requests, and giving a debit up by reversing it.

    DEBIT ──yes──► SUCCEEDED   ──no──► DECLINED   ──no answer──► IN_DOUBT ──asked again──► SUCCEEDED, DECLINED
    in doubt too long, or "never had it" ──► RELEASING, REVERSE insisted upon ──acknowledged──► CANCELLED

A bank's inquiry closes nothing: a debit that it never had may still arrive. So that is no "no" but a reason to reverse
it, and the reversal leaves a mark that the late debit meets. Spec: CT 5.1; CM 6.4.2. Decision: ADR-0016, ADR-0017.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mpss.accounts.store import ACCOUNTS
from mpss.config import Policy
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.ids import CardId
from mpss.kernel.outcome import Approved, Declined
from mpss.ports.bank import BankOperation
from mpss.transactions.funding.again import leased_until
from mpss.transactions.funding.answer import answered
from mpss.transactions.funding.bank_request import NewRequest, new_bank_request, request_about
from mpss.transactions.funding.machine import FundingEvent
from mpss.transactions.funding.model import FundingRow
from mpss.transactions.funding.store import FUNDING_REQUESTS
from mpss.transactions.machine import Event
from mpss.transactions.topups.limits import Puts, give_back_topup
from mpss.transactions.topups.outside import AnswerTopup


def debit(
    decision: Decision, bank: str, card_id: UUID, new: NewRequest, counts: Puts, policy: Policy, *, at: datetime
) -> Decision:
    """Add to an intended top-up its debit, which is sent once this is committed, and that it counts."""
    request = new_bank_request(
        decision.transaction,
        BankOperation.DEBIT,
        bank=bank,
        reference=new.reference,
        card=CardId.outside(card_id),
        at=at,
        due_at=leased_until(at, policy, bank),
    )
    decision.puts += [(FUNDING_REQUESTS, new.id, request), *counts]
    return decision


@dataclass(frozen=True, slots=True)
class AnswerCardTopup(AnswerTopup):
    """Record what became of a debit or of its reversal. With `give_up` a debit without an answer is reversed."""

    give_up: NewRequest | None = None

    def decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CM 6.4.2."""
        request = snapshot[FUNDING_REQUESTS][self.request_id]
        topup = snapshot[TRANSACTIONS][self.earlier.id]
        if request.settled:
            return Decision(topup, recorded=False)
        assert topup.account_id is not None
        account = snapshot[ACCOUNTS][topup.account_id]
        reversal = request.operation == BankOperation.REVERSE
        event, reason, reference = FundingEvent.NO_ANSWER, "", ""
        match self.outcome:
            case Approved(reference=reference):
                event = FundingEvent.APPROVE
                if reversal:
                    decision = give_back_topup(self._moved(topup, Event.APPROVE), topup, snapshot)
                    self._tell(decision, account, "topup_failed")
                else:
                    decision = self._paid(topup, account, snapshot)
            case Declined(reason=reason) if not reversal and self.give_up is None:
                event = FundingEvent.DECLINE
                decision = self._refused(topup, account, reason, snapshot)
            case outcome if self.give_up is not None and not reversal:
                event = FundingEvent.DECLINE
                reason = outcome.reason if isinstance(outcome, Declined) else "given up"
                decision = self._given_up(topup, request, self.give_up)
            case outcome:
                # A "no" to a reversal changes nothing: it is insisted upon until it is acknowledged.
                reason = outcome.reason if isinstance(outcome, Declined) else outcome.problem
                waits = topup.state is not TransactionState.FUNDING
                decision = Decision(topup, recorded=False) if waits else self._unanswered(topup, account)
        said = answered(request, event, at=self.at, due_at=self.due_at, reason=reason, reference=reference)
        decision.puts.append((FUNDING_REQUESTS, self.request_id, said))
        return decision

    def _given_up(self, topup: Transaction, request: FundingRow, reversal: NewRequest) -> Decision:
        decision = self._moved(topup, Event.GIVE_UP)
        row = request_about(request, topup, BankOperation.REVERSE, reversal, at=self.at, due_at=self.due_at)
        decision.puts.append((FUNDING_REQUESTS, reversal.id, row))
        return decision
