"""The HTTP channel over the market: callers who sign in, sign and carry keys as their kind does, and what they left."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from mpss.accounts.codes import Purpose
from mpss.accounts.open import OpenedAccount
from mpss.channels.http.app import create_app
from mpss.kernel.clock import Clock, FixedClock
from mpss.kernel.ids import MerchantId
from mpss.runtime import Runtime
from mpss.security.signing import new_nonce, sign_request
from mpss.staff.members import create_member
from mpss.staff.permissions import Permission
from tests.support.house import PASSWORD, sms_code
from tests.support.market import Market

BASE = "http://mpss.test"


@dataclass(slots=True)
class Caller:
    """Whoever calls: nobody, a subscriber, a member of staff, or a merchant, who signs."""

    client: httpx.AsyncClient
    clock: Clock
    headers: dict[str, str] = field(default_factory=dict)
    private_key: Ed25519PrivateKey | None = None
    key_id: str = ""
    keys: itertools.count[int] = field(default_factory=itertools.count)

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> httpx.Response:
        """One request, a millisecond after the last; a POST has a key of its own unless one is given ("" for none)."""
        if isinstance(self.clock, FixedClock):
            self.clock.advance(timedelta(milliseconds=1))
        request = self.client.build_request(
            method, path, json=body, content=content, params=query, headers={**self.headers, **(headers or {})}
        )
        if content is not None and "content-type" not in request.headers:
            request.headers["content-type"] = "application/json"
        if method == "POST" and key != "":
            request.headers["idempotency-key"] = key or f"key-{id(self)}-{next(self.keys)}"
        if self.private_key is not None:
            request.headers.update(self.signature(request))
        return await self.client.send(request)

    def signature(self, request: httpx.Request, *, nonce: str | None = None) -> dict[str, str]:
        assert self.private_key is not None
        return sign_request(
            method=request.method,
            url=str(request.url),
            headers=dict(request.headers),
            body=request.content,
            key_id=self.key_id,
            private_key=self.private_key,
            now=self.clock.now(),
            nonce=nonce or new_nonce(),
        )

    async def get(self, path: str, **query: str | int) -> httpx.Response:
        return await self.send("GET", path, query=query or None)

    async def post(self, path: str, body: object = None, *, key: str | None = None) -> httpx.Response:
        return await self.send("POST", path, body, key=key)

    async def put(self, path: str, body: object) -> httpx.Response:
        return await self.send("PUT", path, body)


@dataclass(slots=True)
class Counter:
    """The market behind its HTTP API."""

    market: Market
    app: FastAPI
    client: httpx.AsyncClient

    @property
    def runtime(self) -> Runtime:
        return self.market.runtime

    def nobody(self) -> Caller:
        return Caller(self.client, self.runtime.clock)

    async def subscriber(self, phone: str | None = None) -> Caller:
        """The market's payer, or who has this number, signed in by an SMS code."""
        phone = phone or self.market.payer.phone
        code = await sms_code(self.runtime, phone, Purpose.SIGN_IN)
        answer = await self.nobody().post("/v1/sessions", {"phone": phone, "code": code})
        assert answer.status_code == 201, answer.text
        return Caller(self.client, self.runtime.clock, {"authorization": f"Bearer {answer.json()['token']}"})

    async def staff(
        self, *permissions: Permission, name: str = "staff", hall: str | None = None, clerk: str | None = None
    ) -> Caller:
        made = await create_member(self.runtime, name=name, permissions=permissions, hall=hall, clerk=clerk)
        return Caller(self.client, self.runtime.clock, {"x-staff-key": made.api_key})

    def merchant(self) -> Caller:
        """The market's shop."""
        credentials = self.market.shop.book.credentials()
        assert credentials is not None
        merchant_id, api_key, _ = credentials
        headers = {"x-api-key": api_key}
        return Caller(self.client, self.runtime.clock, headers, self.market.shop.private_key, merchant_id)

    def purchase(self, **changed: Any) -> dict[str, Any]:
        """The body of a good purchase of a free amount, with fields changed; None leaves one out."""
        body: dict[str, Any] = {
            "merchant_id": str(MerchantId.from_uuid(self.market.merchant.id)),
            "amount_fen": 2500,
            "currency": "CNY",
            "payment_password": PASSWORD,
            **changed,
        }
        return {name: value for name, value in body.items() if value is not None}

    async def shown(self, **more: str) -> dict[str, str]:
        """What the market's payer shows at a counter: no document is on record, so a code sent to the phone too."""
        phone = self.market.payer.phone
        code = await sms_code(self.runtime, phone, Purpose.ACCOUNT)
        return {"phone": phone, "document": "resident ID, seen", "code": code, **more}

    async def left(self) -> dict[str, Any]:
        """What a request that is refused must not change: how many rows there are, and every balance."""
        async with self.runtime.database.read() as uow:
            counts = {
                table: await uow.value(f"SELECT count(*) FROM {table}")
                for table in (
                    "transaction", "journal_entry", "posting", "account", "merchant", "product", "product_stock",
                    "voucher_batch", "voucher", "outbox", "approval", "staff_member", "merchant_order", "confirmation",
                    "one_time_link", "delivery", "audit_record",
                )
            }  # fmt: skip
            balances = await uow.dicts("SELECT * FROM ledger_balance ORDER BY ledger_account_id")
            usages = await uow.dicts("SELECT * FROM account_usage ORDER BY account_id")
            states = await uow.dicts("SELECT id, state FROM transaction ORDER BY id")
            accounts = await uow.dicts("SELECT id, password_digest, daily_limit_fen, life FROM account ORDER BY id")
        return {"counts": counts, "balances": balances, "usages": usages, "states": states, "accounts": accounts}

    async def balance_fen(self, account: OpenedAccount | None = None) -> int:
        account_id: UUID = (account or self.market.payer).account_id
        async with self.runtime.database.read() as uow:
            return int(
                await uow.value(
                    "SELECT b.balance_fen FROM ledger_balance AS b"
                    " JOIN account AS a ON a.ledger_account_id = b.ledger_account_id WHERE a.id = %(id)s",
                    {"id": account_id},
                )
            )


@asynccontextmanager
async def counter(market: Market, **settings: Any) -> AsyncIterator[Counter]:
    """The API over the market's runtime, with some settings changed."""
    runtime = replace(market.runtime, settings=replace(market.runtime.settings, **settings))
    market.runtime = runtime
    app = create_app(runtime)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=("198.51.100.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield Counter(market, app, client)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer that must be one."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document["code"]) == (status, code), document
    assert document["status"] == status
    assert document["type"] == f"urn:mpss:problem:{code}"
    assert document["request_id"] == answer.headers["x-request-id"]
    return document


async def audited(shop: Counter, subject: str) -> list[tuple[str, dict[str, Any]]]:
    """The lines of the audit record about `subject`, "card" or "payee" or another, with their details, oldest first."""
    async with shop.runtime.database.read() as uow:
        cursor = await uow.connection.execute(
            "SELECT action, detail::text FROM audit_record WHERE action LIKE %(like)s ORDER BY at, action",
            {"like": f"{subject}.%"},
        )
        return [(action, json.loads(detail)) for action, detail in await cursor.fetchall()]
