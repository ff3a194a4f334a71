"""The head of a command that tops a wallet up, and the steps that are the same whatever pays. Pure.

state → black list → what the source asks for → limits → in the wallet, or FUNDING while another system is asked
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from mpss.accounts.checks import check_state, check_voucher_tries
from mpss.accounts.model import AccountRow
from mpss.accounts.state import Operation
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionKind, TransactionState
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode
from mpss.ledger.model import JournalEntry, Posting
from mpss.ledger.post import BALANCES
from mpss.risk.screen import remember_paid, risk_touches
from mpss.risk.store import LISTED, blacklisted
from mpss.transactions.machine import WAITING, Event
from mpss.transactions.model import Asking, transaction
from mpss.transactions.notify import Facts, tell
from mpss.transactions.postings import turned_round
from mpss.transactions.topups.limits import Puts, give_back_topup, topup_touches


@dataclass(frozen=True, slots=True)
class ToppingUp(Asking):
    """Money for a wallet; `account_id` None where the number has none.

    `operation` is what the account's state must allow: of who only gets money, less is asked.
    """

    kind: ClassVar[TransactionKind]
    operation: ClassVar[Operation] = Operation.TOP_UP

    account_id: UUID | None

    @property
    def metadata(self) -> str | None:
        return None

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        if self.account_id is not None:
            yield from topup_touches(self.account_id, self.asked.channel)
            yield LISTED, self.account_id
            yield from risk_touches(self.account_id)

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self.made(TransactionState.DECLINED, business_date, 0, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        return remember_paid(self._decide(snapshot), snapshot)

    def _decide(self, snapshot: Snapshot) -> Decision:
        today = snapshot.business_date
        account = None if self.account_id is None else snapshot[ACCOUNTS].get(self.account_id)
        refusal = check_state(account, self.operation, at=self.asked.at)
        if account is None or refusal is not None:
            return Decision(self.declined(refusal or ErrorCode.UNKNOWN_ACCOUNT, today))
        if blacklisted(snapshot, (account.id,)):
            return Decision(self.declined(ErrorCode.BLACKLISTED, today))
        return self.topped_up(account, snapshot)

    def topped_up(self, account: AccountRow, snapshot: Snapshot) -> Decision:
        """What is decided of an account that may be topped up."""
        raise NotImplementedError

    def made(
        self, state: TransactionState, business_date: date, amount_fen: int, *, refusal: ErrorCode | None = None
    ) -> Transaction:
        """The top-up as it is first recorded."""
        return transaction(
            self.asked, self.kind, state, business_date, amount_fen=amount_fen, refusal=refusal,
            account_id=self.account_id, metadata=self.metadata,
        )  # fmt: skip

    def entered(
        self,
        account: AccountRow,
        amount_fen: int,
        legs: tuple[Posting, ...],
        counts: Puts,
        snapshot: Snapshot,
        *,
        source: str,
    ) -> Decision:
        """The money is here already: it is in the wallet at once, and its holder is told."""
        done = self.made(TransactionState.SUCCEEDED, snapshot.business_date, amount_fen)
        decision = Decision(done, JournalEntry(done.id, done.kind, legs), counts)
        balance_fen = snapshot[BALANCES][account.ledger_account_id].balance_fen + amount_fen
        facts: Facts = {"amount_fen": amount_fen, "balance_fen": balance_fen, "source": source}
        tell(decision, account, "topped_up", facts, at=self.asked.at)
        return decision


@dataclass(frozen=True, slots=True)
class ToppingUpBy(ToppingUp):
    """A top-up whose amount is named by who asks for it."""

    amount_fen: int

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self.made(TransactionState.DECLINED, business_date, self.amount_fen, refusal=code)


def count_wrong_card(
    declined: Transaction, account: AccountRow, snapshot: Snapshot, policy: Policy, *, at: datetime
) -> Decision:
    """No card has this password: the try is counted, and whoever tried too often is barred and told."""
    usage = snapshot[USAGE][account.id]
    counted = usage._replace(voucher_wrong=usage.voucher_wrong + 1)
    decision = Decision(declined, puts=[(USAGE, account.id, counted)], recorded=False)
    if check_voucher_tries(counted, policy) is not None:
        tell(decision, account, "voucher_barred", at=at, about=account.id)
    return decision


def forget_wrong_cards(decision: Decision, account: AccountRow, snapshot: Snapshot) -> Decision:
    """Add to a top-up by a card's password that the tries before it do not count any more."""
    usage = snapshot[USAGE][account.id]
    if usage.voucher_wrong:
        decision.puts.append((USAGE, account.id, usage._replace(voucher_wrong=0)))
    return decision


def taken_back(
    done: Transaction,
    original: Transaction,
    account: AccountRow,
    legs: tuple[Posting, ...],
    snapshot: Snapshot,
    *,
    event: str,
    at: datetime,
) -> Decision:
    """`done` undoes `original`, whose legs were these: its holder is told, and it does not count any more."""
    undone = original._replace(state=WAITING.move(original.state, Event.REVERSE))
    decision = Decision(
        done,
        entry=JournalEntry(done.id, done.kind, turned_round(legs), reverses_id=original.id),
        puts=[(TRANSACTIONS, original.id, undone)],
    )
    balance_fen = snapshot[BALANCES][account.ledger_account_id].balance_fen - original.amount_fen
    tell(decision, account, event, {"amount_fen": original.amount_fen, "balance_fen": balance_fen}, at=at)
    return give_back_topup(decision, original, snapshot)
