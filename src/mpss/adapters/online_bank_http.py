"""The online bank's gateway: the signed address the browser is sent to, the callback, the inquiry.

    browser  GET {url}/pay?order=…&id=…&timestamp=…&signature=…     order: the JSON of an order, base64url
    callback {"message": "callback", "order_no", "amount_fen", "result": "paid", "gateway_reference"}
             | {…, "result": "refused", "reason": "refused"}
    inquiry  POST {url}/orders/inquire {"message": "inquire", "order_no", "close": false}
             → {"message": "inquire_answer", "order_no", "result": "paid" | "refused" | "waiting", …}

All are signed with one shared secret by the Standard Webhooks scheme, and say what they are, so that none passes for
another. What is out of form is no answer.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from mpss.adapters.signed_http import SignedHttp, counted, encode, is_word, read_signed
from mpss.kernel.errors import MalformedField
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.ports.online_bank import OnlineBankNotice, OnlineBankOrder
from mpss.security.signing import sign_webhook, verify_webhook

COUNTERPART = "online_bank"
MAX_AMOUNT_FEN = 10**12


class OnlineBankHttp:
    """Implements `ports.online_bank.OnlineBankPort`.

    `url` is the gateway's as browsers and we reach it; `return_url` is where the browser comes back to, `notify_url`
    where the gateway calls us.
    """

    def __init__(self, *, url: str, secret: str, return_url: str, notify_url: str, version: str = "1") -> None:
        self._url = url.rstrip("/")
        self._secret = secret
        self._return_url = return_url
        self._notify_url = notify_url
        self._http = SignedHttp(url, secret, version=version)

    async def close(self) -> None:
        await self._http.close()

    def address_of(self, order: OnlineBankOrder) -> str:
        now = datetime.now(UTC)
        body = encode(
            {
                "message": "order",
                "order_no": order.order_no,
                "amount_fen": order.amount_fen,
                "currency": "CNY",
                "description": order.description,
                "expires_at": (now + timedelta(seconds=order.valid_seconds)).isoformat(),
                "return_url": self._return_url,
                "notify_url": self._notify_url,
            }
        )
        signed = sign_webhook(self._secret, message_id=order.order_no, body=body, now=now)
        query = {
            "order": base64.urlsafe_b64encode(body).decode(),
            "id": order.order_no,
            "timestamp": signed["webhook-timestamp"],
            "signature": signed["webhook-signature"],
        }
        return f"{self._url}/pay?{urlencode(query)}"

    def read_callback(self, headers: Mapping[str, str], body: bytes) -> OnlineBankNotice:
        verify_webhook(self._secret, headers=headers, body=body)
        message = read_signed(body, "callback")
        if isinstance(message, InDoubt):
            raise MalformedField(field="message", problem=message.problem)
        order_no, amount_fen = message.get("order_no"), message.get("amount_fen")
        if not is_word(order_no):
            raise MalformedField(field="order_no", problem="must be an order number")
        if type(amount_fen) is not int or not 0 < amount_fen <= MAX_AMOUNT_FEN:
            raise MalformedField(field="amount_fen", problem="must be whole fen above zero")
        outcome = _result(message)
        if isinstance(outcome, InDoubt):
            raise MalformedField(field="result", problem=outcome.problem)
        counted(COUNTERPART, "callback", outcome)
        return OnlineBankNotice(str(order_no), amount_fen, outcome)

    async def inquire(self, order_no: str, *, amount_fen: int, close: bool, timeout_seconds: float) -> Outcome:
        answer = await self._http.ask(
            "/orders/inquire",
            "inquire",
            message_id=order_no,
            fields={"order_no": order_no, "close": close},
            timeout_seconds=timeout_seconds,
        )
        return counted(COUNTERPART, "inquire", _inquired(answer, order_no, amount_fen))


def _inquired(answer: dict[str, Any] | InDoubt, order_no: str, amount_fen: int) -> Outcome:
    if isinstance(answer, InDoubt):
        return answer
    if answer.get("order_no") != order_no:
        return InDoubt("the answer is about another order")
    outcome = _result(answer)
    if isinstance(outcome, Approved) and outcome.content != str(amount_fen):
        return InDoubt(f"{outcome.content} fen were paid, where {amount_fen} were asked for")
    return outcome


def _result(message: dict[str, Any]) -> Outcome:
    """What became of an order, by a message whose signature was checked."""
    result = message.get("result")
    if result == "paid":
        amount_fen, reference = message.get("amount_fen"), message.get("gateway_reference")
        if type(amount_fen) is int and 0 < amount_fen <= MAX_AMOUNT_FEN and is_word(reference):
            return Approved(str(reference), str(amount_fen))
        return InDoubt("paid without an amount or a reference")
    if result == "refused":
        reason = message.get("reason")
        return Declined(str(reason)) if is_word(reason) else InDoubt("refused without a reason")
    if result == "waiting":
        return InDoubt("the customer has not decided")
    return InDoubt('the result is neither "paid" nor "refused" nor "waiting"')
