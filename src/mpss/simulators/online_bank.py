"""An online bank's payment gateway (网银): a real HTTP server between a center and its customers' browsers.

    GET  /pay?order=…&id=…&timestamp=…&signature=…   the customer arrives with a signed order; a page to agree or refuse
    POST /pay                  the decision; the browser goes back to the center, and the center is called, signed
    POST /orders/inquire       a signed inquiry from the center, a signed answer
    POST /control/faults       {"fault": "lose_callback", "count": 1, "seconds": 0.5}
    DELETE /control/faults     everything works again
    POST /control/callbacks    {"order_no": …}: the callback of a decided order goes out again
    GET  /control/orders       the orders as they stand, as lines to compare
    GET  /                     a page to look at

A fault without a count lasts until it is cleared. A callback is tried `tries` times until it is answered 2xx.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from mpss.kernel.language import preferred_language
from mpss.security.signing import SignatureInvalid, new_webhook_secret, sign_webhook, verify_webhook
from mpss.simulators.faults import Faults
from mpss.simulators.http_server import HttpServer, Misbehavior, Request, Response, as_json
from mpss.simulators.online_bank_page import orders_page, pay_page, problem_page
from mpss.simulators.online_bank_store import BankOrder, OnlineBankStore
from mpss.simulators.page import POLICY
from mpss.simulators.signed_exchange import read_question, signed_answer


class Fault(StrEnum):
    """The first five meet callbacks, the others inquiries."""

    LOSE_CALLBACK = "lose_callback"  # is never sent
    DOUBLE_CALLBACK = "double_callback"  # is sent two times, at once
    LATE_CALLBACK = "late_callback"  # is sent after `seconds`
    FORGE_CALLBACK = "forge_callback"  # somebody else's comes instead, signed with another secret
    OTHER_AMOUNT = "other_amount"  # says a fen more than was paid
    LOSE_REQUEST = "lose_request"  # never hears the inquiry
    LOSE_REPLY = "lose_reply"  # does what is asked; the answer is lost
    HANG_UP = "hang_up"  # closes the socket
    NONSENSE = "nonsense"  # answers something out of form, unsigned


_OF_CALLBACKS = frozenset(list(Fault)[:5])


@dataclass(slots=True)
class _Fault:
    fault: Fault
    count: int | None
    seconds: float


class OnlineBank:
    """One gateway. `path` is its books' file, None for memory; `secret` is shared with the center."""

    def __init__(self, secret: str, *, path: Path | None = None, tries: int = 3, pause_seconds: float = 0.2) -> None:
        self.store = OnlineBankStore(path)
        self._secret = secret
        self._tries = tries
        self._pause_seconds = pause_seconds
        self._server = HttpServer(self._answer)
        self._faults: Faults[_Fault] = Faults()
        self._calls: set[asyncio.Task[None]] = set()
        self._client: httpx.AsyncClient | None = None

    @property
    def url(self) -> str:
        return self._server.url

    async def start(self, port: int = 0) -> None:
        self._client = httpx.AsyncClient(timeout=10.0, trust_env=False)
        await self._server.start(port)

    async def stop(self) -> None:
        """Stop listening and calling; the books are kept."""
        await self._server.stop()
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def close(self) -> None:
        self.store.close()

    def fail(self, fault: Fault, *, count: int | None = None, seconds: float = 0.0) -> None:
        """The next `count` callbacks or inquiries, or all until `work`, meet this fault."""
        self._faults.add(_Fault(fault, count, seconds))

    def work(self) -> None:
        """Everything works again."""
        self._faults.clear()

    async def callbacks_done(self) -> None:
        """Wait until every callback under way was answered or given up."""
        while self._calls:
            await asyncio.gather(*self._calls, return_exceptions=True)

    async def _answer(self, request: Request) -> Response | Misbehavior:
        routes: dict[tuple[str, str], Callable[[Request], Awaitable[Response | Misbehavior]]] = {
            ("GET", "/pay"): self._arrive,
            ("POST", "/pay"): self._decide,
            ("POST", "/orders/inquire"): self._inquire,
            ("POST", "/control/faults"): self._set_fault,
            ("DELETE", "/control/faults"): self._clear_faults,
            ("POST", "/control/callbacks"): self._call_again,
            ("GET", "/control/orders"): self._list_orders,
            ("GET", "/"): self._page,
        }
        route = routes.get((request.method, request.path))
        return Response(404) if route is None else await route(request)

    async def _arrive(self, request: Request) -> Response:
        language = _language(request)
        content = self._read_order(request.query)
        if content is None:
            return _html(problem_page("unsigned", language=language), status=400)
        order = self.store.take(content)
        if order is None:
            return _html(problem_page("taken", language=language), status=409)
        return _html(pay_page(order, language=language, back=_back(order)), return_url=content["return_url"])

    def _read_order(self, query: dict[str, str]) -> dict[str, Any] | None:
        """The order in a browser's query, if the center signed it and it is not past its end."""
        try:
            body = base64.urlsafe_b64decode(query["order"])
            headers = {f"webhook-{name}": query[name] for name in ("id", "timestamp", "signature")}
            verify_webhook(self._secret, headers=headers, body=body)
            content: dict[str, Any] = json.loads(body)
        except (KeyError, ValueError, SignatureInvalid):
            return None
        right = content["message"] == "order" and content["order_no"] == query["id"] and content["amount_fen"] > 0
        return content if right and datetime.fromisoformat(content["expires_at"]) > datetime.now(UTC) else None

    async def _decide(self, request: Request) -> Response:
        form = dict(parse_qsl(request.body.decode()))
        order = self.store.order(form.get("order_no", ""))
        if order is None or order.content is None or form.get("token") != order.token:
            return _html(problem_page("unknown", language=_language(request)), status=404)
        was = order.state
        order = self.store.decide(order.order_no, agree=form.get("decision") == "agree") or order
        if was == "waiting":
            self._call(order)
        return Response(303, headers=(("location", _back(order)),))

    async def _inquire(self, request: Request) -> Response | Misbehavior:
        fault = self._faults.meet(lambda fault: fault.fault not in _OF_CALLBACKS)
        kind = None if fault is None else fault.fault
        if kind in (Fault.LOSE_REQUEST, Fault.HANG_UP):
            return Misbehavior.SILENCE if kind is Fault.LOSE_REQUEST else Misbehavior.HANG_UP
        question = read_question(self._secret, request, "inquire")
        if isinstance(question, Response):
            return question
        if kind is Fault.NONSENSE:
            return Response(200, b"<html>maintenance</html>", "text/html")
        order_no = question["order_no"]
        order = self.store.inquire(order_no, close=question["close"] is True)
        if kind is Fault.LOSE_REPLY:
            return Misbehavior.SILENCE
        told = {"order_no": order_no, "result": "waiting"} if order is None else order.result()
        return signed_answer(self._secret, request, "inquire", told)

    def _call(self, order: BankOrder) -> None:
        """Let the center know, in the background, as the fault in force has it."""
        fault = self._faults.meet(lambda fault: fault.fault in _OF_CALLBACKS)
        kind = None if fault is None else fault.fault
        if kind is Fault.LOSE_CALLBACK:
            return
        told = order.result()
        if kind is Fault.OTHER_AMOUNT:
            told["amount_fen"] += 1
        secret = new_webhook_secret() if kind is Fault.FORGE_CALLBACK else self._secret
        delay = fault.seconds if fault is not None and kind is Fault.LATE_CALLBACK else 0.0
        for _ in range(2 if kind is Fault.DOUBLE_CALLBACK else 1):
            call = asyncio.create_task(self._send(order, told, secret=secret, delay=delay))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _send(self, order: BankOrder, told: dict[str, Any], *, secret: str, delay: float) -> None:
        assert self._client is not None
        assert order.content is not None
        await asyncio.sleep(delay)
        body = json.dumps({"message": "callback", **told}).encode()
        for attempt in range(self._tries):
            signed = sign_webhook(secret, message_id=order.gateway_reference, body=body, now=datetime.now(UTC))
            try:
                answer = await self._client.post(
                    order.content["notify_url"], content=body, headers={**signed, "content-type": "application/json"}
                )
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.is_success:
                return
            await asyncio.sleep(self._pause_seconds * 2**attempt)

    async def _set_fault(self, request: Request) -> Response:
        asked = json.loads(request.body)
        self.fail(Fault(asked["fault"]), count=asked.get("count"), seconds=float(asked.get("seconds", 0)))
        return Response(204)

    async def _clear_faults(self, request: Request) -> Response:
        self.work()
        return Response(204)

    async def _call_again(self, request: Request) -> Response:
        order = self.store.order(json.loads(request.body)["order_no"])
        if order is None or order.content is None or order.state == "waiting":
            return Response(404)
        self._call(order)
        return Response(202)

    async def _list_orders(self, request: Request) -> Response:
        return as_json({"orders": [asdict(order) for order in self.store.orders()]})

    async def _page(self, request: Request) -> Response:
        return _html(orders_page(self.store.orders()[-50:]))


def _language(request: Request) -> str:
    return preferred_language(request.headers.get("accept-language", ""))


def _back(order: BankOrder) -> str:
    """Where the customer's browser goes when the order is decided."""
    assert order.content is not None
    return f"{order.content['return_url']}?{urlencode({'order_no': order.order_no})}"


def _html(text: str, *, status: int = 200, return_url: str | None = None) -> Response:
    policy = POLICY
    if return_url is not None:
        # A browser follows a form's redirect only where form-action lets it.
        back = urlsplit(return_url)
        policy = POLICY.replace("form-action 'self'", f"form-action 'self' {back.scheme}://{back.netloc}")
    headers = (("content-security-policy", policy), ("cache-control", "no-store"), ("vary", "Accept-Language"))
    return Response(status, text.encode(), "text/html; charset=utf-8", headers)
