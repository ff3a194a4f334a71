"""The town's BOSS beside an API under test: it is asked over HTTP, and its events come over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from mpss.adapters.boss_http import BossHttp
from mpss.config import Policy
from mpss.security.signing import new_webhook_secret
from mpss.simulators.boss import Boss
from mpss.simulators.http_server import Handler, HttpServer, Request, Response
from tests.support.http import Counter, counter
from tests.support.market import Market


@asynccontextmanager
async def with_boss(
    market: Market, folder: Path, *, policy: Policy | None = None
) -> AsyncIterator[tuple[Counter, Boss]]:
    """The API over the market's runtime with a BOSS, each reached by a socket from the other; the clock is one."""
    secret = new_webhook_secret()
    boss = Boss(secret, path=folder / "boss.sqlite", now=market.clock.now)
    await boss.start()
    port = BossHttp(secret=secret, url=boss.url)
    runtime = market.runtime
    market.runtime = replace(
        runtime,
        ports=replace(runtime.ports, boss=port),
        settings=replace(runtime.settings, policy=policy or runtime.policy),
    )
    async with counter(market, rate_per_second=0, source_rate_per_second=0) as api:
        hall = HttpServer(_into(api))
        await hall.start()
        boss.connect(hall.url)
        try:
            yield api, boss
        finally:
            await boss.stop()
            await hall.stop()
            await port.close()
            boss.close()


def _into(api: Counter) -> Handler:
    """What comes over the socket goes into the API."""

    async def forward(request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
        answer = await api.client.request(
            request.method, request.path, params=request.query, content=request.body, headers=headers
        )
        return Response(answer.status_code, answer.content)

    return forward
