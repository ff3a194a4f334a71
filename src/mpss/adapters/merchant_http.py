"""A CP/SP's server over HTTP: delivery orders and webhooks, signed by the Standard Webhooks scheme.

    POST {url}/deliveries   the order as JSON, webhook-id the transaction's  → 200 {"result": "delivered", "content": …}
                                                                             | 200 {"result": "refused", "reason": …}
    POST {url}/webhooks     an event as JSON, webhook-id the event's         → 2xx taken | 410 wants no more

Anything else is no answer: silence, an error status, a redirect (never followed), an answer out of form or too long,
an address that may not be called.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import httpx

from mpss.adapters.http_answer import MAX_ANSWER_BYTES, AnswerTooLong, read_answer
from mpss.adapters.merchant_network import GuardedTransport
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.kernel.unit_flag import refuse_inside_unit_of_work
from mpss.ports.merchant import DeliveryOrder, MerchantEndpoint
from mpss.security.networks import Network
from mpss.security.signing import sign_webhook

MAX_CONTENT = 500
"""Longest delivered content, in characters: it is sent to the payer by SMS."""
_GONE = 410


class MerchantHttp:
    """One shared client for all merchants; implements `ports.merchant.MerchantPort`.

    It calls public addresses, and those in `networks`.
    """

    def __init__(self, *, networks: Sequence[Network] = (), connections: int = 256, version: str = "1") -> None:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(limits=limits, networks=networks),
            # A merchant that does not take connections must not use up the time others wait for one.
            timeout=httpx.Timeout(30.0, connect=5.0, pool=None),
            follow_redirects=False,
            trust_env=False,
            headers={"user-agent": f"mpss/{version}", "content-type": "application/json"},
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def deliver(self, endpoint: MerchantEndpoint, order: DeliveryOrder, *, timeout_seconds: float) -> Outcome:
        body = json.dumps(asdict(order), ensure_ascii=False, separators=(",", ":")).encode()
        answer = await self._post(endpoint, "/deliveries", order.transaction_id, body, timeout_seconds)
        if isinstance(answer, InDoubt):
            return answer
        status, text = answer
        if status != httpx.codes.OK:
            return InDoubt(f"status {status}")
        return read_delivery_answer(order.transaction_id, text)

    async def webhook(
        self, endpoint: MerchantEndpoint, *, event_id: str, body: bytes, timeout_seconds: float
    ) -> Outcome:
        answer = await self._post(endpoint, "/webhooks", event_id, body, timeout_seconds)
        if isinstance(answer, InDoubt):
            return answer
        status, _ = answer
        if httpx.codes.is_success(status):
            return Approved(event_id)
        return Declined("the merchant wants no more webhooks") if status == _GONE else InDoubt(f"status {status}")

    async def _post(
        self, endpoint: MerchantEndpoint, path: str, message_id: str, body: bytes, timeout_seconds: float
    ) -> tuple[int, bytes] | InDoubt:
        """The status and the body of the answer. The timeout covers all of it."""
        refuse_inside_unit_of_work()
        headers = sign_webhook(endpoint.secret, message_id=message_id, body=body, now=datetime.now(UTC))
        try:
            async with (
                asyncio.timeout(timeout_seconds),
                self._client.stream("POST", endpoint.url + path, content=body, headers=headers) as response,
            ):
                return response.status_code, await read_answer(response)
        except TimeoutError:
            return InDoubt(f"no answer in {timeout_seconds:g} s")
        except AnswerTooLong:
            return InDoubt(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as problem:
            return InDoubt(f"{type(problem).__name__}: {problem}")


def read_delivery_answer(transaction_id: str, text: bytes) -> Outcome:
    """What a 200 to a delivery order says; an answer out of form is no answer."""
    try:
        answer: Any = json.loads(text)
    except (ValueError, RecursionError):
        return InDoubt("the answer is not JSON")
    if not isinstance(answer, dict):
        return InDoubt("the answer is not a JSON object")
    content, reason = answer.get("content", ""), answer.get("reason", "")
    if answer.get("result") == "delivered" and isinstance(content, str) and len(content) <= MAX_CONTENT:
        return Approved(transaction_id, content) if _is_text(content) else InDoubt("the content is not plain text")
    if answer.get("result") == "refused" and isinstance(reason, str):
        return Declined(reason[:MAX_CONTENT] if _is_text(reason) else "")
    return InDoubt('the answer is neither "delivered" nor "refused"')


def _is_text(text: str) -> bool:
    return text.replace("\n", "").isprintable()
