"""A purchase with the company's money (集团账户支付): the member pays, the master account is debited. Pure.

The member proves themselves and is told; their own limits are not touched. What the company lets them spend is their
quota, of amount and fee, at once and in a month. The company's money leaves its balance, so it counts by year and
lifetime of the master account, and its holder is told of each.

Invariant: a quota holds exactly the month's purchases that stand. Spec: CM 5.2.1.2. Decision: ADR-0029.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from mpss.accounts.checks import check_state, count_transfer, give_back_transfer
from mpss.accounts.group_model import GroupSource, QuotaRow, check_member, count_quota, uncount_quota
from mpss.accounts.group_store import QUOTAS
from mpss.accounts.limit_model import Caps, CustomerUsageRow, count_customer, uncount_customer
from mpss.accounts.limit_store import CUSTOMER_USAGE
from mpss.accounts.model import AccountClass, AccountRow, UsageRow
from mpss.accounts.state import Operation
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction
from mpss.kernel.errors import ErrorCode
from mpss.kernel.masking import mask_phone
from mpss.ledger.model import Balance
from mpss.ledger.post import BALANCES
from mpss.risk.store import LISTED
from mpss.transactions.notify import tell
from mpss.transactions.store import GROUP_PURCHASES


class GroupPayer(NamedTuple):
    """The company's side of a purchase: the membership, the master account and what it used."""

    member_id: UUID
    quota: QuotaRow
    master: AccountRow
    usage: UsageRow
    balance: Balance


class GroupTerms(NamedTuple):
    """What a purchase leaves of the quota, of the master's counters and of its company's."""

    quota: QuotaRow
    usage: UsageRow
    customer: CustomerUsageRow | None
    restricted_fen: int


def group_touches(source: GroupSource) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
    """The rows of the company's side."""
    if source.member_id is None or source.master_account_id is None:
        return
    yield QUOTAS, source.member_id
    yield USAGE, source.master_account_id
    yield ACCOUNTS, source.master_account_id
    yield LISTED, source.master_account_id


def find_group(source: GroupSource, account_id: UUID, snapshot: Snapshot, *, at: datetime) -> GroupPayer | ErrorCode:
    """The company that pays; NOT_GROUP_MEMBER, or GROUP_NOT_AVAILABLE where its account's state stops payments."""
    member_id, master_id = source
    if member_id is None or master_id is None:
        return ErrorCode.NOT_GROUP_MEMBER
    quota = snapshot[QUOTAS].get(member_id)
    refusal = check_member(quota, source, account_id)
    if refusal is not None or quota is None:
        return refusal or ErrorCode.NOT_GROUP_MEMBER
    master = snapshot[ACCOUNTS][master_id]
    stopped = check_state(master, Operation.PAY, at=at) is not None
    if stopped or master.account_class is not AccountClass.CORPORATE:
        return ErrorCode.GROUP_NOT_AVAILABLE
    return GroupPayer(
        member_id, quota, master, snapshot[USAGE][master_id], snapshot[BALANCES][master.ledger_account_id]
    )


def check_single(amount_fen: int, policy: Policy, caps: Caps) -> ErrorCode | None:
    """The platform's and the table's limit of one purchase."""
    over = amount_fen > min(policy.single_limit_fen, caps.single_fen)
    return ErrorCode.SINGLE_LIMIT_EXCEEDED if over else None


def settle_group(
    payer: GroupPayer, amount_fen: int, fee_fen: int, snapshot: Snapshot, today: date, caps: Caps
) -> GroupTerms | ErrorCode:
    """Quota → the company's year and lifetime → its funds."""
    total_fen = amount_fen + fee_fen
    quota = count_quota(payer.quota, total_fen, today)
    if quota is None:
        return ErrorCode.GROUP_QUOTA_EXCEEDED
    refusal, usage = count_transfer(payer.usage, amount_fen, today, caps)
    customer = None
    if refusal is None and payer.master.customer_id is not None:
        before = snapshot[CUSTOMER_USAGE].get(payer.master.customer_id)
        refusal, customer = count_customer(before, amount_fen, today, caps)
    if refusal is not None:
        return refusal
    balance = payer.balance
    if balance.available_fen < total_fen:
        return ErrorCode.INSUFFICIENT_FUNDS
    return GroupTerms(quota, usage, customer, min(balance.restricted_fen, total_fen))


def spend_group_money(
    decision: Decision, payer: GroupPayer, terms: GroupTerms, *, member: AccountRow, merchant: str, product: str
) -> None:
    """Add what the purchase does on the company's side, and both notices."""
    paid, master = decision.transaction, payer.master
    now = paid.finished_at or paid.created_at
    total_fen = paid.amount_fen + paid.fee_fen
    decision.puts += [(QUOTAS, payer.member_id, terms.quota), (USAGE, master.id, terms.usage)]
    if terms.customer is not None:
        decision.puts.append((CUSTOMER_USAGE, master.customer_id, terms.customer))
    decision.inserts.append((GROUP_PURCHASES, (paid.id, payer.member_id, master.id, member.id)))
    facts: dict[str, str | int] = {
        "merchant": merchant, "product": product, "amount_fen": paid.amount_fen, "fee_fen": paid.fee_fen,
        "left_fen": terms.quota.quota_month_fen - terms.quota.used_fen,
    }  # fmt: skip
    tell(decision, member, "group_paid", facts, at=now)
    balance_fen = payer.balance.balance_fen - total_fen
    told: dict[str, str | int] = {
        "merchant": merchant, "amount_fen": total_fen, "counterpart": mask_phone(member.phone),
        "balance_fen": balance_fen,
    }  # fmt: skip
    tell(decision, master, "group_spent", told, at=now)


def give_group_back(
    decision: Decision, source: GroupSource, original: Transaction, snapshot: Snapshot, *, merchant: str, reason: str
) -> None:
    """Add what a reversal does on the company's side: money's counters and the quota, and both notices."""
    member_id, master_id = source
    assert member_id is not None
    assert master_id is not None
    assert original.account_id is not None
    done, master, member = decision.transaction, snapshot[ACCOUNTS][master_id], snapshot[ACCOUNTS][original.account_id]
    now, day = done.finished_at or done.created_at, original.business_date
    total_fen = original.amount_fen + original.fee_fen
    quota = uncount_quota(snapshot[QUOTAS][member_id], total_fen, day)
    usage = give_back_transfer(snapshot[USAGE][master_id], original.amount_fen, day)
    decision.puts += [(QUOTAS, member_id, quota), (USAGE, master_id, usage)]
    customer = None if master.customer_id is None else snapshot[CUSTOMER_USAGE].get(master.customer_id)
    if customer is not None:
        left = uncount_customer(customer, original.amount_fen, day)
        decision.puts.append((CUSTOMER_USAGE, master.customer_id, left))
    decision.inserts.append((GROUP_PURCHASES, (done.id, member_id, master_id, member.id)))
    facts: dict[str, str | int] = {"merchant": merchant, "amount_fen": total_fen, "reason": reason}
    tell(decision, member, "group_reversed", facts, at=now)
    balance_fen = snapshot[BALANCES][master.ledger_account_id].balance_fen + total_fen
    told = {**facts, "counterpart": mask_phone(member.phone), "balance_fen": balance_fen}
    tell(decision, master, "group_refunded", told, at=now)
