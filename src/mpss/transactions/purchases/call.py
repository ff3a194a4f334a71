"""Sending a purchase's request to the charging system or a bank, or asking what became of it, with nothing open.

The charging system is asked again by sending the same session and number; a bank by an inquiry, after which what it
never had is sent again under the same reference, except what takes money: that is given up. Spec: CT 5.1.
"""

from __future__ import annotations

from mpss.accounts.card_model import CardRow
from mpss.kernel.ids import TransactionId
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.observability import log
from mpss.ports.bank import BankOperation
from mpss.ports.charging import ChargingOperation, ChargingRequest
from mpss.runtime import Runtime
from mpss.transactions.funding.bank_request import connected, never_had, sent_to_bank
from mpss.transactions.funding.model import CHARGING, FundingRow
from mpss.transactions.purchases.funded_request import TAKES

_NOTHING_HELD = ("12 ", "22 ", "25 ")


async def call(runtime: Runtime, request: FundingRow, take: FundingRow, card: CardRow | None) -> Outcome:
    """What the other side says of `request`; `card` is the bound card that it speaks of, of a bank's."""
    if request.counterpart == CHARGING:
        outcome = await _charge(runtime, request)
    else:
        assert card is not None
        outcome = await _ask_bank(runtime, request, take, card)
    if not isinstance(outcome, Approved):
        transaction = TransactionId.outside(request.transaction_id)
        log.info(
            "funding.not_approved",
            counterpart=request.counterpart,
            operation=request.operation,
            transaction=transaction,
            outcome=repr(outcome),
        )
    return outcome


async def _charge(runtime: Runtime, request: FundingRow) -> Outcome:
    charging = runtime.ports.charging
    if charging is None:
        return Declined("no charging system is connected")
    return await charging.charge(
        ChargingRequest(
            ChargingOperation(request.operation),
            request.session,
            request.number,
            request.subject,
            request.amount_fen,
            request.created_at,
            request.original_session,
            again=request.attempts > 1,
        ),
        timeout_seconds=runtime.policy.charging_timeout_seconds,
    )


async def _ask_bank(runtime: Runtime, request: FundingRow, take: FundingRow, card: CardRow) -> Outcome:
    port, seconds = connected(runtime, request.counterpart), runtime.policy.bank_timeout_seconds
    if port is None:
        return InDoubt("the bank is not connected")
    keys = runtime.ports.key_store
    credit = request.operation == BankOperation.CREDIT
    sent = sent_to_bank(
        request,
        keys.unseal(card.number_sealed).decode(),
        holder_name=keys.unseal(card.name_sealed).decode() if credit else "",
        original=take if request.operation not in TAKES and not credit else None,
    )
    if request.attempts > 1 and request.operation != BankOperation.REVERSE:
        known = await port.inquire(sent, timeout_seconds=seconds)
        if not never_had(known) or request.operation in TAKES:
            return known
    outcome = await port.ask(sent, timeout_seconds=seconds)
    if request.operation == BankOperation.UNFREEZE and isinstance(outcome, Declined):
        # Nothing is held any more, which is all that was wanted.
        return Approved(outcome.reason) if outcome.reason.startswith(_NOTHING_HELD) else outcome
    return outcome
