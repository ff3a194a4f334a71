"""The payer's reply to what waits for it (CONFIRMING): the steps that are the same whatever waits. Pure.

The reply moves the waiting transaction itself: its state makes a reply count once. A yes is decided anew, for what was
true when the question was sent may not be now; what the question named stands. Spec: CT 5.3. Decision: ADR-0008.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Touch, Transaction, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode
from mpss.kernel.machine import Machine
from mpss.risk.screen import remember
from mpss.transactions.machine import Event
from mpss.transactions.model import Moving
from mpss.transactions.store import CONFIRMATIONS


@dataclass(frozen=True, slots=True)
class Replying(Moving):
    """Move what waits for its payer by a yes (CONFIRM), a no (CANCEL) or the end of its time (LAPSE)."""

    event: Event
    policy: Policy

    @property
    def machine(self) -> Machine[TransactionState, Event]:
        """Whose moves the waiting transaction makes."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        return f"{self.earlier.id}/{self.event}"

    def touches(self) -> Iterable[Touch]:
        yield TRANSACTIONS, self.earlier.id
        yield CONFIRMATIONS, self.earlier.id
        yield from self.own_rows()

    def own_rows(self) -> Iterable[Touch]:
        """The rows that a yes needs beside these."""
        raise NotImplementedError

    def confirmed(self, waiting: Transaction, snapshot: Snapshot) -> Decision:
        """What a yes does: it goes on, or is refused for a reason."""
        raise NotImplementedError

    def decide(self, snapshot: Snapshot) -> Decision:
        waiting = snapshot[TRANSACTIONS].get(self.earlier.id)
        confirmation = snapshot[CONFIRMATIONS].get(self.earlier.id)
        if waiting is None or confirmation is None:
            return Decision(self.declined(ErrorCode.UNKNOWN_TRANSACTION, snapshot.business_date), recorded=False)
        late = self.at >= confirmation.expires_at
        if waiting.state is not TransactionState.CONFIRMING or (self.event is Event.LAPSE and not late):
            return Decision(waiting, recorded=False)
        if late:
            return self.moved(waiting, Event.LAPSE, snapshot, ErrorCode.CONFIRMATION_EXPIRED)
        if self.event is Event.CONFIRM:
            return remember(self.confirmed(waiting, snapshot), snapshot, at=self.at)
        return self.moved(waiting, self.event, snapshot)

    def moved(
        self, waiting: Transaction, event: Event, snapshot: Snapshot, refusal: ErrorCode | None = None
    ) -> Decision:
        """The transaction as it stands now, of today, and its question as answered."""
        moved = waiting._replace(
            state=self.machine.move(waiting.state, event), refusal=refusal, business_date=snapshot.business_date
        )
        if not moved.pending:
            moved = moved._replace(finished_at=self.at)
        answered = snapshot[CONFIRMATIONS][waiting.id]._replace(answered_at=self.at)
        puts: list[tuple[RowSet[Any, Any], Any, Any]] = [
            (TRANSACTIONS, waiting.id, moved),
            (CONFIRMATIONS, waiting.id, answered),
        ]
        return Decision(moved, puts=puts, recorded=False)
