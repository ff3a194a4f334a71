"""Top-up by online banking, from the redirect to the money (CM 6.4.5)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from mpss.adapters.online_bank_http import OnlineBankHttp
from mpss.config import Policy
from mpss.db.database import Database
from mpss.kernel.ids import TransactionId
from mpss.security.signing import new_webhook_secret, sign_webhook
from mpss.simulators.http_server import HttpServer, Request, Response
from mpss.simulators.online_bank import Fault, OnlineBank
from mpss.transactions.resolve import resolve_due
from mpss.transactions.verify import verify
from tests.support.clauses import clause
from tests.support.http import Caller, Counter, counter
from tests.support.market import market
from tests.support.online_bank import at_the_bank

POLICY = Policy(online_bank_timeout_seconds=1, balance_limit_fen=210_000, topup_single_limit_fen=100_000)
SECRET = new_webhook_secret()


class Door:
    """A socket before the API, which the bank can call; it keeps what the API answered."""

    def __init__(self) -> None:
        self.client: httpx.AsyncClient | None = None
        self.statuses: list[int] = []
        self.server = HttpServer(self._pass_on)

    async def _pass_on(self, request: Request) -> Response:
        assert self.client is not None
        answer = await self.client.request(
            request.method, request.path, content=request.body, headers={**request.headers, "host": "mpss.test"}
        )
        self.statuses.append(answer.status_code)
        return Response(answer.status_code, answer.content)


@dataclass(slots=True)
class Scene:
    """The market with an online bank; the payer, who has 1,000 yuan, is signed in."""

    shop: Counter
    bank: OnlineBank
    door: Door
    payer: Caller

    async def ask(self, amount_fen: int = 25_000, *, key: str | None = None) -> Any:
        return await self.payer.post("/v1/topups/online-bank", {"amount_fen": amount_fen, "currency": "CNY"}, key=key)

    async def pay(self, answer: Any, *, agree: bool = True) -> None:
        await at_the_bank(answer.json()["redirect_url"], agree=agree)
        await self.bank.callbacks_done()

    async def resolve(self, *, seconds: int = 90) -> None:
        """Let the job ask about everything that waits."""
        self.shop.market.clock.advance(timedelta(seconds=seconds))
        await resolve_due(self.shop.runtime)

    async def state(self, answer: Any) -> str:
        seen = await self.payer.get(f"/v1/transactions/{answer.json()['transaction_id']}")
        return str(seen.json()["state"])

    async def agrees(self, *, gained: int) -> None:
        """The bank's lines are ours, and every invariant holds."""
        async with self.shop.runtime.database.read() as uow:
            broken = [check for check in await verify(uow) if not check.holds]
            ours = await uow.dicts(
                "SELECT id, amount_fen FROM transaction WHERE kind = 'online_bank_topup' AND state = 'SUCCEEDED'"
            )
        assert broken == []
        told = {TransactionId.outside(row["id"]): row["amount_fen"] for row in ours}
        paid = [order for order in self.bank.store.orders() if order.state == "paid"]
        assert {order.order_no: order.amount_fen for order in paid} == told
        assert await self.shop.balance_fen() - 100_000 == gained == sum(told.values())

    async def call(self, message: dict[str, Any], *, secret: str = SECRET) -> int:
        """A callback of our own making."""
        body = json.dumps(message).encode()
        signed = sign_webhook(secret, message_id="OB1", body=body, now=datetime.now(UTC))
        headers = {**signed, "content-type": "application/json"}
        answer = await self.shop.client.post("/v1/callbacks/online-bank", content=body, headers=headers)
        return answer.status_code


@pytest.fixture
async def scene(database: Database, tmp_path: Path) -> AsyncIterator[Scene]:
    bank = OnlineBank(SECRET, path=tmp_path / "online-bank.sqlite", pause_seconds=0.01)
    door = Door()
    await bank.start()
    await door.server.start()
    here = door.server.url
    port = OnlineBankHttp(
        url=bank.url, secret=SECRET, return_url=f"{here}/", notify_url=f"{here}/v1/callbacks/online-bank"
    )
    async with market(database, tmp_path, policy=POLICY) as opened:
        opened.runtime = replace(opened.runtime, ports=replace(opened.runtime.ports, online_bank=port))
        async with counter(opened, rate_per_second=0, source_rate_per_second=0) as shop:
            door.client = shop.client
            yield Scene(shop, bank, door, await shop.subscriber())
            await bank.stop()
            await door.server.stop()
    await port.close()
    bank.close()


@clause("CM 6.4.5")
class TestOnlineBanking:
    async def test_fills_the_wallet_by_the_callback(self, scene: Scene) -> None:
        asked = await scene.ask(key="k")
        assert (asked.status_code, asked.json()["state"]) == (202, "FUNDING")
        assert asked.json()["redirect_url"].startswith(scene.bank.url)
        await scene.agrees(gained=0)
        await scene.pay(asked)
        assert scene.door.statuses == [204]
        assert await scene.state(asked) == "SUCCEEDED"
        told = await scene.shop.market.told("topped_up")
        assert told[-1] == {"amount_fen": 25_000, "balance_fen": 125_000, "source": "online_bank"}
        assert (await scene.payer.get("/v1/account")).json()["withdrawable_fen"] == 125_000
        again = await scene.ask(key="k")
        assert (again.status_code, again.json()["redirect_url"]) == (201, None)
        assert again.headers["idempotent-replayed"] == "true"
        await scene.agrees(gained=25_000)

    async def test_asked_for_again_is_the_same_order(self, scene: Scene) -> None:
        first, second = await scene.ask(key="k"), await scene.ask(key="k")
        assert second.json()["transaction_id"] == first.json()["transaction_id"]
        assert (await scene.ask(30_000, key="k")).json()["code"] == "key_reused"
        await scene.pay(first)
        await at_the_bank_decided(second.json()["redirect_url"])
        await scene.agrees(gained=25_000)

    async def test_refused_by_the_customer_moves_nothing(self, scene: Scene) -> None:
        asked = await scene.ask()
        await scene.pay(asked, agree=False)
        assert await scene.state(asked) == "DECLINED"
        await scene.agrees(gained=0)

    async def test_above_a_limit_is_refused_before_the_browser_is_sent(self, scene: Scene) -> None:
        assert (await scene.ask(100_001)).json()["code"] == "single_limit_exceeded"
        await scene.pay(await scene.ask(100_000))
        assert (await scene.ask(10_001)).json()["code"] == "balance_limit_exceeded"
        assert len(scene.bank.store.orders()) == 1
        await scene.agrees(gained=100_000)


async def at_the_bank_decided(address: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as browser:
        assert "<form" not in (await browser.get(address)).text


@clause("CM 6.4.5")
class TestACallback:
    async def test_that_is_lost_is_made_good_by_the_job(self, scene: Scene) -> None:
        scene.bank.fail(Fault.LOSE_CALLBACK)
        asked = await scene.ask()
        await scene.pay(asked)
        assert await scene.state(asked) == "FUNDING"
        await scene.resolve()
        assert await scene.state(asked) == "SUCCEEDED"
        await scene.agrees(gained=25_000)

    async def test_that_is_doubled_moves_once(self, scene: Scene) -> None:
        scene.bank.fail(Fault.DOUBLE_CALLBACK, count=1)
        asked = await scene.ask()
        await scene.pay(asked)
        assert scene.door.statuses == [204, 204]
        await scene.resolve()
        await scene.agrees(gained=25_000)

    async def test_that_comes_after_the_inquiry_moves_nothing_more(self, scene: Scene) -> None:
        scene.bank.fail(Fault.LATE_CALLBACK, count=1, seconds=0.5)
        asked = await scene.ask()
        await at_the_bank(asked.json()["redirect_url"], agree=True)
        await scene.resolve()
        assert await scene.state(asked) == "SUCCEEDED"
        await scene.bank.callbacks_done()
        assert scene.door.statuses == [204]
        await scene.agrees(gained=25_000)

    async def test_that_is_forged_is_refused(self, scene: Scene) -> None:
        scene.bank.fail(Fault.FORGE_CALLBACK, count=1)
        asked = await scene.ask()
        await scene.pay(asked)
        assert set(scene.door.statuses) == {401}
        assert await scene.state(asked) == "FUNDING"
        await scene.resolve()
        await scene.agrees(gained=25_000)

    async def test_about_another_amount_moves_nothing(self, scene: Scene) -> None:
        scene.bank.fail(Fault.OTHER_AMOUNT, count=1)
        asked = await scene.ask()
        await scene.pay(asked)
        assert scene.door.statuses == [204]
        assert await scene.state(asked) == "FUNDING"
        # What was paid is asked about, and found right.
        await scene.resolve()
        await scene.agrees(gained=25_000)

    async def test_about_an_unknown_order_is_heard_and_moves_nothing(self, scene: Scene) -> None:
        told = {"message": "callback", "amount_fen": 25_000, "result": "paid", "gateway_reference": "OB1"}
        assert await scene.call({**told, "order_no": "txn_0"}) == 204
        assert await scene.call({**told, "order_no": str(TransactionId.new(datetime.now(UTC)))}) == 204
        assert await scene.call(told) == 400
        assert await scene.call({**told, "order_no": "txn_0"}, secret=new_webhook_secret()) == 401
        nobody = await scene.shop.client.post("/v1/callbacks/online-bank", content=b"{}")
        assert nobody.status_code == 401
        await scene.agrees(gained=0)


@clause("CM 6.4.5")
class TestAnOrderNobodyDecided:
    async def test_waits_and_is_closed_at_its_end(self, scene: Scene) -> None:
        asked = await scene.ask()
        await scene.resolve()
        await scene.resolve()
        assert await scene.state(asked) == "FUNDING"
        assert await scene.shop.market.told("topup_in_doubt") == []
        await scene.resolve(seconds=900)
        assert await scene.state(asked) == "DECLINED"
        # The browser comes too late: the order cannot be paid any more.
        await at_the_bank_decided(asked.json()["redirect_url"])
        await scene.agrees(gained=0)

    async def test_is_in_doubt_where_the_bank_is_silent_at_its_end(self, scene: Scene) -> None:
        scene.bank.fail(Fault.LOSE_CALLBACK)
        asked = await scene.ask()
        await scene.pay(asked)
        scene.bank.fail(Fault.HANG_UP, count=1)
        await scene.resolve(seconds=900)
        assert await scene.state(asked) == "IN_DOUBT"
        assert await scene.shop.market.told("topup_in_doubt") == [{"amount_fen": 25_000}]
        await scene.resolve()
        assert await scene.state(asked) == "SUCCEEDED"
        await scene.agrees(gained=25_000)

    async def test_is_not_offered_again_after_its_end(self, scene: Scene) -> None:
        await scene.ask(key="k")
        scene.shop.market.clock.advance(timedelta(seconds=900))
        late = await scene.ask(key="k")
        assert (late.status_code, late.json()["redirect_url"]) == (202, None)
