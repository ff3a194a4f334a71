"""How the town's people, shops and clerks speak to a center: its public HTTP API and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mpss.kernel.clock import Clock, SystemClock
from mpss.security.signing import new_nonce, sign_request


class ApiProblem(RuntimeError):
    """The center answered with a problem document (RFC 9457)."""

    def __init__(self, response: httpx.Response) -> None:
        document = response.json() if "json" in response.headers.get("content-type", "") else {}
        self.status = response.status_code
        self.code: str = document.get("code", "")
        self.document: dict[str, Any] = document
        super().__init__(f"{response.request.method} {response.request.url.path}: {self.status} {document or ''}")


@dataclass(frozen=True, slots=True)
class Signer:
    """What a merchant signs its calls with; `merchant_id` names its public key."""

    merchant_id: str
    api_key: str
    private_key: Ed25519PrivateKey


class CenterApi:
    """A center as one caller sees it: a subscriber by session token, a clerk by key, a merchant by signature.

    `clock` dates its signatures; a sandbox's has to be the center's. A call that moves money carries a fresh key
    unless one is given. Callers made by `as_caller` share the connections of the first, which closes them.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        signer: Signer | None = None,
        *,
        clock: Clock | None = None,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self.base_url = base_url
        self.token = token
        self.signer = signer
        self.clock = clock or SystemClock()
        self._shared = client is not None
        limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
        self.client = client or httpx.AsyncClient(base_url=base_url, timeout=30.0, trust_env=False, limits=limits)

    def as_caller(self, *, token: str | None = None, signer: Signer | None = None) -> CenterApi:
        """Another caller at the same center, on the same connections."""
        return CenterApi(self.base_url, token, signer, clock=self.clock, client=self.client)

    async def get(self, path: str, **query: str | int) -> dict[str, Any]:
        return await self.call("GET", path, query=query)

    async def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None) -> dict[str, Any]:
        return await self.call("POST", path, body=body or {}, key=key)

    async def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self.call("PUT", path, body=body)

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        """The answer's JSON object; for an answer that is none, {"text": …, "headers": {…}}.

        Raises:
            ApiProblem: the center refused.
            httpx.HTTPError: no answer came; whether anything happened is unknown.
        """
        request = self.client.build_request(method, path, json=body, params=query or None)
        if method == "POST":
            request.headers["idempotency-key"] = key or secrets.token_hex(12)
        if self.token is not None:
            request.headers["authorization"] = f"Bearer {self.token}"
        if self.signer is not None:
            request.headers["x-api-key"] = self.signer.api_key
            request.headers.update(self._signature(request, self.signer))
        response = await self.client.send(request)
        if response.is_error:
            raise ApiProblem(response)
        if "json" in response.headers.get("content-type", ""):
            answer: dict[str, Any] = response.json()
            return answer
        return {"text": response.text, "headers": dict(response.headers)}

    def _signature(self, request: httpx.Request, signer: Signer) -> dict[str, str]:
        return sign_request(
            method=request.method,
            url=str(request.url),
            headers=dict(request.headers),
            body=request.content,
            key_id=signer.merchant_id,
            private_key=signer.private_key,
            now=self.clock.now(),
            nonce=new_nonce(),
        )

    async def close(self) -> None:
        if not self._shared:
            await self.client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
