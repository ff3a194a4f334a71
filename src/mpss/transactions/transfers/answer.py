"""The payer's answer to a transfer that was asked for by SMS (CONFIRMING): yes, no, or none in time.

The transfer is decided anew on a yes, for what was true when it was asked for may not be now; the question named the
payee and the amount, and those stand. Spec: CM 6.5. Decision: ADR-0008.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionState
from mpss.kernel.errors import ErrorCode
from mpss.kernel.machine import Machine
from mpss.ledger.model import Balance
from mpss.risk.machine import ReviewEvent
from mpss.risk.review_store import ReviewRow
from mpss.runtime import Runtime
from mpss.transactions.machine import TRANSFER, Event
from mpss.transactions.reply import Replying
from mpss.transactions.review import Reviewing
from mpss.transactions.transfers.queries import get_transfer
from mpss.transactions.transfers.terms import (
    Order,
    carry_out,
    find_parties,
    keep_for_review,
    order_touches,
    settle_terms,
)
from mpss.transactions.transfers.transfer import find_order


@dataclass(frozen=True, slots=True)
class ReplyToTransfer(Replying):
    """Move a transfer that waits for its payer."""

    order: Order

    @property
    def machine(self) -> Machine[TransactionState, Event]:
        return TRANSFER

    def own_rows(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        return order_touches(self.order, self.earlier.channel)

    def confirmed(self, waiting: Transaction, snapshot: Snapshot) -> Decision:
        """Spec: CM 6.5."""
        parties = find_parties(self.order, snapshot, self.policy, at=self.at)
        if isinstance(parties, ErrorCode):
            return self.moved(waiting, Event.REFUSE, snapshot, parties)
        terms = settle_terms(
            self.order, parties, snapshot, snapshot.business_date, self.policy, at=self.at, channel=waiting.channel,
            province=waiting.province,
        )  # fmt: skip
        if isinstance(terms, ErrorCode):
            return self.moved(waiting, Event.REFUSE, snapshot, terms)
        if terms.finding is not None:
            held = self.moved(waiting, Event.REVIEW, snapshot)
            return keep_for_review(held, self.order, parties, terms.finding, self.policy, at=self.at)
        decision = self.moved(waiting, Event.HOLD if parties.payee is None else Event.CONFIRM, snapshot)
        return carry_out(decision, self.order, parties, terms, self.policy, at=self.at)


@dataclass(frozen=True, slots=True)
class ReviewOfTransfer(Reviewing):
    """Move a transfer that is held for review."""

    order: Order

    @property
    def machine(self) -> Machine[TransactionState, Event]:
        return TRANSFER

    def own_rows(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        return order_touches(self.order, self.earlier.channel)

    def released(self, waiting: Transaction, snapshot: Snapshot, balance: Balance) -> Decision:
        """Spec: CM 6.5, 9.2."""
        parties = find_parties(self.order, snapshot, self.policy, at=self.at)
        if isinstance(parties, ErrorCode):
            return self.moved(waiting, Event.REFUSE, snapshot, parties)
        parties = parties._replace(balance=balance)
        terms = settle_terms(
            self.order, parties, snapshot, snapshot.business_date, self.policy, at=self.at, channel=waiting.channel,
            reviewed=True,
        )  # fmt: skip
        if isinstance(terms, ErrorCode):
            return self.moved(waiting, Event.REFUSE, snapshot, terms)
        decision = self.moved(waiting, Event.HOLD if parties.payee is None else Event.CONFIRM, snapshot)
        return carry_out(decision, self.order, parties, terms, self.policy, at=self.at)


async def transfer_answer(runtime: Runtime, waiting: Transaction, event: Event, *, at: datetime) -> ReplyToTransfer:
    """The command for an answer to a transfer, on what is there for its payee now."""
    return ReplyToTransfer(waiting, at, event, runtime.policy, await _order(runtime, waiting))


async def review_of_transfer(
    runtime: Runtime, waiting: Transaction, event: ReviewEvent, row: ReviewRow, *, by: str, reason: str, at: datetime
) -> ReviewOfTransfer:
    """The command for somebody's word on a transfer that is held, on what is there for its payee now."""
    order = await _order(runtime, waiting)
    return ReviewOfTransfer(waiting, at, event, runtime.policy, row, by, reason, order)


async def _order(runtime: Runtime, waiting: Transaction) -> Order:
    async with runtime.database.read() as uow:
        asked = await get_transfer(uow, waiting.id)
    assert asked is not None, f"{waiting.id} has no transfer"
    return await find_order(
        runtime, payer_id=asked.payer_id, payee_phone=asked.payee_phone, amount_fen=asked.amount_fen
    )
