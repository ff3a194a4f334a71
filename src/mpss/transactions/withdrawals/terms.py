"""What a withdrawal needs to be decided, whoever asks for it, and what it leaves: the hold and what moves it. Pure.

Shared by the withdrawal with the payment password and the one that the payer confirms by SMS. Only withdrawable money
is paid out, with the fee beside it: never vouchers, gifts, or what is held for something else.
Spec: CM 5.3.3, 6.6. Decision: ADR-0020.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import date, datetime
from typing import Any, NamedTuple

from mpss.accounts.limit_model import NO_CAPS, Caps, Counts, LimitOperation, caps_of, check_counts, counted
from mpss.accounts.limit_store import LIMITS, WITHDRAWN
from mpss.accounts.model import AccountRow
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, TransactionKind
from mpss.fees.quote import in_force, quote
from mpss.fees.store import FEES
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import CardId
from mpss.ledger.holds import reserve
from mpss.ledger.model import Balance
from mpss.ledger.post import BALANCES
from mpss.ports.bank import BankOperation
from mpss.risk.rules import Finding
from mpss.risk.screen import above_grey_limit, risk_touches, screen, screen_or_hold
from mpss.risk.store import LISTED, blacklisted
from mpss.transactions.by_channel import channel_touches, count_by_channel, put_by_channel
from mpss.transactions.funding.again import leased_until
from mpss.transactions.funding.bank_request import NewRequest, new_bank_request
from mpss.transactions.funding.store import FUNDING_REQUESTS
from mpss.transactions.notify import Facts, tell
from mpss.transactions.review import hold_for_review
from mpss.transactions.withdrawals.model import Mode, WithdrawalOrder, WithdrawalRow
from mpss.transactions.withdrawals.store import WITHDRAWALS

FEE_KIND = "withdrawal"


class Terms(NamedTuple):
    """What a withdrawal costs beside its amount, and the day's count with it; `finding` where it is to be held for
    review."""

    fee_fen: int
    withdrawn: Counts
    balance: Balance
    finding: Finding | None = None
    by_channel: Counts | None = None


def order_touches(order: WithdrawalOrder, channel: str) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
    """The rows that deciding a withdrawal needs."""
    yield USAGE, order.account_id
    yield ACCOUNTS, order.account_id
    yield LISTED, order.account_id
    yield LISTED, order.card_id
    yield from risk_touches(order.account_id)
    yield WITHDRAWN, order.account_id
    yield FEES, FEE_KIND
    yield from channel_touches(order.account_id, LimitOperation.WITHDRAWAL.value, channel)


def settle_terms(
    order: WithdrawalOrder,
    account: AccountRow,
    snapshot: Snapshot,
    today: date,
    policy: Policy,
    *,
    quoted_at: datetime,
    channel: str,
    province: str | None = None,
    proven: bool = True,
    watched: bool = False,
    released: Balance | None = None,
) -> Terms | ErrorCode:
    """Lists → limits → risk rules → fee → funds. The fee and the table of limits are those of `quoted_at`, when the
    payer was shown the fee or asked. Money to the customer's own card does not count by year and lifetime.
    `province` is where the payer is, if that was told; `watched` says that it comes from a place on the grey list.
    `released` is the balance without the hold of one that was reviewed, which the risk rules are not asked about."""
    if blacklisted(snapshot, (order.account_id, order.card_id)):
        return ErrorCode.BLACKLISTED
    withdrawn = counted(snapshot[WITHDRAWN].get(account.id), order.amount_fen, today)
    caps = NO_CAPS
    if not order.closing:
        caps = caps_of(snapshot[LIMITS].get(LimitOperation.WITHDRAWAL), account.account_class, channel, quoted_at)
        refusal = _above_limits(order, account, withdrawn, caps, snapshot, policy, watched=watched)
        if refusal is not None:
            return refusal
    by_channel = count_by_channel(
        account.id, LimitOperation.WITHDRAWAL.value, channel, order.amount_fen, caps, snapshot
    )
    if isinstance(by_channel, ErrorCode):
        return by_channel
    found = None
    if released is None:
        # The rest of an account that is being closed is not kept waiting, but refused.
        look = screen if order.closing else screen_or_hold
        found = look(
            snapshot, account.id, TransactionKind.WITHDRAWAL, order.amount_fen, at=quoted_at, proven=proven,
            province=province,
        )  # fmt: skip
    if isinstance(found, ErrorCode):
        return found
    fee_fen = 0 if order.closing else quote(in_force(snapshot[FEES].get(FEE_KIND), quoted_at), order.amount_fen)
    if order.fee_fen is not None and order.fee_fen != fee_fen:
        return ErrorCode.PRICE_CHANGED
    balance = released or snapshot[BALANCES][account.ledger_account_id]
    if balance.withdrawable_fen < order.amount_fen + fee_fen:
        return ErrorCode.INSUFFICIENT_FUNDS
    return Terms(fee_fen, withdrawn, balance, found, by_channel)


def _above_limits(
    order: WithdrawalOrder,
    account: AccountRow,
    withdrawn: Counts,
    caps: Caps,
    snapshot: Snapshot,
    policy: Policy,
    *,
    watched: bool,
) -> ErrorCode | None:
    """The grey list's, ours and the customer's own, the table's, and the channel's of one withdrawal."""
    limit_fen, day_fen = policy.withdrawal_single_limit_fen, policy.withdrawal_daily_limit_fen
    named, percent = (order.account_id, order.card_id), policy.grey_limit_percent
    if above_grey_limit(snapshot, named, order.amount_fen, limit_fen, percent, watched=watched):
        return ErrorCode.SINGLE_LIMIT_EXCEEDED
    own_single_fen, own_day_fen = account.own_withdrawal_single_fen, account.own_withdrawal_daily_fen
    if order.amount_fen > (limit_fen if own_single_fen is None else min(limit_fen, own_single_fen)):
        return ErrorCode.SINGLE_LIMIT_EXCEEDED
    if withdrawn.day_fen > (day_fen if own_day_fen is None else min(day_fen, own_day_fen)):
        return ErrorCode.DAILY_LIMIT_EXCEEDED
    refusal = check_counts(caps, order.amount_fen, withdrawn)
    if refusal is None and order.amount_fen > caps.channel_fen:
        refusal = ErrorCode.SINGLE_LIMIT_EXCEEDED
    return refusal


def keep_for_review(
    decision: Decision,
    order: WithdrawalOrder,
    account: AccountRow,
    terms: Terms,
    finding: Finding,
    policy: Policy,
    *,
    at: datetime,
) -> Decision:
    """Add to a withdrawal that begins to be REVIEWING what it leaves: its row, and amount and fee held."""
    row = WithdrawalRow(account.id, order.card_id, order.card, order.bank, order.mode, order.amount_fen, terms.fee_fen)
    decision.puts.append((WITHDRAWALS, decision.transaction.id, row))
    total_fen = order.amount_fen + terms.fee_fen
    return hold_for_review(decision, finding, account, terms.balance, total_fen=total_fen, policy=policy, at=at)


def hold_back(
    decision: Decision,
    order: WithdrawalOrder,
    account: AccountRow,
    terms: Terms,
    credit: NewRequest,
    policy: Policy,
    *,
    at: datetime,
) -> Decision:
    """Add to a decided withdrawal what it does: amount and fee are held, and what moves them is written down.

    At a bank with real-time credit that is the request `credit`; else the order waits for the bank's next file.
    """
    withdrawal = decision.transaction
    held = reserve(
        terms.balance,
        ledger_account_id=account.ledger_account_id,
        transaction_id=withdrawal.id,
        amount_fen=order.amount_fen + terms.fee_fen,
        at=at,
    )
    row = WithdrawalRow(
        account.id, order.card_id, order.card, order.bank, order.mode, order.amount_fen, terms.fee_fen, held[0][1], at
    )
    decision.puts += [*held, (WITHDRAWN, account.id, terms.withdrawn), (WITHDRAWALS, withdrawal.id, row)]
    put_by_channel(decision, LimitOperation.WITHDRAWAL.value, terms.by_channel)
    if order.mode is Mode.REAL_TIME:
        request = new_bank_request(
            withdrawal,
            BankOperation.CREDIT,
            bank=order.bank,
            reference=credit.reference,
            card=CardId.outside(order.card_id),
            at=at,
            due_at=leased_until(at, policy, order.bank),
        )
        # The bank credits the amount; the fee stays with us.
        request = request._replace(amount_fen=order.amount_fen)
        decision.puts.append((FUNDING_REQUESTS, credit.id, request))
    else:
        facts: Facts = {"amount_fen": order.amount_fen, "fee_fen": terms.fee_fen, "card": order.card}
        tell(decision, account, "withdrawal_ordered", facts, at=at)
    return decision
