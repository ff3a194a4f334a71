"""The outbox of a process: which handler each kind of message has, and how many go out at once."""

from __future__ import annotations

from functools import partial

from mpss.merchants.webhooks import send_webhook
from mpss.notices.deliver import SUBMIT_TIMEOUT_SECONDS, deliver_notice
from mpss.notices.sift import sift_notices
from mpss.outbox.backoff import DELIVERY_RULE, NOTICE_RULE, WEBHOOK_RULE
from mpss.outbox.model import Kind
from mpss.outbox.worker import Lane, OutboxWorker
from mpss.runtime import Runtime
from mpss.transactions.purchases.deliver import deliver

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
        # One at a time to a phone, so that it reads what happened in the order it happened.
        Kind.NOTICE: Lane(
            partial(deliver_notice, runtime),
            NOTICE_RULE,
            concurrency=64,
            per_recipient=1,
            timeout_seconds=SUBMIT_TIMEOUT_SECONDS + _RECORDING_SECONDS,
            isolate=False,
            retry_declined=True,
            sift=sift_notices,
        ),
    }
    return OutboxWorker(runtime.database, runtime.clock, lanes, poll_seconds=poll_seconds)
