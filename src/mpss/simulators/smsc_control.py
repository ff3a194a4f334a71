"""The way to look at the town's handsets and to make the SMSC fail: JSON for programs, pages for people.

    GET  /handsets                         {"handsets": [{"phone", "received", "last"}]}
    GET  /handsets/{phone}/inbox           {"messages": [{"id", "text", "serial", "segments", "at", …}]}, oldest first
             ?after=ID                     only those with a higher id
             ?wait_seconds=S               wait that long for one, at most 30
    POST /handsets/{phone}/send            {"text": "YE"} → {"id": 1}
    GET  /stats, GET /faults               counts; faults in force
    POST /faults                           {"kind": "throttled", "count": 2, "seconds": 0.5, "phone": "+86…"}
    DELETE /faults                         everything works again
    GET  /, GET /phones/{phone}            pages; a handset's page has a form that sends, and shows the answer

It serves this machine only: a request that names another host, or comes from another site's page, is refused.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError as FutureCancelled
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from mpss.kernel.errors import MalformedField
from mpss.kernel.phone import parse_phone
from mpss.simulators.faults import asked_fault
from mpss.simulators.page import POLICY
from mpss.simulators.smsc_faults import Fault, FaultKind
from mpss.simulators.smsc_pages import handset_page, handsets_page

if TYPE_CHECKING:
    from mpss.simulators.smsc import Smsc

T = TypeVar("T")

_LARGEST_BODY = 65_536
_LONGEST_TEXT = 2_000
_LONGEST_WAIT_SECONDS = 30.0
_CALL_TIMEOUT_SECONDS = 40.0
_ANSWER_SECONDS = 3.0
_MORE_SECONDS = 0.5
"""Some commands are answered by two messages."""


class ControlServer:
    """An HTTP server in a thread; everything it does is done in the event loop of the SMSC."""

    def __init__(self, smsc: Smsc, host: str) -> None:
        self._smsc = smsc
        self._host = host
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    def start(self, port: int) -> str:
        """Listen; the address."""
        smsc, loop = self._smsc, asyncio.get_running_loop()

        class Handler(_Handler):
            def call(self, work: Coroutine[Any, Any, T]) -> T:
                return asyncio.run_coroutine_threadsafe(work, loop).result(_CALL_TIMEOUT_SECONDS)

            @property
            def smsc(self) -> Smsc:
                return smsc

        self._server = ThreadingHTTPServer((self._host, port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True, name="smsc-control").start()
        return f"http://{self._host}:{self.port}"

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, problem: str) -> None:
        super().__init__(problem)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # Seconds an idle connection is kept.

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the SMSC's event loop."""
        raise NotImplementedError

    @property
    def smsc(self) -> Smsc:
        raise NotImplementedError

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the control API is no part of what the town is watched for."""

    def _serve(self) -> None:
        try:
            body = self._body()
            self._refuse_strangers()
            self._route(body)
        except _Refused as refused:
            self._json({"error": str(refused)}, refused.status)
        except MalformedField as malformed:
            self._json({"error": str(malformed)}, HTTPStatus.BAD_REQUEST)
        except (TimeoutError, FutureCancelled, RuntimeError):
            self._json({"error": "the SMSC is stopping"}, HTTPStatus.SERVICE_UNAVAILABLE)

    def _body(self) -> bytes:
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= _LARGEST_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {_LARGEST_BODY} bytes")
        return self.rfile.read(length)

    def _refuse_strangers(self) -> None:
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        origin = self.headers.get("Origin")
        if host not in ("127.0.0.1", "localhost"):
            raise _Refused(HTTPStatus.FORBIDDEN, "this machine only")
        if origin is not None and origin != f"http://{self.headers['Host']}":
            raise _Refused(HTTPStatus.FORBIDDEN, "this site's pages only")

    def _route(self, body: bytes) -> None:
        address = urlsplit(self.path)
        parts = [unquote(part) for part in address.path.strip("/").split("/")]
        query = parse_qs(address.query)
        match self.command, parts:
            case "GET", [""]:
                self._page(handsets_page(self.call(_handsets(self.smsc)), self.call(self.smsc.stats())))
            case "GET", ["phones", text]:
                phone = parse_phone(text)
                self._page(handset_page(phone, self.call(_conversation(self.smsc, phone))))
            case "POST", ["phones", text]:
                phone = parse_phone(text)
                form = parse_qs(body.decode("utf-8", "replace"))
                self.call(_send_and_wait(self.smsc, phone, _text_of(form.get("text", [""])[0])))
                self._respond(b"", "text/plain", HTTPStatus.SEE_OTHER, location=f"/phones/{phone}#send")
            case "GET", ["handsets"]:
                self._json({"handsets": self.call(_handsets(self.smsc))})
            case "GET", ["handsets", text, "inbox"]:
                wait_seconds = min(_number(query, "wait_seconds"), _LONGEST_WAIT_SECONDS)
                after = int(_number(query, "after"))
                inbox = self.smsc.inbox(parse_phone(text), after=after, wait_seconds=wait_seconds)
                self._json({"messages": [message.to_json() for message in self.call(inbox)]})
            case "POST", ["handsets", text, "send"]:
                phone = parse_phone(text)
                sent = self.smsc.send_from(phone, _text_of(_object(body).get("text")))
                self._json({"id": self.call(sent)}, HTTPStatus.CREATED)
            case "GET", ["stats"]:
                self._json(self.call(self.smsc.stats()))
            case "GET", ["faults"]:
                self._json({"faults": self.call(_faults(self.smsc))})
            case "POST", ["faults"]:
                self.call(self.smsc.set_fault(Fault(*asked_fault(_object(body), FaultKind))))
                self._json({"faults": self.call(_faults(self.smsc))}, HTTPStatus.CREATED)
            case "DELETE", ["faults"]:
                self.call(self.smsc.clear_faults())
                self._json({"faults": []})
            case _:
                raise _Refused(HTTPStatus.NOT_FOUND, f"no {self.command} {address.path}")

    def _json(self, answer: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        self._respond(json.dumps(answer, ensure_ascii=False).encode(), "application/json", status)

    def _page(self, html: str) -> None:
        self._respond(html.encode(), "text/html; charset=utf-8", HTTPStatus.OK)

    def _respond(self, content: bytes, kind: str, status: HTTPStatus, *, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Referrer-Policy", "same-origin")
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(content)


async def _handsets(smsc: Smsc) -> list[dict[str, Any]]:
    return smsc.store.handsets()


async def _conversation(smsc: Smsc, phone: str) -> list[dict[str, Any]]:
    return [message.to_json() for message in smsc.store.conversation(phone)]


async def _send_and_wait(smsc: Smsc, phone: str, text: str) -> None:
    """Send what was typed, and wait a little, so that the page which is shown next has the answer."""
    before = smsc.store.conversation(phone, limit=1)
    await smsc.send_from(phone, text)
    if (await smsc.stats())["bound"]:
        await smsc.inbox(phone, after=before[-1].id if before else 0, wait_seconds=_ANSWER_SECONDS)
        await asyncio.sleep(_MORE_SECONDS)


async def _faults(smsc: Smsc) -> list[dict[str, Any]]:
    return [
        {"kind": fault.kind.value, "count": fault.count, "seconds": fault.seconds, "phone": fault.phone}
        for fault in smsc.faults.all()
    ]


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _Refused(HTTPStatus.BAD_REQUEST, "the body must be a JSON object")
    return found


def _text_of(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        raise MalformedField(field="text", problem=f"must be 1 to {_LONGEST_TEXT} characters")
    return value


def _number(query: dict[str, list[str]], name: str) -> float:
    try:
        value = float(query.get(name, ["0"])[0])
    except ValueError:
        value = -1.0
    if not 0 <= value < 2**53:
        raise MalformedField(field=name, problem="must be a number from 0 up")
    return value
