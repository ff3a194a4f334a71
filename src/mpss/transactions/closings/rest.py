"""Money that came back after its account was closed: never left there, and fetched by its owner at a service hall.

A bank returns a withdrawal, a merchant takes a sale back: such money is not stopped by any state, so it reaches a
wallet that is closed. A job takes it out at once, and it waits under the closed account's name until it is claimed.

    taken out   WAITING      Dr wallet, both parts     Cr unclaimed rests
    claimed     SUCCEEDED    Dr unclaimed rests        Cr cash in transit, by a transaction of its own

Invariants: (1) a closed account has nothing, but for the moments until the job has run; (2) what is unclaimed is the
sum of the rests that wait; (3) a rest is paid once. The number may be another's by now, so no SMS tells of it: a clerk
finds it by the number that the account had. Spec: CM 5.2.3.4, 6.2.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from mpss.accounts.counter_check import Checked, Shown, look_at, not_the_holder
from mpss.accounts.model import Life
from mpss.accounts.store import ACCOUNTS, USAGE, lock_account
from mpss.db.rows import RowSet
from mpss.desk.model import Answer, Decision, Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import AccountId, TransactionId
from mpss.kernel.phone import parse_phone
from mpss.ledger.model import JournalEntry
from mpss.ledger.post import BALANCES
from mpss.observability import log
from mpss.runtime import Runtime
from mpss.staff.audit import audit_row
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission
from mpss.staff.store import AUDIT
from mpss.transactions.closings.store import Rest, closed_with_money, find_rest, waiting_rests
from mpss.transactions.machine import TRANSFER, Event
from mpss.transactions.model import Asked, Asking, transaction
from mpss.transactions.postings import rest_claimed_legs, rest_taken_legs

CALLER = "platform"
CHANNEL = "closing"


@dataclass(frozen=True, slots=True)
class TakeRest(Asking):
    """Take what a closed account has out of it."""

    account_id: UUID

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield USAGE, self.account_id
        yield ACCOUNTS, self.account_id

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, 0, 0, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CM 6.2."""
        today = snapshot.business_date
        account = snapshot[ACCOUNTS][self.account_id]
        balance = snapshot[BALANCES][account.ledger_account_id]
        if account.life is not Life.CLOSED or not balance.balance_fen:
            return Decision(self.declined(ErrorCode.ILLEGAL_STATE, today), recorded=False)
        rest = self._transaction(TransactionState.WAITING, today, balance.balance_fen, balance.restricted_fen)
        legs = rest_taken_legs(
            wallet=account.ledger_account_id, amount_fen=rest.amount_fen, restricted_fen=rest.restricted_fen
        )
        return Decision(rest, entry=JournalEntry(rest.id, rest.kind, legs))

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
            self.asked, TransactionKind.CLOSING_REST, state, business_date, amount_fen=amount_fen,
            restricted_fen=restricted_fen, refusal=refusal, account_id=self.account_id,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ClaimRest(Asking):
    """Pay a rest as cash to whoever the clerk has identified; `document` says what was shown."""

    rest_id: UUID
    document: str
    staff: StaffMember

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield TRANSACTIONS, self.rest_id

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, 0, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CM 5.2.3.4."""
        today, at = snapshot.business_date, self.asked.at
        rest = snapshot[TRANSACTIONS].get(self.rest_id)
        if rest is None or rest.kind is not TransactionKind.CLOSING_REST:
            return Decision(self.declined(ErrorCode.UNKNOWN_TRANSACTION, today))
        if rest.state is not TransactionState.WAITING:
            return Decision(self.declined(ErrorCode.ILLEGAL_STATE, today))
        claimed = rest._replace(state=TRANSFER.move(rest.state, Event.CLAIM), finished_at=at)
        done = self._transaction(TransactionState.SUCCEEDED, today, rest.amount_fen)
        detail = {
            "transaction": str(done.id), "rest": TransactionId.outside(rest.id), "document": self.document,
            **self.staff.place,
        }  # fmt: skip
        assert rest.account_id is not None
        subject = AccountId.outside(rest.account_id)
        audited = audit_row(at=at, actor=str(self.staff.id), action="closing.rest_paid", subject=subject, detail=detail)
        return Decision(
            done,
            entry=JournalEntry(done.id, done.kind, rest_claimed_legs(amount_fen=rest.amount_fen)),
            puts=[(TRANSACTIONS, rest.id, claimed)],
            inserts=[(AUDIT, audited)],
        )

    def _transaction(
        self, state: TransactionState, business_date: date, amount_fen: int, *, refusal: ErrorCode | None = None
    ) -> Transaction:
        # Of no account: its number is told of its own transactions, and may be another's by now.
        return transaction(
            self.asked, TransactionKind.CLOSING_PAYOUT, state, business_date, amount_fen=amount_fen, refusal=refusal,
            original_id=self.rest_id,
        )  # fmt: skip


async def take_rests(runtime: Runtime) -> int:
    """Take money out of closed accounts; of how many. For a job."""
    async with runtime.database.read() as uow:
        found = await closed_with_money(uow)
    taken = 0
    for account_id in found:
        now = runtime.clock.now()
        identity = TransactionId.new(now)
        digest = digest_of(TransactionKind.CLOSING_REST, account_id.hex)
        asked = Asked(identity, CALLER, str(identity), digest, now, CHANNEL)
        rest = (await runtime.desk.submit(TakeRest(asked, account_id))).transaction
        if rest.refusal is None:
            taken += 1
            log.warning("closing.rest_taken", transaction=str(rest.id), account=AccountId.outside(account_id))
    return taken


async def rests_by_phone(runtime: Runtime, *, staff: StaffMember, phone: str) -> list[Rest]:
    """The rests that wait of closed accounts that had this number, oldest first.

    Raises:
        MalformedField: `phone`.
        Refused: FORBIDDEN, needs account_close and a hall.
    """
    staff.require_at_hall(Permission.ACCOUNT_CLOSE)
    async with runtime.database.read() as uow:
        return await waiting_rests(uow, phone=parse_phone(phone))


async def pay_rest(runtime: Runtime, *, staff: StaffMember, key: str, rest_id: UUID, shown: Shown) -> Answer:
    """Pay a rest as cash, to the holder of the closed account.

    Refusals: UNKNOWN_TRANSACTION (no such rest), ILLEGAL_STATE (it was paid), KEY_REUSED.

    Raises:
        MalformedField: as `look_at` and `not_the_holder`.
        Refused: FORBIDDEN, needs account_close and a hall; UNKNOWN_TRANSACTION; IDENTITY_MISMATCH, RATE_LIMITED.

    Spec: CM 5.2.3.4.
    """
    staff.require_at_hall(Permission.ACCOUNT_CLOSE)
    async with runtime.database.read() as uow:
        rest = await find_rest(uow, rest_id)
    if rest is None:
        raise Refused(ErrorCode.UNKNOWN_TRANSACTION)
    checked = await look_at(runtime, shown, phone=rest.phone)
    now = runtime.clock.now()
    await require_holder(runtime, rest.account_id, checked, staff=staff, now=now)
    digest = digest_of(TransactionKind.CLOSING_PAYOUT, rest_id.hex)
    asked = Asked(TransactionId.new(now), staff.caller, key, digest, now, "hall")
    return await runtime.desk.submit(ClaimRest(asked, rest_id, checked.document, staff))


async def require_holder(
    runtime: Runtime, account_id: UUID | None, checked: Checked, *, staff: StaffMember, now: datetime
) -> None:
    """Whether who is to be paid is the account's holder, as far as a document is on record; None: no such account.

    Raises:
        MalformedField: as `not_the_holder`.
        Refused: IDENTITY_MISMATCH, RATE_LIMITED.
    """
    refusal = None
    async with runtime.database.transaction() as uow:
        locked = None if account_id is None else await lock_account(uow, account_id)
        if locked is not None:
            refusal = await not_the_holder(uow, runtime, locked[0], checked, staff=staff, now=now, by_phone=False)
    if refusal is not None:
        raise Refused(refusal)
