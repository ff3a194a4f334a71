"""The delivery log of a sale: every attempt at its order and its webhooks, for the merchant and for staff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import MerchantId, OutboxId, TransactionId
from mpss.outbox.model import Kind
from mpss.outbox.queries import LoggedAttempt, LoggedItem, attempts_of, item, items_of
from mpss.outbox.store import resend
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.transactions.queries import DeliveryStatus, delivery_status, get_transaction


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """One order or webhook with its attempts, first to last. `id` is its outside id."""

    id: str
    kind: str
    state: str
    due_at: datetime
    last_error: str | None
    tries: tuple[LoggedAttempt, ...]


@dataclass(frozen=True, slots=True)
class DeliveryLog:
    """`status` None: a sale without goods."""

    status: DeliveryStatus | None
    messages: tuple[LoggedMessage, ...]


async def delivery_log(runtime: Runtime, *, transaction_id: UUID, merchant_id: UUID | None = None) -> DeliveryLog:
    """What was sent to the merchant about a sale, oldest first; `merchant_id` limits it to that merchant's sales.

    Raises:
        Refused: UNKNOWN_TRANSACTION.
    """
    async with runtime.database.read() as uow:
        transaction = await get_transaction(uow, transaction_id)
        if transaction is None or (merchant_id is not None and transaction.merchant_id != merchant_id):
            raise Refused(ErrorCode.UNKNOWN_TRANSACTION)
        status = await delivery_status(uow, transaction_id)
        items = await items_of(uow, transaction_id, [Kind.DELIVERY, Kind.WEBHOOK])
        attempts = await attempts_of(uow, [logged.id for logged in items])
    return DeliveryLog(
        status,
        tuple(
            LoggedMessage(
                _outside_id(logged),
                logged.kind,
                logged.state,
                logged.due_at,
                logged.last_error,
                tuple(attempt for attempt in attempts if attempt.outbox_id == logged.id),
            )
            for logged in items
        ),
    )


async def resend_webhook(runtime: Runtime, *, item_id: UUID, by: str, merchant_id: UUID | None = None) -> None:
    """Send a webhook again, at once, with its id; `merchant_id` limits it to that merchant's.

    Raises:
        Refused: NOT_FOUND.
    """
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        logged = await item(uow, item_id)
        if logged is None or logged.kind != Kind.WEBHOOK:
            raise Refused(ErrorCode.NOT_FOUND)
        if merchant_id is not None and logged.recipient != str(MerchantId.from_uuid(merchant_id)):
            raise Refused(ErrorCode.NOT_FOUND)
        await resend(uow, item_id, now=now)
        await record(uow, at=now, actor=by, action="webhook.resend", subject=_outside_id(logged), detail={})


def _outside_id(logged: LoggedItem) -> str:
    is_delivery = logged.kind == Kind.DELIVERY
    return str(TransactionId.from_uuid(logged.id) if is_delivery else OutboxId.from_uuid(logged.id))
