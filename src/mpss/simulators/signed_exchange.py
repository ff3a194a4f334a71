"""Signed questions and answers as the town's HTTP systems take and give them, by the Standard Webhooks scheme."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from mpss.security.signing import SignatureInvalid, sign_webhook, verify_webhook
from mpss.simulators.http_server import Request, Response


def read_question(secret: str, request: Request, message: str) -> dict[str, Any] | Response:
    """The body of a signed `message`, or how to refuse it."""
    try:
        verify_webhook(secret, headers=request.headers, body=request.body)
    except SignatureInvalid as problem:
        return Response(401, json.dumps({"error": str(problem)}).encode())
    try:
        body: Any = json.loads(request.body)
    except ValueError:
        return Response(400, b'{"error":"not JSON"}')
    if not isinstance(body, dict) or body.get("message") != message:
        return Response(400, json.dumps({"error": f"not a {message}"}).encode())
    return body


def signed_answer(secret: str, request: Request, message: str, fields: dict[str, Any], *, times: int = 1) -> Response:
    """The answer to a question read, under its id."""
    body = json.dumps({"message": f"{message}_answer", **fields}, ensure_ascii=False).encode()
    signed = sign_webhook(secret, message_id=request.headers["webhook-id"], body=body, now=datetime.now(UTC))
    return Response(200, body, headers=tuple(signed.items()), times=times)
