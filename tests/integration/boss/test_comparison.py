"""What the feed lost is found at night, by comparing every account with BOSS in pages."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from mpss.accounts import boss_comparison
from mpss.accounts.boss_comparison import compare_due, compare_now
from mpss.simulators.boss import Boss, Fault
from mpss.simulators.boss_feed import FeedFault
from mpss.staff.permissions import Permission
from tests.integration.boss.test_numbers import OTHER, accounts, open_at
from tests.support.clauses import clause
from tests.support.house import events, subscriber
from tests.support.http import Counter
from tests.support.market import PHONE

Linked = tuple[Counter, Boss]
THIRD = "+8618912340066"


@pytest.fixture
async def lossy(linked: Linked) -> Linked:
    """An account that belongs to its subscription, and a feed that loses everything from now on."""
    shop, boss = linked
    boss.sell(OTHER)
    assert (await open_at(shop)).status_code == 201
    boss.fail(FeedFault.LOSE)
    shop.market.clock.advance(timedelta(days=1))
    return linked


async def state(shop: Counter, phone: str) -> dict[str, Any]:
    async with shop.runtime.database.read() as uow:
        (row,) = await uow.dicts(
            "SELECT a.life, a.boss_stopped, s.subscription_id, s.boss_status, s.sim_serial, s.status_sequence"
            " FROM account a LEFT JOIN account_subscription s ON s.account_id = a.id"
            " WHERE a.phone = %(phone)s AND a.number_left_at IS NULL",
            {"phone": phone},
        )
    return row


async def questions(shop: Counter) -> list[tuple[str, bool]]:
    staff = await shop.staff(Permission.BOSS_VIEW, name=f"looker {shop.runtime.clock.now()}")
    answer = await staff.get("/v1/staff/boss/questions")
    assert answer.status_code == 200, answer.text
    return [(item["kind"], item["settled_at"] is None) for item in answer.json()["items"]]


@clause("CM 7.8", "CM 5.2.8")
class TestTheNightlyComparison:
    async def test_finds_what_was_lost_and_does_it_once(self, lossy: Linked) -> None:
        shop, boss = lossy
        boss.change("stop_2way", OTHER)
        swapped = boss.change("sim_swap", OTHER)
        # The market's payer has a number that BOSS never sold.
        assert await compare_due(shop.runtime) == 2
        found = await state(shop, OTHER)
        assert (found["boss_stopped"], found["boss_status"], found["sim_serial"]) == (
            True, "stopped_2way", swapped.sim_serial,
        )  # fmt: skip
        assert (await events(shop.runtime, OTHER))[-2:] == ["number_stopped", "sim_swapped"]
        assert await questions(shop) == [("no_subscription", True)]
        assert REGISTRY.get_sample_value("mpss_boss_questions_open", {"kind": "no_subscription"}) == 1
        told = await events(shop.runtime, OTHER)
        assert await compare_due(shop.runtime) == 0
        shop.market.clock.advance(timedelta(days=1))
        assert await compare_due(shop.runtime) == 2
        assert await events(shop.runtime, OTHER) == told
        staff = await shop.staff(Permission.BOSS_VIEW, name="night")
        nights = (await staff.get("/v1/staff/boss/comparisons")).json()["items"]
        assert [(night["accounts"], night["missed"], night["questions"]) for night in nights] == [(2, 0, 1), (2, 2, 1)]
        listed = (await staff.get("/v1/staff/boss/events", phone=OTHER)).json()["items"]
        assert {(item["source"], item["result"]) for item in listed} == {("comparison", "applied")}

    @clause("CM 5.2.4", "CM 5.2.6", "CM 6.3")
    @pytest.mark.parametrize("kind", ["cancel_system", "transfer_owner"])
    async def test_finds_the_end_of_a_subscription(self, lossy: Linked, kind: str) -> None:
        shop, boss = lossy
        boss.change(kind, OTHER)
        await compare_due(shop.runtime)
        assert [row[:2] for row in await accounts(shop)] == [("pre_closed", False)]

    async def test_binds_an_account_from_before_boss_was_asked(self, lossy: Linked) -> None:
        shop, boss = lossy
        sold = boss.store.sell(PHONE, since=shop.runtime.clock.now() - timedelta(days=900))
        boss.change("stop_1way", PHONE)
        await compare_due(shop.runtime)
        found = await state(shop, PHONE)
        assert (found["subscription_id"], found["boss_stopped"]) == (sold.subscription_id, True)
        assert await questions(shop) == []

    async def test_leaves_what_no_event_explains_to_people_until_it_is_gone(self, lossy: Linked) -> None:
        shop, boss = lossy
        boss.sell(PHONE, owner="C1")
        async with shop.runtime.database.transaction() as uow:
            await uow.execute("UPDATE account_subscription SET boss_status = 'stopped_1way'")
        await compare_due(shop.runtime)
        assert ("status_differs", True) in await questions(shop)
        async with shop.runtime.database.transaction() as uow:
            await uow.execute("UPDATE account_subscription SET boss_status = 'active'")
        shop.market.clock.advance(timedelta(days=1))
        await compare_due(shop.runtime)
        assert ("status_differs", False) in await questions(shop)

    @clause("CM 5.2.7")
    async def test_tries_a_change_to_a_taken_number_again(self, lossy: Linked) -> None:
        shop, boss = lossy
        # The number was another's, whose end was lost too.
        boss.sell(THIRD)
        await subscriber(shop.runtime, THIRD)
        boss.change("cancel_user", THIRD)
        moved = boss.change("change_number", OTHER, new_phone=THIRD)
        first = await compare_now(shop.runtime)
        shop.market.clock.advance(timedelta(days=1))
        second = await compare_now(shop.runtime)
        assert first.finished_at is not None
        assert second.finished_at is not None
        assert (await state(shop, THIRD))["subscription_id"] == moved.subscription_id

    async def test_goes_on_where_it_was_cut_off(self, lossy: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
        shop, boss = lossy
        monkeypatch.setattr(boss_comparison, "MOST_COMPARED", 1)
        boss.change("stop_1way", OTHER)
        asked = boss.asked
        boss.fail(Fault.DELAY, count=1)
        boss.fail(Fault.ERROR, count=1)
        assert await compare_due(shop.runtime) == 1
        # BOSS is left alone a while.
        assert await compare_due(shop.runtime) == 0
        shop.market.clock.advance(timedelta(seconds=31))
        assert await compare_due(shop.runtime) == 1
        assert boss.asked == asked + 3
        assert (await state(shop, OTHER))["boss_stopped"] is True

    async def test_by_two_at_once_counts_each_account_once(self, lossy: Linked) -> None:
        shop, boss = lossy
        boss.change("stop_1way", OTHER)
        done = await asyncio.gather(*(compare_due(shop.runtime) for _ in range(4)))
        assert sum(done) == 2
        assert (await events(shop.runtime, OTHER)).count("number_stopped") == 1
