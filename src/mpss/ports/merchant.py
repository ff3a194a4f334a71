"""A CP/SP's server as we need it: deliver what was sold, take a webhook. Signed HTTP (CT 7.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mpss.kernel.outcome import Outcome


@dataclass(frozen=True, slots=True)
class MerchantEndpoint:
    """Where a merchant listens; `secret` is the Standard Webhooks secret both sides know ("whsec_…")."""

    merchant_id: str
    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class DeliveryOrder:
    """One sale to deliver. The same order is asked again with the same id; the CP/SP answers a repeat as at first."""

    transaction_id: str
    product_id: str | None
    quantity: int
    amount_fen: int
    phone: str
    merchant_order_no: str | None
    ordered_at: str


class MerchantPort(Protocol):
    async def deliver(self, endpoint: MerchantEndpoint, order: DeliveryOrder, *, timeout_seconds: float) -> Outcome:
        """Approved(content: what the payer is told) · Declined(reason) · InDoubt (silence: ask again)."""
        ...

    async def webhook(
        self, endpoint: MerchantEndpoint, *, event_id: str, body: bytes, timeout_seconds: float
    ) -> Outcome:
        """Approved on any 2xx; Declined on 410 (the merchant wants no more); InDoubt otherwise."""
        ...
