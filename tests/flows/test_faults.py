"""The SMSC and the CP/SPs fail: messages are delayed and none is lost, each sale ends one way or the other.

The deadline of a delivery is short here; the processes stay up (see test_kills).
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from mpss.config import Policy
from mpss.simulators.merchant_shop import Fault as ShopFault
from mpss.simulators.merchant_shop import MerchantShop
from mpss.simulators.people import Person
from mpss.simulators.smsc_faults import Fault, FaultKind
from tests.support.center import Center, center
from tests.support.clauses import clause
from tests.support.eventually import eventually
from tests.support.postgres import PostgresForTests, data_folder

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("faults")]

DEADLINE_SECONDS = 6


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(postgres: PostgresForTests) -> AsyncIterator[Center]:
    name, urls = postgres.create_empty_database()
    policy = Policy(
        codes_per_phone_per_hour=100,
        codes_per_source_per_hour=10_000,
        delivery_deadline_seconds=DEADLINE_SECONDS,
        merchant_timeout_seconds=1,
    )
    with data_folder() as folder:
        async with center(urls, folder, policy=policy) as made:
            yield made
    postgres.drop_database(name)


@pytest_asyncio.fixture(loop_scope="module")
async def town(started: Center) -> AsyncIterator[Center]:
    """The center, with a town in which everything works again afterwards."""
    yield started
    started.kiosk.work()
    started.lottery.work()
    await started.running.town.smsc.clear_faults()


@clause("CT 5.4", "CT 10.3")
class TestTheSmsc:
    async def test_that_is_down_delays_messages_and_loses_none(self, town: Center) -> None:
        smsc = town.running.town.smsc
        people = [await town.subscriber(f"P{number}", fen=1_000) for number in range(3)]
        await town.all_sent()
        before = [await town.copies(person) for person in people]
        await smsc.set_fault(Fault(FaultKind.DOWN))
        for person in people:
            for fen in (100, 200):
                assert (await person.pay(town.kiosk, fen))["state"] == "SUCCEEDED"

        async def tried() -> bool:
            waiting = [notice for person in people for notice in await town.notices(person) if notice["attempts"] > 1]
            return len(waiting) >= len(people)

        await eventually(tried, seconds=20)
        assert [await town.copies(person) for person in people] == before
        await smsc.clear_faults()
        for person in people:
            await town.assert_told_once(person)
            assert "余额7.00元" in (await person.inbox())[-1].text or "余额9.00元" in (await person.inbox())[-1].text

    @pytest.mark.parametrize("kind", [FaultKind.CLOSE, FaultKind.LOSE_REPLY])
    async def test_whose_answer_is_lost_brings_a_second_copy_with_the_same_serial(
        self, town: Center, kind: FaultKind
    ) -> None:
        li = await town.subscriber(fen=1_000)
        await town.all_sent()
        await town.running.town.smsc.set_fault(Fault(kind, 1, phone=li.phone))
        await li.pay(town.kiosk, 100)
        await town.all_sent()
        events = {notice["serial"]: notice["event"] for notice in await town.notices(li)}
        copies = {events[serial]: count for serial, count in (await town.copies(li)).items()}
        assert copies == {"code": 1, "opened": 1, "topped_up": 1, "paid": 2}
        first, second = [message.text for message in await li.inbox() if "支付1.00元" in message.text]
        assert first == second

    async def test_that_refuses_is_tried_again_without_a_second_copy(self, town: Center) -> None:
        smsc = town.running.town.smsc
        li = await town.subscriber(fen=1_000)
        await town.all_sent()
        await smsc.set_fault(Fault(FaultKind.THROTTLED, 2, phone=li.phone))
        await li.pay(town.kiosk, 100)
        await town.assert_told_once(li)
        assert (await town.notices(li))[-1]["attempts"] == 3

    async def test_that_is_down_keeps_what_phones_send_until_we_are_back(self, town: Center) -> None:
        smsc = town.running.town.smsc
        cards, _ = await town.counter.sell_vouchers(5_000, quantity=1)
        li = await town.subscriber()
        await smsc.set_fault(Fault(FaultKind.DOWN))
        await li.handset.send(f"CZ {cards[0]}")
        await smsc.clear_faults()
        assert "50.00元" in await li.sms("充值卡充值")
        assert (await li.account())["balance_fen"] == 5_000


async def state_of(person: Person, transaction_id: str) -> tuple[str, str]:
    """The states of a sale and of its delivery."""
    now = await person.api.get(f"/v1/purchases/{transaction_id}")
    return now["state"], now["delivery"]["state"]


async def ended(person: Person, transaction_id: str, *expected: str) -> None:
    """Wait until a sale and its delivery stand so."""

    async def stands() -> bool:
        return await state_of(person, transaction_id) == expected

    await eventually(stands, seconds=60)


async def goods_of(town: Center, shop: MerchantShop) -> dict[str, Any]:
    return await town.counter.put_on_sale(shop, f"卡 {time.time_ns()}", category="cards", price_fen=1_000, quantity=5)


async def available(town: Center, product: dict[str, Any]) -> int:
    return int((await town.api.get(f"/v1/products/{product['product_id']}"))["available"])


@clause("CT 6.3.2", "CT 6.5.1", "CT 10.3")
class TestAShop:
    async def test_that_is_down_for_a_moment_delivers_later(self, town: Center) -> None:
        card, li = await goods_of(town, town.kiosk), await town.subscriber(fen=5_000)
        port = int(town.kiosk.url.rsplit(":", 1)[1])
        await town.kiosk.stop()
        try:
            paid = await li.buy(card)
            assert await state_of(li, paid["transaction_id"]) == ("SUCCEEDED", "ordered")
        finally:
            await town.kiosk.start(port)
        await ended(li, paid["transaction_id"], "SUCCEEDED", "delivered")
        assert "卡号" in await li.sms("已交付")

    async def test_whose_answer_is_lost_is_asked_again_and_delivers_once(self, town: Center) -> None:
        card, li = await goods_of(town, town.kiosk), await town.subscriber(fen=5_000)
        town.kiosk.fail(ShopFault.LOSE_REPLY, count=1)
        paid = await li.buy(card)
        await ended(li, paid["transaction_id"], "SUCCEEDED", "delivered")
        order = town.kiosk.book.order(paid["transaction_id"])
        assert order is not None
        assert order.asked == 2
        delivery = (await li.api.get(f"/v1/purchases/{paid['transaction_id']}"))["delivery"]
        assert delivery["content"] == order.answer["content"]

    @pytest.mark.parametrize("fault", [ShopFault.SILENT, ShopFault.ERROR])
    async def test_that_never_answers_has_the_sale_reversed_after_the_deadline(
        self, town: Center, fault: ShopFault
    ) -> None:
        card, li = await goods_of(town, town.lottery), await town.subscriber(fen=5_000)
        limit = {"daily_limit_fen": 2_000, "currency": "CNY"}
        await li.api.put("/v1/account/daily-limit", limit)
        town.lottery.fail(fault)
        began = time.monotonic()
        paid = await li.buy(card, quantity=2)
        assert (await li.account())["balance_fen"] == 3_000
        assert await available(town, card) == 3
        await ended(li, paid["transaction_id"], "REVERSED", "expired")
        assert time.monotonic() - began >= DEADLINE_SECONDS - 1
        account = await li.account()
        assert (account["balance_fen"], account["spent_today_fen"]) == (5_000, 0)
        assert await available(town, card) == 5
        assert "商户未按时交付" in await li.sms("冲正")
        town.lottery.work()
        again = await li.buy(card, quantity=2)
        await ended(li, again["transaction_id"], "SUCCEEDED", "delivered")
        await town.assert_told_once(li)
        await town.assert_sound()

    async def test_that_takes_no_webhooks_is_told_later(self, town: Center) -> None:
        li = await town.subscriber(fen=5_000)
        town.kiosk.fail_webhooks(ShopFault.ERROR, count=2)
        paid = await li.pay(town.kiosk, 100)

        async def told() -> bool:
            ids = [webhook.body["data"]["transaction_id"] for webhook in town.kiosk.book.webhooks()]
            return paid["transaction_id"] in ids

        await eventually(told, seconds=30)
