"""A CP/SP that takes delivery orders, delivers card codes and keeps the webhooks it gets: a real HTTP server.

    POST /deliveries, /webhooks   from the platform; the signature is verified as any merchant would
    POST /control/faults          {"fault": "refuse", "count": 2, "seconds": 0.5} → what the next orders meet
    DELETE /control/faults        everything works again
    GET  /control/orders, /control/webhooks   what came, as JSON
    GET  /                        a page to look at

A fault without a count lasts until it is cleared. With `magic_amounts` an order of exactly 66.61 to 66.66 yuan meets
the fault of that place in `MAGIC_AMOUNTS`, whatever was set.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mpss.security.signing import SignatureInvalid, verify_webhook
from mpss.simulators.faults import Faults
from mpss.simulators.http_server import HttpServer, Misbehavior, Request, Response, as_json
from mpss.simulators.merchant_book import OrderBook
from mpss.simulators.merchant_page import shop_page
from mpss.simulators.page import POLICY

_CODES_SHOWN = 5


class Fault(StrEnum):
    REFUSE = "refuse"  # answers that it cannot deliver, and means it
    SILENT = "silent"  # takes the order and never answers
    LOSE_REPLY = "lose_reply"  # delivers, but the answer is lost on the way
    ERROR = "error"  # answers 500 and does nothing
    HANG_UP = "hang_up"  # closes the connection before reading on
    DELAY = "delay"  # delivers after `seconds`
    REDIRECT = "redirect"  # answers with another address
    NONSENSE = "nonsense"  # answers something out of form
    GONE = "gone"  # answers 410; for webhooks: wants no more


MAGIC_AMOUNTS = {
    6661: Fault.REFUSE,
    6662: Fault.SILENT,
    6663: Fault.LOSE_REPLY,
    6664: Fault.ERROR,
    6665: Fault.HANG_UP,
    6666: Fault.NONSENSE,
}


@dataclass(slots=True)
class _Fault:
    fault: Fault
    count: int | None
    seconds: float


class MerchantShop:
    """One shop. `path` is its order book's file, None for one in memory."""

    def __init__(self, name: str, *, path: Path | None = None, magic_amounts: bool = False) -> None:
        self.name = name
        self.book = OrderBook(path)
        self._magic_amounts = magic_amounts
        self._server = HttpServer(self._answer)
        self._faults: Faults[_Fault] = Faults()
        self._webhook_faults: Faults[_Fault] = Faults()

    @property
    def url(self) -> str:
        """The address to register as the merchant's notify_url."""
        return self._server.url

    @property
    def private_key(self) -> Ed25519PrivateKey:
        return self.book.private_key()

    @property
    def public_key(self) -> bytes:
        """32 raw bytes, to register."""
        return self.private_key.public_key().public_bytes_raw()

    async def start(self, port: int = 0) -> None:
        await self._server.start(port)

    async def stop(self) -> None:
        """Stop listening; the book is kept."""
        await self._server.stop()

    def close(self) -> None:
        self.book.close()

    def join(self, *, merchant_id: str, api_key: str, webhook_secret: str) -> None:
        """Keep what the registration gave."""
        self.book.keep_credentials(merchant_id, api_key, webhook_secret)

    def fail(self, fault: Fault, *, count: int | None = None, seconds: float = 0.0) -> None:
        """The next `count` delivery orders, or all until `work`, meet this fault."""
        self._faults.add(_Fault(fault, count, seconds))

    def fail_webhooks(self, fault: Fault, *, count: int | None = None) -> None:
        """The next `count` webhooks, or all until `work`, meet this fault."""
        self._webhook_faults.add(_Fault(fault, count, 0.0))

    def work(self) -> None:
        """Everything works again."""
        self._faults.clear()
        self._webhook_faults.clear()

    async def _answer(self, request: Request) -> Response | Misbehavior:
        routes: dict[tuple[str, str], Callable[[Request], Any]] = {
            ("POST", "/deliveries"): self._deliver,
            ("POST", "/webhooks"): self._webhook,
            ("POST", "/control/faults"): self._set_fault,
            ("DELETE", "/control/faults"): self._clear_faults,
            ("GET", "/control/orders"): self._list_orders,
            ("GET", "/control/webhooks"): self._list_webhooks,
            ("GET", "/"): self._page,
        }
        route = routes.get((request.method, request.path))
        if route is None:
            return Response(404)
        answer: Response | Misbehavior = await route(request)
        return answer

    async def _deliver(self, request: Request) -> Response | Misbehavior:
        if not self._is_from_the_platform(request):
            return Response(401, b'{"error":"signature"}')
        order: dict[str, Any] = json.loads(request.body)
        if request.headers["webhook-id"] != order["transaction_id"]:
            return Response(400)
        fault = self._faults.meet(lambda _: True)
        if self._magic_amounts and order["amount_fen"] in MAGIC_AMOUNTS:
            fault = _Fault(MAGIC_AMOUNTS[order["amount_fen"]], None, 0.0)
        match fault:
            case _Fault(fault=Fault.REFUSE):
                answer = self.book.take_order(order, {"result": "refused", "reason": "sold out at the provider"})
                return as_json(answer)
            case _Fault(fault=Fault.SILENT):
                return Misbehavior.SILENCE
            case _Fault(fault=Fault.LOSE_REPLY):
                self._fulfil(order)
                return Misbehavior.HANG_UP
            case _Fault(fault=Fault.DELAY, seconds=seconds):
                await asyncio.sleep(seconds)
            case _Fault():
                return _misbehave(fault.fault)
        return as_json(self._fulfil(order))

    def _fulfil(self, order: dict[str, Any]) -> dict[str, str]:
        codes = [_card() for _ in range(min(max(order["quantity"], 1), _CODES_SHOWN))]
        return self.book.take_order(order, {"result": "delivered", "content": "; ".join(codes)})

    async def _webhook(self, request: Request) -> Response | Misbehavior:
        if not self._is_from_the_platform(request):
            return Response(401, b'{"error":"signature"}')
        fault = self._webhook_faults.meet(lambda _: True)
        if fault is not None:
            return Misbehavior.SILENCE if fault.fault is Fault.SILENT else _misbehave(fault.fault)
        self.book.take_webhook(request.headers["webhook-id"], request.body)
        return Response(204)

    def _is_from_the_platform(self, request: Request) -> bool:
        credentials = self.book.credentials()
        if credentials is None:
            return False
        try:
            verify_webhook(credentials[2], headers=request.headers, body=request.body)
        except SignatureInvalid:
            return False
        return True

    async def _set_fault(self, request: Request) -> Response:
        asked = json.loads(request.body)
        self.fail(Fault(asked["fault"]), count=asked.get("count"), seconds=float(asked.get("seconds", 0)))
        return Response(204)

    async def _clear_faults(self, request: Request) -> Response:
        self.work()
        return Response(204)

    async def _list_orders(self, request: Request) -> Response:
        return as_json({"orders": [asdict(order) for order in self.book.orders()]})

    async def _list_webhooks(self, request: Request) -> Response:
        return as_json({"webhooks": [asdict(webhook) for webhook in self.book.webhooks()]})

    async def _page(self, request: Request) -> Response:
        html = shop_page(self.name, self.book.orders()[-50:], self.book.webhooks()[-50:])
        headers = (("content-security-policy", POLICY), ("cache-control", "no-store"))
        return Response(200, html.encode(), "text/html; charset=utf-8", headers)


def _misbehave(fault: Fault) -> Response | Misbehavior:
    match fault:
        case Fault.HANG_UP:
            return Misbehavior.HANG_UP
        case Fault.REDIRECT:
            return Response(302, headers=(("location", "/elsewhere"),))
        case Fault.NONSENSE:
            return Response(200, b"<html>maintenance</html>", "text/html")
        case Fault.GONE:
            return Response(410)
        case _:
            return Response(500)


def _card() -> str:
    """A prepaid card's number and password, as the goods of CT 4.2 are."""
    number = "".join(str(secrets.randbelow(10)) for _ in range(12))
    return f"卡号{number} 密码{secrets.randbelow(10**8):08d}"
