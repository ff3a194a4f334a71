"""Asking again what became of a top-up from outside, and recording what anybody said of it.

The recharge platform closes a reference it never had when it is asked about it; of an order at the online bank nobody
knows before its end whether the customer will still pay, so it is closed only then. Spec: CT 6.3.2; CM 6.4.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from mpss.desk.model import Transaction
from mpss.kernel.ids import FundingId, TransactionId
from mpss.kernel.outcome import Approved, InDoubt, Outcome
from mpss.observability import log
from mpss.runtime import Runtime
from mpss.transactions.funding.again import ask_again_at
from mpss.transactions.funding.model import FundingRow
from mpss.transactions.funding.store import get_request
from mpss.transactions.queries import get_transaction
from mpss.transactions.topups.outside import ONLINE_BANK, RECHARGE, AnswerTopup


async def ask_topup(runtime: Runtime, request_id: UUID) -> Transaction | None:
    """Inquire about a top-up's request and record the answer; the top-up as it stands then.

    None where there is no such request, or it is settled.
    """
    async with runtime.database.read() as uow:
        request = await get_request(uow, request_id)
        if request is None or request.settled:
            return None
        topup = await get_transaction(uow, request.transaction_id)
    assert topup is not None
    over = _over(runtime, request)
    outcome = await _inquire(runtime, request, close=over)
    return await record_answer(
        runtime,
        topup,
        request_id,
        outcome,
        counterpart=request.counterpart,
        attempts=request.attempts,
        undecided=request.counterpart == ONLINE_BANK and not over,
    )


async def record_answer(
    runtime: Runtime,
    topup: Transaction,
    request_id: UUID,
    outcome: Outcome,
    *,
    counterpart: str,
    attempts: int,
    undecided: bool = False,
) -> Transaction:
    """Let the desk record an answer; the top-up as it stands then."""
    now = runtime.clock.now()
    if not isinstance(outcome, Approved):
        reference = TransactionId.outside(topup.id)
        log.info("topup.not_approved", counterpart=counterpart, transaction=reference, outcome=repr(outcome))
    command = AnswerTopup(
        topup, now, request_id, outcome, ask_again_at(attempts, now=now), FundingId.new(now), undecided
    )
    return (await runtime.desk.submit(command)).transaction


def _over(runtime: Runtime, request: FundingRow) -> bool:
    """Whether the customer's time to pay is over."""
    end = request.created_at + timedelta(seconds=runtime.policy.online_bank_order_seconds)
    return runtime.clock.now() >= end


async def _inquire(runtime: Runtime, request: FundingRow, *, close: bool) -> Outcome:
    ports, policy = runtime.ports, runtime.policy
    outcome: Outcome = InDoubt(f"{request.counterpart} is not connected")
    if request.counterpart == RECHARGE and ports.recharge_card is not None:
        outcome = await ports.recharge_card.inquire(request.session, timeout_seconds=policy.recharge_timeout_seconds)
    if request.counterpart == ONLINE_BANK and ports.online_bank is not None:
        outcome = await ports.online_bank.inquire(
            request.session,
            amount_fen=request.amount_fen,
            close=close,
            timeout_seconds=policy.online_bank_timeout_seconds,
        )
    return outcome
