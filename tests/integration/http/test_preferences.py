"""Preferences over HTTP, and what they do to notices on their way: through the real outbox, to a phone that counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpss.jobs.outbox import outbox_worker
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.outcome import Approved, Outcome
from mpss.notices.model import Event
from mpss.notices.preference_model import GROUPS, Group, Preferences, waits_until, wanted
from mpss.ports.sms import InboundHandler, OutboundSms
from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.eventually import eventually
from tests.support.http import Counter, problem
from tests.support.market import PHONE

ALL = {"money_in": True, "money_back": True, "settings": True}
NIGHT = Preferences(quiet_from=time(22, 0), quiet_to=time(7, 30))


class Phone:
    """An SMSC that takes everything and keeps it."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def submit(self, message: OutboundSms, *, timeout_seconds: float) -> Outcome:
        self.texts.append(message.text)
        return Approved("1")

    async def start(self, on_message: InboundHandler) -> None:
        raise AssertionError("nothing is received here")

    async def stop(self) -> None:
        """There is nothing to stop."""


async def serve(shop: Counter, phone: Phone) -> None:
    """Let the outbox send whatever is due."""
    runtime = replace(shop.runtime, ports=replace(shop.runtime.ports, sms=phone))
    worker = outbox_worker(runtime, poll_seconds=0.02)
    await worker.start()

    async def nothing_due() -> bool:
        async with runtime.database.read() as uow:
            due = "SELECT count(*) FROM outbox WHERE kind = 'notice' AND state = 'pending' AND due_at <= %(now)s"
            return not await uow.value(due, {"now": runtime.clock.now()})

    try:
        await eventually(nothing_due)
    finally:
        await worker.stop()


@clause("CM 5.5", "CM 7.3", "CM 8.2.2", "CT 5.4")
class TestPreferences:
    async def test_are_kept_and_the_language_with_them(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        wishes: dict[str, Any] = (await payer.get("/v1/account/preferences")).json()
        assert wishes == {"language": "zh-CN", "notices": ALL, "quiet_from": None, "quiet_to": None}
        changed = {"language": "en", "notices": {**ALL, "settings": False}, "quiet_from": "22:00", "quiet_to": "07:30"}
        assert (await payer.put("/v1/account/preferences", changed)).json() == changed
        assert (await payer.get("/v1/account/preferences")).json() == changed
        assert (await payer.get("/v1/account")).json()["language"] == "en"
        assert (await payer.put("/v1/account/preferences", wishes)).json() == wishes

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"language": "fr"}, "language"),
            ({"quiet_from": "22:00"}, "quiet_to"),
            ({"quiet_from": "24:00", "quiet_to": "07:00"}, "quiet_from"),
            ({"notices": {**ALL, "money_out": False}}, "notices/money_out"),
        ],
    )
    async def test_that_cannot_be_are_refused_by_field(self, shop: Counter, change: dict[str, Any], field: str) -> None:
        payer = await shop.subscriber()
        answer = await payer.put("/v1/account/preferences", {"language": "en", "notices": ALL, **change})
        assert problem(answer, 400, "malformed_request")["errors"][0]["field"] == field

    async def test_drop_and_put_off_what_can_wait_and_nothing_else(self, shop: Counter) -> None:
        phone, payer = Phone(), await shop.subscriber()
        clerk = await shop.staff(Permission.CASH_TOPUP, name="other", hall="H01", clerk="C09")
        await serve(shop, phone)
        phone.texts.clear()
        quiet = {"language": "en", "notices": {**ALL, "money_in": False}, "quiet_from": "00:00", "quiet_to": "23:59"}
        assert (await payer.put("/v1/account/preferences", quiet)).status_code == 200
        cash = {"phone": PHONE, "amount_fen": 100, "currency": "CNY"}
        assert (await clerk.post("/v1/topups/cash", cash, key="cash")).status_code == 201
        limit = {"daily_limit_fen": 300_000, "currency": "CNY"}
        assert (await payer.put("/v1/account/daily-limit", limit)).status_code == 200
        assert (await payer.post("/v1/purchases", shop.purchase(), key="buy")).status_code == 201
        await serve(shop, phone)
        assert [text.split(" ", 2)[:2] for text in phone.texts] == [["You", "paid"]]
        shop.market.clock.advance(timedelta(days=1))
        shop.market.clock.set(shop.market.clock.now().astimezone(SHANGHAI).replace(hour=23, minute=59, second=30))
        await serve(shop, phone)
        assert [text.split(" ", 2)[:2] for text in phone.texts[1:]] == [["Your", "daily"]]


class TestQuietHours:
    @given(st.integers(0, 366 * 86_400), st.times(), st.times())
    def test_end_when_they_say_and_hold_nothing_up_outside(self, seconds: int, start: time, end: time) -> None:
        now = datetime(2026, 1, 1, tzinfo=SHANGHAI) + timedelta(seconds=seconds)
        hours = Preferences(quiet_from=start, quiet_to=end.replace(microsecond=0))
        until = waits_until(Event.TOPPED_UP, hours, now)
        if until is not None:
            assert now < until <= now + timedelta(days=1)
            assert until.astimezone(SHANGHAI).time() == hours.quiet_to
            assert waits_until(Event.TOPPED_UP, hours, until) is None

    def test_hold_up_no_mandatory_notice(self) -> None:
        night = datetime(2026, 3, 1, 23, tzinfo=SHANGHAI)
        nothing = replace(NIGHT, unwanted=frozenset(Group))
        for event in Event:
            assert (waits_until(event, NIGHT, night) is not None) == (event in GROUPS)
            assert wanted(event, nothing) == (event not in GROUPS)

    def test_cannot_hide_money_out_passwords_loss_or_freezes(self) -> None:
        for event in GROUPS:
            words = (
                "password",
                "paid",
                "sent",
                "ordered",
                "loss",
                "lost",
                "freez",
                "frozen",
                "locked",
                "code",
                "confirm",
            )
            assert not any(word in event.value for word in words), event
