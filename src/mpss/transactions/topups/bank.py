"""Top-up that a bank sends (银行侧转账充值), and its reversal (冲正) by the bank that lost our answer.

    Dr bank transfers in transit   Cr wallet, withdrawable          reversed: the same legs, turned round

Invariants: (1) a bank's reference is the top-up's key, so it moves money once, and other facts under it are refused;
(2) a reversal that comes before its top-up takes the key itself, as a CANCELLED top-up of nothing, so that the late one
finds it taken; whichever comes first, the index of keys lets one of them in; (3) what the customer spent is not taken
back. Spec: CM 5.3.1.2. Decision: ADR-0019.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from mpss.accounts.model import AccountRow
from mpss.accounts.queries import find_wallet_id
from mpss.accounts.state import Operation
from mpss.accounts.store import ACCOUNTS
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Answer, Decision, Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import TransactionId
from mpss.kernel.masking import mask_tail
from mpss.kernel.phone import parse_phone
from mpss.ledger.post import BALANCES
from mpss.runtime import Runtime
from mpss.transactions.model import Asked, Asking, transaction
from mpss.transactions.postings import bank_transfer_legs
from mpss.transactions.queries import get_transaction
from mpss.transactions.topups.command import ToppingUpBy, taken_back
from mpss.transactions.topups.limits import check_topup, topup_touches
from mpss.transactions.topups.store import transaction_of_key

CHANNEL = "bank"
_REFERENCE = re.compile(r"[0-9A-Za-z]{12}", re.ASCII)
_REREADS = 3


class AnotherAmount(Refused):
    """A reversal names another amount than its top-up has."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.AMOUNT_OUT_OF_RANGE, detail="the top-up has another amount", field="amount_fen")


@dataclass(frozen=True, slots=True)
class BankTopupCommand(ToppingUpBy):
    """Money that a bank took from its customer for a wallet; `card` is the customer's, masked."""

    kind: ClassVar = TransactionKind.BANK_TOPUP
    operation: ClassVar = Operation.RECEIVE

    card: str
    policy: Policy

    @property
    def metadata(self) -> str | None:
        return json.dumps({"card": self.card}) if self.card else None

    def topped_up(self, account: AccountRow, snapshot: Snapshot) -> Decision:
        """Spec: CM 5.3.1.2."""
        counts = check_topup(
            account, self.amount_fen, snapshot, self.policy, at=self.asked.at, channel=self.asked.channel
        )
        if isinstance(counts, ErrorCode):
            return Decision(self.declined(counts, snapshot.business_date))
        legs = bank_transfer_legs(wallet=account.ledger_account_id, amount_fen=self.amount_fen)
        return self.entered(account, self.amount_fen, legs, counts, snapshot, source="bank_transfer")


@dataclass(frozen=True, slots=True)
class TombstoneCommand(Asking):
    """A reversal whose top-up never came; it is recorded under the top-up's key."""

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        return ()

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, code)

    def decide(self, snapshot: Snapshot) -> Decision:
        return Decision(self._transaction(TransactionState.CANCELLED, snapshot.business_date))

    def _transaction(self, state: TransactionState, today: date, refusal: ErrorCode | None = None) -> Transaction:
        return transaction(self.asked, TransactionKind.BANK_TOPUP, state, today, amount_fen=0, refusal=refusal)


@dataclass(frozen=True, slots=True)
class ReverseBankTopupCommand(Asking):
    """Take a bank's top-up back. `original` is as it was read before; the desk locks it and looks again."""

    original: Transaction

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield TRANSACTIONS, self.original.id
        if self.original.account_id is not None:
            yield from topup_touches(self.original.account_id, self.original.channel)

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CM 5.3.1.2."""
        today = snapshot.business_date
        original = snapshot[TRANSACTIONS][self.original.id]
        if original.state is not TransactionState.SUCCEEDED or original.account_id is None:
            return Decision(self.declined(ErrorCode.ILLEGAL_STATE, today))
        account = snapshot[ACCOUNTS][original.account_id]
        balance = snapshot[BALANCES][account.ledger_account_id]
        amount_fen = original.amount_fen
        # It became withdrawable money, so it must still be there as that, and not be held.
        if min(balance.balance_fen - balance.restricted_fen, balance.available_fen) < amount_fen:
            return Decision(self.declined(ErrorCode.INSUFFICIENT_FUNDS, today))
        done = self._transaction(TransactionState.SUCCEEDED, today)
        legs = bank_transfer_legs(wallet=account.ledger_account_id, amount_fen=amount_fen)
        return taken_back(done, original, account, legs, snapshot, event="bank_topup_reversed", at=self.asked.at)

    def _transaction(
        self, state: TransactionState, business_date: date, *, refusal: ErrorCode | None = None
    ) -> Transaction:
        return transaction(
            self.asked,
            TransactionKind.BANK_TOPUP_REVERSAL,
            state,
            business_date,
            amount_fen=self.original.amount_fen,
            refusal=refusal,
            account_id=self.original.account_id,
            original_id=self.original.id,
        )


async def top_up_by_bank(
    runtime: Runtime, *, bank: str, reference: str, phone: str, amount_fen: int, card: str = ""
) -> Transaction:
    """Credit the wallet of `phone` with what `bank` took from its customer; the top-up as it stands now.

    A repeat of `reference` is answered with what became of the first: SUCCEEDED, DECLINED, REVERSED, or CANCELLED where
    its reversal came first. `card` is kept masked, and may come masked.

    Refusals: UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE, SINGLE_LIMIT_EXCEEDED, BALANCE_LIMIT_EXCEEDED, KEY_REUSED.

    Raises:
        MalformedField: `reference`, `phone`.
        Refused: AMOUNT_OUT_OF_RANGE, `amount_fen` is not above zero.

    Spec: CM 5.3.1.2.
    """
    _check_reference(reference, "reference")
    phone = parse_phone(phone)
    if amount_fen <= 0:
        raise Refused(ErrorCode.AMOUNT_OUT_OF_RANGE, detail="must be above zero", field="amount_fen")
    now, masked = runtime.clock.now(), mask_tail(card)
    account_id = await find_wallet_id(runtime, phone=phone)
    digest = digest_of(TransactionKind.BANK_TOPUP, phone, amount_fen, masked)
    asked = Asked(TransactionId.new(now), _caller(bank), reference, digest, now, CHANNEL)
    answer = await runtime.desk.submit(BankTopupCommand(asked, account_id, amount_fen, masked, runtime.policy))
    if answer.recorded and not answer.repeated:
        return answer.transaction
    first = await find_bank_topup(runtime, bank=bank, reference=reference)
    if first is None or (first.digest != digest and first.state is not TransactionState.CANCELLED):
        return answer.transaction
    return first


async def reverse_by_bank(
    runtime: Runtime, *, bank: str, reference: str, original_reference: str, amount_fen: int
) -> Transaction | None:
    """Take back the top-up that `bank` knows by `original_reference`; None where it never came, and never will.

    `reference` is the reversal's own. `amount_fen` may be 0, which names no amount.

    Refusals: INSUFFICIENT_FUNDS, the customer spent it; ILLEGAL_STATE, it was declined or is reversed already;
    KEY_REUSED.

    Raises:
        MalformedField: `reference`, `original_reference`.
        AnotherAmount: the top-up has another amount.
        Refused: BUSY, the top-up came at this moment: ask again.

    Spec: CM 5.3.1.2.
    """
    _check_reference(reference, "reference")
    _check_reference(original_reference, "original_reference")
    now, caller = runtime.clock.now(), _caller(bank)
    for _ in range(_REREADS):
        original = await find_bank_topup(runtime, bank=bank, reference=original_reference)
        if original is None:
            nothing = digest_of(TransactionKind.BANK_TOPUP, "never came")
            asked = Asked(TransactionId.new(now), caller, original_reference, nothing, now, CHANNEL)
            answer: Answer = await runtime.desk.submit(TombstoneCommand(asked))
            if answer.transaction.refusal is ErrorCode.KEY_REUSED:
                continue  # It came between our look and the desk's.
            return None
        if original.state is TransactionState.CANCELLED:
            return None
        if amount_fen not in (0, original.amount_fen):
            raise AnotherAmount
        digest = digest_of(TransactionKind.BANK_TOPUP_REVERSAL, original_reference)
        # Apart from the top-ups' keys, since some banks repeat the original's reference.
        asked = Asked(TransactionId.new(now), caller, f"reverse {reference}", digest, now, CHANNEL)
        return (await runtime.desk.submit(ReverseBankTopupCommand(asked, original))).transaction
    raise Refused(ErrorCode.BUSY)


async def find_bank_topup(runtime: Runtime, *, bank: str, reference: str) -> Transaction | None:
    """The top-up that `bank` knows by `reference`, as it stands; None where it never came."""
    async with runtime.database.read() as uow:
        identity = await transaction_of_key(uow, _caller(bank), reference)
        return None if identity is None else await get_transaction(uow, identity)


def _check_reference(reference: str, field: str) -> None:
    if _REFERENCE.fullmatch(reference) is None:
        raise MalformedField(field=field, problem="must be 12 letters and digits")


def _caller(bank: str) -> str:
    return f"bank:{bank}"
