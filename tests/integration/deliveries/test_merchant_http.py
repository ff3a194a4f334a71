from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from mpss.adapters.http_answer import MAX_ANSWER_BYTES
from mpss.adapters.merchant_http import MerchantHttp, read_delivery_answer
from mpss.db.database import Database
from mpss.kernel.outcome import Approved, Declined, InDoubt
from mpss.ports.merchant import DeliveryOrder, MerchantEndpoint
from mpss.security.networks import parse_networks
from mpss.security.signing import new_webhook_secret
from mpss.simulators.http_server import HttpServer, Misbehavior, Request, Response
from mpss.simulators.merchant_shop import MAGIC_AMOUNTS, Fault, MerchantShop
from tests.support.house import LOOPBACK

SECRET = new_webhook_secret()
ORDER = DeliveryOrder("txn_1", "prd_1", 1, 2500, "+8618912340001", None, "2026-03-01T04:00:00+00:00")


@pytest.fixture
async def port() -> AsyncIterator[MerchantHttp]:
    made = MerchantHttp(networks=parse_networks(LOOPBACK))
    yield made
    await made.close()


@pytest.fixture
async def shop() -> AsyncIterator[MerchantShop]:
    made = MerchantShop("Kiosk", magic_amounts=True)
    await made.start()
    made.join(merchant_id="mer_1", api_key="mk_1", webhook_secret=SECRET)
    yield made
    await made.stop()
    made.close()


def endpoint(url: str) -> MerchantEndpoint:
    return MerchantEndpoint("mer_1", url, SECRET)


async def answered(port: MerchantHttp, answer: Callable[[Request], Awaitable[Response | Misbehavior]]) -> object:
    server = HttpServer(answer)
    await server.start()
    try:
        return await port.deliver(endpoint(server.url), ORDER, timeout_seconds=0.5)
    finally:
        await server.stop()


class TestAnAnswerToADeliveryOrder:
    @pytest.mark.parametrize(
        ("text", "outcome"),
        [
            ('{"result":"delivered","content":"卡号1"}', Approved("txn_1", "卡号1")),
            ('{"result":"delivered"}', Approved("txn_1", "")),
            ('{"result":"delivered","content":"a\\nb","more":1}', Approved("txn_1", "a\nb")),
            ('{"result":"refused","reason":"sold out"}', Declined("sold out")),
            ('{"result":"refused"}', Declined("")),
            ('{"result":"refused","reason":"\\u0000"}', Declined("")),
        ],
    )
    def test_is_read(self, text: str, outcome: object) -> None:
        assert read_delivery_answer("txn_1", text.encode()) == outcome

    @pytest.mark.parametrize(
        "text",
        [
            "", "OK", "[]", "null", '"delivered"', "{}", '{"result":"maybe"}', '{"result":"delivered","content":5}',
            '{"result":"delivered","content":"%s"}' % ("x" * 501), '{"result":"delivered","content":"\\u001b[31m"}',
            '{"result":"refused","reason":{}}', "[" * 100_000,
        ],
    )  # fmt: skip
    def test_out_of_form_is_no_answer(self, text: str) -> None:
        assert isinstance(read_delivery_answer("txn_1", text.encode()), InDoubt)

    def test_of_no_text_at_all_is_no_answer(self) -> None:
        assert isinstance(read_delivery_answer("txn_1", b"\xff\xfe\xfd"), InDoubt)


class TestTheAdapter:
    async def test_does_not_follow_a_redirect(self, port: MerchantHttp) -> None:
        asked = []

        async def answer(request: Request) -> Response:
            asked.append(request.path)
            return Response(307, headers=(("location", "/elsewhere"),))

        assert await answered(port, answer) == InDoubt("status 307")
        assert asked == ["/deliveries"]

    async def test_reads_no_more_than_it_must(self, port: MerchantHttp) -> None:
        async def answer(request: Request) -> Response:
            return Response(200, b" " * (MAX_ANSWER_BYTES + 1))

        assert await answered(port, answer) == InDoubt(f"an answer of more than {MAX_ANSWER_BYTES} bytes")

    async def test_unpacks_nothing(self, port: MerchantHttp) -> None:
        async def answer(request: Request) -> Response:
            packed = gzip.compress(b'{"result":"delivered","content":"' + b"x" * 10_000_000)
            return Response(200, packed, headers=(("content-encoding", "gzip"),))

        assert await answered(port, answer) == InDoubt("the answer is not JSON")

    async def test_waits_no_longer_than_it_was_told(self, port: MerchantHttp) -> None:
        async def answer(request: Request) -> Misbehavior:
            return Misbehavior.SILENCE

        began = time.monotonic()
        assert await answered(port, answer) == InDoubt("no answer in 0.5 s")
        assert time.monotonic() - began < 2

    async def test_is_in_doubt_when_nobody_listens(self, port: MerchantHttp) -> None:
        assert isinstance(await port.deliver(endpoint("http://127.0.0.1:1"), ORDER, timeout_seconds=1), InDoubt)

    async def test_is_not_called_inside_a_unit_of_work(self, port: MerchantHttp, database: Database) -> None:
        async with database.transaction():
            with pytest.raises(AssertionError, match="unit of work"):
                await port.deliver(endpoint("http://127.0.0.1:1"), ORDER, timeout_seconds=1)


class TestTheShop:
    async def test_answers_a_repeated_order_as_at_first(self, port: MerchantHttp, shop: MerchantShop) -> None:
        first = await port.deliver(endpoint(shop.url), ORDER, timeout_seconds=2)
        shop.fail(Fault.REFUSE, count=1)
        assert await port.deliver(endpoint(shop.url), ORDER, timeout_seconds=2) == first
        assert isinstance(first, Approved)

    async def test_believes_only_the_platform(self, port: MerchantHttp, shop: MerchantShop) -> None:
        stranger = MerchantEndpoint("mer_1", shop.url, new_webhook_secret())
        assert await port.deliver(stranger, ORDER, timeout_seconds=2) == InDoubt("status 401")
        assert await port.webhook(stranger, event_id="out_1", body=b"{}", timeout_seconds=2) == InDoubt("status 401")
        assert shop.book.orders() == []

    async def test_keeps_its_book_and_keys_over_a_restart(self, port: MerchantHttp, tmp_path: Path) -> None:
        first = MerchantShop("Kiosk", path=tmp_path / "shop.sqlite")
        await first.start()
        first.join(merchant_id="mer_1", api_key="mk_1", webhook_secret=SECRET)
        answer = await port.deliver(endpoint(first.url), ORDER, timeout_seconds=2)
        key = first.public_key
        await first.stop()
        first.close()
        second = MerchantShop("Kiosk", path=tmp_path / "shop.sqlite")
        await second.start()
        assert await port.deliver(endpoint(second.url), ORDER, timeout_seconds=2) == answer
        assert second.public_key == key
        await second.stop()
        second.close()

    @pytest.mark.parametrize("amount", sorted(MAGIC_AMOUNTS))
    async def test_meets_the_fault_of_a_magic_amount(self, port: MerchantHttp, shop: MerchantShop, amount: int) -> None:
        order = DeliveryOrder("txn_2", "prd_1", 1, amount, "+8618912340001", None, ORDER.ordered_at)
        outcome = await port.deliver(endpoint(shop.url), order, timeout_seconds=0.5)
        expected = Declined if MAGIC_AMOUNTS[amount] is Fault.REFUSE else InDoubt
        assert isinstance(outcome, expected)

    async def test_is_looked_at_and_made_to_fail_over_http(self, port: MerchantHttp, shop: MerchantShop) -> None:
        async with httpx.AsyncClient(base_url=shop.url, trust_env=False) as browser:
            faults = {"fault": "refuse", "count": 1}
            assert (await browser.post("/control/faults", json=faults)).status_code == 204
            assert isinstance(await port.deliver(endpoint(shop.url), ORDER, timeout_seconds=2), Declined)
            await port.webhook(endpoint(shop.url), event_id="out_1", body=b'{"type":"<b>"}', timeout_seconds=2)
            orders = (await browser.get("/control/orders")).json()["orders"]
            assert [order["transaction_id"] for order in orders] == ["txn_1"]
            page = await browser.get("/")
            assert "txn_1" in page.text
            assert "&lt;b&gt;" in page.text
            assert (await browser.delete("/control/faults")).status_code == 204
            assert (await browser.get("/nothing")).status_code == 404

    async def test_survives_what_is_no_http(self, shop: MerchantShop) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(shop.url.rsplit(":", 1)[1]))
        writer.write(b"\x00\x01\x02 nonsense\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        async with httpx.AsyncClient(trust_env=False) as browser:
            assert (await browser.get(shop.url + "/")).status_code == 200
