"""A payout to a phone bill in doubt, ended by hand after the operator of the charging system was asked.

    in doubt ──one member of staff proposes: credited, or not──► asked about no more for a while
        another approves ──► ended      another refuses, or the while is over ──► asked about again

Invariants: (1) two people end it, by what the charging system's own books say; (2) from the proposal to the approval
nothing is sent, so that what was never credited is not credited after its end; (3) it ends as the charging system's
own word would have ended it. Spec: CM 5.2.3.4. Decision: ADR-0013.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionKind
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import ApprovalId, FundingId
from mpss.kernel.outcome import Approved, Declined
from mpss.kernel.text import check_line
from mpss.runtime import Runtime
from mpss.staff.approvals import decide, find, propose, waiting
from mpss.staff.audit import audit_row
from mpss.staff.model import ApprovalRow, StaffMember, check_decider, decided
from mpss.staff.permissions import Permission
from mpss.staff.store import APPROVALS, AUDIT
from mpss.transactions.closings.bill import AnswerBillPayout
from mpss.transactions.closings.store import hold_of
from mpss.transactions.funding.again import lease_seconds
from mpss.transactions.funding.model import CHARGING, FundingRow, FundingState
from mpss.transactions.funding.store import FUNDING_REQUESTS, ask_not_before, get_request
from mpss.transactions.queries import get_transaction

KIND = "bill_payout_ending"


class Ending(NamedTuple):
    """How a request ended, as proposed. `reference` is the charging system's of what it credited, else "".

    `evidence` says who was asked and what they showed; `attempts` is how often the request had been sent by then.
    """

    request_id: UUID
    credited: bool
    reference: str
    evidence: str
    attempts: int

    def payload(self) -> dict[str, Any]:
        return {**self._asdict(), "request_id": FundingId.outside(self.request_id)}

    @classmethod
    def of(cls, approval: ApprovalRow) -> Ending:
        payload = json.loads(approval.payload)
        return cls(**{**payload, "request_id": FundingId.parse(payload["request_id"], field="request_id")})


@dataclass(frozen=True, slots=True)
class EndBillPayout(AnswerBillPayout):
    """Approve, and record the answer that was got by hand."""

    approval_id: UUID
    attempts: int
    staff: StaffMember

    @property
    def key(self) -> str:
        return f"end:{ApprovalId.outside(self.approval_id)}"

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield APPROVALS, self.approval_id
        yield from AnswerBillPayout.touches(self)

    def believed(self, request: FundingRow, reason: str) -> bool:
        return True

    def decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CM 5.2.3.4."""
        today: date = snapshot.business_date
        approval, request = snapshot[APPROVALS].get(self.approval_id), snapshot[FUNDING_REQUESTS][self.request_id]
        refusal = check_decider(approval, KIND, self.staff.id)
        if approval is None or refusal is not None:
            return Decision(self.declined(refusal or ErrorCode.NOT_FOUND, today), recorded=False)
        if request.state is not FundingState.IN_DOUBT or request.attempts != self.attempts:
            return Decision(self.declined(ErrorCode.ILLEGAL_STATE, today), recorded=False)
        decision = AnswerBillPayout.decide(self, snapshot)
        decision.puts.append((APPROVALS, approval.id, decided(approval, by=self.staff.id, at=self.at, approve=True)))
        subject, detail = ApprovalId.outside(approval.id), {"transaction": str(self.earlier.id)}
        audited = audit_row(
            at=self.at, actor=str(self.staff.id), action=f"{KIND}.approve", subject=subject, detail=detail
        )
        decision.inserts.append((AUDIT, audited))
        return decision


async def propose_ending(
    runtime: Runtime, *, staff: StaffMember, request_id: UUID, credited: bool, reference: str, evidence: str
) -> ApprovalId:
    """Propose how a payout in doubt ended. It is asked about no more for policy.doubt_pause_hours.

    Raises:
        MalformedField: `evidence` is no line, or `reference` is missing of what was credited.
        Refused: FORBIDDEN, needs funding_end; NOT_FOUND, there is no such request; ILLEGAL_STATE, it is not of a
            payout to a phone bill, or not in doubt.

    Spec: CM 5.2.3.4.
    """
    staff.require(Permission.FUNDING_END)
    check_line(evidence, field="evidence")
    if credited or reference:
        check_line(reference, field="reference")
    now = runtime.clock.now()
    until = now + timedelta(hours=runtime.policy.doubt_pause_hours)
    async with runtime.database.transaction() as uow:
        await _payout_of(uow, request_id)
        attempts = await ask_not_before(uow, request_id, until=until)
        if attempts is None:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="the payout is not in doubt")
        ending = Ending(request_id, credited, reference, evidence, attempts)
        return await propose(uow, kind=KIND, payload=ending.payload(), by=staff, now=now)


async def approve_ending(runtime: Runtime, *, staff: StaffMember, approval_id: UUID) -> Transaction:
    """Approve somebody else's proposal: the payout succeeded or was declined, and its holder is told.

    Raises:
        Refused: FORBIDDEN, needs funding_end; NOT_FOUND; SAME_PERSON; ILLEGAL_STATE, it was decided, the charging
            system answered, or was asked again since the proposal; BUSY, an answer may still be on its way.

    Spec: CM 5.2.3.4.
    """
    staff.require(Permission.FUNDING_END)
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        approval = await find(uow, approval_id=approval_id, kind=KIND)
        ending = Ending.of(approval)
        payout = await _payout_of(uow, ending.request_id)
        hold_id = await hold_of(uow, payout.id)
    assert hold_id is not None
    if now < approval.proposed_at + timedelta(seconds=lease_seconds(runtime.policy, CHARGING)):
        raise Refused(ErrorCode.BUSY, detail="an answer may still be on its way; approve it in a moment")
    outcome = Approved(ending.reference) if ending.credited else Declined("not credited, as its operator says")
    command = EndBillPayout(payout, now, ending.request_id, hold_id, outcome, now, approval_id, ending.attempts, staff)
    told = (await runtime.desk.submit(command)).transaction
    if told.refusal in (ErrorCode.NOT_FOUND, ErrorCode.SAME_PERSON, ErrorCode.ILLEGAL_STATE):
        raise Refused(told.refusal)
    return told


async def refuse_ending(runtime: Runtime, *, staff: StaffMember, approval_id: UUID) -> None:
    """Refuse somebody else's proposal; the payout is asked about again.

    Raises:
        Refused: FORBIDDEN, needs funding_end; NOT_FOUND; ILLEGAL_STATE; SAME_PERSON.
    """
    staff.require(Permission.FUNDING_END)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        payload = await decide(uow, approval_id=approval_id, kind=KIND, by=staff, approve=False, now=now)
        await ask_not_before(uow, FundingId.parse(payload["request_id"], field="request_id"), until=now)


async def waiting_endings(runtime: Runtime) -> list[tuple[ApprovalRow, Ending]]:
    """Proposals that wait for a second person, oldest first."""
    async with runtime.database.read() as uow:
        return [(approval, Ending.of(approval)) for approval in await waiting(uow, kind=KIND)]


async def _payout_of(uow: UnitOfWork, request_id: UUID) -> Transaction:
    """
    Raises:
        Refused: NOT_FOUND, there is no such request; ILLEGAL_STATE, it is not of a payout to a phone bill.
    """
    request = await get_request(uow, request_id)
    payout = None if request is None else await get_transaction(uow, request.transaction_id)
    if request is None or payout is None:
        raise Refused(ErrorCode.NOT_FOUND)
    if payout.kind is not TransactionKind.CLOSING_PAYOUT or request.counterpart != CHARGING:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="only a payout to a phone bill is ended by hand")
    return payout
