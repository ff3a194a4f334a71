"""What BOSS tells, signed as it signs, down to the account."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mpss.accounts.boss_events import take_boss_event
from mpss.accounts.boss_status import BossKind
from mpss.adapters.boss_http import BossHttp
from mpss.kernel.errors import MalformedField
from mpss.security.signing import SignatureInvalid, sign_webhook
from tests.support.clauses import clause
from tests.support.house import events
from tests.support.http import Counter, problem
from tests.support.market import PHONE

SECRET = "whsec_" + "Ym9zc19zZWNyZXRfb2ZfdGVzdHNfMzJfYnl0ZXNfbG8="
OTHER_SECRET = "whsec_" + "c29tZWJvZHlfZWxzZV9zZWNyZXRfMzJfYnl0ZXNfbG8="
NEW_PHONE = "18912340077"


async def say(shop: Counter, kind: str, sequence: int, *, secret: str = SECRET, **more: Any) -> str:
    event_id = str(more.pop("event_id", f"e{sequence}"))
    message = {
        "message": "boss_event", "event_id": event_id, "kind": kind, "phone": PHONE, "subscription_id": "S1",
        "sequence": sequence, "occurred_at": (shop.runtime.clock.now() + timedelta(seconds=1)).isoformat(), **more,
    }  # fmt: skip
    body = json.dumps(message).encode()
    headers = sign_webhook(secret, message_id=event_id, body=body, now=datetime.now(UTC))
    ports = replace(shop.runtime.ports, boss=BossHttp(secret=SECRET))
    return await take_boss_event(replace(shop.runtime, ports=ports), headers, body)


async def facts(shop: Counter) -> tuple[Any, ...]:
    async with shop.runtime.database.read() as uow:
        rows = await uow.dicts("SELECT life, boss_stopped, phone FROM account WHERE kind = 'wallet'", {})
    assert len(rows) == 1
    return tuple(rows[0].values())


@clause("CM 7.8")
class TestAnEventOfBoss:
    async def test_stops_and_resumes_once_and_an_older_one_undoes_nothing(self, shop: Counter) -> None:
        await shop.subscriber()
        assert await say(shop, "stop_2way", 2) == "applied"
        assert (await facts(shop))[:2] == ("active", True)
        assert await say(shop, "resume", 3) == "applied"
        assert await say(shop, "stop_2way", 2) == "repeated"
        assert await say(shop, "stop_1way", 1) == "stale"
        assert (await facts(shop))[:2] == ("active", False)

    async def test_of_another_subscription_on_the_number_does_nothing(self, shop: Counter) -> None:
        await shop.subscriber()
        assert await say(shop, "stop_1way", 1) == "applied"
        assert await say(shop, "resume", 9, subscription_id="S2") == "no_account"
        assert await say(shop, "cancel_user", 10, subscription_id="S2") == "no_account"
        assert (await facts(shop))[:2] == ("active", True)

    async def test_from_before_the_account_was_opened_is_of_who_had_the_number(self, shop: Counter) -> None:
        await shop.subscriber()
        long_ago = (shop.runtime.clock.now() - timedelta(days=90)).isoformat()
        assert await say(shop, "cancel_system", 4, subscription_id="S0", occurred_at=long_ago) == "no_account"
        assert (await facts(shop))[0] == "active"

    async def test_that_boss_did_not_sign_or_makes_no_sense_is_not_taken(self, shop: Counter) -> None:
        with pytest.raises(SignatureInvalid):
            await say(shop, "stop_1way", 1, secret=OTHER_SECRET)
        with pytest.raises(MalformedField):
            await say(shop, "vanish", 1)
        with pytest.raises(MalformedField):
            await say(shop, "change_number", 1)
        assert await say(shop, "stop_1way", 1) == "applied"

    async def test_is_not_found_where_no_boss_is_connected(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        problem(await payer.post("/v1/boss/events", {}), 404, "not_found")


class TestTheNumber:
    @clause("CM 5.2.4", "CM 5.2.4.1", "CM 5.2.4.2", "CM 6.3")
    @pytest.mark.parametrize("kind", [BossKind.CANCEL_USER, BossKind.CANCEL_SYSTEM])
    async def test_given_up_ends_the_account_for_good(self, shop: Counter, kind: BossKind) -> None:
        payer = await shop.subscriber()
        assert await say(shop, "resume", 5) == "applied"
        assert await say(shop, kind, 4) == "applied"
        assert (await facts(shop))[0] == "pre_closed"
        assert "number_cancelled" in await events(shop.runtime, PHONE)
        assert (await payer.get("/v1/account")).status_code == 401
        assert await say(shop, "resume", 6) == "ended"

    @clause("CM 5.2.6")
    async def test_of_another_owner_ends_the_account_and_tells_that_owner_nothing(self, shop: Counter) -> None:
        await shop.subscriber()
        told = await events(shop.runtime, PHONE)
        assert await say(shop, "transfer_owner", 1) == "applied"
        assert (await facts(shop))[0] == "pre_closed"
        assert await events(shop.runtime, PHONE) == told

    @clause("CM 5.2.7")
    async def test_changed_takes_the_account_along_and_both_are_told(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        assert await say(shop, "stop_1way", 2, phone=NEW_PHONE) == "no_account"
        assert await say(shop, "change_number", 1, new_phone=NEW_PHONE) == "applied"
        assert await facts(shop) == ("active", False, f"+86{NEW_PHONE}")
        assert (await payer.get("/v1/account")).status_code == 401
        for phone in (PHONE, NEW_PHONE):
            assert "number_changed" in await events(shop.runtime, phone)

    @clause("CM 5.2.8", "GD 3.5")
    async def test_on_another_card_ends_the_sessions(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        assert await say(shop, "sim_swap", 1, sim_serial="8986031234567890123") == "applied"
        assert (await payer.get("/v1/account")).status_code == 401
        assert "sim_swapped" in await events(shop.runtime, PHONE)
