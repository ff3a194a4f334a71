"""The market behind its voice channel, reached by a voice platform without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from mpss.channels.ivr.app import create_ivr_app
from mpss.db.database import Database
from mpss.runtime import Runtime
from mpss.security.signing import new_webhook_secret, sign_webhook
from mpss.simulators.ivr_platform import Dialed, VoicePlatform
from tests.support.market import PHONE, Market, market

CENTER = "http://center"


@dataclass(slots=True)
class Voice:
    """`platform` calls the market's channel; `client` posts by hand."""

    market: Market
    secret: str
    client: httpx.AsyncClient
    platform: VoicePlatform

    @property
    def runtime(self) -> Runtime:
        return self.market.runtime

    async def call(self, *keys: str, phone: str | None = PHONE) -> Dialed:
        """Call and press these keys; the call goes on."""
        call = await self.platform.dial(phone)
        await self.press(call, *keys)
        return call

    async def press(self, call: Dialed, *keys: str) -> str:
        """What is heard after the last of them."""
        for each in keys:
            await self.platform.press(call, each)
        assert not call.trouble
        return " ".join(call.heard)

    async def heard(self, *keys: str, phone: str | None = PHONE) -> str:
        """What is heard at the end of these keys in a call of its own."""
        return " ".join((await self.call(*keys, phone=phone)).heard)

    async def post(
        self, path: str, fields: dict[str, str], *, secret: str = "", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """A signed post of a form, with headers changed."""
        body = urlencode(fields).encode()
        signed = sign_webhook(secret or self.secret, message_id="msg_1", body=body, now=datetime.now(UTC))
        sent = {**signed, "content-type": "application/x-www-form-urlencoded", **(headers or {})}
        return await self.client.post(f"{CENTER}{path}", content=body, headers=sent)

    async def one(self, query: Any, **params: Any) -> Any:
        async with self.runtime.database.read() as uow:
            return await uow.value(query, params)


@pytest.fixture
async def voice(database: Database, tmp_path: Path) -> AsyncIterator[Voice]:
    async with market(database, tmp_path) as made:
        secret = new_webhook_secret()
        made.runtime = replace(made.runtime, settings=replace(made.runtime.settings, ivr_secret=secret))
        transport = httpx.ASGITransport(create_ivr_app(made.runtime))
        platform = VoicePlatform(secret, CENTER, transport=transport)
        async with httpx.AsyncClient(transport=transport) as client:
            yield Voice(made, secret, client, platform)
