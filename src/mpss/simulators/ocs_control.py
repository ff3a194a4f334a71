"""The way to look at the town's phone bills and to make the OCS fail, as JSON.

    GET  /subscribers, /subscribers/{phone}   balance, credit limit, reserved, available
    PUT  /subscribers/{phone}                 {"kind": "prepaid", "balance_fen": 5000, "credit_limit_fen": 0, …}
    GET  /ledger?after=ID&phone=+86…          {"lines": [{"id", "session_id", "kind", "amount_fen", …}]}, oldest first
    GET  /sessions?state=open                 reservations
    GET  /stats, GET /faults                  counts; faults in force
    POST /faults                              {"kind": "lose_reply", "count": 2, "seconds": 0.5, "phone": "+86…"}
    DELETE /faults                            everything works again

It serves this machine only: a request that names another host, or comes from a page, is refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mpss.kernel.errors import MalformedField
from mpss.kernel.phone import parse_phone
from mpss.simulators.faults import asked_fault
from mpss.simulators.http_server import Handler, Misbehavior, Request, Response, as_json
from mpss.simulators.ocs_faults import OcsFault, OcsFaultKind
from mpss.simulators.ocs_store import LARGEST_AMOUNT_FEN, Subscriber

if TYPE_CHECKING:
    from mpss.simulators.ocs import Ocs


def control_handler(ocs: Ocs) -> Handler:
    """The handler of the control's HTTP server."""

    async def handle(request: Request) -> Response | Misbehavior:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
        if host not in ("127.0.0.1", "localhost") or "origin" in request.headers:
            return as_json({"error": "this machine's programs only"}, 403)
        try:
            return _route(ocs, request)
        except MalformedField as malformed:
            return as_json({"error": str(malformed)}, 400)

    return handle


def _route(ocs: Ocs, request: Request) -> Response:
    parts = [unquote(part) for part in request.path.strip("/").split("/")]
    phone = request.query.get("phone")
    match request.method, parts:
        case "GET", ["subscribers"]:
            return as_json({"subscribers": ocs.store.subscribers()})
        case "GET", ["subscribers", text]:
            return as_json(_shown(ocs.store.subscriber(parse_phone(text))))
        case "PUT", ["subscribers", text]:
            return as_json(_shown(_set(ocs, parse_phone(text), _object(request.body))))
        case "GET", ["ledger"]:
            after = _whole(request.query.get("after", "0"), "after")
            return as_json(
                {"lines": ocs.store.ledger(after=after, phone=None if phone is None else parse_phone(phone))}
            )
        case "GET", ["sessions"]:
            return as_json({"sessions": ocs.store.sessions(state=request.query.get("state"))})
        case "GET", ["stats"]:
            return as_json(ocs.stats())
        case "GET", ["faults"]:
            return _faults(ocs)
        case "POST", ["faults"]:
            ocs.faults.add(_fault(_object(request.body)))
            return _faults(ocs, 201)
        case "DELETE", ["faults"]:
            ocs.faults.clear()
            return _faults(ocs)
        case _:
            return as_json({"error": f"no {request.method} {request.path}"}, 404)


def _faults(ocs: Ocs, status: int = 200) -> Response:
    faults = [
        {"kind": f.kind.value, "count": f.count, "seconds": f.seconds, "phone": f.phone, "request": f.request}
        for f in ocs.faults.all()
    ]
    return as_json({"faults": faults}, status)


def _shown(subscriber: Subscriber) -> dict[str, Any]:
    return {
        "phone": subscriber.phone,
        "kind": subscriber.kind,
        "balance_fen": subscriber.balance_fen,
        "credit_limit_fen": subscriber.credit_limit_fen,
        "reserved_fen": subscriber.reserved_fen,
        "available_fen": subscriber.available_fen,
        "barred": subscriber.barred,
    }


def _set(ocs: Ocs, phone: str, asked: dict[str, Any]) -> Subscriber:
    """What is not told stays as it is."""
    now = ocs.store.subscriber(phone)
    kind = asked.get("kind", now.kind)
    barred = asked.get("barred", now.barred)
    if kind not in ("prepaid", "postpaid"):
        raise MalformedField(field="kind", problem="must be prepaid or postpaid")
    if type(barred) is not bool:
        raise MalformedField(field="barred", problem="must be true or false")
    balance_fen = _amount(asked, "balance_fen", now.balance_fen, least=-LARGEST_AMOUNT_FEN)
    credit_limit_fen = _amount(asked, "credit_limit_fen", now.credit_limit_fen, least=0)
    if kind == "prepaid" and credit_limit_fen:
        raise MalformedField(field="credit_limit_fen", problem="must be 0 for a prepaid subscriber")
    return ocs.store.set_subscriber(
        phone, kind=kind, balance_fen=balance_fen, credit_limit_fen=credit_limit_fen, barred=barred
    )


def _amount(asked: dict[str, Any], name: str, default: int, *, least: int) -> int:
    value = asked.get(name, default)
    if type(value) is not int or not least <= value <= LARGEST_AMOUNT_FEN:
        raise MalformedField(field=name, problem=f"must be a whole number of fen from {least} up")
    return value


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise MalformedField(field="body", problem="must be a JSON object")
    return found


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        raise MalformedField(field=name, problem="must be a whole number from 0 up")
    return int(text)


def _fault(asked: dict[str, Any]) -> OcsFault:
    fault, request = asked_fault(asked, OcsFaultKind), asked.get("request")
    if request not in (None, "initial", "termination", "event"):
        raise MalformedField(field="request", problem="must be initial, termination or event")
    return OcsFault(*fault, request)
