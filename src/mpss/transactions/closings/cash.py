"""The rest of an account that is being closed, paid out as cash at a service hall (CM 5.2.3.4).

    Dr wallet, both parts   Cr cash in transit

The whole balance at once, so the account is empty with this entry. Keys are scoped to the hall and clerk.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionKind, TransactionState
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId
from mpss.ledger.model import JournalEntry
from mpss.staff.audit import audit_row
from mpss.staff.model import StaffMember
from mpss.staff.store import AUDIT
from mpss.transactions.closings.payable import payable
from mpss.transactions.model import Asking, transaction
from mpss.transactions.notify import tell
from mpss.transactions.postings import cash_payout_legs


@dataclass(frozen=True, slots=True)
class CashPayoutCommand(Asking):
    """Pay the whole balance of a pre-closed account; `account_id` None where the number has none."""

    account_id: UUID | None
    staff: StaffMember
    document: str

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        if self.account_id is not None:
            yield USAGE, self.account_id
            yield ACCOUNTS, self.account_id

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, 0, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CM 5.2.3.4, 6.2."""
        today, at = snapshot.business_date, self.asked.at
        found = payable(snapshot, self.account_id, at=at)
        if isinstance(found, ErrorCode):
            return Decision(self.declined(found, today))
        account, balance = found
        done = self._transaction(TransactionState.SUCCEEDED, today, balance.balance_fen)
        legs = cash_payout_legs(
            wallet=account.ledger_account_id,
            amount_fen=balance.balance_fen,
            restricted_fen=balance.restricted_fen,
        )
        detail = {"transaction": str(done.id), "document": self.document, **self.staff.place}
        subject = AccountId.outside(account.id)
        audited = audit_row(at=at, actor=str(self.staff.id), action="closing.paid", subject=subject, detail=detail)
        decision = Decision(done, entry=JournalEntry(done.id, done.kind, legs), inserts=[(AUDIT, audited)])
        tell(decision, account, "closing_paid", {"amount_fen": done.amount_fen}, at=at)
        return decision

    def _transaction(
        self, state: TransactionState, business_date: date, amount_fen: int, *, refusal: ErrorCode | None = None
    ) -> Transaction:
        return transaction(
            self.asked,
            TransactionKind.CLOSING_PAYOUT,
            state,
            business_date,
            amount_fen=amount_fen,
            refusal=refusal,
            account_id=self.account_id,
        )
