"""The limits of a top-up, whatever it comes from: one amount, day, month, the balance it leads to. Pure.

A top-up that waits for another system is counted when it is intended, and given back where it comes to nothing.
Spec: CM 9.3, 9.1.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from mpss.accounts.channel_store import CHANNEL_USAGE
from mpss.accounts.limit_model import Caps, LimitOperation, caps_of, check_counts, counted, uncounted
from mpss.accounts.limit_store import LIMITS, TOPPED
from mpss.accounts.model import AccountRow
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.config import Policy
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction
from mpss.kernel.errors import ErrorCode
from mpss.ledger.post import BALANCES
from mpss.transactions.by_channel import channel_touches, count_by_channel, give_channel_back

Puts = list[tuple[RowSet[Any, Any], Any, Any]]


def topup_touches(account_id: UUID, channel: str) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
    """The rows that deciding a top-up needs."""
    yield USAGE, account_id
    yield ACCOUNTS, account_id
    yield TOPPED, account_id
    yield from channel_touches(account_id, LimitOperation.TOPUP.value, channel)


def topup_caps(account: AccountRow, snapshot: Snapshot, *, at: datetime, channel: str) -> Caps:
    """What the table allows the account's top-ups."""
    return caps_of(snapshot[LIMITS].get(LimitOperation.TOPUP), account.account_class, channel, at)


def check_topup(
    account: AccountRow,
    amount_fen: int,
    snapshot: Snapshot,
    policy: Policy,
    *,
    at: datetime,
    channel: str,
    watched: bool = False,
) -> Puts | ErrorCode:
    """What a top-up of this amount leaves of the counters, or why it may not be; `watched` where it comes from a place
    on the grey list, from which at once only a share of the limit is taken. Spec: CM 9.1, 9.3, 9.6."""
    limit_fen = policy.topup_single_limit_fen
    if amount_fen > limit_fen or (watched and 100 * amount_fen > policy.grey_limit_percent * limit_fen):
        return ErrorCode.SINGLE_LIMIT_EXCEEDED
    caps = topup_caps(account, snapshot, at=at, channel=channel)
    counts = counted(snapshot[TOPPED].get(account.id), amount_fen, snapshot.business_date)
    refusal = check_counts(caps, amount_fen, counts)
    if refusal is not None:
        return refusal
    balance_fen = snapshot[BALANCES][account.ledger_account_id].balance_fen
    if balance_fen + amount_fen > min(policy.balance_limit_fen, caps.balance_fen):
        return ErrorCode.BALANCE_LIMIT_EXCEEDED
    if amount_fen > caps.channel_fen:
        return ErrorCode.SINGLE_LIMIT_EXCEEDED
    by_channel = count_by_channel(account.id, LimitOperation.TOPUP.value, channel, amount_fen, caps, snapshot)
    if isinstance(by_channel, ErrorCode):
        return by_channel
    puts: Puts = [(TOPPED, account.id, counts)]
    if by_channel is not None:
        puts.append((CHANNEL_USAGE, (account.id, LimitOperation.TOPUP.value, channel), by_channel))
    return puts


def give_back_topup(decision: Decision, topup: Transaction, snapshot: Snapshot) -> Decision:
    """Add to a decision that undoes `topup` that it does not count any more."""
    if topup.account_id is None:
        return decision
    counts = snapshot[TOPPED].get(topup.account_id)
    if counts is not None:
        left = uncounted(counts, topup.amount_fen, topup.business_date)
        decision.puts.append((TOPPED, topup.account_id, left))
    give_channel_back(decision, topup, LimitOperation.TOPUP.value, snapshot)
    return decision
