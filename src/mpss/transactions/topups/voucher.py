"""Top-up by voucher card (充值卡充值): a card password becomes money in the wallet, once.

    Dr vouchers sold   Cr wallet, restricted (what came from a voucher may be spent and not withdrawn)

A password that belongs to no card is counted and does not use the key up; `policy.voucher_tries` of them in a row bar
the number from voucher top-ups until staff release it. Spec: CT 5.1, 5.2; CM 6.4.3, 8.5.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from mpss.accounts.checks import check_state, check_voucher_tries
from mpss.accounts.model import AccountRow
from mpss.accounts.state import Operation
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.config import Policy
from mpss.db.rows import InsertSet, RowSet
from mpss.desk.model import Answer, Decision, Snapshot, Transaction, TransactionKind, TransactionState, digest_of
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId, OutboxId, TransactionId
from mpss.ledger.model import JournalEntry
from mpss.ledger.post import BALANCES
from mpss.outbox.model import notice
from mpss.outbox.store import OUTBOX
from mpss.risk.screen import remember_paid, risk_touches
from mpss.risk.store import LISTED, blacklisted
from mpss.runtime import Runtime
from mpss.transactions.model import Asked, Asking, transaction
from mpss.transactions.postings import voucher_topup_legs
from mpss.transactions.topups.limits import Puts, check_topup, topup_touches
from mpss.vouchers.digests import candidate_digests
from mpss.vouchers.model import VoucherRow, check_voucher, parse_card_password
from mpss.vouchers.store import VOUCHERS


@dataclass(frozen=True, slots=True)
class VoucherTopupCommand(Asking):
    """`digests` are the card password's, under every version of its key; at most one names a card."""

    account_id: UUID
    digests: tuple[bytes, ...]
    policy: Policy

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield from topup_touches(self.account_id, self.asked.channel)
        yield LISTED, self.account_id
        yield from risk_touches(self.account_id)
        for digest in self.digests:
            yield VOUCHERS, digest

    def declined(self, code: ErrorCode, business_date: date) -> Transaction:
        return self._transaction(TransactionState.DECLINED, business_date, amount_fen=0, refusal=code)

    def decide(self, snapshot: Snapshot) -> Decision:
        return remember_paid(self._decide(snapshot), snapshot)

    def _decide(self, snapshot: Snapshot) -> Decision:
        """Spec: CT 5.2."""
        today = snapshot.business_date
        account = snapshot[ACCOUNTS].get(self.account_id)
        refusal = check_state(account, Operation.TOP_UP, at=self.asked.at)
        if account is None or refusal is not None:
            return Decision(self.declined(refusal or ErrorCode.UNKNOWN_ACCOUNT, today))
        if blacklisted(snapshot, (account.id,)):
            return Decision(self.declined(ErrorCode.BLACKLISTED, today))
        refusal = check_voucher_tries(snapshot[USAGE][account.id], self.policy)
        if refusal is not None:
            return Decision(self.declined(refusal, today), recorded=False)
        found = (snapshot[VOUCHERS].get(digest) for digest in self.digests)
        voucher = next((row for row in found if row is not None), None)
        if voucher is None:
            return self._count_wrong(account, snapshot)
        refusal = check_voucher(voucher, today)
        if refusal is not None:
            return Decision(self.declined(refusal, today))
        counts = check_topup(
            account, voucher.face_fen, snapshot, self.policy, at=self.asked.at, channel=self.asked.channel
        )
        if isinstance(counts, ErrorCode):
            return Decision(self.declined(counts, today))
        return self._redeem(account, voucher, counts, snapshot)

    def _count_wrong(self, account: AccountRow, snapshot: Snapshot) -> Decision:
        usage = snapshot[USAGE][account.id]
        counted = usage._replace(voucher_wrong=usage.voucher_wrong + 1)
        declined = self.declined(ErrorCode.UNKNOWN_VOUCHER, snapshot.business_date)
        decision = Decision(declined, puts=[(USAGE, account.id, counted)], recorded=False)
        if check_voucher_tries(counted, self.policy) is not None:
            decision.inserts.append(self._tell("voucher_barred", account, account.id, {}))
        return decision

    def _redeem(self, account: AccountRow, voucher: VoucherRow, counts: Puts, snapshot: Snapshot) -> Decision:
        balance_fen = snapshot[BALANCES][account.ledger_account_id].balance_fen + voucher.face_fen
        done = self._transaction(TransactionState.SUCCEEDED, snapshot.business_date, amount_fen=voucher.face_fen)
        legs = voucher_topup_legs(wallet=account.ledger_account_id, amount_fen=voucher.face_fen)
        used = voucher._replace(redeemed_by=account.id, transaction_id=done.id, redeemed_at=self.asked.at)
        params: dict[str, str | int] = {
            "amount_fen": voucher.face_fen,
            "balance_fen": balance_fen,
            "source": "voucher",
        }
        decision = Decision(
            done,
            entry=JournalEntry(done.id, done.kind, legs),
            puts=[(VOUCHERS, voucher.digest, used), *counts],
            inserts=[self._tell("topped_up", account, done.id, params)],
        )
        usage = snapshot[USAGE][account.id]
        if usage.voucher_wrong:
            decision.puts.append((USAGE, account.id, usage._replace(voucher_wrong=0)))
        return decision

    def _tell(
        self, event: str, account: AccountRow, reference: UUID, params: dict[str, str | int]
    ) -> tuple[InsertSet, tuple[Any, ...]]:
        row = notice(
            OutboxId.new(self.asked.at),
            reference=reference,
            phone=account.phone,
            event=event,
            language=account.language,
            params=params,
            now=self.asked.at,
        )
        return OUTBOX, row

    def _transaction(
        self, state: TransactionState, business_date: date, *, amount_fen: int, refusal: ErrorCode | None = None
    ) -> Transaction:
        return transaction(
            self.asked,
            TransactionKind.VOUCHER_TOPUP,
            state,
            business_date,
            amount_fen=amount_fen,
            refusal=refusal,
            account_id=self.account_id,
        )


async def redeem_voucher(
    runtime: Runtime, *, account_id: UUID, key: str, password: str, channel: str, caller: str | None = None
) -> Answer:
    """Turn a card password into money in the wallet.

    `caller` scopes the key; None is the account itself. The key's digest takes the card password only as a keyed
    digest, so the same key with another card is KEY_REUSED.

    Refusals: UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE, VOUCHER_BARRED, UNKNOWN_VOUCHER, VOUCHER_USED, VOUCHER_NOT_ACTIVE
    (not on sale yet, thrown away, or expired), BALANCE_LIMIT_EXCEEDED, KEY_REUSED.

    Raises:
        MalformedField: `password` is not 16 digits (spaces and hyphens between them are taken out).

    Spec: CT 5.2; CM 6.4.3.
    """
    card_password = parse_card_password(password)
    now = runtime.clock.now()
    digests = candidate_digests(runtime.ports.key_store, card_password)
    account = str(AccountId.from_uuid(account_id))
    asked = Asked(
        TransactionId.new(now),
        f"account:{account}" if caller is None else caller,
        key,
        # The oldest version's digest stays the same when the key is rotated.
        digest_of(TransactionKind.VOUCHER_TOPUP, account, digests[0]),
        now,
        channel,
    )
    return await runtime.desk.submit(VoucherTopupCommand(asked, account_id, digests, runtime.policy))
