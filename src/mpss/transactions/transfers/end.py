"""The end of a transfer that waits for its payee: claimed once the number has a wallet, else returned.

    claim    Dr transfers held   Cr payee's wallet            return   the transfer's legs, turned round

Both are transactions of their own, under one key of the platform's: whichever comes first, the other finds the state
moved and, were that wrong, the key used. Spec: CM 5.3.2, 6.5. Decision: ADR-0015.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from mpss.accounts.checks import check_state
from mpss.accounts.limit_model import LimitOperation, caps_of
from mpss.accounts.limit_store import LIMITS
from mpss.accounts.payee_store import PAYEES
from mpss.accounts.state import Operation
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Answer, Decision, Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import TransactionId
from mpss.kernel.masking import mask_phone
from mpss.ledger.model import JournalEntry
from mpss.ledger.post import BALANCES
from mpss.runtime import Runtime
from mpss.transactions.by_channel import channel_touches
from mpss.transactions.machine import TRANSFER, Event
from mpss.transactions.model import Asked, Asking, transaction
from mpss.transactions.notify import Facts, tell, tell_number
from mpss.transactions.postings import transfer_claim_legs, transfer_held_legs, turned_round
from mpss.transactions.transfers.queries import get_transfer
from mpss.transactions.transfers.store import SENT, TRANSFERS, TransferRow, claimable, returnable
from mpss.transactions.transfers.terms import UNKNOWN_LANGUAGE, give_back_sent

CALLER = "platform:transfer"
CHANNEL = "job"


@dataclass(frozen=True, slots=True)
class EndCommand(Asking):
    """Claim or return a waiting transfer for `account_id`: its payee's wallet, or its payer's; `channel` is the
    transfer's."""

    kind: TransactionKind
    transfer_id: UUID
    payer_id: UUID
    account_id: UUID
    amount_fen: int
    channel: str
    policy: Policy
    by_payer: bool = False
    relation_id: UUID | None = None

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield TRANSACTIONS, self.transfer_id
        yield TRANSFERS, self.transfer_id
        for account_id in {self.payer_id, self.account_id}:
            yield USAGE, account_id
            yield ACCOUNTS, account_id
        yield from channel_touches(self.payer_id, LimitOperation.TRANSFER.value, self.channel)
        yield SENT, self.payer_id
        if self.relation_id is not None:
            yield PAYEES, self.relation_id

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        today = snapshot.business_date
        waiting = snapshot[TRANSACTIONS].get(self.transfer_id)
        row = snapshot[TRANSFERS].get(self.transfer_id)
        refusal = self._refusal(waiting, row, snapshot)
        if waiting is None or row is None or refusal is not None:
            # Not recorded: what hinders it now may not at the next try.
            return Decision(self.declined(refusal or ErrorCode.UNKNOWN_TRANSACTION, today), recorded=False)
        claiming = self.kind is TransactionKind.TRANSFER_CLAIM
        done = self._transaction(TransactionState.SUCCEEDED, today)
        decision = Decision(done)
        account = snapshot[ACCOUNTS][self.account_id]
        balance_fen = snapshot[BALANCES][account.ledger_account_id].balance_fen + row.amount_fen
        at, payer, payee = self.asked.at, mask_phone(row.payer_phone), mask_phone(row.payee_phone)
        got = {"amount_fen": row.amount_fen, "balance_fen": balance_fen}
        if claiming:
            legs = transfer_claim_legs(payee=account.ledger_account_id, amount_fen=row.amount_fen)
            decision.entry = JournalEntry(done.id, done.kind, legs)
            tell(decision, account, "transfer_received", {**got, "counterpart": payer}, at=at)
            told: Facts = {"amount_fen": row.amount_fen, "counterpart": payee}
            tell_number(
                decision, row.payer_phone, snapshot[ACCOUNTS][row.payer_id].language, "transfer_claimed", told, at=at
            )
            row = row._replace(payee_id=account.id, ended_at=at)
        else:
            legs = turned_round(transfer_held_legs(payer=account.ledger_account_id, amount_fen=row.amount_fen))
            decision.entry = JournalEntry(done.id, done.kind, legs, reverses_id=waiting.id)
            tell(
                decision,
                account,
                self._told("transfer_returned", "transfer_cancelled"),
                {**got, "counterpart": payee},
                at=at,
            )
            told = {"amount_fen": row.amount_fen, "counterpart": payer}
            lapsed = self._told("transfer_lapsed", "transfer_withdrawn")
            tell_number(decision, row.payee_phone, UNKNOWN_LANGUAGE, lapsed, told, at=at)
            give_back_sent(decision, waiting, row, snapshot)
            row = row._replace(ended_at=at)
        event = Event.CLAIM if claiming else Event.RETURN
        ended = waiting._replace(state=TRANSFER.move(waiting.state, event))
        decision.puts += [(TRANSACTIONS, waiting.id, ended), (TRANSFERS, waiting.id, row)]
        return decision

    def _told(self, in_vain: str, cancelled: str) -> str:
        return cancelled if self.by_payer else in_vain

    def _refusal(self, waiting: Transaction | None, row: TransferRow | None, snapshot: Snapshot) -> ErrorCode | None:
        if waiting is None or row is None or row.return_at is None:
            return ErrorCode.UNKNOWN_TRANSACTION
        account = snapshot[ACCOUNTS].get(self.account_id)
        if waiting.state is not TransactionState.WAITING:
            return ErrorCode.ILLEGAL_STATE
        over = self.asked.at >= row.return_at
        if self.kind is TransactionKind.TRANSFER_RETURN:
            # Money that goes back is not stopped by the payer's state or highest balance.
            due = over or self.by_payer
            return (None if account is not None else ErrorCode.UNKNOWN_ACCOUNT) if due else ErrorCode.ILLEGAL_STATE
        if over:
            return ErrorCode.ILLEGAL_STATE
        refusal = check_state(account, Operation.RECEIVE, at=self.asked.at)
        if account is None or refusal is not None:
            return refusal
        if account.phone != row.payee_phone:
            return ErrorCode.UNKNOWN_ACCOUNT
        balance_fen = snapshot[BALANCES][account.ledger_account_id].balance_fen
        tables = snapshot[LIMITS].get(LimitOperation.TRANSFER)
        caps = caps_of(tables, account.account_class, CHANNEL, self.asked.at)
        too_much = balance_fen + row.amount_fen > min(self.policy.balance_limit_fen, caps.balance_fen)
        return ErrorCode.BALANCE_LIMIT_EXCEEDED if too_much else None

    def _transaction(
        self, state: TransactionState, business_date: date, *, refusal: ErrorCode | None = None
    ) -> Transaction:
        return transaction(
            self.asked,
            self.kind,
            state,
            business_date,
            amount_fen=self.amount_fen,
            refusal=refusal,
            account_id=self.account_id,
            original_id=self.transfer_id,
        )


async def claim_transfers(runtime: Runtime, *, limit: int = 500) -> int:
    """Give waiting transfers to the payees who have a wallet by now; how many were looked at. For a job."""
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        found = await claimable(uow, now=now, highest_fen=runtime.policy.balance_limit_fen, limit=limit)
    for transfer_id, payee_id in found:
        await end_transfer(runtime, TransactionKind.TRANSFER_CLAIM, transfer_id=transfer_id, account_id=payee_id)
    return len(found)


async def return_transfers(runtime: Runtime, *, limit: int = 500) -> int:
    """Give back what waited `policy.transfer_hold_days` in vain; how many were looked at. For a job."""
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        found = await returnable(uow, now=now, limit=limit)
    for transfer_id in found:
        await end_transfer(runtime, TransactionKind.TRANSFER_RETURN, transfer_id=transfer_id)
    return len(found)


async def cancel_transfer(runtime: Runtime, *, account_id: UUID, transfer_id: UUID) -> None:
    """The payer takes a waiting transfer back before it is claimed. One that went back already stays so.

    Raises:
        Refused: UNKNOWN_TRANSACTION, no transfer that `account_id` sent; ILLEGAL_STATE, claimed or never waited.

    Spec: CM 5.3.2.
    """
    async with runtime.database.read() as uow:
        found = await get_transfer(uow, transfer_id)
    if found is None or found.payer_id != account_id:
        raise Refused(ErrorCode.UNKNOWN_TRANSACTION)
    if found.return_at is None:
        raise Refused(ErrorCode.ILLEGAL_STATE)
    answer = await end_transfer(runtime, TransactionKind.TRANSFER_RETURN, transfer_id=transfer_id, by_payer=True)
    refusal = answer.transaction.refusal
    if refusal is not None:
        # The key is the transfer's: used the other way, the payee has the money.
        raise Refused(ErrorCode.ILLEGAL_STATE if refusal is ErrorCode.KEY_REUSED else ErrorCode(refusal))


async def end_transfer(
    runtime: Runtime,
    kind: TransactionKind,
    *,
    transfer_id: UUID,
    account_id: UUID | None = None,
    by_payer: bool = False,
) -> Answer:
    """Claim for the payee's wallet `account_id`, or return to the payer; a refusal is not recorded.

    `by_payer` returns at the payer's word, before the time is over.

    Refusals: UNKNOWN_TRANSACTION, ILLEGAL_STATE (not waiting, not due, or due to go back), UNKNOWN_ACCOUNT,
    ACCOUNT_NOT_ACTIVE, BALANCE_LIMIT_EXCEEDED, KEY_REUSED (ended the other way just now).
    """
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        waiting = await get_transfer(uow, transfer_id)
    assert waiting is not None, f"{transfer_id} is no transfer"
    target = waiting.payer_id if account_id is None else account_id
    asked = Asked(
        TransactionId.new(now), CALLER, TransactionId.outside(transfer_id), digest_of(kind, target.hex), now, CHANNEL
    )
    command = EndCommand(
        asked, kind, transfer_id, waiting.payer_id, target, waiting.amount_fen, waiting.channel, runtime.policy,
        by_payer, waiting.relation_id,
    )  # fmt: skip
    return await runtime.desk.submit(command)
