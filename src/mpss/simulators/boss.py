"""The operator's BOSS: a real HTTP server with subscribers of its own, which tells centers what becomes of them.

    POST /subscribers/enquire, /subscribers/compare   signed questions from payment centers, signed answers
    POST /control/subscribers  {"phone", "owner", "service_class"} → the subscription; owner and class may be left out
    GET  /control/subscribers, /control/events   every subscription; every event with what became of it
    POST /control/changes      {"kind": "stop_1way", "phone", "new_phone", "new_owner"} → {"subscription", "event"}
    POST /control/center       {"url": "http://127.0.0.1:8080"}   who is told from now on
    POST /control/faults       {"fault": "silence", "count": 1, "seconds": 0.5}
    DELETE /control/faults     everything works again
    GET  /                     a page to look at

Faults of questions are `Fault`, those of events `FeedFault`. One without a count lasts until it is cleared.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import Any

from mpss.simulators.boss_feed import BossFeed, FeedFault, FeedFaultInForce
from mpss.simulators.boss_store import BossStore, Event, NotPossible, Subscription
from mpss.simulators.faults import Faults
from mpss.simulators.http_server import HttpServer, Misbehavior, Request, Response, as_json
from mpss.simulators.page import POLICY, page, table
from mpss.simulators.signed_exchange import read_question, signed_answer

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Fault(StrEnum):
    """What befalls a question."""

    DELAY = "delay"  # answers after `seconds`
    SILENCE = "silence"  # hears it and says nothing
    HANG_UP = "hang_up"  # closes the socket instead of hearing it
    ERROR = "error"  # answers 500
    NONSENSE = "nonsense"  # answers something out of form, unsigned


@dataclass(slots=True)
class _Fault:
    fault: Fault
    count: int | None
    seconds: float


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Boss:
    """`path` is its books' file, None for memory; `secret` is shared with the centers.

    `everybody`: a number asked about that never had a subscription has one since long ago, since every phone of a town
    is somebody's.
    """

    def __init__(
        self,
        secret: str,
        *,
        path: Path | None = None,
        everybody: bool = False,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.store = BossStore(path, now=now)
        self.feed = BossFeed(self.store, secret)
        self.asked = 0
        self._secret = secret
        self._everybody = everybody
        self._server = HttpServer(self._answer)
        self._faults: Faults[_Fault] = Faults()

    @property
    def url(self) -> str:
        return self._server.url

    async def start(self, port: int = 0) -> None:
        await self._server.start(port)
        self.feed.start()

    async def stop(self) -> None:
        """Stop listening and telling; the books are kept."""
        await self.feed.stop()
        await self._server.stop()

    def close(self) -> None:
        self.store.close()

    def connect(self, url: str) -> None:
        """Tell the center at `url`."""
        self.feed.connect(url)

    def sell(self, phone: str, *, owner: str | None = None, service_class: str = "prepaid") -> Subscription:
        """As `BossStore.sell`."""
        return self.store.sell(phone, owner=owner, service_class=service_class)

    def change(
        self, kind: str, phone: str, *, new_phone: str | None = None, new_owner: str | None = None
    ) -> Subscription:
        """As `BossStore.change`; the center is told."""
        changed, _ = self.store.change(kind, phone, new_phone=new_phone, new_owner=new_owner)
        self.feed.hurry()
        return changed

    def fail(self, fault: Fault | FeedFault, *, count: int | None = None, seconds: float = 0.0) -> None:
        """The next `count` questions or events, or all until `work`, meet this fault."""
        if isinstance(fault, FeedFault):
            self.feed.faults.add(FeedFaultInForce(fault, count, seconds))
        else:
            self._faults.add(_Fault(fault, count, seconds))

    def work(self) -> None:
        """Everything works again; what was lost stays lost."""
        self._faults.clear()
        self.feed.faults.clear()

    async def told(self, *, timeout_seconds: float = 10.0) -> list[Event]:
        """Every event, when none waits any more.

        Raises:
            TimeoutError: some still wait.
        """
        async with asyncio.timeout(timeout_seconds):
            await self.feed.idle()
        return self.store.events()

    async def _answer(self, request: Request) -> Response | Misbehavior:
        questions = {"/subscribers/enquire": self._enquire, "/subscribers/compare": self._compare}
        if request.method == "POST" and request.path in questions:
            return await self._hear(request, request.path.rsplit("/", 1)[1], questions[request.path])
        controls: dict[tuple[str, str], Callable[[Request], Response]] = {
            ("POST", "/control/subscribers"): self._sell_one,
            ("GET", "/control/subscribers"): lambda _: as_json(
                {"subscribers": [asdict(each) for each in self.store.subscriptions()]}
            ),
            ("GET", "/control/events"): lambda _: as_json({"events": [asdict(each) for each in self.store.events()]}),
            ("POST", "/control/changes"): self._change_one,
            ("POST", "/control/center"): self._set_center,
            ("POST", "/control/faults"): self._set_fault,
            ("DELETE", "/control/faults"): self._clear_faults,
            ("GET", "/"): self._page,
        }
        control = controls.get((request.method, request.path))
        if control is None:
            return Response(404)
        try:
            return control(request)
        except (NotPossible, ValueError, KeyError) as problem:
            return Response(409, json.dumps({"error": str(problem)}).encode())

    async def _hear(
        self, request: Request, message: str, carry_out: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Response | Misbehavior:
        self.asked += 1
        match self._faults.meet(lambda _: True):
            case _Fault(fault=Fault.SILENCE):
                return Misbehavior.SILENCE
            case _Fault(fault=Fault.HANG_UP):
                return Misbehavior.HANG_UP
            case _Fault(fault=Fault.ERROR):
                return Response(500, b'{"error":"maintenance"}')
            case _Fault(fault=Fault.NONSENSE):
                return Response(200, b"<html>maintenance</html>", "text/html")
            case _Fault(fault=Fault.DELAY, seconds=seconds):
                await asyncio.sleep(seconds)
        question = read_question(self._secret, request, message)
        if isinstance(question, Response):
            return question
        return signed_answer(self._secret, request, message, carry_out(question))

    def _enquire(self, question: dict[str, Any]) -> dict[str, Any]:
        return {"subscriber": self._of_number(question["phone"])}

    def _compare(self, question: dict[str, Any]) -> dict[str, Any]:
        return {"subscribers": [self._of(each["subscription_id"], each["phone"]) for each in question["wanted"]]}

    def _of(self, subscription_id: str, phone: str) -> dict[str, Any] | None:
        if not subscription_id:
            return self._of_number(phone)
        found = self.store.subscription(subscription_id)
        return None if found is None else asdict(found)

    def _of_number(self, phone: str) -> dict[str, Any] | None:
        found = self.store.standing(phone)
        if found is None and self._everybody and not self.store.known(phone):
            found = self.store.sell(phone, since=_LONG_AGO)
        return None if found is None else asdict(found)

    def _sell_one(self, request: Request) -> Response:
        asked = json.loads(request.body)
        sold = self.sell(asked["phone"], owner=asked.get("owner"), service_class=asked.get("service_class", "prepaid"))
        return as_json(asdict(sold))

    def _change_one(self, request: Request) -> Response:
        asked = json.loads(request.body)
        changed, event = self.store.change(
            asked["kind"], asked["phone"], new_phone=asked.get("new_phone"), new_owner=asked.get("new_owner")
        )
        self.feed.hurry()
        return as_json({"subscription": asdict(changed), "event": asdict(event)})

    def _set_center(self, request: Request) -> Response:
        self.connect(str(json.loads(request.body)["url"]))
        return Response(204)

    def _set_fault(self, request: Request) -> Response:
        asked = json.loads(request.body)
        name = asked["fault"]
        fault = FeedFault(name) if name in set(map(str, FeedFault)) else Fault(name)
        self.fail(fault, count=asked.get("count"), seconds=float(asked.get("seconds", 0)))
        return Response(204)

    def _clear_faults(self, _request: Request) -> Response:
        self.work()
        return Response(204)

    def _page(self, _request: Request) -> Response:
        people = [
            tuple(map(escape, (each.phone, each.status, each.owner, each.sim_serial, each.service_class, each.since)))
            for each in reversed(self.store.subscriptions()[-50:])
        ]
        told = [
            tuple(map(escape, (*_told_of(each), each.state, str(each.attempts), each.answer)))
            for each in reversed(self.store.events()[-50:])
        ]
        html = page(
            "BOSS",
            "<h2>Subscriptions, the newest first</h2>\n"
            + table(("Number", "Status", "Owner", "Card", "Class", "Since"), people, empty="Nobody has a number yet.")
            + "<h2>Events, the latest first</h2>\n"
            + table(("Kind", "Number", "Sequence", "State", "Told", "Answer"), told, empty="Nothing has happened yet."),
        )
        headers = (("content-security-policy", POLICY), ("cache-control", "no-store"))
        return Response(200, html.encode(), "text/html; charset=utf-8", headers)


def _told_of(event: Event) -> tuple[str, str, str]:
    body = json.loads(event.body)
    return str(body["kind"]), str(body["phone"]), str(event.sequence)
