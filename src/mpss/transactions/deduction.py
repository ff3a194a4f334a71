"""Deductions by law (司法扣划): a court or authority takes what it had frozen. One person proposes, another approves.

    Dr wallet, withdrawable part first     Cr deductions by law

The money waits on the house's account until it is paid to the authority, which a correcting entry against the reserve
writes down. What is deducted of a freeze of an amount is no longer frozen; a freeze of the whole account stands on.
Orders rank (轮候) by when they were carried out here: what an earlier one freezes is not taken for a later one.
The approval, the entry and the freeze commit together. Decision: ADR-0028.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from mpss.accounts.freeze_change import require_standing
from mpss.accounts.freeze_store import FREEZES, earlier_orders
from mpss.accounts.locks import lock_by_phone
from mpss.accounts.model import FreezeKind
from mpss.accounts.state_store import ACCOUNT_EVENTS, event_row
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.db.rows import RowSet
from mpss.desk.model import Answer, Decision, Snapshot, Transaction, TransactionKind, TransactionState
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import AccountId, ApprovalId, FreezeId
from mpss.kernel.money import MAX_FEN
from mpss.kernel.text import check_line
from mpss.ledger.model import JournalEntry
from mpss.ledger.post import BALANCES
from mpss.runtime import Runtime
from mpss.staff.approvals import decide, find, propose, waiting
from mpss.staff.audit import audit_row
from mpss.staff.model import ApprovalRow, StaffMember, check_decider, decided
from mpss.staff.permissions import Permission
from mpss.staff.store import APPROVALS, AUDIT
from mpss.transactions.approving import approval_asked
from mpss.transactions.model import Asking, transaction
from mpss.transactions.notify import tell
from mpss.transactions.postings import law_deduction_legs

KIND = "law_deduction"


class Deduction(NamedTuple):
    """What is deducted, as proposed. `authority` is who takes it, and where the money goes; `document` its order."""

    account_id: UUID
    freeze_id: UUID
    amount_fen: int
    authority: str
    document: str

    def payload(self) -> dict[str, Any]:
        return {
            "account_id": AccountId.outside(self.account_id), "freeze_id": FreezeId.outside(self.freeze_id),
            "amount_fen": self.amount_fen, "authority": self.authority, "document": self.document,
        }  # fmt: skip

    @classmethod
    def of(cls, approval: ApprovalRow) -> Deduction:
        payload = json.loads(approval.payload)
        return cls(
            AccountId.parse(payload["account_id"], field="account_id"),
            FreezeId.parse(payload["freeze_id"], field="freeze_id"),
            payload["amount_fen"], payload["authority"], payload["document"],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeductionCommand(Asking):
    """Approve and post; `earlier` are the freezes by law that rank before, as they stood when it was asked."""

    approval_id: UUID
    deduction: Deduction
    staff: StaffMember
    earlier: tuple[UUID, ...]

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield APPROVALS, self.approval_id
        yield USAGE, self.deduction.account_id
        yield ACCOUNTS, self.deduction.account_id
        for freeze_id in (self.deduction.freeze_id, *self.earlier):
            yield FREEZES, freeze_id

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        """A proposal that is refused here still stands. The account's state has no say: what it stops is the holder."""
        today, at, asked = snapshot.business_date, self.asked.at, self.deduction
        approval = snapshot[APPROVALS].get(self.approval_id)
        refusal = check_decider(approval, KIND, self.staff.id)
        if approval is None or refusal is not None:
            return Decision(self.declined(refusal or ErrorCode.NOT_FOUND, today), recorded=False)
        account, freeze = snapshot[ACCOUNTS][asked.account_id], snapshot[FREEZES][asked.freeze_id]
        if freeze.released_at is not None or (freeze.left_fen is not None and freeze.left_fen < asked.amount_fen):
            return Decision(self.declined(ErrorCode.ILLEGAL_STATE, today), recorded=False)
        balance = snapshot[BALANCES][account.ledger_account_id]
        # A freeze that was made since ranks after this one, so those that were read are all.
        before = [snapshot[FREEZES][each] for each in self.earlier]
        standing = [each.left_fen for each in before if each.released_at is None]
        if None in standing:
            return Decision(self.declined(ErrorCode.FROZEN_BY_LAW, today), recorded=False)
        kept_fen = sum(left_fen or 0 for left_fen in standing)
        if balance.balance_fen - balance.held_fen - kept_fen < asked.amount_fen:
            return Decision(self.declined(ErrorCode.INSUFFICIENT_FUNDS, today), recorded=False)
        # What is held is taken to be withdrawable, as a withdrawal's is.
        withdrawable_fen = max(0, balance.balance_fen - balance.restricted_fen - balance.held_fen)
        restricted_fen = max(0, asked.amount_fen - withdrawable_fen)
        done = self._transaction(TransactionState.SUCCEEDED, today, restricted_fen=restricted_fen)
        legs = law_deduction_legs(
            wallet=account.ledger_account_id, amount_fen=asked.amount_fen, restricted_fen=restricted_fen
        )
        by = str(self.staff.id)
        decision = Decision(
            done,
            entry=JournalEntry(done.id, done.kind, legs),
            puts=[(APPROVALS, approval.id, decided(approval, by=self.staff.id, at=at, approve=True))],
        )
        if freeze.left_fen is not None:
            left = balance._replace(frozen_fen=balance.frozen_fen - asked.amount_fen)
            decision.puts += [
                (FREEZES, freeze.id, freeze.reduced(asked.amount_fen, by=by, at=at)),
                (BALANCES, account.ledger_account_id, left),
            ]
        detail = {**asked.payload(), "transaction": str(done.id)}
        subject = AccountId.outside(account.id)
        decision.inserts += [
            (AUDIT, audit_row(at=at, actor=by, action=f"{KIND}.approve", subject=subject, detail=detail)),
            (ACCOUNT_EVENTS, event_row(account.id, "deducted", detail=detail, actor=by, now=at)),
        ]
        left_fen = balance.balance_fen - asked.amount_fen
        tell(decision, account, "deducted", {"amount_fen": asked.amount_fen, "balance_fen": left_fen}, at=at)
        return decision

    def _transaction(
        self,
        state: TransactionState,
        business_date: date,
        *,
        refusal: ErrorCode | None = None,
        restricted_fen: int = 0,
    ) -> Transaction:
        memo = {
            "approval": ApprovalId.outside(self.approval_id), "freeze": FreezeId.outside(self.deduction.freeze_id),
            "authority": self.deduction.authority, "document": self.deduction.document,
        }  # fmt: skip
        return transaction(
            self.asked,
            TransactionKind.LAW_DEDUCTION,
            state,
            business_date,
            amount_fen=self.deduction.amount_fen,
            refusal=refusal,
            account_id=self.deduction.account_id,
            restricted_fen=restricted_fen,
            metadata=json.dumps(memo, ensure_ascii=False),
        )


async def propose_deduction(
    runtime: Runtime, *, staff: StaffMember, phone: str, freeze_id: UUID, amount_fen: int, authority: str, document: str
) -> ApprovalId:
    """Propose to deduct money that is frozen by law.

    Raises:
        MalformedField: `phone`, `authority` or `document`; `amount_fen` is not above zero, or is more than is frozen.
        Refused: FORBIDDEN, needs law_deduct; UNKNOWN_ACCOUNT; NOT_FOUND, the account has no such freeze; ILLEGAL_STATE,
            it has ended or is not by law.
    """
    staff.require(Permission.LAW_DEDUCT)
    check_line(authority, field="authority")
    check_line(document, field="document")
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        account = await lock_by_phone(uow, phone)
        freeze = await require_standing(uow, account, freeze_id)
        if freeze.kind is not FreezeKind.LAW:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="the freeze is not by law")
        most_fen = MAX_FEN if freeze.left_fen is None else freeze.left_fen
        if not 0 < amount_fen <= most_fen:
            raise MalformedField(field="amount_fen", problem=f"must be 1 to {most_fen}, which is still frozen")
        asked = Deduction(account.id, freeze_id, amount_fen, authority, document)
        return await propose(uow, kind=KIND, payload=asked.payload(), by=staff, now=now)


async def approve_deduction(runtime: Runtime, *, staff: StaffMember, approval_id: UUID) -> Answer:
    """Approve somebody else's proposal and post it; asked again, the same answer.

    Refusals: NOT_FOUND, ILLEGAL_STATE (decided already, or the freeze has ended or less is frozen), SAME_PERSON,
    INSUFFICIENT_FUNDS (less is there beyond what earlier orders freeze; the proposal still stands), FROZEN_BY_LAW (an
    earlier order freezes the whole account; the proposal still stands).

    Raises:
        Refused: FORBIDDEN, needs law_deduct; NOT_FOUND.
    """
    staff.require(Permission.LAW_DEDUCT)
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        approval = await find(uow, approval_id=approval_id, kind=KIND)
        deduction = Deduction.of(approval)
        earlier = tuple(await earlier_orders(uow, deduction.freeze_id))
    asked = approval_asked(TransactionKind.LAW_DEDUCTION, approval_id, by=staff, at=now)
    return await runtime.desk.submit(DeductionCommand(asked, approval_id, deduction, staff, earlier))


async def refuse_deduction(runtime: Runtime, *, staff: StaffMember, approval_id: UUID) -> None:
    """Refuse somebody else's proposal.

    Raises:
        Refused: FORBIDDEN, needs law_deduct; NOT_FOUND; ILLEGAL_STATE; SAME_PERSON.
    """
    staff.require(Permission.LAW_DEDUCT)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        await decide(uow, approval_id=approval_id, kind=KIND, by=staff, approve=False, now=now)


async def waiting_deductions(runtime: Runtime) -> list[tuple[ApprovalRow, Deduction]]:
    """Proposals that wait for a second person, oldest first."""
    async with runtime.database.read() as uow:
        return [(approval, Deduction.of(approval)) for approval in await waiting(uow, kind=KIND)]
