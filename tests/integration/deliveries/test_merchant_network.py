"""A merchant's server is called at an address that may be called, whatever its name says (ADR-0011)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mpss.adapters.merchant_http import MerchantHttp
from mpss.kernel.outcome import Approved, InDoubt, Outcome
from mpss.ports.merchant import DeliveryOrder, MerchantEndpoint
from mpss.security.networks import parse_networks
from mpss.security.signing import new_webhook_secret
from mpss.simulators.http_server import HttpServer, Request, Response

ORDER = DeliveryOrder("txn_1", "prd_1", 1, 2500, "+8618912340001", None, "2026-03-01T04:00:00+00:00")


class Server:
    """Answers every order, and counts them."""

    def __init__(self) -> None:
        self.asked = 0
        self.http = HttpServer(self._answer)

    async def _answer(self, request: Request) -> Response:
        self.asked += 1
        return Response(200, b'{"result":"delivered"}')


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    await made.http.start()
    yield made
    await made.http.stop()


@asynccontextmanager
async def port_to(networks: str) -> AsyncIterator[MerchantHttp]:
    port = MerchantHttp(networks=parse_networks(networks))
    try:
        yield port
    finally:
        await port.close()


async def deliver(port: MerchantHttp, url: str) -> Outcome:
    return await port.deliver(MerchantEndpoint("mer_1", url, new_webhook_secret()), ORDER, timeout_seconds=5)


class TestAMerchantsServer:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]"])
    async def test_at_a_private_address_is_not_called(self, server: Server, host: str) -> None:
        async with port_to("") as port:
            outcome = await deliver(port, f"http://{host}:{server.http.port}")
        assert isinstance(outcome, InDoubt)
        assert "may not be called" in outcome.problem
        assert server.asked == 0

    async def test_in_a_named_network_is_called_by_address_and_by_name(self, server: Server) -> None:
        async with port_to("127.0.0.0/8") as port:
            for host in ("127.0.0.1", "localhost"):
                assert await deliver(port, f"http://{host}:{server.http.port}") == Approved("txn_1", "")
        assert server.asked == 2

    async def test_whose_name_is_unknown_is_no_answer(self) -> None:
        async with port_to("127.0.0.0/8") as port:
            outcome = await deliver(port, "http://nobody.invalid")
        assert isinstance(outcome, InDoubt)

    async def test_that_does_not_take_connections_is_no_answer(self, server: Server) -> None:
        await server.http.stop()
        async with asyncio.timeout(5), port_to("127.0.0.0/8") as port:
            assert isinstance(await deliver(port, f"http://127.0.0.1:{server.http.port}"), InDoubt)
