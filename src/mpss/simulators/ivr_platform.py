"""The operator's voice platform (IVR): hears a center's VoiceXML over HTTP on behalf of callers who press keys.

    POST   /control/calls              {"phone": "18912340001"} → the call; null: the number is withheld
    POST   /control/calls/<id>/keys    {"keys": "1"} → what is heard; "": silence; "#" ends digits
    DELETE /control/calls/<id>         the caller hangs up
    POST   /control/faults             {"kind": "repeat", "count": 1, "seconds": 0.5, "phone": "18912340001"}
    DELETE /control/faults             everything works again
    GET    /                           a page to look at

A call is {"id", "heard": [...], "asking": "key", "language": "zh-CN", "ended": false}; `heard` is since the last keys.
Posts are signed with the secret shared with the center, and so must answers be.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from html import escape
from typing import Any
from urllib.parse import urlencode, urljoin
from uuid import uuid4

import httpx

from mpss.kernel.errors import MalformedField
from mpss.kernel.phone import parse_phone
from mpss.security.signing import SignatureInvalid, sign_webhook, verify_webhook
from mpss.simulators.faults import Faults, asked_fault
from mpss.simulators.http_server import HttpServer, Misbehavior, Request, Response, as_json
from mpss.simulators.ivr_browser import NotUnderstood, Page, Submission
from mpss.simulators.page import POLICY, page, table

_TIMEOUT_SECONDS = 30.0
_WITHHELD = "anonymous"


class Fault(StrEnum):
    REPEAT = "repeat"  # posts twice, one after the other, and goes on with the second answer
    TWICE_AT_ONCE = "twice_at_once"  # posts twice at the same time
    LOSE_REPLY = "lose_reply"  # leaves before the answer to a post is there, and posts again
    SLOW = "slow"  # waits `seconds` before it posts
    HANG_UP = "hang_up"  # the caller hangs up while a post is on its way


@dataclass(slots=True)
class _Fault:
    kind: Fault
    count: int | None
    seconds: float
    phone: str | None


@dataclass(slots=True)
class Dialed:
    """A call: the document that is heard, and where it came from."""

    id: str
    caller: str
    address: str
    page: Page | None = None
    heard: list[str] = field(default_factory=list)
    trouble: str = ""

    @property
    def ended(self) -> bool:
        return self.page is None or self.page.ended

    def told(self) -> dict[str, Any]:
        page = self.page
        return {
            "id": self.id, "heard": self.heard, "asking": None if page is None else page.asking,
            "language": "" if page is None else page.language, "ended": self.ended, "trouble": self.trouble,
        }  # fmt: skip


class VoicePlatform:
    """One platform. `secret` is shared with the center, which `connect` names, and `transport` reaches."""

    def __init__(self, secret: str, center_url: str = "", *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._secret = secret
        self._center_url = center_url
        self._server = HttpServer(self._answer)
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False, transport=transport)
        self._faults: Faults[_Fault] = Faults()
        self.calls: dict[str, Dialed] = {}

    @property
    def url(self) -> str:
        return self._server.url

    def connect(self, center_url: str) -> None:
        """Calls go to this center."""
        self._center_url = center_url

    async def start(self, port: int = 0) -> None:
        await self._server.start(port)

    async def stop(self) -> None:
        await self._server.stop()
        await self._client.aclose()

    def fail(self, kind: Fault, *, count: int | None = None, seconds: float = 0.0, phone: str | None = None) -> None:
        """The next `count` posts, or all until `work`, meet this fault."""
        self._faults.add(_Fault(kind, count, seconds, phone))

    def work(self) -> None:
        """Everything works again."""
        self._faults.clear()

    async def dial(self, phone: str | None) -> Dialed:
        """Call the center; the call as far as the first question."""
        caller = _WITHHELD if phone is None else parse_phone(phone)
        call = Dialed(uuid4().hex, caller, urljoin(self._center_url, "/calls"))
        self.calls[call.id] = call
        await self._hear(call, call.address, {"call": call.id, "caller": caller})
        return call

    async def press(self, call: Dialed, keys: str) -> None:
        """Press keys where the call waits for some."""
        assert call.page is not None
        call.heard = call.page.heard = []
        await self._go_on(call, call.page.press(keys))

    async def hang_up(self, call: Dialed) -> None:
        """The caller hangs up; the center is told as its document says."""
        if call.page is None or call.page.ended:
            return
        posted = call.page.throw("connection.disconnect.hangup")
        if posted is not None:
            await self._post(call, urljoin(call.address, posted.next), posted.fields)
        call.page.ended = True

    async def _go_on(self, call: Dialed, posted: Submission | None) -> None:
        if posted is not None:
            await self._hear(call, urljoin(call.address, posted.next), posted.fields)

    async def _hear(self, call: Dialed, address: str, fields: dict[str, str]) -> None:
        """Post, and listen to the document that answers as far as its first question."""
        document = await self._post(call, address, fields)
        if document is None:
            if call.page is None:
                return
            call.page.throw("error.badfetch")
            call.page.ended = True
            return
        # What was said before the post is still heard.
        call.page = Page(document, call.heard)
        await self._go_on(call, call.page.listen())

    async def _post(self, call: Dialed, address: str, fields: dict[str, str]) -> bytes | None:
        """The document that answers; None where none came, which `call.trouble` tells of."""
        fault = self._faults.meet(lambda fault: fault.phone in (None, call.caller))
        kind = None if fault is None else fault.kind
        try:
            if fault is not None and kind is Fault.SLOW:
                await asyncio.sleep(fault.seconds)
            if kind is Fault.TWICE_AT_ONCE:
                one, other = await asyncio.gather(*(self._post_once(address, fields) for _ in range(2)))
                if one != other:
                    raise NotUnderstood("two posts of one step were answered differently")
                return one
            if fault is not None and kind in (Fault.LOSE_REPLY, Fault.HANG_UP):
                try:
                    async with asyncio.timeout(fault.seconds):
                        await self._post_once(address, fields)
                except TimeoutError:
                    pass
                if kind is Fault.HANG_UP:
                    call.trouble = "the caller hung up"
                    return None
            first = await self._post_once(address, fields)
            if kind is Fault.REPEAT and await self._post_once(address, fields) != first:
                raise NotUnderstood("a post and its repeat were answered differently")
        except (httpx.HTTPError, SignatureInvalid, NotUnderstood) as problem:
            call.trouble = str(problem)
            return None
        return first

    async def _post_once(self, address: str, fields: dict[str, str]) -> bytes:
        body = urlencode(fields).encode()
        message_id = f"msg_{uuid4().hex}"
        headers = sign_webhook(self._secret, message_id=message_id, body=body, now=datetime.now(UTC))
        headers["content-type"] = "application/x-www-form-urlencoded"
        answer = await self._client.post(address, content=body, headers=headers)
        answer.raise_for_status()
        if verify_webhook(self._secret, headers=answer.headers, body=answer.content) != message_id:
            raise SignatureInvalid("the answer is another question's")
        return answer.content

    async def _answer(self, request: Request) -> Response | Misbehavior:
        match request.method, request.path.removeprefix("/").split("/"):
            case "POST", ["control", "calls"]:
                phone = json.loads(request.body).get("phone")
                return as_json((await self.dial(phone)).told())
            case "POST", ["control", "calls", call_id, "keys"] if call_id in self.calls:
                call = self.calls[call_id]
                if call.ended:
                    return Response(409, b'{"error":"the call has ended"}')
                await self.press(call, str(json.loads(request.body)["keys"]))
                return as_json(call.told())
            case "DELETE", ["control", "calls", call_id] if call_id in self.calls:
                await self.hang_up(self.calls[call_id])
                return Response(204)
            case "POST", ["control", "faults"]:
                try:
                    self._faults.add(_Fault(*asked_fault(json.loads(request.body), Fault)))
                except MalformedField as problem:
                    return Response(400, json.dumps({"error": str(problem)}).encode())
                return Response(204)
            case "DELETE", ["control", "faults"]:
                self.work()
                return Response(204)
            case "GET", [""]:
                return self._page()
        return Response(404)

    def _page(self) -> Response:
        rows = [
            (escape(call.caller), "ended" if call.ended else "goes on", escape(" ".join(call.heard)))
            for call in reversed(list(self.calls.values())[-50:])
        ]
        html = page("Voice platform", table(("Caller", "Call", "Heard last"), rows, empty="Nobody has called yet."))
        headers = (("content-security-policy", POLICY), ("cache-control", "no-store"))
        return Response(200, html.encode(), "text/html; charset=utf-8", headers)
