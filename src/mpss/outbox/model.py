"""What must leave the house after the commit: one row for each message, built purely, written with its cause.

Invariants: (1) a row is committed with the change it speaks of, or not at all; (2) a message is sent at least once,
always with the same id; (3) a row ends `done` (the other side took it) or `dead` (it refused, or we gave up).

    pending ──approved──► done        pending ──declined, given up──► dead        done, dead ──manual resend──► pending
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson

from mpss.kernel.ids import MerchantId, OutboxId, ProductId, TransactionId


class Kind(StrEnum):
    DELIVERY = "delivery"
    NOTICE = "notice"
    WEBHOOK = "webhook"


class OutboxState(StrEnum):
    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"


# Reading `.value` of a member costs more than making the row's tuple does.
_DELIVERY, _NOTICE, _WEBHOOK = (kind.value for kind in (Kind.DELIVERY, Kind.NOTICE, Kind.WEBHOOK))
_PENDING = OutboxState.PENDING.value

OutboxRow = tuple[UUID, str, UUID, str, str, str, datetime, datetime]
"""A new row for the OUTBOX set: id, kind, reference, recipient, payload, state, created_at, due_at."""


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A claimed row. `attempts` counts this one; `recipient` is a phone (E.164) or a merchant's outside id."""

    id: UUID
    kind: str
    reference: UUID
    recipient: str
    payload: str
    serial: int
    attempts: int
    created_at: datetime

    def body(self) -> dict[str, Any]:
        """The payload, parsed."""
        parsed: dict[str, Any] = orjson.loads(self.payload)
        return parsed


def notice(
    id: OutboxId,
    *,
    reference: UUID,
    phone: str,
    event: str,
    language: str,
    params: Mapping[str, str | int],
    now: datetime,
) -> OutboxRow:
    """An SMS to a subscriber, as the event and its facts; the text is composed when it is sent.

    `reference` is the transaction or account it speaks of.
    """
    payload = _text({"event": event, "language": language, "params": params})
    return (id, _NOTICE, reference, phone, payload, _PENDING, now, now)


def delivery(
    transaction_id: UUID,
    *,
    merchant_id: UUID,
    product_id: UUID | None,
    quantity: int,
    amount_fen: int,
    phone: str,
    merchant_order_no: str | None,
    now: datetime,
) -> OutboxRow:
    """The delivery order of a sale to its CP/SP. Its id is the transaction's, so a sale is ordered once."""
    payload = _text(
        {
            "transaction_id": TransactionId.outside(transaction_id),
            "product_id": None if product_id is None else ProductId.outside(product_id),
            "quantity": quantity,
            "amount_fen": amount_fen,
            "phone": phone,
            "merchant_order_no": merchant_order_no,
            "ordered_at": now,
        }
    )
    recipient = MerchantId.outside(merchant_id)
    return (transaction_id, _DELIVERY, transaction_id, recipient, payload, _PENDING, now, now)


def webhook(
    id: OutboxId, *, merchant_id: UUID, event: str, reference: UUID, data: Mapping[str, Any], now: datetime
) -> OutboxRow:
    """An event told to a merchant's server: `{"type": event, "timestamp": …, "data": data}`, as Standard Webhooks asks.

    `data` holds plain JSON values; ids in their outside form, amounts as `…_fen`.
    """
    payload = _text({"type": event, "timestamp": now, "data": data})
    recipient = MerchantId.outside(merchant_id)
    return (id, _WEBHOOK, reference, recipient, payload, _PENDING, now, now)


def _text(value: Mapping[str, Any]) -> str:
    return orjson.dumps(value).decode()
