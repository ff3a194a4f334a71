"""Requests drawn from the OpenAPI document, good and bad, as every kind of caller: nothing but documented answers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks as openapi_checks

from mpss.db.database import Database
from mpss.ledger.verify import Check
from mpss.security.signing import new_nonce, sign_request
from mpss.transactions.verify import verify
from tests.support.clauses import clause
from tests.support.serving import Served

EXAMPLES = 12
ENDS_A_CALLER = {"/v1/merchant/api-key", "/v1/merchant/public-key", "/v1/sessions/current", "/v1/sandbox/clock"}
"""After these the merchant could not sign, or the payer's session were over."""
WANTED = [
    CHECKS.get_one("not_a_server_error"),
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]


class Known(requests.auth.AuthBase):
    """Sends what the caller of this operation knows, and signs as a merchant must."""

    def __init__(self, served: Served, security: list[dict[str, Any]]) -> None:
        self.served = served
        self.schemes = set().union(*security) if security else set()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        served, headers = self.served, request.headers
        if "staff_key" in self.schemes:
            headers["X-Staff-Key"] = served.people.staff_key
        for drawn in ("X-API-Key", "Signature"):
            headers.pop(drawn, None)
        if "session" in self.schemes:
            headers["Authorization"] = f"Bearer {served.people.token}"
        elif "merchant_signature" in self.schemes:
            body = request.body or b""
            headers["X-API-Key"] = served.people.api_key
            headers["Host"] = (request.url or "").split("/")[2]
            signed = sign_request(
                method=request.method or "",
                url=request.url or "",
                headers={name: str(value) for name, value in headers.items()},
                body=body if isinstance(body, bytes) else str(body).encode(),
                key_id=served.people.merchant_id,
                private_key=served.people.private_key,
                now=served.clock.now(),
                nonce=new_nonce(),
            )
            headers.update({name: signed[name] for name in ("Content-Digest", "Signature-Input", "Signature")})
        return request


def fuzz(served: Served, session: requests.Session, operation: Any, mode: GenerationMode) -> None:
    """Send some requests of one operation, drawn as its document says (positive) or does not (negative)."""
    known = Known(served, operation.definition.raw["security"])

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def conforms(case: Any) -> None:
        answer = case.call(base_url=served.url, session=session, auth=known)
        case.validate_response(answer, checks=WANTED)

    # Of what has little to get wrong, no wrong request can be drawn.
    with contextlib.suppress(*[Unsatisfiable] if mode is GenerationMode.NEGATIVE else []):
        conforms()


@clause("CT 10.1")
class TestTheApi:
    def test_answers_whatever_is_sent_as_it_says_and_keeps_its_books(self, served: Served) -> None:
        document = httpx.get(f"{served.url}/v1/openapi.json", trust_env=False).json()
        session = requests.Session()
        session.trust_env = False
        for found in schemathesis.openapi.from_dict(document).get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            if operation.path in ENDS_A_CALLER:
                continue
            for mode in GenerationMode:
                fuzz(served, session, operation, mode)
        assert [check for check in asyncio.run(_verified(served)) if not check.holds] == []


async def _verified(served: Served) -> list[Check]:
    database = Database(served.urls.run_url, pool_size=1)
    await database.open()
    try:
        async with database.read() as uow:
            return await verify(uow)
    finally:
        await database.close()
