"""What a channel may let through in a day and a month, on the desk. Pure. Spec: CM 9.2–9.5. Decision: ADR-0026.

Counted and given back with the account's own counters. The company's money is not: its members have quotas.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any
from uuid import UUID

from mpss.accounts.channel_store import CHANNEL_USAGE
from mpss.accounts.limit_model import Caps, Counts, check_channel, counted, uncounted
from mpss.accounts.limit_store import LIMITS
from mpss.db.rows import RowSet
from mpss.desk.model import Decision, Snapshot, Transaction
from mpss.kernel.errors import ErrorCode


def channel_touches(account_id: UUID, operation: str, channel: str) -> Iterable[tuple[RowSet[Any, Any], Hashable]]:
    """The tables of a `LimitOperation`, and what the channel let through where one of them limits it."""
    yield LIMITS, operation
    yield CHANNEL_USAGE, (account_id, operation, channel)


def count_by_channel(
    account_id: UUID, operation: str, channel: str, amount_fen: int, caps: Caps, snapshot: Snapshot
) -> Counts | ErrorCode | None:
    """The channel's counts with one more transaction, or why it may not be; None where the channel is not counted."""
    rows = snapshot.get(CHANNEL_USAGE)
    before: Counts | None = rows.get((account_id, operation, channel)) if rows else None
    if before is None:
        return None
    after = counted(before, amount_fen, snapshot.business_date)
    return check_channel(caps, after) or after


def put_by_channel(decision: Decision, operation: str, counts: Counts | None) -> None:
    """Add to what counts the decision's transaction that its channel counts it too."""
    about = decision.transaction
    if counts is not None:
        decision.puts.append((CHANNEL_USAGE, (about.account_id, operation, about.channel), counts))


def give_channel_back(decision: Decision, original: Transaction, operation: str, snapshot: Snapshot) -> None:
    """Add to what undoes `original` that its channel does not count it any more."""
    assert original.account_id is not None
    key = (original.account_id, operation, original.channel)
    counts = snapshot[CHANNEL_USAGE].get(key)
    if counts is not None:
        left = uncounted(counts, original.amount_fen, original.business_date)
        decision.puts.append((CHANNEL_USAGE, key, left))
