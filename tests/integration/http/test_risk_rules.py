"""Risk rules over HTTP: two people switch one on, and the desk challenges and refuses (CM 9.2 to 9.5)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from mpss.accounts.codes import Purpose
from mpss.risk.grey_rules import grey_topped_up
from mpss.risk.lists import lapse_entries
from mpss.risk.replay import replay
from mpss.risk.rules import Action, RuleVersion
from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.house import PASSWORD, assert_books_balance, events, sms_code, subscriber
from tests.support.http import Counter, problem
from tests.support.market import PHONE

PATH = "/v1/staff/risk/rules"


async def switch_on(shop: Counter, names: tuple[str, str] = ("one", "other"), **rule: Any) -> None:
    rights = (Permission.RISK_VIEW, Permission.RISK_MANAGE, Permission.RISK_APPROVE)
    one, other = [await shop.staff(*rights, name=name) for name in names]
    made = await one.post(PATH, {"enabled": True, **rule})
    assert (made.status_code, made.json()["state"]) == (201, "proposed"), made.text
    path = f"{PATH}/{made.json()['version_id']}"
    problem(await one.post(f"{path}/approve"), 403, "same_person")
    assert (await other.post(f"{path}/approve")).json()["state"] == "approved"
    problem(await other.post(f"{path}/refuse"), 409, "illegal_state")
    listed = (await other.get(PATH, limit=1)).json()["items"][0]
    assert (listed["version_id"], listed["state"]) == (made.json()["version_id"], "approved")


@clause("CM 9.5")
class TestARule:
    async def test_challenges_the_payer_who_then_pays_with_an_sms_code(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        figures = {"count": 3, "minutes": 10}
        body = shop.purchase(amount_fen=100)
        assert (await payer.post("/v1/purchases", body)).status_code == 201  # Before the rule: not in the past it sees.
        await switch_on(shop, rule="velocity", action="challenge", figures=figures)
        for _ in range(2):
            assert (await payer.post("/v1/purchases", body)).status_code == 201
        problem(await payer.post("/v1/purchases", body, key="third"), 403, "challenge_required")
        code = await sms_code(shop.runtime, PHONE, Purpose.CHALLENGE)
        problem(await payer.post("/v1/purchases", {**body, "sms_code": "000000"}, key="third"), 403, "wrong_code")
        paid = await payer.post("/v1/purchases", {**body, "sms_code": code}, key="third")
        assert paid.status_code == 201, paid.text
        again = await payer.post("/v1/purchases", {**body, "sms_code": code}, key="third")
        assert again.json()["transaction_id"] == paid.json()["transaction_id"]
        shop.market.clock.advance(timedelta(minutes=11))
        assert (await payer.post("/v1/purchases", body)).status_code == 201
        await assert_books_balance(shop.runtime)

    async def test_refuses_and_is_switched_off_by_another_version(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        rule: dict[str, Any] = {"rule": "first_day_large", "action": "refuse", "figures": {"amount_fen": 2500}}
        await switch_on(shop, **rule)
        problem(await payer.post("/v1/purchases", shop.purchase()), 403, "risk_refused")
        assert (await payer.post("/v1/purchases", shop.purchase(amount_fen=2499))).status_code == 201
        await switch_on(shop, ("three", "four"), **{**rule, "enabled": False})
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        await assert_books_balance(shop.runtime)

    async def test_of_two_versions_that_begin_at_once_the_one_approved_later_counts(self, shop: Counter) -> None:
        rights = (Permission.RISK_VIEW, Permission.RISK_MANAGE, Permission.RISK_APPROVE)
        one, other = [await shop.staff(*rights, name=f"tie {name}") for name in ("one", "other")]
        begins = shop.market.clock.now() + timedelta(hours=1)
        made = []
        for amount_fen in (2_000, 3_000):
            rule = {"rule": "first_day_large", "action": "refuse", "figures": {"amount_fen": amount_fen}}
            answer = await one.post(PATH, {"enabled": True, **rule, "effective_from": begins.isoformat()})
            made.append(answer.json()["version_id"])
        for version_id in reversed(made):
            assert (await other.post(f"{PATH}/{version_id}/approve")).status_code == 200
        async with shop.runtime.database.transaction() as uow:
            # Where a row stands in its table says nothing of when it was approved.
            await uow.execute("UPDATE risk_rule_version SET enabled = enabled WHERE figures ~ '3000'")
        shop.market.clock.advance(timedelta(hours=2))
        payer = await shop.subscriber()
        problem(await payer.post("/v1/purchases", shop.purchase(amount_fen=2_000)), 403, "risk_refused")

    async def test_refuses_two_provinces_in_a_short_time(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        await switch_on(shop, rule="far_provinces", action="refuse", figures={"minutes": 30})
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        asked: dict[str, Any] = {"id": shop.market.payer.account_id}
        async with shop.runtime.database.transaction() as uow:
            kept = json.loads(await uow.value("SELECT moves FROM risk_recent WHERE account_id = %(id)s", asked))
            # As they were kept before they had a province.
            asked["moves"] = json.dumps([move[:5] for move in kept])
            assert await uow.execute("UPDATE risk_recent SET moves = %(moves)s WHERE account_id = %(id)s", asked) == 1
        assert (await payer.post("/v1/purchases", shop.purchase(visited_province="BJ"))).status_code == 201
        shop.market.clock.advance(timedelta(minutes=20))
        problem(await payer.post("/v1/purchases", shop.purchase(visited_province="XJ")), 403, "risk_refused")
        for told in ("BJ", None):
            assert (await payer.post("/v1/purchases", shop.purchase(visited_province=told))).status_code == 201
        shop.market.clock.advance(timedelta(minutes=31))
        payer = await shop.subscriber()
        assert (await payer.post("/v1/purchases", shop.purchase(visited_province="XJ"))).status_code == 201
        await assert_books_balance(shop.runtime)

    @clause("CM 9.2")
    async def test_refuses_a_transfer_from_a_far_province_and_history_knows_it(self, shop: Counter) -> None:
        friend = "+8618912340002"
        await subscriber(shop.runtime, friend)
        payer = await shop.subscriber()
        began = shop.runtime.clock.now()
        sent = {"payee_phone": friend, "amount_fen": 1000, "currency": "CNY", "payment_password": PASSWORD}
        for province in ("GD", "BJ"):  # Before the rule is on: history has them.
            answer = await payer.post("/v1/transfers", {**sent, "visited_province": province})
            assert answer.status_code == 201, answer.text
        await switch_on(shop, rule="far_provinces", action="refuse", figures={"minutes": 30})
        assert (await payer.post("/v1/purchases", shop.purchase(visited_province="GD"))).status_code == 201
        problem(await payer.post("/v1/transfers", {**sent, "visited_province": "XJ"}), 403, "risk_refused")
        problem(await payer.post("/v1/transfers", {**sent, "visited_province": "X"}), 400, "malformed_request")
        for told in ({}, {"visited_province": "GD"}):
            assert (await payer.post("/v1/transfers", {**sent, **told})).status_code == 201
        tried = [RuleVersion("far_provinces", Action.REFUSE, True, {"minutes": 30}, began)]
        found = await replay(
            shop.runtime.database, tried, since=began - timedelta(1), until=began + timedelta(days=1), page=2
        )
        # From Beijing after Guangdong, and from Guangdong again, twice, while Beijing is near.
        assert (found.payments, found.any_rule) == (5, 3)
        await assert_books_balance(shop.runtime)

    @clause("CM 9.3", "CM 9.6")
    @pytest.mark.parametrize("action", ["challenge", "hold", "refuse"])
    async def test_puts_who_was_topped_up_too_often_on_the_grey_list(self, shop: Counter, action: str) -> None:
        began, policy = shop.runtime.clock.now(), shop.runtime.policy
        clerk = await shop.staff(Permission.CASH_TOPUP, name="teller", hall="H97", clerk="C96")
        payer = await shop.subscriber()
        await switch_on(shop, rule="topup_velocity", action=action, figures={"count": 3, "minutes": 60})
        share_fen = policy.single_limit_fen * policy.grey_limit_percent // 100
        cash = {"phone": PHONE, "amount_fen": 100, "currency": "CNY"}
        for expected in (0, 0, 1, 0):  # What is paid is taken; the account is listed once, and its days begin anew.
            answer = await clerk.post("/v1/topups/cash", cash)
            assert answer.status_code == 201, answer.text
            found = [await grey_topped_up(shop.runtime) for _ in range(2)]
            assert found == [expected, 0]
        seen = await shop.staff(Permission.RISK_VIEW, name="seer")
        (entry,) = (await seen.get("/v1/staff/risk/entries", state="listed")).json()["items"]
        assert (entry["scope"], entry["entered_by"]) == ("account", "rule:topup_velocity")
        assert entry["evidence"].startswith("txn_")
        assert [event for event in await events(shop.runtime, PHONE) if "grey" in event] == ["grey_listed"]
        above = await payer.post("/v1/purchases", shop.purchase(amount_fen=share_fen + 1))
        problem(above, 403, "single_limit_exceeded")
        tried = [RuleVersion("topup_velocity", Action.REFUSE, True, {"count": 3, "minutes": 60}, began)]
        told = await replay(shop.runtime.database, tried, since=began - timedelta(1), until=began + timedelta(1))
        # The first of the market's own, from before the rule, is in history too.
        assert (told.payments, told.topups, told.any_rule) == (0, 5, 3)
        shop.market.clock.advance(timedelta(days=policy.grey_days))
        assert await lapse_entries(shop.runtime) == 1
        await assert_books_balance(shop.runtime)

    async def test_takes_figures_that_it_has(self, shop: Counter) -> None:
        one = await shop.staff(Permission.RISK_MANAGE, name="one")
        right = {"rule": "velocity", "action": "refuse", "enabled": True, "figures": {}}
        for wrong in ({"rule": "none"}, {"figures": {"hours": 1}}, {"figures": {"count": 0}}, {"action": "allow"}):
            problem(await one.post(PATH, {**right, **wrong}), 400, "malformed_request")

    @clause("CM 9")
    async def test_is_replayed_over_history_before_it_is_on(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        for _ in range(5):
            assert (await payer.post("/v1/purchases", shop.purchase(amount_fen=100))).status_code == 201
        now = shop.runtime.clock.now()
        tried = [
            RuleVersion("velocity", Action.CHALLENGE, True, {"count": 4, "minutes": 10}, now),
            RuleVersion("first_day_large", Action.REFUSE, True, {"hours": 24, "amount_fen": 100}, now),
        ]
        for page in (2, 1000):
            found = await replay(
                shop.runtime.database, tried, since=now - timedelta(days=1), until=now + timedelta(1), page=page
            )
            assert (found.payments, found.any_rule) == (5, 5)
            assert {finding.rule: count for finding, count in found.caught.items()} == {
                "velocity": 2,
                "first_day_large": 5,
            }
        part = await replay(
            shop.runtime.database, tried, since=now - timedelta(days=1), until=now + timedelta(1), most=3
        )
        assert (part.payments + part.topups, part.complete) == (3, False)
        viewer = await shop.staff(Permission.RISK_VIEW, name="viewer")
        today = str((now + timedelta(hours=8)).date())
        body = {"rule": "velocity", "figures": {"count": 4}, "first_date": today, "last_date": today}
        answer = await viewer.post(f"{PATH}/replay", body)
        assert answer.json() == {
            "rule": "velocity", "figures": {"count": 4, "minutes": 10}, "looked_at": 6, "caught": 2, "complete": True,
        }, answer.text  # fmt: skip
        later = str((now + timedelta(days=40)).date())
        for wrong in ({"rule": "none"}, {"figures": {"hours": 1}}, {"last_date": later}, {"first_date": later}):
            problem(await viewer.post(f"{PATH}/replay", {**body, **wrong}), 400, "malformed_request")
        nothing = await replay(shop.runtime.database, tried, since=now + timedelta(1), until=now + timedelta(2))
        assert nothing.payments == 0
