"""Cash top-up at a service hall (营业厅现金充值), and its undoing by the same clerk while it is fresh.

    Dr cash in transit   Cr wallet, withdrawable          undone: the same legs, turned round

Keys are scoped to the hall and clerk. Spec: CT 5.1, 5.2; CM 6.4.1, 9.3.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar
from uuid import UUID

from mpss.accounts.model import AccountRow
from mpss.accounts.queries import find_wallet_id
from mpss.accounts.state import Operation
from mpss.accounts.store import ACCOUNTS
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Answer, Decision, Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode, MalformedField
from mpss.kernel.ids import TransactionId
from mpss.kernel.phone import parse_phone
from mpss.ledger.post import BALANCES
from mpss.runtime import Runtime
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission
from mpss.transactions.model import Asked, Asking, transaction
from mpss.transactions.postings import cash_topup_legs
from mpss.transactions.queries import get_transaction
from mpss.transactions.topups.command import ToppingUpBy, taken_back
from mpss.transactions.topups.limits import check_topup, topup_touches

CHANNEL = "hall"


@dataclass(frozen=True, slots=True)
class CashTopupCommand(ToppingUpBy):
    """Cash taken for a wallet."""

    kind: ClassVar = TransactionKind.CASH_TOPUP
    operation: ClassVar = Operation.RECEIVE

    policy: Policy

    def topped_up(self, account: AccountRow, snapshot: Snapshot) -> Decision:
        counts = check_topup(
            account, self.amount_fen, snapshot, self.policy, at=self.asked.at, channel=self.asked.channel,
            watched=self.asked.watched,
        )  # fmt: skip
        if isinstance(counts, ErrorCode):
            return Decision(self.declined(counts, snapshot.business_date))
        legs = cash_topup_legs(wallet=account.ledger_account_id, amount_fen=self.amount_fen)
        return self.entered(account, self.amount_fen, legs, counts, snapshot, source="cash")


@dataclass(frozen=True, slots=True)
class UndoCommand(Asking):
    """Take a cash top-up back. `original` is as it was read before, None where there is none of this clerk's."""

    original: Transaction | None
    policy: Policy

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        if self.original is not None:
            assert self.original.account_id is not None
            yield TRANSACTIONS, self.original.id
            yield from topup_touches(self.original.account_id, self.original.channel)

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        today = snapshot.business_date
        original = None if self.original is None else snapshot[TRANSACTIONS].get(self.original.id)
        if original is None or original.account_id is None:
            return Decision(self.declined(ErrorCode.UNKNOWN_TRANSACTION, today))
        too_late = self.asked.at - original.created_at > timedelta(seconds=self.policy.topup_undo_seconds)
        if original.state is not TransactionState.SUCCEEDED or too_late:
            return Decision(self.declined(ErrorCode.ILLEGAL_STATE, today))
        account = snapshot[ACCOUNTS][original.account_id]
        balance = snapshot[BALANCES][account.ledger_account_id]
        amount_fen = original.amount_fen
        # Cash became withdrawable money, so it must still be there as that, and not be held.
        if balance.withdrawable_fen < amount_fen:
            return Decision(self.declined(ErrorCode.INSUFFICIENT_FUNDS, today))
        done = self._transaction(TransactionState.SUCCEEDED, today)
        legs = cash_topup_legs(wallet=account.ledger_account_id, amount_fen=amount_fen)
        return taken_back(done, original, account, legs, snapshot, event="topup_undone", at=self.asked.at)

    def _transaction(
        self, state: TransactionState, business_date: date, *, refusal: ErrorCode | None = None
    ) -> Transaction:
        return transaction(
            self.asked,
            TransactionKind.CASH_TOPUP_UNDO,
            state,
            business_date,
            amount_fen=0 if self.original is None else self.original.amount_fen,
            refusal=refusal,
            account_id=None if self.original is None else self.original.account_id,
            original_id=None if self.original is None else self.original.id,
        )


async def top_up_cash(
    runtime: Runtime, *, staff: StaffMember, key: str, phone: str, amount_fen: int, watched: bool = False
) -> Answer:
    """Top the number's wallet up with cash the clerk has taken; `watched` at a counter on the grey list.

    Refusals: UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE, SINGLE_LIMIT_EXCEEDED, BALANCE_LIMIT_EXCEEDED, KEY_REUSED.

    Raises:
        MalformedField: `phone`, or `amount_fen` is not above zero.
        Refused: FORBIDDEN, needs cash_topup and a hall.

    Spec: CT 5.2; CM 6.4.1.
    """
    caller = _caller(staff)
    phone = parse_phone(phone)
    if amount_fen <= 0:
        raise MalformedField(field="amount_fen", problem="must be above zero")
    now = runtime.clock.now()
    account_id = await find_wallet_id(runtime, phone=phone)
    digest = digest_of(TransactionKind.CASH_TOPUP, phone, amount_fen)
    asked = Asked(TransactionId.new(now), caller, key, digest, now, CHANNEL, watched=watched)
    return await runtime.desk.submit(CashTopupCommand(asked, account_id, amount_fen, runtime.policy))


async def undo_cash_topup(runtime: Runtime, *, staff: StaffMember, key: str, original_id: UUID) -> Answer:
    """Take back a cash top-up of the same clerk, within `policy.topup_undo_seconds` and if the money is still there.

    Refusals: UNKNOWN_TRANSACTION (no cash top-up of this clerk), ILLEGAL_STATE (declined, undone already, or too late),
    INSUFFICIENT_FUNDS, KEY_REUSED.

    Raises:
        Refused: FORBIDDEN, needs cash_topup and a hall.

    Spec: CM 6.4.1, 9.3.
    """
    caller = _caller(staff)
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        original = await get_transaction(uow, original_id)
    if original is not None and (
        original.kind is not TransactionKind.CASH_TOPUP or original.caller != caller or original.account_id is None
    ):
        original = None
    digest = digest_of(TransactionKind.CASH_TOPUP_UNDO, original_id.hex)
    asked = Asked(TransactionId.new(now), caller, key, digest, now, CHANNEL)
    return await runtime.desk.submit(UndoCommand(asked, original, runtime.policy))


def _caller(staff: StaffMember) -> str:
    staff.require_at_hall(Permission.CASH_TOPUP)
    return staff.caller
