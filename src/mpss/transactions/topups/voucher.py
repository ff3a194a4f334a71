"""Top-up by voucher card (充值卡充值): a card password becomes money in the wallet, once.

    Dr vouchers sold   Cr wallet, restricted (what came from a voucher may be spent and not withdrawn)

A password that belongs to no card is counted and does not use the key up; `policy.voucher_tries` of them in a row bar
the number from voucher top-ups until staff release it. Spec: CT 5.1, 5.2; CM 6.4.3, 8.5.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from mpss.accounts.checks import check_voucher_tries
from mpss.accounts.model import AccountRow
from mpss.accounts.store import USAGE
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Answer, Decision, Snapshot, TransactionKind, digest_of
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId, TransactionId
from mpss.runtime import Runtime
from mpss.transactions.model import Asked
from mpss.transactions.postings import voucher_topup_legs
from mpss.transactions.topups.command import ToppingUp, count_wrong_card, forget_wrong_cards
from mpss.transactions.topups.limits import Puts, check_topup
from mpss.vouchers.digests import candidate_digests
from mpss.vouchers.model import VoucherRow, check_voucher, parse_card_password
from mpss.vouchers.store import VOUCHERS


@dataclass(frozen=True, slots=True)
class VoucherTopupCommand(ToppingUp):
    """`digests` are the card password's, under every version of its key; at most one names a card."""

    kind: ClassVar = TransactionKind.VOUCHER_TOPUP

    digests: tuple[bytes, ...]
    policy: Policy

    def touches(self) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
        yield from ToppingUp.touches(self)
        for digest in self.digests:
            yield VOUCHERS, digest

    def topped_up(self, account: AccountRow, snapshot: Snapshot) -> Decision:
        """Spec: CT 5.2."""
        today = snapshot.business_date
        refusal = check_voucher_tries(snapshot[USAGE][account.id], self.policy)
        if refusal is not None:
            return Decision(self.declined(refusal, today), recorded=False)
        found = (snapshot[VOUCHERS].get(digest) for digest in self.digests)
        voucher = next((row for row in found if row is not None), None)
        if voucher is None:
            declined = self.declined(ErrorCode.UNKNOWN_VOUCHER, today)
            return count_wrong_card(declined, account, snapshot, self.policy, at=self.asked.at)
        refusal = check_voucher(voucher, today)
        if refusal is not None:
            return Decision(self.declined(refusal, today))
        counts = check_topup(
            account, voucher.face_fen, snapshot, self.policy, at=self.asked.at, channel=self.asked.channel
        )
        if isinstance(counts, ErrorCode):
            return Decision(self.declined(counts, today))
        return self._redeem(account, voucher, counts, snapshot)

    def _redeem(self, account: AccountRow, voucher: VoucherRow, counts: Puts, snapshot: Snapshot) -> Decision:
        legs = voucher_topup_legs(wallet=account.ledger_account_id, amount_fen=voucher.face_fen)
        decision = self.entered(account, voucher.face_fen, legs, counts, snapshot, source="voucher")
        used = voucher._replace(redeemed_by=account.id, transaction_id=self.id, redeemed_at=self.asked.at)
        decision.puts.append((VOUCHERS, voucher.digest, used))
        return forget_wrong_cards(decision, account, snapshot)


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
