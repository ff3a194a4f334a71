from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from mpss.config import Policy
from mpss.db.database import Database
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.outcome import Approved, Declined, InDoubt
from mpss.outbox.model import OutboxItem
from mpss.simulators.merchant_shop import Fault
from mpss.transactions.purchases.deliver import deliver, resend_delivery
from mpss.transactions.purchases.delivery_log import delivery_log, resend_webhook
from mpss.transactions.purchases.reversal import caller_of_merchant, reverse
from tests.support.clauses import clause
from tests.support.eventually import eventually
from tests.support.house import assert_books_balance
from tests.support.market import GOODS, Market, market, outside, put_on_sale

POLICY = Policy(merchant_timeout_seconds=1, delivery_deadline_seconds=60)


@pytest.fixture
async def town(database: Database, tmp_path: Path) -> AsyncIterator[Market]:
    async with market(database, tmp_path, policy=POLICY) as made:
        yield made


async def reversed_(town: Market, sale_id: UUID) -> None:
    """The sale's money, stock and books are as if it had not been, and the payer knows."""
    assert await town.state(sale_id) == "REVERSED"
    assert (await town.told("reversed"))[-1]["amount_fen"] == 2500
    assert (await town.told("reversed"))[-1]["balance_fen"] == 100_000
    assert await town.available() == 10
    assert await town.told("delivered") == []
    await assert_books_balance(town.runtime)


@clause("CT 5.3", "CT 6.3.2", "CT 6.5.1", "CT 7.1")
class TestADelivery:
    async def test_gives_the_payer_what_the_shop_delivered(self, town: Market) -> None:
        sale = await town.buy()
        assert await town.available() == 9
        async with town.working():
            await eventually(lambda: _told(town, "delivered"))
            await eventually(lambda: _webhooks(town, 1))
        order = town.shop.book.order(outside(sale.id))
        assert order is not None
        assert (order.order["phone"], order.order["quantity"], order.order["amount_fen"]) == ("+8618912340001", 1, 2500)
        (told,) = await town.told("delivered")
        assert told == {"merchant": "Kiosk", "product": "上网卡", "content": order.answer["content"]}
        assert "卡号" in told["content"]
        (event,) = town.shop.book.webhooks()
        assert event.body["type"] == "purchase.delivered"
        assert event.body["data"]["transaction_id"] == outside(sale.id)
        assert await town.state(sale.id) == "SUCCEEDED"
        log = await delivery_log(town.runtime, transaction_id=sale.id, merchant_id=town.merchant.id)
        assert log.status is not None
        assert (log.status.state, log.status.content) == ("delivered", order.answer["content"])
        assert [(m.kind, m.state, [t.outcome for t in m.tries]) for m in log.messages] == [
            ("delivery", "done", ["approved"]),
            ("webhook", "done", ["approved"]),
        ]

    async def test_refused_by_the_shop_is_reversed(self, town: Market) -> None:
        town.shop.fail(Fault.REFUSE, count=1)
        sale = await town.buy()
        async with town.working():
            await eventually(lambda: _is(town, sale.id, "REVERSED"))
            await eventually(lambda: _webhooks(town, 1))
        await reversed_(town, sale.id)
        assert town.shop.book.webhooks()[0].body["type"] == "purchase.reversed"
        log = await delivery_log(town.runtime, transaction_id=sale.id)
        assert log.status is not None
        assert (log.status.state, log.status.reason) == ("refused", "sold out at the provider")
        assert (await town.outbox(sale.id))["state"] == "dead"

    async def test_that_stays_silent_is_asked_again_and_reversed_past_the_deadline(self, town: Market) -> None:
        town.shop.fail(Fault.SILENT)
        sale = await town.buy()
        async with town.working():
            await eventually(lambda: _attempts(town, sale.id, 1))
            assert await town.state(sale.id) == "SUCCEEDED"
            town.clock.advance(timedelta(seconds=20))
            await eventually(lambda: _attempts(town, sale.id, 2))
            assert await town.state(sale.id) == "SUCCEEDED"
            town.clock.advance(timedelta(seconds=60))
            await eventually(lambda: _is(town, sale.id, "REVERSED"))
        await reversed_(town, sale.id)
        log = await delivery_log(town.runtime, transaction_id=sale.id)
        assert log.status is not None
        assert log.status.state == "expired"
        assert [t.outcome for t in log.messages[0].tries] == ["in_doubt", "in_doubt", "declined"]

    @pytest.mark.parametrize("fault", [Fault.LOSE_REPLY, Fault.ERROR, Fault.HANG_UP, Fault.REDIRECT, Fault.NONSENSE])
    async def test_that_went_wrong_once_is_asked_again_and_delivered_once(self, town: Market, fault: Fault) -> None:
        town.shop.fail(fault, count=1)
        sale = await town.buy()
        async with town.working():
            await eventually(lambda: _attempts(town, sale.id, 1))
            town.clock.advance(timedelta(seconds=20))
            await eventually(lambda: _told(town, "delivered"))
        order = town.shop.book.order(outside(sale.id))
        assert order is not None
        assert order.asked == (2 if fault is Fault.LOSE_REPLY else 1)
        assert [told["content"] for told in await town.told("delivered")] == [order.answer["content"]]
        assert await town.state(sale.id) == "SUCCEEDED"

    async def test_waits_for_a_shop_that_is_down(self, town: Market) -> None:
        port = int(town.shop.url.rsplit(":", 1)[1])
        await town.shop.stop()
        sale = await town.buy()
        async with town.working():
            await eventually(lambda: _attempts(town, sale.id, 1))
            await town.shop.start(port)
            town.clock.advance(timedelta(seconds=20))
            await eventually(lambda: _told(town, "delivered"))

    async def test_never_asked_in_time_because_we_were_down_is_asked_all_the_same(self, town: Market) -> None:
        sale = await town.buy()
        town.clock.advance(timedelta(hours=1))
        async with town.working():
            await eventually(lambda: _told(town, "delivered"))
        assert await town.state(sale.id) == "SUCCEEDED"

    async def test_to_a_silent_shop_does_not_keep_the_others_waiting(self, town: Market) -> None:
        town.shop.fail(Fault.SILENT)
        other, product = await town.open_shop("Bakery", replace(GOODS, quantity=None))
        many = await put_on_sale(town.runtime, town.merchant, replace(GOODS, price_fen=100, quantity=None))
        for _ in range(40):
            await town.buy(many)
        sale = await town.buy(product)
        # The other's goods come while the first calls to the silent shop still wait for an answer.
        patient = replace(town.runtime.settings, policy=replace(POLICY, merchant_timeout_seconds=4))
        town.runtime = replace(town.runtime, settings=patient)
        async with town.working():
            await eventually(lambda: _told(town, "delivered"), seconds=3.5)
        assert other.book.order(outside(sale.id)) is not None

    async def test_that_another_worker_holds_is_left_alone(self, town: Market) -> None:
        town.shop.fail(Fault.DELAY, seconds=0.4)
        sales = [await town.buy() for _ in range(8)]
        async with town.working(), town.working(), town.working():
            await eventually(lambda: _count(town, "delivered", 8))
        assert [order.asked for order in town.shop.book.orders()] == [1] * len(sales)


@clause("CT 6.5.1")
class TestAnAnswer:
    async def test_that_comes_after_the_reversal_changes_nothing(self, town: Market) -> None:
        sale = await town.buy()
        town.shop.fail(Fault.DELAY, seconds=0.5)
        late = asyncio.create_task(deliver(town.runtime, await _item(town, sale.id)))
        await asyncio.sleep(0.2)
        await reverse(
            town.runtime, caller=caller_of_merchant(town.merchant.id), key="r1", channel="http",
            merchant_id=town.merchant.id, original_id=sale.id, reason="asked",
        )  # fmt: skip
        assert isinstance(await late, Declined)
        assert await deliver(town.runtime, await _item(town, sale.id)) == Declined("the sale was reversed")
        await reversed_(town, sale.id)
        assert (await delivery_log(town.runtime, transaction_id=sale.id)).status is not None

    async def test_written_down_before_a_crash_is_acted_on_after_it(self, town: Market) -> None:
        sale = await town.buy()
        async with town.runtime.database.transaction() as uow:
            await uow.execute(
                "INSERT INTO delivery (transaction_id, merchant_id, state, answered_at)"
                " VALUES (%(id)s, %(merchant)s, 'refused', now())",
                {"id": sale.id, "merchant": town.merchant.id},
            )
        for _ in range(2):
            assert await deliver(town.runtime, await _item(town, sale.id)) == Declined("delivery_refused")
        assert town.shop.book.orders() == []
        await reversed_(town, sale.id)

    async def test_of_a_worker_that_died_is_acted_on_by_whoever_asked_meanwhile(self, town: Market) -> None:
        """Two had the order, since a lease ran out; one wrote down that it is too late, and was killed there."""
        sale = await town.buy()
        town.shop.fail(Fault.DELAY, count=1, seconds=0.5)
        asking = asyncio.create_task(deliver(town.runtime, await _item(town, sale.id)))
        await asyncio.sleep(0.2)
        async with town.runtime.database.transaction() as uow:
            await uow.execute(
                "INSERT INTO delivery (transaction_id, merchant_id, state, answered_at)"
                " VALUES (%(id)s, %(merchant)s, 'expired', now())",
                {"id": sale.id, "merchant": town.merchant.id},
            )
        assert isinstance(await asking, InDoubt)
        assert await deliver(town.runtime, await _item(town, sale.id)) == Declined("delivery_expired")
        await reversed_(town, sale.id)

    async def test_given_twice_tells_the_payer_once(self, town: Market) -> None:
        sale = await town.buy()
        for _ in range(2):
            assert await deliver(town.runtime, await _item(town, sale.id)) == Approved(outside(sale.id))
        assert len(await town.told("delivered")) == 1


class TestAManualResend:
    async def test_asks_at_once_instead_of_at_the_next_try(self, town: Market) -> None:
        town.shop.fail(Fault.ERROR, count=1)
        sale = await town.buy()
        async with town.working():
            await eventually(lambda: _attempts(town, sale.id, 1))
            await resend_delivery(town.runtime, transaction_id=sale.id, by="staff:x", merchant_id=town.merchant.id)
            await eventually(lambda: _told(town, "delivered"))

    async def test_of_what_was_delivered_gets_the_first_answer_and_tells_nobody_again(self, town: Market) -> None:
        sale = await town.buy()
        async with town.working():
            await eventually(lambda: _told(town, "delivered"))
            await eventually(lambda: _attempts(town, sale.id, 1))
            await resend_delivery(town.runtime, transaction_id=sale.id, by="staff:x")
            await eventually(lambda: _attempts(town, sale.id, 2))
        order = town.shop.book.order(outside(sale.id))
        assert order is not None
        assert order.asked == 2
        assert len(await town.told("delivered")) == 1

    @pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.ERROR])
    async def test_of_what_was_delivered_reverses_nothing_whatever_is_answered(
        self, town: Market, fault: Fault
    ) -> None:
        sale = await town.buy()
        assert isinstance(await deliver(town.runtime, await _item(town, sale.id)), Approved)
        town.shop.fail(fault)
        town.clock.advance(timedelta(hours=1))
        outcome = await deliver(town.runtime, await _item(town, sale.id))
        assert not isinstance(outcome, InDoubt)
        assert await town.state(sale.id) == "SUCCEEDED"

    async def test_of_a_reversed_or_another_merchants_sale_is_refused(self, town: Market) -> None:
        sale = await town.buy()
        _, product = await town.open_shop("Bakery")
        with pytest.raises(Refused) as refused:
            await resend_delivery(
                town.runtime, transaction_id=sale.id, by="merchant", merchant_id=product.merchant_id
            )  # fmt: skip
        assert refused.value.code is ErrorCode.UNKNOWN_TRANSACTION
        town.shop.fail(Fault.REFUSE)
        async with town.working():
            await eventually(lambda: _is(town, sale.id, "REVERSED"))
        with pytest.raises(Refused) as refused:
            await resend_delivery(town.runtime, transaction_id=sale.id, by="staff:x")
        assert refused.value.code is ErrorCode.ILLEGAL_STATE


@clause("CT 7.1")
class TestAWebhook:
    async def test_is_sent_again_until_it_is_taken_always_with_its_id(self, town: Market) -> None:
        town.shop.fail_webhooks(Fault.ERROR, count=1)
        sale = await town.buy(amount_fen=700)
        async with town.working():
            await eventually(lambda: _webhook_tried(town, sale.id))
            town.clock.advance(timedelta(seconds=20))
            await eventually(lambda: _webhooks(town, 1))
            log = await delivery_log(town.runtime, transaction_id=sale.id)
            await resend_webhook(
                town.runtime, item_id=await _webhook_id(town, sale.id), by="merchant", merchant_id=town.merchant.id
            )
            await eventually(lambda: _webhook_times(town, 2))
        (event,) = town.shop.book.webhooks()
        assert event.id == log.messages[0].id
        assert event.body["type"] == "purchase.succeeded"
        assert event.body["data"]["amount_fen"] == 700

    async def test_is_given_up_where_the_merchant_wants_no_more(self, town: Market) -> None:
        town.shop.fail_webhooks(Fault.GONE)
        sale = await town.buy(amount_fen=700)
        async with town.working():
            await eventually(lambda: _webhook_state(town, sale.id, "dead"))


async def _told(town: Market, event: str) -> bool:
    return bool(await town.told(event))


async def _count(town: Market, event: str, count: int) -> bool:
    return len(await town.told(event)) == count


async def _is(town: Market, transaction_id: UUID, state: str) -> bool:
    return await town.state(transaction_id) == state


async def _webhooks(town: Market, count: int) -> bool:
    return len(town.shop.book.webhooks()) == count


async def _webhook_times(town: Market, times: int) -> bool:
    return [webhook.times for webhook in town.shop.book.webhooks()] == [times]


async def _attempts(town: Market, transaction_id: UUID, count: int) -> bool:
    log = await delivery_log(town.runtime, transaction_id=transaction_id)
    return len(log.messages[0].tries) >= count


async def _webhook_tried(town: Market, transaction_id: UUID) -> bool:
    log = await delivery_log(town.runtime, transaction_id=transaction_id)
    return bool(log.messages[-1].tries)


async def _webhook_state(town: Market, transaction_id: UUID, state: str) -> bool:
    log = await delivery_log(town.runtime, transaction_id=transaction_id)
    return log.messages[-1].state == state


async def _webhook_id(town: Market, transaction_id: UUID) -> UUID:
    async with town.runtime.database.read() as uow:
        found: UUID = await uow.value(
            "SELECT id FROM outbox WHERE reference = %(id)s AND kind = 'webhook'", {"id": transaction_id}
        )
    return found


async def _item(town: Market, transaction_id: UUID) -> OutboxItem:
    row = await town.outbox(transaction_id)
    names = ("id", "kind", "reference", "recipient", "payload", "serial", "created_at")
    return OutboxItem(**{name: row[name] for name in names}, attempts=1)
