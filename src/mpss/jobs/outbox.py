"""The outbox of a process: which handler each kind of message has, and how many go out at once."""

from __future__ import annotations

from functools import partial

from mpss.merchants.webhooks import send_webhook
from mpss.outbox.backoff import DELIVERY_RULE, WEBHOOK_RULE
from mpss.outbox.model import Kind
from mpss.outbox.worker import Lane, OutboxWorker
from mpss.runtime import Runtime
from mpss.transactions.deliver import deliver

_RECORDING_SECONDS = 15.0
"""What a handler may take beside the call itself: reading, writing down, a reversal."""


def outbox_worker(runtime: Runtime, *, poll_seconds: float = 0.2) -> OutboxWorker:
    """A worker for every kind of message; the caller starts and stops it."""
    timeout_seconds = runtime.policy.merchant_timeout_seconds + _RECORDING_SECONDS
    lanes = {
        Kind.DELIVERY: Lane(
            partial(deliver, runtime),
            DELIVERY_RULE,
            concurrency=64,
            per_recipient=16,
            timeout_seconds=timeout_seconds,
        ),
        Kind.WEBHOOK: Lane(
            partial(send_webhook, runtime),
            WEBHOOK_RULE,
            concurrency=64,
            per_recipient=16,
            timeout_seconds=timeout_seconds,
        ),
    }
    return OutboxWorker(runtime.database, runtime.clock, lanes, poll_seconds=poll_seconds)
