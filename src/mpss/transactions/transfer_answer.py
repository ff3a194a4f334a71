"""The payer's answer to a transfer that was asked for by SMS (CONFIRMING): yes, no, or none in time.

The transfer is decided anew on a yes, for what was true when it was asked for may not be now; the question named the
payee and the amount, and those stand. Spec: CM 6.5. Decision: ADR-0008.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode
from mpss.runtime import Runtime
from mpss.transactions.machine import TRANSFER, Event
from mpss.transactions.model import Moving
from mpss.transactions.store import CONFIRMATIONS
from mpss.transactions.transfer import find_order
from mpss.transactions.transfer_queries import get_transfer
from mpss.transactions.transfer_terms import Order, carry_out, find_parties, order_touches, settle_terms


@dataclass(frozen=True, slots=True)
class TransferAnswerCommand(Moving):
    """Move a transfer that waits for its payer."""

    order: Order
    event: Event
    policy: Policy

    @property
    def key(self) -> str:
        # Not recorded under a key: the state of the waiting transaction is what makes an answer count once.
        return f"{self.earlier.id}/{self.event}"

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield TRANSACTIONS, self.earlier.id
        yield CONFIRMATIONS, self.earlier.id
        yield from order_touches(self.order)

    def decide(self, snapshot: Snapshot) -> Decision:
        today = snapshot.business_date
        waiting = snapshot[TRANSACTIONS].get(self.earlier.id)
        confirmation = snapshot[CONFIRMATIONS].get(self.earlier.id)
        if waiting is None or confirmation is None:
            return Decision(self.declined(ErrorCode.UNKNOWN_TRANSACTION, today), recorded=False)
        if waiting.state is not TransactionState.CONFIRMING:
            return Decision(waiting, recorded=False)
        event = Event.LAPSE if self.at >= confirmation.expires_at else self.event
        if event is Event.LAPSE and self.at < confirmation.expires_at:
            return Decision(waiting, recorded=False)
        if event is not Event.CONFIRM:
            return self._moved(
                waiting, event, snapshot, ErrorCode.CONFIRMATION_EXPIRED if event is Event.LAPSE else None
            )
        parties = find_parties(self.order, snapshot, self.policy, at=self.at)
        if isinstance(parties, ErrorCode):
            return self._moved(waiting, Event.REFUSE, snapshot, parties)
        terms = settle_terms(self.order, parties, snapshot, today, self.policy)
        if isinstance(terms, ErrorCode):
            return self._moved(waiting, Event.REFUSE, snapshot, terms)
        event = Event.HOLD if parties.payee is None else Event.CONFIRM
        decision = self._moved(waiting, event, snapshot, None)
        return carry_out(decision, self.order, parties, terms, self.policy, at=self.at)

    def _moved(self, waiting: Transaction, event: Event, snapshot: Snapshot, refusal: ErrorCode | None) -> Decision:
        moved = waiting._replace(
            state=TRANSFER.move(waiting.state, event),
            refusal=refusal,
            business_date=snapshot.business_date,
            finished_at=self.at,
        )
        answered = snapshot[CONFIRMATIONS][waiting.id]._replace(answered_at=self.at)
        puts: list[tuple[RowSet[Any, Any], Any, Any]] = [
            (TRANSACTIONS, waiting.id, moved),
            (CONFIRMATIONS, waiting.id, answered),
        ]
        return Decision(moved, puts=puts, recorded=False)


async def transfer_answer(
    runtime: Runtime, waiting: Transaction, event: Event, *, at: datetime
) -> TransferAnswerCommand:
    """The command for an answer to a transfer, on what is there for its payee now."""
    async with runtime.database.read() as uow:
        asked = await get_transfer(uow, waiting.id)
    assert asked is not None, f"{waiting.id} has no transfer"
    order = await find_order(
        runtime, payer_id=asked.payer_id, payee_phone=asked.payee_phone, amount_fen=asked.amount_fen
    )
    return TransferAnswerCommand(waiting, at, order, event, runtime.policy)
