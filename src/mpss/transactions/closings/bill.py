"""The rest of an account that is being closed, paid to its holder's phone bill (话费) through the charging system.

    whole balance held ──► the charging system is asked to credit the number     FUNDING
    yes                ──► SUCCEEDED   Dr wallet, both parts    Cr phone-bill receivable
    no, at first       ──► DECLINED    the hold is released; the rest is fetched at a hall
    silence            ──► IN_DOUBT    the same request again, with the same session, until it says yes,
                                       or two people say what they were told by hand (closings/bill_doubt.py)

Invariants: (1) it is asked for once for an account; (2) money out is never reversed in doubt, and a "no" to a repeat is
not relied upon, since it may be said of the repeat alone; (3) what was credited lowers what the operator owes us.
Spec: CM 5.2.3.4. Decisions: ADR-0013, ADR-0021.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from mpss.accounts.model import AccountRow
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Answer, Decision, Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import AccountId, FundingId, TransactionId
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.ledger.holds import HOLDS, collect, release, reserve
from mpss.ledger.model import JournalEntry
from mpss.ledger.post import BALANCES
from mpss.observability import log
from mpss.ports.charging import ChargingOperation
from mpss.runtime import Runtime
from mpss.transactions.closings.payable import payable
from mpss.transactions.closings.store import hold_of
from mpss.transactions.funding.again import ask_again_at, leased_until
from mpss.transactions.funding.answer import answered
from mpss.transactions.funding.machine import FundingEvent
from mpss.transactions.funding.model import CHARGING, FundingRow, FundingState
from mpss.transactions.funding.store import FUNDING_REQUESTS, get_request
from mpss.transactions.machine import WITHDRAWAL, Event
from mpss.transactions.model import Asked, Asking, Moving, transaction
from mpss.transactions.notify import tell
from mpss.transactions.postings import bill_payout_legs
from mpss.transactions.purchases.call import call
from mpss.transactions.purchases.funded_request import relied_upon, session_of
from mpss.transactions.queries import get_transaction

CHANNEL = "closing"
_KEY = "pay-out-to-bill"
_LONGEST_LEASE = timedelta(minutes=5)
"""Beyond any lease and any backoff."""
_METADATA = '{"payout": "phone_bill"}'


@dataclass(frozen=True, slots=True)
class BillPayoutCommand(Asking):
    """Hold the whole balance of a pre-closed account and write the request `request_id` down."""

    account_id: UUID
    request_id: UUID
    policy: Policy

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield USAGE, self.account_id
        yield ACCOUNTS, self.account_id

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, 0, 0, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CM 5.2.3.4. What may not be withdrawn goes too: it stays with the operator's services."""
        today, at = snapshot.business_date, self.asked.at
        found = payable(snapshot, self.account_id, at=at)
        if isinstance(found, ErrorCode):
            return Decision(self.declined(found, today))
        account, balance = found
        intent = self._transaction(TransactionState.FUNDING, today, balance.balance_fen, balance.restricted_fen)
        held = reserve(
            balance, ledger_account_id=account.ledger_account_id, transaction_id=intent.id,
            amount_fen=balance.balance_fen, at=at,
        )  # fmt: skip
        due_at = leased_until(at, self.policy, CHARGING)
        request = FundingRow(
            intent.id, CHARGING, ChargingOperation.REFUND.value, session_of(intent.id), 0, account.phone,
            intent.amount_fen, None, FundingState.SENT, 1, due_at, at,
        )  # fmt: skip
        return Decision(intent, puts=[*held, (FUNDING_REQUESTS, self.request_id, request)])

    def _transaction(
        self,
        state: TransactionState,
        business_date: date,
        amount_fen: int,
        restricted_fen: int,
        *,
        refusal: ErrorCode | None = None,
    ) -> Transaction:
        return transaction(
            self.asked, TransactionKind.CLOSING_PAYOUT, state, business_date, amount_fen=amount_fen,
            restricted_fen=restricted_fen, refusal=refusal, account_id=self.account_id, metadata=_METADATA,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class AnswerBillPayout(Moving):
    """Record what the charging system said of a payout's request."""

    request_id: UUID
    hold_id: UUID
    outcome: Outcome
    due_at: datetime

    @property
    def key(self) -> str:
        return str(self.request_id)

    @property
    def account_id(self) -> UUID:
        assert self.earlier.account_id is not None
        return self.earlier.account_id

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield FUNDING_REQUESTS, self.request_id
        yield TRANSACTIONS, self.earlier.id
        yield USAGE, self.account_id
        yield ACCOUNTS, self.account_id
        yield HOLDS, self.hold_id

    def decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CM 5.2.3.4."""
        request, payout = snapshot[FUNDING_REQUESTS][self.request_id], snapshot[TRANSACTIONS][self.earlier.id]
        if request.settled:
            return Decision(payout, recorded=False)
        reference, reason = "", ""
        match self.outcome:
            case Approved(reference=reference):
                event, decision = FundingEvent.APPROVE, self._paid(payout, snapshot)
            case Declined(reason=reason) if self.believed(request, reason):
                event, decision = FundingEvent.DECLINE, self._refused(payout, snapshot)
            case Declined(reason=reason) | InDoubt(problem=reason):
                event, decision = FundingEvent.NO_ANSWER, self._unanswered(payout)
        # Put off while it was asked: staff decide how it ended.
        due_at = request.due_at if request.due_at > self.at + _LONGEST_LEASE else self.due_at
        said = answered(request, event, at=self.at, due_at=due_at, reason=reason, reference=reference)
        decision.puts.append((FUNDING_REQUESTS, self.request_id, said))
        return decision

    def believed(self, request: FundingRow, reason: str) -> bool:
        """Whether a "no" is the end of it."""
        return relied_upon(request, reason)

    def _paid(self, payout: Transaction, snapshot: Snapshot) -> Decision:
        account = snapshot[ACCOUNTS][self.account_id]
        wallet = account.ledger_account_id
        decision = self._moved(payout, Event.APPROVE)
        decision.puts += collect(
            snapshot[HOLDS][self.hold_id], snapshot[BALANCES][wallet], amount_fen=payout.amount_fen, at=self.at
        )
        legs = bill_payout_legs(wallet=wallet, amount_fen=payout.amount_fen, restricted_fen=payout.restricted_fen)
        decision.entry = JournalEntry(payout.id, payout.kind, legs)
        return self._tell(decision, account, "closing_paid_to_bill")

    def _refused(self, payout: Transaction, snapshot: Snapshot) -> Decision:
        account = snapshot[ACCOUNTS][self.account_id]
        decision = self._moved(payout, Event.DECLINE, refusal=ErrorCode.FUNDING_DECLINED)
        decision.puts += release(
            snapshot[HOLDS][self.hold_id], snapshot[BALANCES][account.ledger_account_id], at=self.at
        )
        return self._tell(decision, account, "closing_unpaid")

    def _unanswered(self, payout: Transaction) -> Decision:
        if payout.state is TransactionState.IN_DOUBT:
            return Decision(payout, recorded=False)
        moved = payout._replace(state=WITHDRAWAL.move(payout.state, Event.NO_ANSWER))
        return Decision(moved, puts=[(TRANSACTIONS, moved.id, moved)], recorded=False)

    def _moved(self, payout: Transaction, event: Event, *, refusal: ErrorCode | None = None) -> Decision:
        moved = payout._replace(state=WITHDRAWAL.move(payout.state, event), refusal=refusal, finished_at=self.at)
        return Decision(moved, puts=[(TRANSACTIONS, moved.id, moved)], recorded=False)

    def _tell(self, decision: Decision, account: AccountRow, event: str) -> Decision:
        tell(decision, account, event, {"amount_fen": self.earlier.amount_fen}, at=self.at)
        return decision


def require_charging(runtime: Runtime) -> None:
    """
    Raises:
        Refused: NOT_FOUND, no charging system is connected.
    """
    if runtime.ports.charging is None:
        raise Refused(ErrorCode.NOT_FOUND, detail="no charging system is connected")


async def pay_out_to_bill(runtime: Runtime, *, account_id: UUID) -> Answer:
    """Credit the rest of an account that is being closed to its number's phone bill, once for an account.

    IN_DOUBT: the charging system has not said yet; the job asks again.

    Refusals: ILLEGAL_STATE, ACCOUNT_CLOSED, FROZEN_BY_LAW, FROZEN_FOR_RISK, CLOSING_BLOCKED, INSUFFICIENT_FUNDS,
    FUNDING_DECLINED (the charging system said no).

    Spec: CM 5.2.3.4.
    """
    now = runtime.clock.now()
    caller = f"closing:{AccountId.from_uuid(account_id)}"
    digest = digest_of(TransactionKind.CLOSING_PAYOUT, account_id.hex)
    asked = Asked(TransactionId.new(now), caller, _KEY, digest, now, CHANNEL)
    request_id = FundingId.new(now)
    answer = await runtime.desk.submit(BillPayoutCommand(asked, account_id, request_id, runtime.policy))
    if answer.repeated or answer.transaction.state is not TransactionState.FUNDING:
        return answer
    told = await ask_bill_payout(runtime, request_id)
    return answer if told is None else answer._replace(transaction=told)


async def ask_bill_payout(runtime: Runtime, request_id: UUID) -> Transaction | None:
    """Send a payout's request, again with the same session, and record the answer.

    The payout as it stands then; None where there is no such request, or it is settled.
    """
    async with runtime.database.read() as uow:
        request = await get_request(uow, request_id)
        if request is None or request.settled:
            return None
        payout = await get_transaction(uow, request.transaction_id)
        hold_id = await hold_of(uow, request.transaction_id)
    assert payout is not None
    assert hold_id is not None
    outcome = await call(runtime, request, request, None)
    now = runtime.clock.now()
    due_at = ask_again_at(request.attempts, now=now)
    told = (await runtime.desk.submit(AnswerBillPayout(payout, now, request_id, hold_id, outcome, due_at))).transaction
    if isinstance(outcome, Approved) and told.state is TransactionState.DECLINED:
        log.error("closing.credited_after_its_end", transaction=str(payout.id), reference=outcome.reference)
    return told
