"""BOSS of the town as the adapter meets it: who has a number, and what becomes of a question that is not answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from mpss.adapters.boss_http import BossHttp
from mpss.kernel.outcome import InDoubt
from mpss.ports.boss import Compared, NoSubscriber, Subscriber
from mpss.security.signing import new_webhook_secret
from mpss.simulators.boss import Boss, Fault
from tests.support.clauses import clause

SECRET = new_webhook_secret()
PHONE, OTHER = "+8618912340001", "+8618912340002"
WAIT = 0.3


@pytest.fixture
async def boss(tmp_path: Path) -> AsyncIterator[Boss]:
    made = Boss(SECRET, path=tmp_path / "boss.sqlite")
    await made.start()
    yield made
    await made.stop()
    made.close()


@pytest.fixture
async def port(boss: Boss) -> AsyncIterator[BossHttp]:
    made = BossHttp(secret=SECRET, url=boss.url)
    yield made
    await made.close()


async def ask(port: BossHttp, phone: str = PHONE) -> Subscriber | NoSubscriber | InDoubt:
    return await port.enquire(phone, timeout_seconds=WAIT)


@clause("CM 7.8")
class TestAQuestionToBoss:
    async def test_says_who_has_the_number_now(self, boss: Boss, port: BossHttp) -> None:
        assert await ask(port) == NoSubscriber()
        sold = boss.sell(PHONE)
        found = await ask(port)
        assert isinstance(found, Subscriber)
        assert (found.subscription_id, found.status, found.owner) == (sold.subscription_id, "active", sold.owner)
        boss.change("stop_1way", PHONE)
        stopped = await ask(port)
        assert isinstance(stopped, Subscriber)
        assert (stopped.status, stopped.status_sequence) == ("stopped_1way", 1)
        boss.change("cancel_user", PHONE)
        assert await ask(port) == NoSubscriber()
        assert boss.sell(PHONE).subscription_id != sold.subscription_id

    async def test_about_many_is_answered_in_their_order(self, boss: Boss, port: BossHttp) -> None:
        first, second = boss.sell(PHONE), boss.sell(OTHER)
        boss.change("transfer_owner", PHONE)
        wanted = [Compared(second.subscription_id, OTHER), Compared(first.subscription_id, PHONE), Compared("", PHONE)]
        found = await port.compare([*wanted, Compared("SUB0", PHONE)], timeout_seconds=WAIT)
        assert not isinstance(found, InDoubt)
        assert found[3] == NoSubscriber()
        assert [each.status for each in found[:3] if isinstance(each, Subscriber)] == [
            "active",
            "transferred",
            "active",
        ]
        assert isinstance(found[2], Subscriber)
        assert found[2].subscription_id != first.subscription_id

    @pytest.mark.parametrize("fault", Fault)
    async def test_is_in_doubt_where_boss_fails(self, boss: Boss, port: BossHttp, fault: Fault) -> None:
        boss.sell(PHONE)
        boss.fail(fault, count=1, seconds=2 * WAIT)
        assert isinstance(await ask(port), InDoubt)
        assert isinstance(await ask(port), Subscriber)

    async def test_signed_by_somebody_else_is_not_answered(self, boss: Boss) -> None:
        stranger = BossHttp(secret=new_webhook_secret(), url=boss.url)
        assert await ask(stranger) == InDoubt("status 401")
        await stranger.close()

    async def test_is_not_asked_again_at_once_of_a_boss_that_keeps_silent(self, boss: Boss) -> None:
        now = 0.0
        port = BossHttp(secret=SECRET, url=boss.url, monotonic=lambda: now)
        boss.sell(PHONE)
        boss.fail(Fault.ERROR, count=5)
        for _ in range(8):
            assert isinstance(await ask(port), InDoubt)
        assert boss.asked == 5
        now = 10.0
        assert isinstance(await ask(port), Subscriber)
        await port.close()

    async def test_outlives_the_restart_of_boss(self, boss: Boss, port: BossHttp) -> None:
        sold = boss.sell(PHONE)
        address = int(boss.url.rsplit(":", 1)[1])
        await boss.stop()
        assert isinstance(await ask(port), InDoubt)
        await boss.start(address)
        found = await ask(port)
        assert isinstance(found, Subscriber)
        assert found.subscription_id == sold.subscription_id


class TestTheTownsBoss:
    async def test_is_steered_over_http_and_shows_a_page(self, boss: Boss) -> None:
        async with httpx.AsyncClient(base_url=boss.url) as client:
            assert (await client.post("/control/subscribers", json={"phone": PHONE})).status_code == 200
            assert (await client.post("/control/subscribers", json={"phone": PHONE})).status_code == 409
            changed = await client.post("/control/changes", json={"kind": "sim_swap", "phone": PHONE})
            assert changed.json()["event"]["sequence"] == 1
            assert (await client.post("/control/changes", json={"kind": "vanish", "phone": PHONE})).status_code == 409
            assert (await client.post("/control/faults", json={"fault": "lose", "count": 1})).status_code == 204
            assert (await client.delete("/control/faults")).status_code == 204
            assert len((await client.get("/control/events")).json()["events"]) == 1
            shown = await client.get("/")
            assert PHONE in shown.text
            assert "sim_swap" in shown.text
