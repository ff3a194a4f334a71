"""Top-ups whose money comes from another system: the recharge platform's cards, online banking.

    FUNDING ──yes──► SUCCEEDED     ──no──► DECLINED     ──no answer──► IN_DOUBT ──asked again──► SUCCEEDED, DECLINED

Invariants: (1) the intent and its request are committed before anybody is asked to pay; (2) money enters the wallet
with the first "yes" and with no other, however it comes: answer, callback or inquiry; (3) a "no" is final, because an
inquiry closes what never arrived, so nobody gives up and nothing is reversed (a bank's debit is: `card_answer`);
(4) what was paid enters also where the balance grew meanwhile.
Spec: CT 5.1, 6.3.2; CM 6.4.3, 6.4.5. Decision: ADR-0017.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

from mpss.accounts.model import AccountRow
from mpss.accounts.store import ACCOUNTS
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionKind, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import TransactionId
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.ledger.model import JournalEntry
from mpss.ledger.post import BALANCES
from mpss.ports.recharge_card import ABOVE_MOST, EXPIRED_CARD, FROZEN_CARD, UNKNOWN_CARD, USED_CARD
from mpss.transactions.funding.answer import answered
from mpss.transactions.funding.machine import FundingEvent
from mpss.transactions.funding.model import FundingRow, FundingState
from mpss.transactions.funding.store import FUNDING_REQUESTS
from mpss.transactions.machine import TOPUP, Event
from mpss.transactions.model import Moving
from mpss.transactions.notify import NO_FACTS, Facts, tell
from mpss.transactions.postings import bank_card_legs, online_bank_legs, recharge_card_legs
from mpss.transactions.topups.limits import give_back_topup, topup_touches

RECHARGE = "recharge"
ONLINE_BANK = "online_bank"
BANK_CARD = "bank_card"
COUNTERPARTS = {
    TransactionKind.RECHARGE_TOPUP: RECHARGE,
    TransactionKind.ONLINE_BANK_TOPUP: ONLINE_BANK,
    TransactionKind.BANK_CARD_TOPUP: BANK_CARD,
}
"""Whom each kind of top-up asks, as its funding request and its notice name them; a card's request names its bank."""
_LEGS = {
    TransactionKind.RECHARGE_TOPUP: recharge_card_legs,
    TransactionKind.ONLINE_BANK_TOPUP: online_bank_legs,
    TransactionKind.BANK_CARD_TOPUP: bank_card_legs,
}
REFUSALS = {
    USED_CARD: ErrorCode.VOUCHER_USED,
    UNKNOWN_CARD: ErrorCode.UNKNOWN_VOUCHER,
    EXPIRED_CARD: ErrorCode.VOUCHER_NOT_ACTIVE,
    FROZEN_CARD: ErrorCode.VOUCHER_NOT_ACTIVE,
    ABOVE_MOST: ErrorCode.BALANCE_LIMIT_EXCEEDED,
}
"""What the recharge platform's reasons are to us; every other "no" is FUNDING_DECLINED."""


def new_topup_request(topup: Transaction, phone: str, *, due_at: datetime) -> FundingRow:
    """The request as it is written before it is sent; its session is the transaction's id as others see it."""
    return FundingRow(
        topup.id,
        COUNTERPARTS[topup.kind],
        "collect",
        TransactionId.outside(topup.id),
        0,
        phone,
        topup.amount_fen,
        None,
        FundingState.SENT,
        1,
        due_at,
        topup.created_at,
    )


@dataclass(frozen=True, slots=True)
class AnswerTopup(Moving):
    """Record what became of a top-up's request; not recorded itself, the top-up's state makes it count once.

    `undecided` says that silence is no doubt yet: the customer may still decide.
    """

    request_id: UUID
    outcome: Outcome
    due_at: datetime
    command_id: UUID
    undecided: bool = False

    @property
    def key(self) -> str:
        return str(self.command_id)

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        assert self.earlier.account_id is not None
        yield FUNDING_REQUESTS, self.request_id
        yield TRANSACTIONS, self.earlier.id
        yield from topup_touches(self.earlier.account_id, self.earlier.channel)

    def decide(self, snapshot: Snapshot) -> Decision:
        request = snapshot[FUNDING_REQUESTS][self.request_id]
        topup = snapshot[TRANSACTIONS][self.earlier.id]
        if request.settled:
            return Decision(topup, recorded=False)
        assert topup.account_id is not None
        account = snapshot[ACCOUNTS][topup.account_id]
        event, reason, reference = FundingEvent.NO_ANSWER, "", ""
        match self.outcome:
            case Approved(content=paid) as yes if paid == str(topup.amount_fen):
                event, reference = FundingEvent.APPROVE, yes.reference
                decision = self._paid(topup, account, snapshot)
            case Declined(reason=reason):
                event = FundingEvent.DECLINE
                decision = self._refused(topup, account, reason, snapshot)
            case Approved(content=reason) | InDoubt(problem=reason):
                # Another amount than was asked for moves nothing: an operator sees it until it is settled.
                if self.undecided:
                    waits = request._replace(reason=reason, due_at=self.due_at)
                    return Decision(topup, puts=[(FUNDING_REQUESTS, self.request_id, waits)], recorded=False)
                decision = self._unanswered(topup, account)
            case _ as never:
                assert_never(never)
        said = answered(request, event, at=self.at, due_at=self.due_at, reason=reason, reference=reference)
        decision.puts.append((FUNDING_REQUESTS, self.request_id, said))
        return decision

    def _paid(self, topup: Transaction, account: AccountRow, snapshot: Snapshot) -> Decision:
        legs = _LEGS[topup.kind](wallet=account.ledger_account_id, amount_fen=topup.amount_fen)
        balance_fen = snapshot[BALANCES][account.ledger_account_id].balance_fen + topup.amount_fen
        decision = self._moved(topup, Event.APPROVE)
        decision.entry = JournalEntry(topup.id, topup.kind, legs)
        self._tell(decision, account, "topped_up", {"balance_fen": balance_fen, "source": COUNTERPARTS[topup.kind]})
        return decision

    def _refused(self, topup: Transaction, account: AccountRow, reason: str, snapshot: Snapshot) -> Decision:
        card = topup.kind is TransactionKind.RECHARGE_TOPUP
        code = REFUSALS.get(reason, ErrorCode.FUNDING_DECLINED) if card else ErrorCode.FUNDING_DECLINED
        decision = self._moved(topup, Event.DECLINE, refusal=code)
        if topup.state is TransactionState.IN_DOUBT:
            self._tell(decision, account, "topup_failed")
        return give_back_topup(decision, topup, snapshot)

    def _unanswered(self, topup: Transaction, account: AccountRow) -> Decision:
        if topup.state is TransactionState.IN_DOUBT:
            return Decision(topup, recorded=False)
        decision = self._moved(topup, Event.NO_ANSWER)
        self._tell(decision, account, "topup_in_doubt")
        return decision

    def _moved(self, topup: Transaction, event: Event, *, refusal: ErrorCode | None = None) -> Decision:
        moved = topup._replace(state=TOPUP.move(topup.state, event), refusal=refusal)
        if not moved.pending:
            moved = moved._replace(finished_at=self.at)
        return Decision(moved, puts=[(TRANSACTIONS, moved.id, moved)], recorded=False)

    def _tell(self, decision: Decision, account: AccountRow, event: str, facts: Facts = NO_FACTS) -> None:
        tell(decision, account, event, {"amount_fen": self.earlier.amount_fen, **facts}, at=self.at)
