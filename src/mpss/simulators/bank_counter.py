"""A bank's counter and pages: its customers bind cards to wallets and send money to them, and it asks the platform.

POST /bindings    {"card", "phone"}                 bind the card to the phone's wallet; the phone is the card's own
POST /unbindings  {"card", "phone"}                 if none is given
POST /topups      {"card", "phone", "amount_fen"}   debit the card and send the money; insists on a reversal in doubt
GET  /topups                                        every top-up and how it stands
POST /inquiries   {"reference"}                     what became of a top-up

An answer is {"response": "00"}, or null where the platform said nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from mpss.simulators.bank_faults import Fault, FaultKind
from mpss.simulators.bank_orders import BankOrders, NotEnough, SentTopup
from mpss.simulators.bank_store import BankStore
from mpss.simulators.faults import Faults
from mpss.simulators.http_server import Request, Response, as_json
from mpss.wire.iso8583.messages import BankMessage, Original, Service

SHANGHAI = ZoneInfo("Asia/Shanghai")
_AGAIN_SECONDS = 0.1
"""How soon an unanswered reversal is sent again."""


class SignedOn(Protocol):
    """A connection that the platform keeps to the bank."""

    def send(self, message: BankMessage, *, bad_mac: bool = False) -> None: ...

    def cut(self) -> None: ...


class BankCounter:
    """What the bank asks the platform. `lines` gives the connections that are signed on now."""

    def __init__(
        self,
        store: BankStore,
        faults: Faults[Fault],
        lines: Callable[[], Sequence[SignedOn]],
        *,
        answer_seconds: float,
    ) -> None:
        self.orders = BankOrders(store)
        self._store = store
        self._faults = faults
        self._lines = lines
        self._answer_seconds = answer_seconds
        self._waiting: dict[tuple[Service, str, str], asyncio.Future[BankMessage]] = {}
        self._traces = itertools.count(int(time.time()))
        self._turns = itertools.count()
        self._late: set[asyncio.Task[None]] = set()
        self._insisting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to insist on the reversals that are not acknowledged."""
        self._insisting = asyncio.create_task(self._insist(), name="bank-insists")

    async def stop(self) -> None:
        tasks = [task for task in (self._insisting, *self._late) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ── what customers do

    async def bind(self, card: str, phone: str = "") -> str | None:
        """Bind a card to the wallet of a phone; the response, None for silence."""
        return await self._about_card(Service.BIND, card, phone)

    async def unbind(self, card: str, phone: str = "") -> str | None:
        return await self._about_card(Service.UNBIND, card, phone)

    async def top_up(self, card: str, amount_fen: int, phone: str = "") -> SentTopup:
        """Send money to a wallet; the top-up as it stands after the first answer or silence.

        Raises:
            NotEnough: the card is unknown, or has too little.
        """
        account = self._store.card(card)
        if account is None:
            raise NotEnough(f"no card {card}")
        order = self.orders.place(card, phone=phone or account.phone, amount_fen=amount_fen, sent_at=_now())
        reply = await self.ask(_top_up(order))
        return self.orders.answered(order.id, "" if reply is None else reply.response)

    async def inquire(self, reference: str) -> str | None:
        """What the platform says became of a top-up."""
        order = self.orders.by_reference(reference)
        asked = BankMessage(
            Service.INQUIRE, self._trace(), _now(), f"I{next(self._traces):011d}", original=_original(order)
        )
        reply = await self.ask(asked)
        return None if reply is None else reply.response

    async def _about_card(self, service: Service, card: str, phone: str) -> str | None:
        account = self._store.card(card)
        if account is None:
            raise NotEnough(f"no card {card}")
        asked = BankMessage(
            service, self._trace(), _now(), f"B{next(self._traces):011d}", card_number=card,
            holder_name=account.holder_name, phone=phone or account.phone,
        )  # fmt: skip
        reply = await self.ask(asked)
        return None if reply is None else reply.response

    # ── the line

    async def ask(self, message: BankMessage) -> BankMessage | None:
        """Send one request on any line that is signed on; the answer, None where none came or none is believed."""
        card = message.card_number
        fault = self._faults.meet(lambda fault: fault.fits(message.service, card, outgoing=True))
        kind = None if fault is None else fault.kind
        if kind is FaultKind.LOSE_REQUEST:
            return None
        if fault is not None and kind is FaultKind.DELAY_REQUEST:
            late = asyncio.create_task(self._send_later(message, fault.seconds))
            self._late.add(late)
            late.add_done_callback(self._late.discard)
            return None
        future = self._waiting[message.match] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._answer_seconds):
                line = await self._line()
                line.send(message, bad_mac=kind is FaultKind.BAD_MAC)
                if kind is FaultKind.TWICE:
                    line.send(message)
                reply = await future
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(message.match, None)
        if kind is FaultKind.CLOSE:
            line.cut()
        return None if kind in (FaultKind.LOSE_REPLY, FaultKind.CLOSE) else reply

    def hear(self, reply: BankMessage) -> None:
        """An answer came; one that nobody waits for is dropped."""
        future = self._waiting.get(reply.match)
        if future is not None and not future.done():
            future.set_result(reply)

    @property
    def settled(self) -> bool:
        """Whether what was sent late has arrived and every reversal is acknowledged."""
        return not self._late and not self.orders.to_reverse()

    async def _line(self) -> SignedOn:
        """The lines by turns; waits for one where none is signed on."""
        while True:
            lines = self._lines()
            if lines:
                return lines[next(self._turns) % len(lines)]
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _send_later(self, message: BankMessage, seconds: float) -> None:
        await asyncio.sleep(seconds)
        (await self._line()).send(message)

    async def _insist(self) -> None:
        while True:
            for order in self.orders.to_reverse():
                with contextlib.suppress(OSError):
                    reply = await self.ask(_reversal(order))
                    self.orders.reversal_answered(order.id, "" if reply is None else reply.response)
            await asyncio.sleep(_AGAIN_SECONDS)

    def _trace(self) -> str:
        return f"{next(self._traces) % 1_000_000:06d}"

    # ── over HTTP

    async def route(self, request: Request) -> Response | None:
        """The answer to a request about customers; None where it is about something else."""
        if request.method == "GET" and request.path == "/topups":
            return as_json({"topups": [order.to_json() for order in self.orders.all()]})
        if request.method != "POST" or request.path not in ("/bindings", "/unbindings", "/topups", "/inquiries"):
            return None
        asked = json.loads(request.body)
        match request.path:
            case "/bindings":
                return as_json({"response": await self.bind(str(asked["card"]), str(asked.get("phone", "")))})
            case "/unbindings":
                return as_json({"response": await self.unbind(str(asked["card"]), str(asked.get("phone", "")))})
            case "/inquiries":
                return as_json({"response": await self.inquire(str(asked["reference"]))})
        order = await self.top_up(str(asked["card"]), int(asked["amount_fen"]), str(asked.get("phone", "")))
        return as_json(order.to_json(), 201)


def _top_up(order: SentTopup) -> BankMessage:
    masked = "*" * (len(order.card) - 4) + order.card[-4:]
    return BankMessage(
        Service.TOP_UP, order.trace, order.sent_at, order.reference, amount_fen=order.amount_fen, phone=order.phone,
        masked_card=masked,
    )  # fmt: skip


def _original(order: SentTopup) -> Original:
    return Original(order.reference, order.trace, order.sent_at)


def _reversal(order: SentTopup) -> BankMessage:
    topup = _top_up(order)
    return replace(
        topup, service=Service.REVERSE, reference=order.reversal_reference, original=_original(order), response=""
    )


def _now() -> str:
    return datetime.now(UTC).astimezone(SHANGHAI).strftime("%m%d%H%M%S")
