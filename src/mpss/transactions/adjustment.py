"""Correcting entries (平账) by two people: one proposes the legs, another approves, and they are posted at once.

A wallet's owner is told. The approval and the entry commit together, so there is no approved entry that is not posted.
Spec: CT 5.2 (平账处理).
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from mpss.accounts.queries import accounts_of_ledger
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.db.rows import RowSet
from mpss.desk.model import Answer, Decision, Snapshot, Transaction, TransactionKind, TransactionState
from mpss.kernel.errors import ErrorCode, MalformedField
from mpss.kernel.ids import ApprovalId
from mpss.kernel.money import MAX_FEN
from mpss.ledger.model import Balance, JournalEntry, Part, Posting
from mpss.ledger.open import floors
from mpss.ledger.post import BALANCES
from mpss.merchants.model import SHUT
from mpss.merchants.queries import merchants_of_ledger
from mpss.merchants.store import MERCHANTS
from mpss.runtime import Runtime
from mpss.staff.approvals import decide, find, propose, waiting
from mpss.staff.audit import audit_row
from mpss.staff.model import ApprovalRow, StaffMember, check_decider, decided
from mpss.staff.permissions import Permission
from mpss.staff.store import APPROVALS, AUDIT
from mpss.transactions.approving import approval_asked
from mpss.transactions.model import Asking, transaction
from mpss.transactions.notify import tell

KIND = "adjustment"
MAX_LEGS = 20
MAX_MEMO = 500


class Proposal(NamedTuple):
    """A correcting entry as proposed: legs that sum to zero, and why."""

    legs: tuple[Posting, ...]
    memo: str

    def payload(self) -> dict[str, Any]:
        legs = [{"ledger_account_id": leg[0], "amount_fen": leg[1], "part": leg[2]} for leg in self.legs]
        return {"legs": legs, "memo": self.memo}

    @classmethod
    def of(cls, approval: ApprovalRow) -> Proposal:
        payload = json.loads(approval.payload)
        legs = (
            Posting(leg["ledger_account_id"], leg["amount_fen"], None if leg["part"] is None else Part(leg["part"]))
            for leg in payload["legs"]
        )
        return cls(tuple(legs), payload["memo"])


@dataclass(frozen=True, slots=True)
class AdjustmentCommand(Asking):
    """Approve and post. `accounts` are the payment accounts whose money the legs move; their owners are told.

    `merchants` are those whose payable the legs move.
    """

    approval_id: UUID
    proposal: Proposal
    accounts: tuple[UUID, ...]
    staff: StaffMember
    merchants: tuple[UUID, ...] = ()

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield APPROVALS, self.approval_id
        for merchant_id in self.merchants:
            yield MERCHANTS, merchant_id
        for account_id in self.accounts:
            yield USAGE, account_id
            yield ACCOUNTS, account_id
        for leg in self.proposal.legs:
            if leg.part is not None:
                yield BALANCES, leg.ledger_account_id

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        today = snapshot.business_date
        approval = snapshot[APPROVALS].get(self.approval_id)
        refusal = check_decider(approval, KIND, self.staff.id)
        if approval is None or refusal is not None:
            return Decision(self.declined(refusal or ErrorCode.NOT_FOUND, today), recorded=False)
        if any(snapshot[MERCHANTS][merchant_id].state in SHUT for merchant_id in self.merchants):
            return Decision(self.declined(ErrorCode.MERCHANT_NOT_ACTIVE, today), recorded=False)
        after = balances_after(self.proposal.legs, snapshot[BALANCES])
        if after is None:
            # The proposal still stands: it may be approved when there is money again.
            return Decision(self.declined(ErrorCode.INSUFFICIENT_FUNDS, today), recorded=False)
        done = self._transaction(TransactionState.SUCCEEDED, today)
        approved = decided(approval, by=self.staff.id, at=self.asked.at, approve=True)
        audited = audit_row(
            at=self.asked.at,
            actor=str(self.staff.id),
            action=f"{KIND}.approve",
            subject=str(ApprovalId.from_uuid(self.approval_id)),
            detail={"transaction": str(done.id)},
        )
        decision = Decision(
            done,
            entry=JournalEntry(done.id, done.kind, self.proposal.legs),
            puts=[(APPROVALS, approval.id, approved)],
            inserts=[(AUDIT, audited)],
        )
        for account_id in self.accounts:
            account = snapshot[ACCOUNTS][account_id]
            wallet = account.ledger_account_id
            balance_fen = after[wallet].balance_fen
            facts = {"amount_fen": balance_fen - snapshot[BALANCES][wallet].balance_fen, "balance_fen": balance_fen}
            tell(decision, account, "adjusted", facts, at=self.asked.at)
        return decision

    def _transaction(
        self, state: TransactionState, business_date: date, *, refusal: ErrorCode | None = None
    ) -> Transaction:
        approval = str(ApprovalId.from_uuid(self.approval_id))
        return transaction(
            self.asked,
            TransactionKind.ADJUSTMENT,
            state,
            business_date,
            amount_fen=sum(leg.amount_fen for leg in self.proposal.legs if leg.amount_fen > 0),
            refusal=refusal,
            account_id=self.accounts[0] if len(self.accounts) == 1 else None,
            metadata=json.dumps({"approval": approval, "memo": self.proposal.memo}, ensure_ascii=False),
        )


def balances_after(legs: Iterable[Posting], balances: dict[int, Balance]) -> dict[int, Balance] | None:
    """The floored accounts' balances after the legs; None where one would be below its floor. Pure."""
    after: dict[int, Balance] = {}
    for leg in legs:
        if leg.part is None:
            continue
        before = after.get(leg.ledger_account_id) or balances[leg.ledger_account_id]
        restricted_fen = before.restricted_fen - (leg.amount_fen if leg.part is Part.RESTRICTED else 0)
        after[leg.ledger_account_id] = before._replace(
            balance_fen=before.balance_fen - leg.amount_fen, restricted_fen=restricted_fen
        )
    if any(_too_low(balance, balances[wallet]) for wallet, balance in after.items()):
        return None
    return after


def _too_low(after: Balance, before: Balance) -> bool:
    if after.restricted_fen < 0 or after.balance_fen - after.restricted_fen < after.held_fen:
        return True
    # Nothing is taken of what is frozen, of which there may be less than was ordered.
    return after.balance_fen < before.balance_fen and after.balance_fen - after.held_fen < after.frozen_fen


async def propose_adjustment(runtime: Runtime, *, staff: StaffMember, legs: Sequence[Posting], memo: str) -> ApprovalId:
    """Propose a correcting entry; a debit is above zero. A leg on a wallet names its part.

    Raises:
        MalformedField: `legs` are fewer than 2 or more than 20, one is zero or beyond any amount, they do not sum to
            zero, an account is unknown, or a part is missing or too much; `memo` is empty or longer than 500.
        Refused: FORBIDDEN, needs ledger_adjust.

    Spec: CT 5.2.
    """
    staff.require(Permission.LEDGER_ADJUST)
    if not memo.strip() or len(memo) > MAX_MEMO:
        raise MalformedField(field="memo", problem=f"must be 1 to {MAX_MEMO} characters")
    if not 2 <= len(legs) <= MAX_LEGS:
        raise MalformedField(field="legs", problem=f"must be 2 to {MAX_LEGS}")
    if any(not 0 < abs(leg.amount_fen) <= MAX_FEN for leg in legs):
        raise MalformedField(field="legs", problem="must each be above or below zero")
    if sum(leg.amount_fen for leg in legs):
        raise MalformedField(field="legs", problem="must sum to zero")
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        has_floor = await floors(uow, [leg.ledger_account_id for leg in legs])
        for leg in legs:
            if leg.ledger_account_id not in has_floor:
                raise MalformedField(field="legs", problem=f"name account {leg.ledger_account_id}, which is not there")
            if has_floor[leg.ledger_account_id] != (leg.part is not None):
                raise MalformedField(field="legs", problem="must name a part on a wallet and nowhere else")
        return await propose(uow, kind=KIND, payload=Proposal(tuple(legs), memo).payload(), by=staff, now=now)


async def approve_adjustment(runtime: Runtime, *, staff: StaffMember, approval_id: UUID) -> Answer:
    """Approve somebody else's proposal and post it; asked again, the same answer.

    Refusals: NOT_FOUND, ILLEGAL_STATE (decided already), SAME_PERSON, INSUFFICIENT_FUNDS (a wallet would be below its
    floor; the proposal still stands), MERCHANT_NOT_ACTIVE (a leg is a closed merchant's).

    Raises:
        Refused: FORBIDDEN, needs ledger_adjust; NOT_FOUND.

    Spec: CT 5.2.
    """
    staff.require(Permission.LEDGER_ADJUST)
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        approval = await find(uow, approval_id=approval_id, kind=KIND)
        proposal = Proposal.of(approval)
        floored = [leg.ledger_account_id for leg in proposal.legs if leg.part is not None]
        accounts = await accounts_of_ledger(uow, floored)
        payables = [leg.ledger_account_id for leg in proposal.legs if leg.part is None]
        merchants = await merchants_of_ledger(uow, payables)
    asked = approval_asked(TransactionKind.ADJUSTMENT, approval_id, by=staff, at=now)
    command = AdjustmentCommand(asked, approval_id, proposal, tuple(accounts), staff, tuple(merchants))
    return await runtime.desk.submit(command)


async def refuse_adjustment(runtime: Runtime, *, staff: StaffMember, approval_id: UUID) -> None:
    """Refuse somebody else's proposal.

    Raises:
        Refused: FORBIDDEN, needs ledger_adjust; NOT_FOUND; ILLEGAL_STATE; SAME_PERSON.
    """
    staff.require(Permission.LEDGER_ADJUST)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        await decide(uow, approval_id=approval_id, kind=KIND, by=staff, approve=False, now=now)


async def waiting_adjustments(runtime: Runtime) -> list[tuple[ApprovalRow, Proposal]]:
    """Proposals that wait for a second person, oldest first."""
    async with runtime.database.read() as uow:
        return [(approval, Proposal.of(approval)) for approval in await waiting(uow, kind=KIND)]
