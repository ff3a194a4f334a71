"""Events told to a merchant's server; the outbox's handler for webhooks."""

from __future__ import annotations

from mpss.kernel.ids import MerchantId, OutboxId
from mpss.kernel.outcome import Outcome
from mpss.merchants.credentials import endpoint_of
from mpss.outbox.model import OutboxItem
from mpss.runtime import Runtime


async def send_webhook(runtime: Runtime, item: OutboxItem) -> Outcome:
    """Send one event under its own id, which it keeps when it is sent again.

    Approved: taken. Declined: the merchant wants no more. InDoubt: try again.
    """
    endpoint = await endpoint_of(runtime, MerchantId.parse(item.recipient, field="recipient"))
    return await runtime.ports.merchant.webhook(
        endpoint,
        event_id=str(OutboxId.from_uuid(item.id)),
        body=item.payload.encode(),
        timeout_seconds=runtime.policy.merchant_timeout_seconds,
    )
