"""What a risk rule holds for somebody to look at (REVIEWING): how it begins and how it ends. Pure.

    held       amount and fee are held in the payer's wallet; nothing has left it
    released   the hold ends, and the transaction is decided anew, as a payer's late yes is, but for the risk rules
    refused    by somebody, or because nobody released it in time: the hold ends, DECLINED with RISK_REFUSED

The word moves the waiting transaction itself: its state makes it count once. Spec: CM 9.2, 9.4. Decision: ADR-0034.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mpss.accounts.model import AccountRow
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import TransactionId
from mpss.kernel.machine import Machine
from mpss.ledger.holds import HOLDS, release, reserve
from mpss.ledger.model import Balance
from mpss.ledger.post import BALANCES
from mpss.risk.machine import REVIEW, ReviewEvent
from mpss.risk.model import ReviewState
from mpss.risk.review_store import REVIEWS, ReviewRow
from mpss.risk.rules import Finding
from mpss.staff.audit import audit_row
from mpss.staff.store import AUDIT
from mpss.transactions.machine import Event
from mpss.transactions.model import Moving
from mpss.transactions.notify import tell

_MOVES = {ReviewEvent.RELEASE: Event.CONFIRM, ReviewEvent.REFUSE: Event.REFUSE, ReviewEvent.EXPIRE: Event.LAPSE}


def hold_for_review(
    decision: Decision,
    finding: Finding,
    account: AccountRow,
    balance: Balance,
    *,
    total_fen: int,
    policy: Policy,
    at: datetime,
) -> Decision:
    """Add to a transaction that begins to be REVIEWING what it leaves: the hold, the review, the payer's notice."""
    held = reserve(
        balance,
        ledger_account_id=account.ledger_account_id,
        transaction_id=decision.transaction.id,
        amount_fen=total_fen,
        at=at,
    )
    row = ReviewRow(
        account.id,
        decision.transaction.kind,
        total_fen,
        finding.rule,
        held[0][1],
        ReviewState.OPEN,
        at,
        at + timedelta(hours=policy.review_hours),
    )
    decision.puts += [*held, (REVIEWS, decision.transaction.id, row)]
    tell(decision, account, "review_held", {"amount_fen": decision.transaction.amount_fen}, at=at)
    return decision


@dataclass(frozen=True, slots=True)
class Reviewing(Moving):
    """Move what is held for review by somebody's word, or by the end of its time; `row` is as it was read."""

    event: ReviewEvent
    policy: Policy
    row: ReviewRow
    by: str
    reason: str

    @property
    def machine(self) -> Machine[TransactionState, Event]:
        """Whose moves the held transaction makes."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        return f"{self.earlier.id}/{self.event}/{self.by}"

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield TRANSACTIONS, self.earlier.id
        yield REVIEWS, self.earlier.id
        yield USAGE, self.row.account_id
        yield ACCOUNTS, self.row.account_id
        yield HOLDS, self.row.hold_id
        yield from self.own_rows()

    def own_rows(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        """The rows that deciding anew needs beside these."""
        raise NotImplementedError

    def released(self, waiting: Transaction, snapshot: Snapshot, balance: Balance) -> Decision:
        """What a release does, `balance` being the payer's without the hold: it goes on, or is refused for a reason."""
        raise NotImplementedError

    def decide(self, snapshot: Snapshot) -> Decision:
        waiting, review = snapshot[TRANSACTIONS].get(self.earlier.id), snapshot[REVIEWS].get(self.earlier.id)
        if waiting is None or review is None or waiting.state is not TransactionState.REVIEWING:
            return Decision(self.declined(ErrorCode.ILLEGAL_STATE, snapshot.business_date), recorded=False)
        late = self.at >= review.expires_at
        if self.event is ReviewEvent.EXPIRE and not late:
            return Decision(self.declined(ErrorCode.ILLEGAL_STATE, snapshot.business_date), recorded=False)
        event = ReviewEvent.EXPIRE if late else self.event
        account = snapshot[ACCOUNTS][self.row.account_id]
        freed = release(snapshot[HOLDS][review.hold_id], snapshot[BALANCES][account.ledger_account_id], at=self.at)
        if event is ReviewEvent.RELEASE:
            decision = self.released(waiting, snapshot, freed[-1][2])
        else:
            decision = self.moved(waiting, _MOVES[event], snapshot, ErrorCode.RISK_REFUSED)
        # First the hold: what the release moves or holds anew is of the balance without it.
        decision.puts[:0] = freed
        done = review._replace(
            state=REVIEW.move(review.state, event), decided_by=self.by, decided_at=self.at, reason=self.reason
        )
        decision.puts.append((REVIEWS, waiting.id, done))
        refusal = decision.transaction.refusal
        told = "review_released" if refusal is None else "review_refused"
        tell(decision, account, told, {"amount_fen": decision.transaction.amount_fen}, at=self.at)
        detail = {"rule": review.rule, "reason": self.reason, "refusal": refusal}
        subject = TransactionId.outside(waiting.id)
        line = audit_row(at=self.at, actor=self.by, action=f"risk_review.{event}", subject=subject, detail=detail)
        decision.inserts.append((AUDIT, line))
        return decision

    def moved(
        self, waiting: Transaction, event: Event, snapshot: Snapshot, refusal: ErrorCode | None = None
    ) -> Decision:
        """The transaction as it stands now, of today."""
        moved = waiting._replace(
            state=self.machine.move(waiting.state, event), refusal=refusal, business_date=snapshot.business_date
        )
        if not moved.pending:
            moved = moved._replace(finished_at=self.at)
        return Decision(moved, puts=[(TRANSACTIONS, waiting.id, moved)], recorded=False)
