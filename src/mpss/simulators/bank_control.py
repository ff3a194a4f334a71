"""The way to look at a bank's books and to make it fail: JSON over HTTP, for this machine only.

GET  /cards, POST /cards    {"number", "holder_name", "phone", "balance_fen"}
DELETE /cards?number=N      the card account is closed
GET  /lines?after=ID        the statement's lines, oldest first
GET  /requests              every request answered, with its response code
GET  /faults, DELETE /faults
GET  /file-faults, DELETE /file-faults, POST /file-faults {"kind": "lose_answer", "count": 1}    of payment-order files
POST /answers               {"message_id"}: the answer to that file once more
POST /faults                {"kind": "lose_reply", "count": 1, "seconds": 0.5, "code": "51", "service": "debit",
                             "outgoing": true}

What its customers do is in `bank_counter`.
"""

from __future__ import annotations

import json
from typing import Any

from mpss.simulators.bank_counter import BankCounter
from mpss.simulators.bank_faults import Fault, FaultKind
from mpss.simulators.bank_files import BankFiles, FileFault, FileFaultKind
from mpss.simulators.bank_store import BankStore
from mpss.simulators.faults import Faults
from mpss.simulators.http_server import HttpServer, Request, Response, as_json
from mpss.wire.iso8583.messages import Service


class BankControl:
    """An HTTP server in the bank's own event loop."""

    def __init__(self, store: BankStore, faults: Faults[Fault], files: BankFiles | None, counter: BankCounter) -> None:
        self._store = store
        self._counter = counter
        self._faults = faults
        self._files = files
        self.server = HttpServer(self._serve)

    async def _serve(self, request: Request) -> Response:
        host = request.headers.get("host", "").rpartition(":")[0]
        if host not in ("127.0.0.1", "localhost") or "origin" in request.headers:
            return as_json({"error": "this machine only"}, 403)
        try:
            return await self._counter.route(request) or self._route(request)
        except (KeyError, TypeError, ValueError) as problem:
            return as_json({"error": f"{type(problem).__name__}: {problem}"}, 400)

    def _route(self, request: Request) -> Response:
        match request.method, request.path:
            case "GET", "/cards":
                return as_json({"cards": [card.to_json() for card in self._store.cards()]})
            case "POST", "/cards":
                asked = json.loads(request.body)
                self._store.open_card(
                    str(asked["number"]),
                    holder_name=str(asked["holder_name"]),
                    phone=str(asked["phone"]),
                    balance_fen=int(asked.get("balance_fen", 0)),
                )
                return as_json({"number": str(asked["number"])}, 201)
            case "DELETE", "/cards":
                self._store.close_card(request.query["number"])
                return as_json({"number": request.query["number"]})
            case "GET", "/lines":
                return as_json({"lines": self._store.lines(after=int(request.query.get("after", "0")))})
            case "GET", "/requests":
                return as_json({"requests": self._store.requests()})
            case "GET", "/faults":
                return as_json(self._in_force())
            case "POST", "/faults":
                self._faults.add(_fault(json.loads(request.body)))
                return as_json(self._in_force(), 201)
            case "DELETE", "/faults":
                self._faults.clear()
                return as_json(self._in_force())
            case _, "/file-faults" | "/answers" if self._files is not None:
                return self._route_files(self._files, request)
            case _:
                return as_json({"error": f"no {request.method} {request.path}"}, 404)

    def _route_files(self, files: BankFiles, request: Request) -> Response:
        match request.method, request.path:
            case "POST", "/answers":
                found = files.answer_again(str(json.loads(request.body)["message_id"]))
                return as_json({"answered": found}, 201 if found else 404)
            case "POST", "/file-faults":
                asked = json.loads(request.body)
                count = asked.get("count")
                files.faults.add(FileFault(FileFaultKind(asked["kind"]), None if count is None else int(count)))
            case "DELETE", "/file-faults":
                files.faults.clear()
        return as_json({"faults": [{"kind": fault.kind, "count": fault.count} for fault in files.faults.all()]})

    def _in_force(self) -> dict[str, Any]:
        return {
            "faults": [
                {"kind": fault.kind, "count": fault.count, "seconds": fault.seconds, "code": fault.code,
                 "service": fault.service, "card": fault.card, "outgoing": fault.outgoing}
                for fault in self._faults.all()
            ]
        }  # fmt: skip


def _fault(asked: dict[str, Any]) -> Fault:
    count, service, card = asked.get("count"), asked.get("service"), asked.get("card")
    return Fault(
        FaultKind(asked["kind"]),
        None if count is None else int(count),
        float(asked.get("seconds", 0)),
        str(asked.get("code", "05")),
        None if service is None else Service(service),
        None if card is None else str(card),
        outgoing=bool(asked.get("outgoing", False)),
    )
