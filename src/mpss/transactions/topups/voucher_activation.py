"""Activation of a voucher batch: its cards are sold from now on, and what they are worth is owed.

    Dr voucher money in transit   Cr vouchers sold        face × quantity

Made by one person, activated by another. Spec: CM 8.5.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from mpss.db.rows import RowSet
from mpss.desk.model import Answer, Decision, Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import StaffId, TransactionId, VoucherBatchId
from mpss.ledger.model import JournalEntry
from mpss.runtime import Runtime
from mpss.staff.audit import audit_row
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission
from mpss.staff.store import AUDIT
from mpss.transactions.model import Asked, Asking, transaction
from mpss.transactions.postings import voucher_activation_legs
from mpss.vouchers.machine import BATCH, BatchEvent
from mpss.vouchers.model import BatchState
from mpss.vouchers.store import BATCHES

CHANNEL = "staff"


@dataclass(frozen=True, slots=True)
class ActivationCommand(Asking):
    batch_id: UUID
    staff_id: StaffId

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield BATCHES, self.batch_id

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        today, person = snapshot.business_date, str(self.staff_id)
        batch = snapshot[BATCHES].get(self.batch_id)
        if batch is None:
            return Decision(self.declined(ErrorCode.NOT_FOUND, today))
        if batch.state is not BatchState.GENERATED or batch.valid_until < today:
            return Decision(self.declined(ErrorCode.ILLEGAL_STATE, today))
        if batch.created_by == person:
            return Decision(self.declined(ErrorCode.SAME_PERSON, today))
        amount_fen = batch.face_fen * batch.quantity
        done = self._transaction(TransactionState.SUCCEEDED, today, amount_fen=amount_fen, quantity=batch.quantity)
        activated = batch._replace(
            state=BATCH.move(batch.state, BatchEvent.ACTIVATE), activated_by=person, activated_at=self.asked.at
        )
        audited = audit_row(
            at=self.asked.at,
            actor=person,
            action="voucher_batch.activate",
            subject=str(VoucherBatchId.from_uuid(self.batch_id)),
            detail={"transaction": str(done.id), "amount_fen": amount_fen},
        )
        return Decision(
            done,
            entry=JournalEntry(done.id, done.kind, voucher_activation_legs(amount_fen=amount_fen)),
            puts=[(BATCHES, batch.id, activated)],
            inserts=[(AUDIT, audited)],
        )

    def _transaction(
        self,
        state: TransactionState,
        business_date: date,
        *,
        amount_fen: int = 0,
        quantity: int = 0,
        refusal: ErrorCode | None = None,
    ) -> Transaction:
        return transaction(
            self.asked,
            TransactionKind.VOUCHER_ACTIVATION,
            state,
            business_date,
            amount_fen=amount_fen,
            quantity=quantity,
            refusal=refusal,
            metadata=json.dumps({"batch": str(VoucherBatchId.from_uuid(self.batch_id))}),
        )


async def activate_batch(runtime: Runtime, *, staff: StaffMember, key: str, batch_id: UUID) -> Answer:
    """Put a batch on sale; the transaction's metadata names the batch.

    Refusals: NOT_FOUND, ILLEGAL_STATE (activated already, thrown away, or expired), SAME_PERSON, KEY_REUSED.

    Raises:
        Refused: FORBIDDEN, needs voucher_activate.

    Spec: CM 8.5.
    """
    staff.require(Permission.VOUCHER_ACTIVATE)
    now = runtime.clock.now()
    digest = digest_of(TransactionKind.VOUCHER_ACTIVATION, batch_id.hex)
    asked = Asked(TransactionId.new(now), staff.caller, key, digest, now, CHANNEL)
    return await runtime.desk.submit(ActivationCommand(asked, batch_id, staff.id))
