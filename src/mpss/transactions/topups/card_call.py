"""Calls to a bank about a card's debit: sent at first, then asked about, its reversal insisted upon.

A bank's inquiry closes nothing, so a debit that it never had is no "no" but a reason to reverse it, as one that nobody
knows of for too long is. Spec: CT 5.1. Decision: ADR-0016.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from mpss.kernel.outcome import Declined, InDoubt, Outcome
from mpss.ports.bank import BankOperation
from mpss.runtime import Runtime
from mpss.transactions.funding.bank_request import connected, never_had, sent_to_bank
from mpss.transactions.funding.model import FundingRow


async def call_bank(
    runtime: Runtime, request: FundingRow, original: FundingRow | None, number: str, *, first: bool
) -> Outcome:
    """What the bank says; `number` is the card's, `original` the debit that a reversal speaks of."""
    port, seconds = connected(runtime, request.counterpart), runtime.policy.bank_timeout_seconds
    if port is None:
        return InDoubt("the bank is not connected")
    sent = sent_to_bank(request, number, original=original)
    if first or request.operation == BankOperation.REVERSE:
        return await port.ask(sent, timeout_seconds=seconds)
    return await port.inquire(sent, timeout_seconds=seconds)


def hopeless(runtime: Runtime, request: FundingRow, outcome: Outcome, now: datetime) -> bool:
    """Whether a debit that was asked about is to be reversed."""
    if isinstance(outcome, Declined):
        return never_had(outcome)
    end = request.created_at + timedelta(seconds=runtime.policy.funding_give_up_seconds)
    return isinstance(outcome, InDoubt) and now >= end
