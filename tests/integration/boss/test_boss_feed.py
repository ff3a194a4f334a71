"""What BOSS tells over HTTP, as badly as a feed can tell it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mpss.simulators.boss import Boss
from mpss.simulators.boss_feed import FeedFault
from tests.support.clauses import clause
from tests.support.http import Counter
from tests.support.market import PHONE

Linked = tuple[Counter, Boss]


async def facts(shop: Counter) -> dict[str, Any]:
    async with shop.runtime.database.read() as uow:
        (row,) = await uow.dicts(
            "SELECT a.life, a.boss_stopped, s.boss_status, s.sim_serial FROM account a"
            " LEFT JOIN account_subscription s ON s.account_id = a.id WHERE a.phone = %(phone)s ORDER BY opened_at",
            {"phone": PHONE},
        )
    return row


async def results(shop: Counter) -> list[tuple[str, str]]:
    async with shop.runtime.database.read() as uow:
        rows = await uow.dicts("SELECT kind, result FROM boss_event ORDER BY received_at, sequence")
    return [(row["kind"], row["result"]) for row in rows]


def change(shop: Counter, boss: Boss, kind: str, **more: Any) -> None:
    shop.market.clock.advance(timedelta(seconds=1))
    boss.change(kind, PHONE, **more)


@clause("CM 7.8")
class TestTheFeedOfBoss:
    async def test_told_twice_takes_effect_once(self, linked: Linked) -> None:
        shop, boss = linked
        boss.sell(PHONE)
        boss.fail(FeedFault.TWICE)
        change(shop, boss, "stop_2way")
        change(shop, boss, "resume")
        assert [event.state for event in await boss.told()] == ["taken", "taken"]
        assert await results(shop) == [("stop_2way", "applied"), ("resume", "applied")]
        assert (await facts(shop))["boss_stopped"] is False

    @pytest.mark.parametrize("fault", [FeedFault.LATE, FeedFault.OVERTAKEN])
    async def test_out_of_order_leaves_what_happened_last(self, linked: Linked, fault: FeedFault) -> None:
        shop, boss = linked
        boss.sell(PHONE)
        change(shop, boss, "stop_1way")
        await boss.told()
        boss.fail(fault, count=1, seconds=0.3)
        change(shop, boss, "resume")
        change(shop, boss, "stop_2way")
        change(shop, boss, "sim_swap")
        await boss.told()
        assert ("resume", "stale") in await results(shop)
        found = await facts(shop)
        assert (found["boss_stopped"], found["boss_status"]) == (True, "stopped_2way")

    async def test_is_told_again_until_the_center_takes_it(self, linked: Linked) -> None:
        shop, boss = linked
        boss.sell(PHONE)
        address = boss.feed.url
        boss.connect("http://127.0.0.1:9")
        change(shop, boss, "stop_1way")
        with pytest.raises(TimeoutError):
            await boss.told(timeout_seconds=0.3)
        boss.connect(address)
        (event,) = await boss.told()
        assert (event.state, event.attempts > 1) == ("taken", True)
        assert (await facts(shop))["boss_stopped"] is True
