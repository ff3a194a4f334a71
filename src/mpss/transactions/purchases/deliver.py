"""Delivery of what was sold: the order goes to the CP/SP after the commit, and its answer ends the sale one way or the
other.

    ordered ──delivered──► delivered: the payer is told what was delivered
            ──refused──► refused, ──silent past the deadline──► expired: the sale is reversed

Invariants: (1) the order always carries the transaction's id, so asking again is safe; (2) one answer is written for a
sale, and the first stands; (3) a sale whose answer is refused or expired is reversed, also after a crash between the
two; (4) "delivered" after a reversal changes nothing: the money stays reversed; (5) nothing is ordered on a phone bill
whose reservation may lapse before the charge. Spec: CT 5.3, 6.3.2, 6.5.1.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from mpss.desk.model import OUTSIDE, Funding, TransactionKind, TransactionState
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import OutboxId, TransactionId
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.merchants.credentials import endpoint_of
from mpss.merchants.model import SHUT
from mpss.observability import log
from mpss.outbox.model import OutboxItem, notice, webhook
from mpss.outbox.store import enqueue, resend
from mpss.ports.merchant import DeliveryOrder
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.transactions.funding.again import lease_seconds
from mpss.transactions.funding.model import CHARGING
from mpss.transactions.purchases.collect import complete
from mpss.transactions.purchases.delivery_store import SoldGoods, find_sale, hold_state, write_answer
from mpss.transactions.purchases.reversal import reverse

CALLER = "platform:delivery"
"""Whose keys the automatic reversals are under."""
REFUSED = "delivery_refused"
EXPIRED = "delivery_expired"
_WRITTEN_MEANWHILE = "another worker wrote an answer just now"
_OUTSIDE = frozenset(
    state.value for state in (TransactionState.AUTHORIZED, TransactionState.COMPLETING, TransactionState.SUCCEEDED)
)
_SOLD = {
    Funding.WALLET.value: frozenset({TransactionState.SUCCEEDED.value}),
    Funding.GROUP.value: frozenset({TransactionState.SUCCEEDED.value}),
    Funding.PHONE_BILL.value: _OUTSIDE,
    Funding.BANK_CARD.value: _OUTSIDE,
}
"""The states in which a sale may be delivered: paid, or its money taken at the charging system or bank."""


async def deliver(runtime: Runtime, item: OutboxItem) -> Outcome:
    """Order the delivery of one sale, and act on the answer; the outbox's handler for delivery orders.

    Approved: delivered and written down. Declined: it will not be delivered by us; the sale is reversed. InDoubt: no
    answer yet, or the reversal could not be carried out; try again.
    """
    async with runtime.database.read() as uow:
        sale = await find_sale(uow, item.id)
    if sale is None:
        return Declined("there is no such sale")
    if sale.delivery in ("refused", "expired"):
        # Written down before, and the reversal may not have followed: the process may have been killed between.
        return await _give_back(runtime, sale, REFUSED if sale.delivery == "refused" else EXPIRED)
    if sale.delivery == "delivered" and sale.state == TransactionState.AUTHORIZED:
        return await _charge(runtime, sale)  # Written down before, and the process was killed there.
    if sale.state not in _SOLD[sale.funding]:
        return Declined("the sale was reversed")
    deadline = item.created_at + timedelta(seconds=runtime.policy.delivery_deadline_seconds)
    silent = item.attempts > 1 and runtime.clock.now() >= deadline
    if sale.delivery is None and (silent or _may_lapse(runtime, sale)):
        return await _end(runtime, sale, "expired", EXPIRED)

    endpoint = await endpoint_of(runtime, sale.merchant_id)
    outcome = await runtime.ports.merchant.deliver(
        endpoint, DeliveryOrder(**item.body()), timeout_seconds=runtime.policy.merchant_timeout_seconds
    )
    match outcome:
        case Approved(content=content):
            return await _delivered(runtime, sale, content)
        case Declined(reason=reason) if sale.delivery is None:
            return await _end(runtime, sale, "refused", REFUSED, reason)
        case InDoubt() if sale.delivery is None:
            if runtime.clock.now() >= deadline:
                return await _end(runtime, sale, "expired", EXPIRED)
            return outcome
        case _:
            # A manual resend of what was delivered: the first answer stands, and nobody insists.
            return Declined(f"delivered before; the order sent again was answered: {outcome}")


def _may_lapse(runtime: Runtime, sale: SoldGoods) -> bool:
    """Whether what a phone bill reserved may be released by itself before we have delivered and charged it."""
    policy = runtime.policy
    needed = policy.merchant_timeout_seconds + lease_seconds(policy, CHARGING)
    end = sale.created_at + timedelta(seconds=policy.charging_reservation_seconds - needed)
    return sale.funding == Funding.PHONE_BILL and runtime.clock.now() >= end


async def _delivered(runtime: Runtime, sale: SoldGoods, content: str) -> Outcome:
    now = runtime.clock.now()
    transaction_id = TransactionId.from_uuid(sale.id)
    async with runtime.database.transaction() as uow:
        if await hold_state(uow, sale.id) not in _SOLD[sale.funding]:
            log.warning("delivery.late", transaction=str(transaction_id))
            return Declined("delivered, but the sale was reversed before")
        if not await write_answer(uow, sale, state="delivered", content=content, now=now):
            if sale.delivery is None:
                # Whoever wrote it may have died before acting on it; the next attempt does.
                return InDoubt(_WRITTEN_MEANWHILE)
            return Approved(str(transaction_id))
        told = notice(
            OutboxId.new(now),
            reference=sale.id,
            phone=sale.phone,
            event="delivered",
            language=sale.language,
            params={"merchant": sale.merchant, "product": sale.product, "content": content},
            now=now,
        )
        event = webhook(
            OutboxId.new(now),
            merchant_id=sale.merchant_id,
            event="purchase.delivered",
            reference=sale.id,
            data={
                "transaction_id": str(transaction_id),
                "merchant_order_no": sale.merchant_order_no,
                "amount_fen": sale.amount_fen,
            },
            now=now,
        )
        await enqueue(uow, [told, event])
    if sale.funding not in OUTSIDE:
        return Approved(str(transaction_id))
    return await _charge(runtime, sale)


async def _charge(runtime: Runtime, sale: SoldGoods) -> Outcome:
    """Delivered: what was reserved or frozen is charged. The job insists where the other side is silent."""
    await complete(runtime, sale.id)
    return Approved(str(TransactionId.from_uuid(sale.id)))


async def _end(runtime: Runtime, sale: SoldGoods, state: str, why: str, reason: str = "") -> Outcome:
    """Write down that it will not be delivered, then give the money back."""
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        written = await write_answer(uow, sale, state=state, reason=reason, now=now)
    if not written:
        return InDoubt(_WRITTEN_MEANWHILE)  # The next attempt acts on that answer.
    log.info("delivery.failed", transaction=str(TransactionId.from_uuid(sale.id)), state=state, reason=reason)
    return await _give_back(runtime, sale, why)


async def _give_back(runtime: Runtime, sale: SoldGoods, why: str) -> Outcome:
    transaction_id = TransactionId.from_uuid(sale.id)
    answer = await reverse(
        runtime,
        caller=CALLER,
        key=str(transaction_id),
        channel="outbox",
        merchant_id=sale.merchant_id,
        original_id=sale.id,
        reason=why,
    )
    refusal = answer.transaction.refusal
    if refusal is None or refusal is ErrorCode.ILLEGAL_STATE:  # ILLEGAL_STATE: somebody else reversed it first.
        return Declined(why)
    return InDoubt(f"the reversal was refused: {refusal}")


async def resend_delivery(runtime: Runtime, *, transaction_id: UUID, by: str, merchant_id: UUID | None = None) -> None:
    """Send the delivery order of a sale again, at once; `merchant_id` limits it to that merchant's sales.

    The CP/SP answers a repeated order as at first, so nothing is delivered twice.

    Raises:
        Refused: UNKNOWN_TRANSACTION (no such sale with goods); ILLEGAL_STATE (its money went back, or its merchant's
            closing is at the end: what it refused then could not be taken back).
    """
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        sale = await find_sale(uow, transaction_id)
        if sale is None or sale.kind != TransactionKind.PURCHASE:
            raise Refused(ErrorCode.UNKNOWN_TRANSACTION)
        if merchant_id is not None and sale.merchant_id != merchant_id:
            raise Refused(ErrorCode.UNKNOWN_TRANSACTION)
        if await hold_state(uow, transaction_id) not in _SOLD[sale.funding] or sale.delivery in (
            "refused",
            "expired",
        ):
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="the sale was reversed, or was never paid")
        if sale.merchant_state in SHUT:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="the merchant's closing is at the end")
        if not await resend(uow, transaction_id, now=now):
            raise Refused(ErrorCode.UNKNOWN_TRANSACTION, detail="the sale has nothing to deliver")
        subject = str(TransactionId.from_uuid(transaction_id))
        await record(uow, at=now, actor=by, action="delivery.resend", subject=subject, detail={})
