"""The job that moves what waits for a bank or the charging system: asks again with the same ids until somebody says.

It also takes up what a process wrote down and did not live to send or to record. Spec: CT 6.3.2. Decision: ADR-0013.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from mpss.desk.model import TransactionKind
from mpss.observability import FUNDING_OLDEST_SECONDS, FUNDING_OPEN, log
from mpss.runtime import Runtime
from mpss.transactions.closings.bill import ask_bill_payout
from mpss.transactions.funding.again import lease_seconds
from mpss.transactions.funding.store import DueRequest, OpenRequest, claim_due, open_counts, open_requests
from mpss.transactions.purchases.collect import ask
from mpss.transactions.topups.ask import ask_topup
from mpss.transactions.topups.card import ask_bank
from mpss.transactions.topups.card_verification import ask_verification
from mpss.transactions.withdrawals.answer import ask_credit

_AT_ONCE = 64
_ASKERS: dict[TransactionKind, Callable[[Runtime, UUID], Awaitable[object]]] = {
    TransactionKind.PURCHASE: ask,
    TransactionKind.REVERSAL: ask,
    TransactionKind.RECHARGE_TOPUP: ask_topup,
    TransactionKind.ONLINE_BANK_TOPUP: ask_topup,
    TransactionKind.BANK_CARD_TOPUP: ask_bank,
    TransactionKind.WITHDRAWAL: ask_credit,
    TransactionKind.CLOSING_PAYOUT: ask_bill_payout,
    TransactionKind.CARD_VERIFICATION: ask_verification,
    TransactionKind.CARD_VERIFICATION_RETURN: ask_verification,
}
"""The flow that asks about the requests of each kind of transaction."""


async def resolve_due(runtime: Runtime, *, limit: int = _AT_ONCE) -> int:
    """Ask about every request that is due; how many that were. No unit of work is open while it asks."""
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        due = await claim_due(uow, now=now, limit=limit, lease_seconds=lease_seconds(runtime.policy))
    await asyncio.gather(*(_ask(runtime, request) for request in due))
    return len(due)


async def _ask(runtime: Runtime, request: DueRequest) -> None:
    """One request's failure is no other's: it is due again when its lease runs out."""
    try:
        await _ASKERS[TransactionKind(request.kind)](runtime, request.id)
    except Exception:
        log.exception("funding.ask_failed", request=str(request.id))


async def list_open(runtime: Runtime, *, after: UUID | None = None, limit: int = 50) -> list[OpenRequest]:
    """What is in doubt, or on its way, oldest first."""
    async with runtime.database.read() as uow:
        return await open_requests(uow, after=after, limit=limit)


async def measure_open(runtime: Runtime) -> None:
    """Set the gauges of what is not settled: how many requests, and how old the oldest is."""
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        counts = await open_counts(uow)
    FUNDING_OPEN.clear()
    FUNDING_OLDEST_SECONDS.clear()
    for count in counts:
        labels = {"counterpart": count.counterpart, "operation": count.operation}
        FUNDING_OPEN.labels(**labels).set(count.requests)
        FUNDING_OLDEST_SECONDS.labels(**labels).set((now - count.oldest_at).total_seconds())
