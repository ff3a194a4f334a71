"""Calls to a bank about a card's debit: sent at first, then asked about, its reversal insisted upon.

A bank's inquiry closes nothing, so a debit that it never had is no "no" but a reason to reverse it, as one that nobody
knows of for too long is. Spec: CT 5.1. Decision: ADR-0016.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from mpss.accounts.card_model import CardRow
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.observability import log
from mpss.ports.bank import BankOperation
from mpss.runtime import Runtime
from mpss.transactions.funding.again import ask_again_at
from mpss.transactions.funding.bank_request import NewRequest, connected, never_had, new_request, sent_to_bank
from mpss.transactions.funding.model import FundingRow


class Told(NamedTuple):
    """What a bank said at `at`; `give_up` is the request of a reversal where the debit is to be reversed."""

    outcome: Outcome
    at: datetime
    due_at: datetime
    give_up: NewRequest | None


async def ask_of_debit(
    runtime: Runtime, request: FundingRow, taken: FundingRow | None, card: CardRow, *, first: bool, event: str
) -> Told:
    """Send a request about the card's debit, or ask what became of it; anything but a yes is logged as `event`.

    `taken` is the request that debited.
    """
    number = runtime.ports.key_store.unseal(card.number_sealed).decode()
    original = taken if request.operation == BankOperation.REVERSE else None
    outcome = await _call_bank(runtime, request, original, number, first=first)
    now = runtime.clock.now()
    give_up = None
    if request.operation == BankOperation.DEBIT and not first and _hopeless(runtime, request, outcome, now):
        give_up = await new_request(runtime)
    if not isinstance(outcome, Approved):
        log.info(event, counterpart=request.counterpart, reference=request.session, outcome=repr(outcome))
    return Told(outcome, now, ask_again_at(request.attempts, now=now), give_up)


async def _call_bank(
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


def _hopeless(runtime: Runtime, request: FundingRow, outcome: Outcome, now: datetime) -> bool:
    """Whether a debit that was asked about is to be reversed."""
    if isinstance(outcome, Declined):
        return never_had(outcome)
    end = request.created_at + timedelta(seconds=runtime.policy.funding_give_up_seconds)
    return isinstance(outcome, InDoubt) and now >= end
