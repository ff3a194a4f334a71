from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from mpss.adapters.online_bank_http import OnlineBankHttp
from mpss.kernel.errors import MalformedField
from mpss.kernel.outcome import Approved, Declined, InDoubt
from mpss.ports.online_bank import OnlineBankNotice, OnlineBankOrder
from mpss.security.signing import SignatureInvalid, new_webhook_secret
from mpss.simulators.http_server import HttpServer, Request, Response
from mpss.simulators.online_bank import Fault, OnlineBank
from tests.support.clauses import clause
from tests.support.online_bank import at_the_bank

SECRET = new_webhook_secret()
ORDER = OnlineBankOrder("txn_1", 25_000, "手机支付充值", 900)
WAIT = 0.3


class Center:
    """Our side: takes callbacks, and says 500 while `broken`."""

    def __init__(self) -> None:
        self.server = HttpServer(self._answer)
        self.requests: list[Request] = []
        self.broken = 0

    async def _answer(self, request: Request) -> Response:
        self.requests.append(request)
        if self.broken:
            self.broken -= 1
            return Response(500)
        return Response(204)

    def notices(self, port: OnlineBankHttp) -> list[OnlineBankNotice]:
        return [port.read_callback(request.headers, request.body) for request in self.requests]


@pytest.fixture
async def center() -> AsyncIterator[Center]:
    made = Center()
    await made.server.start()
    yield made
    await made.server.stop()


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[OnlineBank]:
    made = OnlineBank(SECRET, path=tmp_path / "online-bank.sqlite", pause_seconds=0.01)
    await made.start()
    yield made
    await made.stop()
    made.close()


@pytest.fixture
async def port(bank: OnlineBank, center: Center) -> AsyncIterator[OnlineBankHttp]:
    made = OnlineBankHttp(
        url=bank.url,
        secret=SECRET,
        return_url=f"{center.server.url}/back",
        notify_url=f"{center.server.url}/v1/callbacks/online-bank",
    )
    yield made
    await made.close()


async def inquire(port: OnlineBankHttp, *, amount_fen: int = 25_000, close: bool = False) -> object:
    return await port.inquire("txn_1", amount_fen=amount_fen, close=close, timeout_seconds=WAIT)


@clause("CM 6.4.5")
class TestAnOrderAtTheOnlineBank:
    async def test_is_shown_agreed_to_and_told(self, bank: OnlineBank, port: OnlineBankHttp, center: Center) -> None:
        address = port.address_of(ORDER)
        assert await inquire(port) == InDoubt("the customer has not decided")
        back = await at_the_bank(address, agree=True)
        assert back == f"{center.server.url}/back?order_no=txn_1"
        await bank.callbacks_done()
        (order,) = bank.store.orders()
        paid = Approved(order.gateway_reference, "25000")
        assert center.notices(port) == [OnlineBankNotice("txn_1", 25_000, paid)]
        assert center.requests[0].path == "/v1/callbacks/online-bank"
        assert await inquire(port) == paid
        # What is paid stays paid, also when it is closed.
        assert await inquire(port, close=True) == paid

    async def test_refused_by_the_customer_is_told_too(
        self, bank: OnlineBank, port: OnlineBankHttp, center: Center
    ) -> None:
        await at_the_bank(port.address_of(ORDER), agree=False)
        await bank.callbacks_done()
        assert center.notices(port) == [OnlineBankNotice("txn_1", 25_000, Declined("refused"))]
        assert await inquire(port) == Declined("refused")

    async def test_is_decided_once(self, bank: OnlineBank, port: OnlineBankHttp, center: Center) -> None:
        await at_the_bank(port.address_of(ORDER), agree=True)
        async with httpx.AsyncClient(trust_env=False) as browser:
            page = await browser.get(port.address_of(ORDER))
            assert "已支付" in page.text
            assert "<form" not in page.text
            order = bank.store.order("txn_1")
            assert order is not None
            form = {"order_no": "txn_1", "token": order.token, "decision": "refuse"}
            await browser.post(f"{bank.url}/pay", data=form)
        await bank.callbacks_done()
        assert isinstance(await inquire(port), Approved)
        assert len(center.requests) == 1

    async def test_closed_before_the_customer_comes_cannot_be_paid(
        self, bank: OnlineBank, port: OnlineBankHttp
    ) -> None:
        address = port.address_of(ORDER)
        assert await inquire(port, close=True) == Declined("closed")
        async with httpx.AsyncClient(trust_env=False) as browser:
            assert "<form" not in (await browser.get(address)).text
        assert await inquire(port) == Declined("closed")

    async def test_past_its_end_cannot_be_paid(self, bank: OnlineBank, port: OnlineBankHttp) -> None:
        short = OnlineBankOrder("txn_1", 25_000, "充值", 1)
        address = port.address_of(short)
        async with httpx.AsyncClient(trust_env=False) as browser:
            assert "<form" in (await browser.get(address)).text
            await asyncio.sleep(1)
            assert (await browser.get(address)).status_code == 400
        assert await inquire(port) == Declined("expired")

    async def test_somebody_changed_is_not_shown(self, bank: OnlineBank, port: OnlineBankHttp) -> None:
        dear, cheap = (port.address_of(OnlineBankOrder("txn_1", fen, "充值", 900)) for fen in (25_000, 1))
        query, other = (dict(parse_qsl(urlsplit(address).query)) for address in (dear, cheap))
        mixed = f"{bank.url}/pay?{urlencode({**query, 'order': other['order']})}"
        async with httpx.AsyncClient(trust_env=False) as browser:
            assert (await browser.get(mixed)).status_code == 400
            assert (await browser.get(f"{bank.url}/pay")).status_code == 400
            assert (await browser.get(dear)).status_code == 200
            # The same number with another amount, signed rightly, is another order.
            assert (await browser.get(cheap)).status_code == 409

    async def test_is_decided_only_from_its_page(self, bank: OnlineBank, port: OnlineBankHttp) -> None:
        async with httpx.AsyncClient(trust_env=False) as browser:
            await browser.get(port.address_of(ORDER))
            form = {"order_no": "txn_1", "token": "guessed", "decision": "agree"}
            assert (await browser.post(f"{bank.url}/pay", data=form)).status_code == 404
        assert await inquire(port) == InDoubt("the customer has not decided")


class TestACallback:
    async def test_that_is_not_taken_comes_again(self, bank: OnlineBank, port: OnlineBankHttp, center: Center) -> None:
        center.broken = 2
        await at_the_bank(port.address_of(ORDER), agree=True)
        await bank.callbacks_done()
        assert len(center.requests) == 3
        assert len(set(map(repr, center.notices(port)))) == 1

    async def test_that_is_lost_is_made_good_by_the_inquiry(
        self, bank: OnlineBank, port: OnlineBankHttp, center: Center
    ) -> None:
        bank.fail(Fault.LOSE_CALLBACK, count=1)
        await at_the_bank(port.address_of(ORDER), agree=True)
        await bank.callbacks_done()
        assert center.requests == []
        assert isinstance(await inquire(port), Approved)

    async def test_that_is_doubled_says_the_same(self, bank: OnlineBank, port: OnlineBankHttp, center: Center) -> None:
        bank.fail(Fault.DOUBLE_CALLBACK, count=1)
        await at_the_bank(port.address_of(ORDER), agree=True)
        await bank.callbacks_done()
        first, second = center.notices(port)
        assert first == second

    async def test_that_is_late_comes(self, bank: OnlineBank, port: OnlineBankHttp, center: Center) -> None:
        bank.fail(Fault.LATE_CALLBACK, count=1, seconds=0.2)
        await at_the_bank(port.address_of(ORDER), agree=True)
        assert center.requests == []
        await bank.callbacks_done()
        assert len(center.requests) == 1

    async def test_that_is_forged_is_not_believed(self, bank: OnlineBank, port: OnlineBankHttp, center: Center) -> None:
        bank.fail(Fault.FORGE_CALLBACK, count=1)
        await at_the_bank(port.address_of(ORDER), agree=True)
        await bank.callbacks_done()
        with pytest.raises(SignatureInvalid):
            center.notices(port)

    async def test_cannot_be_made_of_the_customers_own_order(self, port: OnlineBankHttp) -> None:
        query = dict(parse_qsl(urlsplit(port.address_of(ORDER)).query))
        headers = {f"webhook-{name}": query[name] for name in ("id", "timestamp", "signature")}
        with pytest.raises(MalformedField):
            port.read_callback(headers, base64.urlsafe_b64decode(query["order"]))

    async def test_is_sent_again_from_outside(self, bank: OnlineBank, port: OnlineBankHttp, center: Center) -> None:
        async with httpx.AsyncClient(base_url=bank.url, trust_env=False) as control:
            await control.post("/control/faults", json={"fault": "lose_callback"})
            await at_the_bank(port.address_of(ORDER), agree=True)
            await control.delete("/control/faults")
            assert (await control.post("/control/callbacks", json={"order_no": "txn_1"})).status_code == 202
            assert (await control.post("/control/callbacks", json={"order_no": "txn_2"})).status_code == 404
            await bank.callbacks_done()
            assert len(center.requests) == 1
            (line,) = (await control.get("/control/orders")).json()["orders"]
            assert (line["order_no"], line["state"], line["amount_fen"]) == ("txn_1", "paid", 25_000)
            assert "txn_1" in (await control.get("/")).text


class TestAnInquiry:
    @pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY, Fault.HANG_UP, Fault.NONSENSE])
    async def test_without_an_answer_is_in_doubt(self, bank: OnlineBank, port: OnlineBankHttp, fault: Fault) -> None:
        await at_the_bank(port.address_of(ORDER), agree=True)
        bank.fail(fault, count=1)
        assert isinstance(await inquire(port), InDoubt)
        assert isinstance(await inquire(port), Approved)

    async def test_that_finds_another_amount_is_in_doubt(self, port: OnlineBankHttp) -> None:
        await at_the_bank(port.address_of(ORDER), agree=True)
        assert await inquire(port, amount_fen=1) == InDoubt("25000 fen were paid, where 1 were asked for")


class TestThePage:
    async def test_lets_the_browser_go_back_to_the_center(self, port: OnlineBankHttp, center: Center) -> None:
        async with httpx.AsyncClient(trust_env=False) as browser:
            shown = await browser.get(port.address_of(ORDER))
        assert re.search(rf"form-action 'self' {center.server.url}(;|$)", shown.headers["content-security-policy"])
        assert "¥250.00" in shown.text
        assert "手机支付充值" in shown.text
