"""What is settled with a merchant that closes (商户销户结算): a transfer, proposed by one, approved by another.

    Dr merchant payable     Cr reserve at banks          paid to the merchant
    Dr reserve at banks     Cr merchant payable          paid by the merchant, which owed us for what it took back

The transfer is made at the bank; here it is written down under the bank's reference, which the second person finds on
the bank's statement.

Invariants: (1) only with a merchant that is ending is settled: its notice period is over, its sales are final, and
what is payable was counted; (2) no more is settled than is owed, which the desk locks; (3) a bank's reference is booked
once. Spec: CM 5.2.3.3. Decision: ADR-0035.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from mpss.db.rows import RowSet
from mpss.desk.model import Answer, Decision, Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import ApprovalId, MerchantId, OutboxId, TransactionId
from mpss.kernel.text import check_line
from mpss.ledger.model import JournalEntry
from mpss.merchants.close import MerchantClosing, merchant_closing
from mpss.merchants.closing_model import BEFORE_SETTLING, OwedRow
from mpss.merchants.closing_store import OWED_TO_MERCHANTS
from mpss.merchants.model import MerchantState
from mpss.merchants.store import MERCHANTS
from mpss.outbox.model import webhook
from mpss.outbox.store import OUTBOX
from mpss.runtime import Runtime
from mpss.staff.approvals import decide, find, propose, waiting
from mpss.staff.audit import audit_row
from mpss.staff.model import ApprovalRow, StaffMember, check_decider, decided
from mpss.staff.permissions import Permission
from mpss.staff.store import APPROVALS, AUDIT
from mpss.transactions.model import Asked, Asking, transaction
from mpss.transactions.postings import merchant_settlement_legs

KIND = "merchant_settlement"
CHANNEL = "staff"
CALLER = "platform:settlement"
"""Whose keys the banks' references are, so that one is booked once, whoever approves it."""
_REFERENCE = re.compile(r"[\x21-\x7e]{1,64}", re.ASCII)


class Direction(StrEnum):
    TO_MERCHANT = "to_merchant"
    FROM_MERCHANT = "from_merchant"


def direction_of(owed_fen: int) -> tuple[Direction, int]:
    """Which way money is owed, and how much, in fen."""
    return (Direction.TO_MERCHANT if owed_fen >= 0 else Direction.FROM_MERCHANT), abs(owed_fen)


class Settlement(NamedTuple):
    """A transfer as proposed. `bank_account` is the merchant's, `bank_reference` the bank's number of the transfer."""

    merchant_id: UUID
    direction: Direction
    amount_fen: int
    bank_account: str
    bank_reference: str

    def payload(self) -> dict[str, Any]:
        return {**self._asdict(), "merchant_id": MerchantId.outside(self.merchant_id)}

    @classmethod
    def of(cls, approval: ApprovalRow) -> Settlement:
        payload = json.loads(approval.payload)
        merchant_id = MerchantId.parse(payload.pop("merchant_id"), field="merchant_id")
        return cls(merchant_id, Direction(payload.pop("direction")), **payload)


@dataclass(frozen=True, slots=True)
class SettlementCommand(Asking):
    """Approve and post."""

    approval_id: UUID
    settlement: Settlement
    staff: StaffMember

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield APPROVALS, self.approval_id
        yield MERCHANTS, self.settlement.merchant_id
        yield OWED_TO_MERCHANTS, self.settlement.merchant_id

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        """A proposal that is refused here still stands. Spec: CM 5.2.3.3."""
        today, at, asked = snapshot.business_date, self.asked.at, self.settlement
        approval = snapshot[APPROVALS].get(self.approval_id)
        refusal = check_decider(approval, KIND, self.staff.id)
        if approval is None or refusal is not None:
            return Decision(self.declined(refusal or ErrorCode.NOT_FOUND, today), recorded=False)
        merchant, owed = snapshot[MERCHANTS][asked.merchant_id], snapshot[OWED_TO_MERCHANTS][asked.merchant_id]
        if merchant.state is not MerchantState.ENDING or owed.owed_fen is None:
            return Decision(self.declined(ErrorCode.ILLEGAL_STATE, today), recorded=False)
        direction, left_fen = direction_of(owed.owed_fen)
        if direction is not asked.direction or left_fen < asked.amount_fen:
            return Decision(self.declined(ErrorCode.ILLEGAL_STATE, today), recorded=False)
        done = self._transaction(TransactionState.SUCCEEDED, today)
        paid_fen = asked.amount_fen if direction is Direction.TO_MERCHANT else -asked.amount_fen
        legs = merchant_settlement_legs(payable=merchant.ledger_account_id, amount_fen=paid_fen)
        facts = {**asked.payload(), "transaction_id": str(done.id)}
        audited = audit_row(
            at=at, actor=str(self.staff.id), action=f"{KIND}.approve", subject=facts["merchant_id"], detail=facts
        )
        told = webhook(
            OutboxId.new(at), merchant_id=merchant.id, event="merchant.settled", reference=done.id, data=facts, now=at
        )
        return Decision(
            done,
            entry=JournalEntry(done.id, done.kind, legs),
            puts=[
                (APPROVALS, approval.id, decided(approval, by=self.staff.id, at=at, approve=True)),
                (OWED_TO_MERCHANTS, merchant.id, OwedRow(owed.owed_fen - paid_fen)),
            ],
            inserts=[(AUDIT, audited), (OUTBOX, told)],
        )

    def _transaction(
        self, state: TransactionState, business_date: date, *, refusal: ErrorCode | None = None
    ) -> Transaction:
        asked = self.settlement
        memo = {
            "approval": ApprovalId.outside(self.approval_id), "direction": asked.direction,
            "bank_account": asked.bank_account, "bank_reference": asked.bank_reference,
        }  # fmt: skip
        return transaction(
            self.asked,
            TransactionKind.MERCHANT_SETTLEMENT,
            state,
            business_date,
            amount_fen=asked.amount_fen,
            refusal=refusal,
            merchant_id=asked.merchant_id,
            metadata=json.dumps(memo, ensure_ascii=False),
        )


async def propose_settlement(
    runtime: Runtime, *, staff: StaffMember, merchant_id: UUID, amount_fen: int, bank_account: str, bank_reference: str
) -> ApprovalId:
    """Propose to write down a transfer with a closing merchant: to it where we owe it, from it where it owes us.

    Raises:
        MalformedField: `bank_account`, `bank_reference`; `amount_fen` is not above zero, or is more than is owed.
        Refused: FORBIDDEN, needs merchant_close; UNKNOWN_MERCHANT; CLOSING_BLOCKED, its notice period is not over, its
            sales are not final or are looked at for a risk, naming what stands in the way; ILLEGAL_STATE, what is
            payable was not counted yet, or nothing is.

    Spec: CM 5.2.3.3.
    """
    staff.require(Permission.MERCHANT_CLOSE)
    check_line(bank_account, field="bank_account")
    if not _REFERENCE.fullmatch(bank_reference):
        raise MalformedField(field="bank_reference", problem="must be 1 to 64 printable ASCII characters, no blanks")
    direction, owed_fen = await _owed(runtime, merchant_id)
    if not 0 < amount_fen <= owed_fen:
        raise MalformedField(field="amount_fen", problem=f"must be 1 to {owed_fen}, which is owed")
    asked = Settlement(merchant_id, direction, amount_fen, bank_account, bank_reference)
    async with runtime.database.transaction() as uow:
        return await propose(uow, kind=KIND, payload=asked.payload(), by=staff, now=runtime.clock.now())


async def approve_settlement(runtime: Runtime, *, staff: StaffMember, approval_id: UUID) -> Answer:
    """Approve somebody else's proposal and post it; asked again, the same answer.

    Refusals: NOT_FOUND, SAME_PERSON, ILLEGAL_STATE (decided already, or less is owed than was proposed: refuse it, and
    propose anew), KEY_REUSED (the bank's reference is booked already).

    Raises:
        Refused: FORBIDDEN, needs merchant_close; NOT_FOUND; CLOSING_BLOCKED, a risk report came meanwhile.

    Spec: CM 5.2.3.3.
    """
    staff.require(Permission.MERCHANT_CLOSE)
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        approval = await find(uow, approval_id=approval_id, kind=KIND)
    asked = Settlement.of(approval)
    if approval.decided_at is None:
        require_clear(await merchant_closing(runtime, merchant_id=asked.merchant_id))
    digest = digest_of(TransactionKind.MERCHANT_SETTLEMENT, approval_id.hex)
    head = Asked(TransactionId.new(now), CALLER, asked.bank_reference, digest, now, CHANNEL)
    return await runtime.desk.submit(SettlementCommand(head, approval_id, asked, staff))


async def refuse_settlement(runtime: Runtime, *, staff: StaffMember, approval_id: UUID) -> None:
    """Refuse somebody else's proposal.

    Raises:
        Refused: FORBIDDEN, needs merchant_close; NOT_FOUND; ILLEGAL_STATE; SAME_PERSON.
    """
    staff.require(Permission.MERCHANT_CLOSE)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        await decide(uow, approval_id=approval_id, kind=KIND, by=staff, approve=False, now=now)


async def waiting_settlements(runtime: Runtime) -> list[tuple[ApprovalRow, Settlement]]:
    """Proposals that wait for a second person, oldest first."""
    async with runtime.database.read() as uow:
        return [(approval, Settlement.of(approval)) for approval in await waiting(uow, kind=KIND)]


def require_clear(found: MerchantClosing) -> None:
    """
    Raises:
        Refused: CLOSING_BLOCKED, naming what stands in the way of settling.
    """
    blocked = [obstacle.block for obstacle in found.obstacles if obstacle.block in BEFORE_SETTLING]
    if blocked:
        raise Refused(ErrorCode.CLOSING_BLOCKED, detail=", ".join(blocked))


async def _owed(runtime: Runtime, merchant_id: UUID) -> tuple[Direction, int]:
    """Which way money is owed, and how much.

    Raises:
        Refused: UNKNOWN_MERCHANT; CLOSING_BLOCKED; ILLEGAL_STATE.
    """
    found = await merchant_closing(runtime, merchant_id=merchant_id)
    require_clear(found)
    owed_fen = None if found.closing is None else found.closing.owed_fen
    if found.merchant.state != MerchantState.ENDING or not owed_fen:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="what is payable was not counted yet, or nothing is")
    return direction_of(owed_fen)
