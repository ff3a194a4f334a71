"""The operator's recharge platform (充值平台): a real HTTP server with voucher cards of its own.

    POST /cards/check, /consumptions, /consumptions/inquire   signed questions from payment centers, signed answers
    POST /control/cards        {"face_fen": 5000, "count": 2} → {"cards": [{"number", "serial", …}]}
    GET  /control/cards, /control/lines   the cards; the consumptions that stand, as lines to compare
    POST /control/faults       {"fault": "lose_reply", "on": "consume", "count": 1, "seconds": 0.5}
    DELETE /control/faults     everything works again
    GET  /                     a page to look at

A fault without a count lasts until it is cleared; without "on" it meets every question.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import Any

from mpss.simulators.faults import Faults
from mpss.simulators.http_server import HttpServer, Misbehavior, Request, Response, as_json
from mpss.simulators.page import POLICY, page, shown_time, table
from mpss.simulators.recharge_store import Card, Consumption, RechargeStore
from mpss.simulators.signed_exchange import read_question, signed_answer


class Fault(StrEnum):
    DECLINE = "decline"  # refuses a good card, and means it
    DELAY = "delay"  # does what is asked, and answers after `seconds`
    LATE = "late"  # does what is asked only after `seconds`; nobody listens any more
    LOSE_REQUEST = "lose_request"  # never hears the question
    LOSE_REPLY = "lose_reply"  # does what is asked; the answer is lost on the way
    ANSWER_TWICE = "answer_twice"  # sends the whole answer two times
    HANG_UP = "hang_up"  # closes the socket instead of hearing the question
    NONSENSE = "nonsense"  # answers something out of form, unsigned


@dataclass(slots=True)
class _Fault:
    fault: Fault
    on: str | None
    count: int | None
    seconds: float


class RechargePlatform:
    """One platform. `path` is its books' file, None for memory; `secret` is shared with the centers."""

    def __init__(self, secret: str, *, path: Path | None = None, prefix: str = "19", digits: int = 18) -> None:
        self.store = RechargeStore(path)
        self._secret = secret
        self._prefix = prefix
        self._digits = digits
        self._server = HttpServer(self._answer)
        self._faults: Faults[_Fault] = Faults()
        self._late: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return self._server.url

    async def start(self, port: int = 0) -> None:
        await self._server.start(port)

    async def stop(self) -> None:
        """Stop listening; the books are kept."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        await self._server.stop()

    def close(self) -> None:
        self.store.close()

    def sell(self, face_fen: int, count: int = 1) -> list[Card]:
        """Cards of this face value, as a shop would sell them."""
        return self.store.make_cards(face_fen, count, prefix=self._prefix, digits=self._digits)

    def fail(self, fault: Fault, *, on: str | None = None, count: int | None = None, seconds: float = 0.0) -> None:
        """The next `count` questions (of kind `on`: check, consume, inquire), or all until `work`, meet this fault."""
        self._faults.add(_Fault(fault, on, count, seconds))

    def work(self) -> None:
        """Everything works again."""
        self._faults.clear()

    def lines(self) -> list[Consumption]:
        """The consumptions that stand, to compare with a center's books."""
        return [line for line in self.store.consumptions() if line.reason is None]

    async def _answer(self, request: Request) -> Response | Misbehavior:
        routes: dict[tuple[str, str], Callable[[Request], Awaitable[Response | Misbehavior]]] = {
            ("POST", "/cards/check"): lambda given: self._hear(given, "check", self._check),
            ("POST", "/consumptions"): lambda given: self._hear(given, "consume", self._consume),
            ("POST", "/consumptions/inquire"): lambda given: self._hear(given, "inquire", self._inquire),
            ("POST", "/control/cards"): self._make_cards,
            ("GET", "/control/cards"): self._list_cards,
            ("GET", "/control/lines"): self._list_lines,
            ("POST", "/control/faults"): self._set_fault,
            ("DELETE", "/control/faults"): self._clear_faults,
            ("GET", "/"): self._page,
        }
        route = routes.get((request.method, request.path))
        return Response(404) if route is None else await route(request)

    async def _hear(
        self, request: Request, message: str, carry_out: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Response | Misbehavior:
        fault = self._faults.meet(lambda fault: fault.on in (None, message))
        if fault is not None and fault.fault in (Fault.LOSE_REQUEST, Fault.HANG_UP):
            return Misbehavior.SILENCE if fault.fault is Fault.LOSE_REQUEST else Misbehavior.HANG_UP
        question = read_question(self._secret, request, message)
        if isinstance(question, Response):
            return question
        times = 1
        match fault:
            case _Fault(fault=Fault.NONSENSE):
                return Response(200, b"<html>maintenance</html>", "text/html")
            case _Fault(fault=Fault.DECLINE) if message == "consume":
                declined = self.store.refuse(
                    question["reference"], question["card_number"], question["phone"], "frozen"
                )
                return signed_answer(self._secret, request, message, declined.answer())
            case _Fault(fault=Fault.DECLINE):
                return signed_answer(self._secret, request, message, {"result": "refused", "reason": "frozen"})
            case _Fault(fault=Fault.LATE, seconds=seconds):
                task = asyncio.create_task(_later(seconds, lambda: carry_out(question)))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
                return Misbehavior.SILENCE
            case _Fault(fault=Fault.LOSE_REPLY):
                carry_out(question)
                return Misbehavior.SILENCE
            case _Fault(fault=Fault.DELAY, seconds=seconds):
                answer = carry_out(question)
                await asyncio.sleep(seconds)
                return signed_answer(self._secret, request, message, answer)
            case _Fault(fault=Fault.ANSWER_TWICE):
                times = 2
        return signed_answer(self._secret, request, message, carry_out(question), times=times)

    def _check(self, question: dict[str, Any]) -> dict[str, Any]:
        card = self.store.card(question["card_number"])
        reason = self.store.refusal(card)
        if card is None or reason is not None:
            return {"result": "refused", "reason": reason}
        return {"result": "good", "face_fen": card.face_fen, "serial": card.serial}

    def _consume(self, question: dict[str, Any]) -> dict[str, Any]:
        return self.store.consume(
            question["reference"], question["card_number"], question["phone"], question["most_fen"]
        ).answer()

    def _inquire(self, question: dict[str, Any]) -> dict[str, Any]:
        return self.store.inquire(question["reference"]).answer()

    async def _make_cards(self, request: Request) -> Response:
        asked = json.loads(request.body)
        made = self.sell(int(asked["face_fen"]), int(asked.get("count", 1)))
        return as_json({"cards": [asdict(card) for card in made]})

    async def _list_cards(self, request: Request) -> Response:
        return as_json({"cards": [asdict(card) for card in self.store.cards()]})

    async def _list_lines(self, request: Request) -> Response:
        return as_json({"lines": [asdict(line) for line in self.lines()]})

    async def _set_fault(self, request: Request) -> Response:
        asked = json.loads(request.body)
        self.fail(
            Fault(asked["fault"]),
            on=asked.get("on"),
            count=asked.get("count"),
            seconds=float(asked.get("seconds", 0)),
        )
        return Response(204)

    async def _clear_faults(self, request: Request) -> Response:
        self.work()
        return Response(204)

    async def _page(self, request: Request) -> Response:
        rows = [
            (
                shown_time(line.at),
                escape(line.reference),
                escape(line.serial or ""),
                "" if line.face_fen is None else f"{line.face_fen / 100:.2f}",
                escape(line.phone or ""),
                escape(line.reason or "consumed"),
                str(line.asked),
            )
            for line in reversed(self.store.consumptions()[-50:])
        ]
        heads = ("At", "Reference", "Serial", "Yuan", "Phone", "Answer", "Asked")
        good = sum(card.state == "good" for card in self.store.cards())
        html = page(
            "Recharge platform",
            f"<p>{good} cards are good. What centers asked for, the latest first. Times are Shanghai's.</p>\n"
            + table(heads, rows, empty="No card was consumed yet."),
        )
        headers = (("content-security-policy", POLICY), ("cache-control", "no-store"))
        return Response(200, html.encode(), "text/html; charset=utf-8", headers)


async def _later(seconds: float, carry_out: Callable[[], object]) -> None:
    await asyncio.sleep(seconds)
    carry_out()
