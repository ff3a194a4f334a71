"""What a transfer needs to be decided, whoever asks for it: its parties, its limits, what it leaves. Pure.

Shared by the transfer with the payment password and the one that the payer confirms by SMS. A payee without an active
wallet is no obstacle: the money then waits outside the payer's wallet. Spec: CM 5.3.2, 6.5. Decision: ADR-0015.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from mpss.accounts.checks import check_state, count_transfer, give_back_transfer
from mpss.accounts.limit_model import (
    NO_LIMIT,
    Counts,
    CustomerUsageRow,
    LimitOperation,
    caps_of,
    check_counts,
    count_customer,
    counted,
    uncount_customer,
    uncounted,
)
from mpss.accounts.limit_store import CUSTOMER_USAGE, LIMITS
from mpss.accounts.model import AccountRow, UsageRow
from mpss.accounts.payee_model import PayeeRow
from mpss.accounts.payee_store import PAYEES
from mpss.accounts.state import Operation
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction, TransactionKind, TransactionState
from mpss.kernel.errors import ErrorCode
from mpss.kernel.masking import mask_phone
from mpss.ledger.model import Balance, JournalEntry
from mpss.ledger.post import BALANCES
from mpss.risk.rules import Finding
from mpss.risk.screen import above_grey_limit, risk_touches, screen_or_hold
from mpss.risk.store import LISTED, blacklisted
from mpss.transactions.by_channel import channel_touches, count_by_channel, give_channel_back, put_by_channel
from mpss.transactions.notify import Facts, tell, tell_number
from mpss.transactions.postings import transfer_held_legs, transfer_legs
from mpss.transactions.review import hold_for_review
from mpss.transactions.transfers.store import SENT, TRANSFERS, SentRow, TransferRow

UNKNOWN_LANGUAGE = "zh-CN"
"""Of notices to a number without a wallet."""


class Order(NamedTuple):
    """What is to be moved. `payee_id` is the wallet found for the number, `relation_id` the payer's relation to it;
    either is None where there was none."""

    payer_id: UUID
    payee_phone: str
    payee_id: UUID | None
    relation_id: UUID | None
    amount_fen: int


class Parties(NamedTuple):
    """The rows of a transfer. `payee` is None without an active wallet, `relation` without one that counts by now."""

    payer: AccountRow
    usage: UsageRow
    balance: Balance
    payee: AccountRow | None
    payee_balance: Balance | None
    relation: PayeeRow | None


class Terms(NamedTuple):
    """What a transfer leaves of the limits; `relation` is set for a directed one, `finding` where it is to be held for
    review."""

    sent: SentRow
    relation: PayeeRow | None
    usage: UsageRow
    customer: CustomerUsageRow | None
    finding: Finding | None = None
    by_channel: Counts | None = None


def order_touches(order: Order, channel: str) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
    """The rows that deciding a transfer needs; the desk locks both wallets in one order."""
    for account_id in {order.payer_id, order.payee_id} - {None}:
        yield USAGE, account_id
        yield ACCOUNTS, account_id
        yield LISTED, account_id
    yield SENT, order.payer_id
    yield from channel_touches(order.payer_id, LimitOperation.TRANSFER.value, channel)
    yield from risk_touches(order.payer_id)
    if order.relation_id is not None:
        yield PAYEES, order.relation_id


def find_parties(order: Order, snapshot: Snapshot, policy: Policy, *, at: datetime) -> Parties | ErrorCode:
    """Unknown party → scope → state, in the order of the desk's checks."""
    payer = snapshot[ACCOUNTS].get(order.payer_id)
    if payer is None:
        return ErrorCode.UNKNOWN_ACCOUNT
    if order.payee_phone == payer.phone:
        return ErrorCode.SELF_TRANSFER
    refusal = check_state(payer, Operation.TRANSFER, at=at)
    if refusal is not None:
        return refusal
    relation = _relation(order, snapshot)
    if relation is not None and at < relation.usable_from:
        if not policy.free_transfer_single_limit_fen:
            return ErrorCode.PAYEE_COOLING
        relation = None
    elif relation is None and not policy.free_transfer_single_limit_fen:
        return ErrorCode.PAYEE_REQUIRED
    payee = None if order.payee_id is None else snapshot[ACCOUNTS].get(order.payee_id)
    if check_state(payee, Operation.RECEIVE, at=at) is not None:
        payee = None
    return Parties(
        payer,
        snapshot[USAGE][payer.id],
        snapshot[BALANCES][payer.ledger_account_id],
        payee,
        None if payee is None else snapshot[BALANCES][payee.ledger_account_id],
        relation,
    )


def _relation(order: Order, snapshot: Snapshot) -> PayeeRow | None:
    """The relation that was found, where it stands and is this payer's to this number."""
    row = None if order.relation_id is None else snapshot[PAYEES].get(order.relation_id)
    if row is None or row.dissolved_at is not None:
        return None
    return row if (row.account_id, row.phone) == (order.payer_id, order.payee_phone) else None


def settle_terms(
    order: Order,
    parties: Parties,
    snapshot: Snapshot,
    today: date,
    policy: Policy,
    *,
    at: datetime,
    channel: str,
    province: str | None = None,
    proven: bool = True,
    watched: bool = False,
    reviewed: bool = False,
) -> Terms | ErrorCode:
    """Lists → limits of the wallet, its customer and the channel, then of the relation or what goes freely → the
    payee's highest balance → risk rules, but where they were `reviewed` → funds. `province` is where the payer is, if
    that was told; `watched` says that it comes from a place on the grey list."""
    if blacklisted(snapshot, (order.payer_id, order.payee_id)):
        return ErrorCode.BLACKLISTED
    amount_fen, relation = order.amount_fen, parties.relation
    single_fen = policy.free_transfer_single_limit_fen if relation is None else relation.single_limit_fen
    limit_fen = policy.transfer_single_limit_fen
    percent = policy.grey_limit_percent
    if above_grey_limit(snapshot, (order.payer_id,), amount_fen, limit_fen, percent, watched=watched):
        return ErrorCode.SINGLE_LIMIT_EXCEEDED
    payer = parties.payer
    if amount_fen > min(policy.transfer_single_limit_fen, single_fen, _or_none(payer.own_transfer_single_fen)):
        return ErrorCode.SINGLE_LIMIT_EXCEEDED
    sent = snapshot[SENT].get(order.payer_id)
    counts = counted(None if sent is None else sent.counts, amount_fen, today)
    free_fen = sent.free_fen if sent is not None and sent.day == today else 0
    sent = SentRow.of(counts, free_fen)
    if sent.sent_fen > min(policy.transfer_daily_limit_fen, _or_none(payer.own_transfer_daily_fen)):
        return ErrorCode.DAILY_LIMIT_EXCEEDED
    tables = snapshot[LIMITS].get(LimitOperation.TRANSFER)
    caps = caps_of(tables, payer.account_class, channel, at)
    refusal = check_counts(caps, amount_fen, counts)
    usage, customer = parties.usage, None
    if refusal is None:
        refusal, usage = count_transfer(parties.usage, amount_fen, today, caps)
    if refusal is None and payer.customer_id is not None:
        refusal, customer = count_customer(snapshot[CUSTOMER_USAGE].get(payer.customer_id), amount_fen, today, caps)
    if refusal is None and amount_fen > caps.channel_fen:
        refusal = ErrorCode.SINGLE_LIMIT_EXCEEDED
    if refusal is not None:
        return refusal
    by_channel = count_by_channel(payer.id, LimitOperation.TRANSFER.value, channel, amount_fen, caps, snapshot)
    if isinstance(by_channel, ErrorCode):
        return by_channel
    if relation is None:
        sent = sent._replace(free_fen=sent.free_fen + amount_fen)
        if sent.free_fen > policy.free_transfer_daily_limit_fen:
            return ErrorCode.DAILY_LIMIT_EXCEEDED
    else:
        before_fen = relation.sent_fen if relation.day == today else 0
        relation = relation._replace(day=today, sent_fen=before_fen + amount_fen)
        if relation.sent_fen > relation.daily_limit_fen:
            return ErrorCode.DAILY_LIMIT_EXCEEDED
    has_fen = 0 if parties.payee_balance is None else parties.payee_balance.balance_fen
    highest_fen = policy.balance_limit_fen
    if parties.payee is not None:
        highest_fen = min(highest_fen, caps_of(tables, parties.payee.account_class, channel, at).balance_fen)
    if has_fen + amount_fen > highest_fen:
        return ErrorCode.BALANCE_LIMIT_EXCEEDED
    found = None
    if not reviewed:
        found = screen_or_hold(
            snapshot, order.payer_id, TransactionKind.TRANSFER, amount_fen, at=at, proven=proven, province=province
        )
    if isinstance(found, ErrorCode):
        return found
    balance = parties.balance
    # What may not be withdrawn may not be transferred either.
    if balance.withdrawable_fen < amount_fen:
        return ErrorCode.INSUFFICIENT_FUNDS
    return Terms(sent, relation, usage, customer, found, by_channel)


def _or_none(own_fen: int | None) -> int:
    """The customer's own limit, where there is one."""
    return NO_LIMIT if own_fen is None else own_fen


def keep_for_review(
    decision: Decision, order: Order, parties: Parties, finding: Finding, policy: Policy, *, at: datetime
) -> Decision:
    """Add to a transfer that begins to be REVIEWING what it leaves: its row, and the amount held."""
    payer = parties.payer
    row = TransferRow(payer.id, payer.phone, order.payee_phone, None, None, order.amount_fen, None, None)
    decision.puts.append((TRANSFERS, decision.transaction.id, row))
    return hold_for_review(decision, finding, payer, parties.balance, total_fen=order.amount_fen, policy=policy, at=at)


def state_of(parties: Parties) -> TransactionState:
    """SUCCEEDED where the payee has a wallet, WAITING where the money is kept for it."""
    return TransactionState.WAITING if parties.payee is None else TransactionState.SUCCEEDED


def carry_out(
    decision: Decision, order: Order, parties: Parties, terms: Terms, policy: Policy, *, at: datetime
) -> Decision:
    """Add to a decided transfer what it does: the entry, the rows it changes, the SMS to both phones."""
    done, payer, payee = decision.transaction, parties.payer, parties.payee
    amount_fen = order.amount_fen
    from_, to = mask_phone(payer.phone), mask_phone(order.payee_phone)
    left_fen = parties.balance.balance_fen - amount_fen
    if payee is None:
        legs = transfer_held_legs(payer=payer.ledger_account_id, amount_fen=amount_fen)
        return_at = at + timedelta(days=policy.transfer_hold_days)
        days = policy.transfer_hold_days
        told: Facts = {"amount_fen": amount_fen, "counterpart": to, "days": days, "balance_fen": left_fen}
        tell(decision, payer, "transfer_held", told, at=at)
        waits: Facts = {"amount_fen": amount_fen, "counterpart": from_, "days": days}
        tell_number(decision, order.payee_phone, UNKNOWN_LANGUAGE, "transfer_waiting", waits, at=at)
    else:
        assert parties.payee_balance is not None
        legs = transfer_legs(payer=payer.ledger_account_id, payee=payee.ledger_account_id, amount_fen=amount_fen)
        return_at = None
        told = {"amount_fen": amount_fen, "counterpart": to, "balance_fen": left_fen}
        tell(decision, payer, "transfer_sent", told, at=at)
        has_fen = parties.payee_balance.balance_fen + amount_fen
        got: Facts = {"amount_fen": amount_fen, "counterpart": from_, "balance_fen": has_fen}
        tell(decision, payee, "transfer_received", got, at=at)
    decision.entry = JournalEntry(done.id, done.kind, legs)
    decision.puts += [(SENT, payer.id, terms.sent), (USAGE, payer.id, terms.usage)]
    if terms.customer is not None:
        decision.puts.append((CUSTOMER_USAGE, payer.customer_id, terms.customer))
    put_by_channel(decision, LimitOperation.TRANSFER.value, terms.by_channel)
    if terms.relation is not None:
        decision.puts.append((PAYEES, order.relation_id, terms.relation))
    row = TransferRow(
        payer.id,
        payer.phone,
        order.payee_phone,
        None if payee is None else payee.id,
        None if terms.relation is None else order.relation_id,
        amount_fen,
        return_at,
        None if payee is None else at,
    )
    decision.puts.append((TRANSFERS, done.id, row))
    return decision


def give_back_sent(decision: Decision, transfer: Transaction, row: TransferRow, snapshot: Snapshot) -> None:
    """Add to what returns a transfer that it does not count any more, whatever counted it."""
    day, fen, payer = transfer.business_date, row.amount_fen, snapshot[ACCOUNTS][row.payer_id]
    decision.puts.append((USAGE, payer.id, give_back_transfer(snapshot[USAGE][payer.id], fen, day)))
    give_channel_back(decision, transfer, LimitOperation.TRANSFER.value, snapshot)
    sent = snapshot[SENT].get(payer.id)
    if sent is not None:
        freely = row.relation_id is None and sent.day == day
        free_fen = max(sent.free_fen - fen, 0) if freely else sent.free_fen
        left = SentRow.of(uncounted(sent.counts, fen, day), free_fen)
        decision.puts.append((SENT, payer.id, left))
    relation = None if row.relation_id is None else snapshot[PAYEES].get(row.relation_id)
    if relation is not None and relation.day == day:
        less = relation._replace(sent_fen=max(relation.sent_fen - fen, 0))
        decision.puts.append((PAYEES, row.relation_id, less))
    customer = None if payer.customer_id is None else snapshot[CUSTOMER_USAGE].get(payer.customer_id)
    if customer is not None:
        decision.puts.append((CUSTOMER_USAGE, payer.customer_id, uncount_customer(customer, fen, day)))
