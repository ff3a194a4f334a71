"""How a withdrawal ends: paid, refused, or returned after it was paid. Pure but for the flow that returns.

    paid       the hold is collected    Dr wallet, withdrawable    Cr withdrawals in transit, Cr fee income
    refused    the hold is released
    returned   the entry, turned round: amount and fee are back in the wallet

A return is a transaction of its own, under one key of the platform's. Spec: CM 5.3.3, 6.6. Decision: ADR-0020.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from mpss.accounts.limit_model import LimitOperation, uncounted
from mpss.accounts.limit_store import WITHDRAWN
from mpss.accounts.model import AccountRow
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionKind, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode
from mpss.ledger.holds import HOLDS, collect, release
from mpss.ledger.model import JournalEntry
from mpss.ledger.post import BALANCES
from mpss.transactions.by_channel import channel_touches, give_channel_back
from mpss.transactions.machine import WITHDRAWAL, Event
from mpss.transactions.model import Asking, Moving, transaction
from mpss.transactions.notify import tell
from mpss.transactions.postings import turned_round, withdrawal_legs
from mpss.transactions.withdrawals.model import WithdrawalRow
from mpss.transactions.withdrawals.store import WITHDRAWALS
from mpss.wire.pain import OrderStatus


@dataclass(frozen=True, slots=True)
class OfWithdrawal(Moving):
    """The head of a command that ends a withdrawal; `row` is beside it as it was read, `command_id` the command's."""

    row: WithdrawalRow
    command_id: UUID

    @property
    def key(self) -> str:
        return str(self.command_id)

    @property
    def hold_id(self) -> UUID:
        assert self.row.hold_id is not None, f"{self.earlier.id} holds nothing"
        return self.row.hold_id

    def row_in(self, snapshot: Snapshot) -> WithdrawalRow:
        """The row as it stands, before the withdrawal ends."""
        return snapshot[WITHDRAWALS][self.earlier.id]

    def own_rows(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        """The rows of the withdrawal itself."""
        yield TRANSACTIONS, self.earlier.id
        yield WITHDRAWALS, self.earlier.id
        yield USAGE, self.row.account_id
        yield ACCOUNTS, self.row.account_id
        yield WITHDRAWN, self.row.account_id
        yield from channel_touches(self.row.account_id, LimitOperation.WITHDRAWAL.value, self.earlier.channel)
        yield HOLDS, self.hold_id

    def paid(self, withdrawal: Transaction, snapshot: Snapshot) -> Decision:
        """The bank paid: what was held leaves the wallet."""
        account, row = snapshot[ACCOUNTS][self.row.account_id], self.row_in(snapshot)
        balance = snapshot[BALANCES][account.ledger_account_id]
        decision = self._moved(withdrawal, Event.APPROVE, snapshot)
        decision.puts += collect(snapshot[HOLDS][self.hold_id], balance, amount_fen=row.total_fen, at=self.at)
        legs = withdrawal_legs(wallet=account.ledger_account_id, amount_fen=row.amount_fen, fee_fen=row.fee_fen)
        decision.entry = JournalEntry(withdrawal.id, withdrawal.kind, legs)
        facts = _facts(row) | {"balance_fen": balance.balance_fen - row.total_fen}
        tell(decision, account, "withdrawal_paid", facts, at=self.at)
        return decision

    def refused(self, withdrawal: Transaction, snapshot: Snapshot, reason: str) -> Decision:
        """The bank did not pay and will not: what was held is free again, and so is the day's limit."""
        account, row = snapshot[ACCOUNTS][self.row.account_id], self.row_in(snapshot)
        balance = snapshot[BALANCES][account.ledger_account_id]
        decision = self._moved(withdrawal, Event.DECLINE, snapshot, reason=reason)
        decision.puts += release(snapshot[HOLDS][self.hold_id], balance, at=self.at)
        _give_back(decision, withdrawal, row, snapshot)
        tell(decision, account, "withdrawal_failed", _facts(row), at=self.at)
        return decision

    def unanswered(self, withdrawal: Transaction, snapshot: Snapshot) -> Decision:
        """Nobody knows: it stays held, and the payer is told once."""
        if withdrawal.state is TransactionState.IN_DOUBT:
            return Decision(withdrawal, recorded=False)
        moved = withdrawal._replace(state=WITHDRAWAL.move(withdrawal.state, Event.NO_ANSWER))
        decision = Decision(moved, puts=[(TRANSACTIONS, moved.id, moved)], recorded=False)
        account = snapshot[ACCOUNTS][self.row.account_id]
        facts = _facts(self.row_in(snapshot))
        tell(decision, account, "withdrawal_in_doubt", facts, at=self.at)
        return decision

    def _moved(self, withdrawal: Transaction, event: Event, snapshot: Snapshot, *, reason: str = "") -> Decision:
        refusal = ErrorCode.FUNDING_DECLINED if event is Event.DECLINE else None
        moved = withdrawal._replace(
            state=WITHDRAWAL.move(withdrawal.state, event), refusal=refusal, finished_at=self.at
        )
        row = self.row_in(snapshot)._replace(ended_at=self.at, reason=reason)
        puts: list[tuple[RowSet[Any, Any], Any, Any]] = [(TRANSACTIONS, moved.id, moved), (WITHDRAWALS, moved.id, row)]
        return Decision(moved, puts=puts, recorded=False)


@dataclass(frozen=True, slots=True)
class ReturnWithdrawal(Asking):
    """The bank gave a paid withdrawal back; `earlier` and `row` are as they were read."""

    earlier: Transaction
    row: WithdrawalRow
    said: OrderStatus
    said_at: datetime

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield TRANSACTIONS, self.earlier.id
        yield WITHDRAWALS, self.earlier.id
        yield USAGE, self.row.account_id
        yield ACCOUNTS, self.row.account_id
        yield WITHDRAWN, self.row.account_id
        yield from channel_touches(self.row.account_id, LimitOperation.WITHDRAWAL.value, self.earlier.channel)

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        """Money that comes back is not stopped by the wallet's state or highest balance."""
        today, at = snapshot.business_date, self.asked.at
        withdrawal, row = snapshot[TRANSACTIONS][self.earlier.id], snapshot[WITHDRAWALS][self.earlier.id]
        if withdrawal.state is not TransactionState.SUCCEEDED:
            return Decision(self.declined(ErrorCode.ILLEGAL_STATE, today), recorded=False)
        account: AccountRow = snapshot[ACCOUNTS][row.account_id]
        done = self._transaction(TransactionState.SUCCEEDED, today)
        legs = withdrawal_legs(wallet=account.ledger_account_id, amount_fen=row.amount_fen, fee_fen=row.fee_fen)
        entry = JournalEntry(done.id, done.kind, turned_round(legs), reverses_id=withdrawal.id)
        ended = withdrawal._replace(state=WITHDRAWAL.move(withdrawal.state, Event.RETURN))
        returned = row._replace(bank_status=self.said.status, bank_said_at=self.said_at, reason=self.said.reason)
        puts: list[tuple[RowSet[Any, Any], Any, Any]] = [
            (TRANSACTIONS, withdrawal.id, ended),
            (WITHDRAWALS, withdrawal.id, returned),
        ]
        decision = Decision(done, entry, puts)
        _give_back(decision, withdrawal, row, snapshot)
        balance_fen = snapshot[BALANCES][account.ledger_account_id].balance_fen + row.total_fen
        tell(decision, account, "withdrawal_returned", _facts(row) | {"balance_fen": balance_fen}, at=at)
        return decision

    def _transaction(
        self, state: TransactionState, business_date: date, *, refusal: ErrorCode | None = None
    ) -> Transaction:
        return transaction(
            self.asked,
            TransactionKind.WITHDRAWAL_RETURN,
            state,
            business_date,
            amount_fen=self.row.amount_fen,
            fee_fen=self.row.fee_fen,
            refusal=refusal,
            account_id=self.row.account_id,
            original_id=self.earlier.id,
        )


def _give_back(decision: Decision, withdrawal: Transaction, row: WithdrawalRow, snapshot: Snapshot) -> None:
    counts = snapshot[WITHDRAWN][row.account_id]
    left = uncounted(counts, row.amount_fen, withdrawal.business_date)
    if left is not counts:
        decision.puts.append((WITHDRAWN, row.account_id, left))
    give_channel_back(decision, withdrawal, LimitOperation.WITHDRAWAL.value, snapshot)


def _facts(row: WithdrawalRow) -> dict[str, Any]:
    return {"amount_fen": row.amount_fen, "fee_fen": row.fee_fen, "card": row.card}
