"""Limits over HTTP: what one may see and lower, the classes, and the table that two people change (CM 9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.house import PASSWORD, events
from tests.support.http import Counter, problem
from tests.support.market import PHONE
from tests.support.world import breaches

OWN = "/v1/account/limits"
TABLE = "/v1/staff/limits"


async def of_class(shop: Counter, account_class: str) -> None:
    async with shop.runtime.database.transaction() as uow:
        await uow.execute(
            "UPDATE account SET account_class = %(class)s WHERE id = %(id)s",
            {"class": account_class, "id": shop.market.payer.account_id},
        )


async def fill(shop: Counter, amount_fen: int) -> None:
    clerk = await shop.staff(Permission.CASH_TOPUP, name="filler", hall="H01", clerk="C07")
    body = {"phone": PHONE, "amount_fen": amount_fen, "currency": "CNY"}
    answer = await clerk.post("/v1/topups/cash", body, key="fill")
    assert answer.status_code == 201, answer.text


def operation(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in document["operations"] if each["operation"] == name)
    return found


@clause("CM 7.3", "CM 9.5", "CT 5.2")
class TestOnesOwn:
    async def test_are_lowered_at_once_and_raised_with_the_password(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        before = (await payer.get(OWN)).json()
        assert before["own"]["payment_single_fen"] is None
        lower = {"payment_single_fen": 2_000, "payment_daily_fen": 3_000, "currency": "CNY"}
        set_to = await payer.put(OWN, lower)
        assert set_to.status_code == 200, set_to.text
        assert operation(set_to.json(), "payment")["daily_fen"]["limit"] == 3_000
        problem(await payer.post("/v1/purchases", shop.purchase(amount_fen=2_001)), 403, "single_limit_exceeded")
        assert (await payer.post("/v1/purchases", shop.purchase(amount_fen=2_000))).status_code == 201
        problem(await payer.post("/v1/purchases", shop.purchase(amount_fen=1_001)), 403, "daily_limit_exceeded")
        seen = operation((await payer.get(OWN)).json(), "payment")
        assert (seen["single_fen"], seen["daily_fen"]) == (2_000, {"limit": 3_000, "used": 2_000, "left": 1_000})
        higher = {**lower, "payment_single_fen": 2_600}
        asked = problem(await payer.put(OWN, higher), 400, "malformed_request")
        assert asked["errors"][0]["field"] == "payment_password"
        problem(await payer.put(OWN, {**higher, "payment_password": "815203"}), 403, "wrong_password")
        raised = await payer.put(OWN, {**higher, "payment_password": PASSWORD})
        assert raised.json()["own"]["payment_single_fen"] == 2_600
        async with shop.runtime.database.read() as uow:
            rows = await uow.dicts("SELECT actor FROM account_event WHERE event = 'own_limits_set'", {})
        assert rows == [{"actor": "subscriber"}] * 2
        assert (await events(shop.runtime, PHONE)).count("own_limits_set") == 2
        assert await breaches(shop.runtime.database) == []

    async def test_are_shown_to_staff_who_leave_a_line(self, shop: Counter) -> None:
        viewer = await shop.staff(Permission.ACCOUNT_VIEW, name="viewer of limits")
        other = await shop.staff(Permission.LIMITS_VIEW, name="viewer of tables")
        path, body = "/v1/staff/accounts/limits", {"phone": PHONE, "channel": "sms"}
        problem(await other.post(path, body), 403, "forbidden")
        problem(await viewer.post(path, {**body, "phone": "18912349999"}), 404, "unknown_account")
        seen = (await viewer.post(path, body)).json()
        assert seen["operations"] == (await (await shop.subscriber()).get(OWN)).json()["operations"]
        async with shop.runtime.database.read() as uow:
            assert await uow.value("SELECT count(*) FROM audit_record WHERE action = 'account.limits'") == 1

    async def test_are_never_above_the_table(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        await of_class(shop, "class_1")
        body = {"transfer_single_fen": 50_001, "currency": "CNY", "payment_password": PASSWORD}
        assert (
            "transfer_single_fen"
            in problem(await payer.put(OWN, body), 400, "amount_out_of_range")["errors"][0].values()
        )


@clause("CM 9.1", "CM 9.2", "CM 9.5")
class TestAClass:
    @pytest.mark.parametrize(("account_class", "allowed"), [("class_1", False), ("class_2", True), ("class_3", True)])
    async def test_says_what_a_purchase_and_a_transfer_may_come_to(
        self, shop: Counter, account_class: str, allowed: bool
    ) -> None:
        payer = await shop.subscriber()
        await fill(shop, 60_000)
        await of_class(shop, account_class)
        bought = await payer.post("/v1/purchases", shop.purchase(amount_fen=50_001))
        sent = {
            "payee_phone": "18912340077", "amount_fen": 20_000, "currency": "CNY", "payment_password": PASSWORD,
        }  # fmt: skip
        moved = await payer.post("/v1/transfers", sent)
        assert moved.status_code == 201, moved.text
        if allowed:
            assert bought.status_code == 201, bought.text
        else:
            problem(bought, 403, "single_limit_exceeded")
        seen = (await payer.get(OWN)).json()
        spent_fen = 70_001 if allowed else 20_000
        assert seen["account_class"] == account_class
        assert (seen["yearly_fen"]["used"], seen["lifetime_fen"]["used"]) == (spent_fen, spent_fen)
        assert seen["lifetime_fen"]["left"] == (None if allowed else 80_000)
        assert operation(seen, "transfer")["daily_fen"]["used"] == 20_000
        assert operation(seen, "topup")["daily_fen"]["used"] >= 60_000
        assert await breaches(shop.runtime.database) == []


@clause("CM 9.1", "CM 9.5", "CM 8.3")
class TestTheTable:
    async def test_is_changed_by_two_people_for_a_later_day(self, shop: Counter) -> None:
        rights = (Permission.LIMITS_VIEW, Permission.LIMITS_MANAGE, Permission.LIMITS_APPROVE)
        one, other = [await shop.staff(*rights, name=name) for name in ("maker of limits", "checker of limits")]
        now = shop.runtime.clock.now()
        rule = {"account_class": "weak", "operation": "payment", "measure": "single", "value": 1_000}
        table = {"effective_from": (now + timedelta(minutes=10)).isoformat(), "note": "stricter", "rules": [rule]}
        past = await one.post(TABLE, {**table, "effective_from": (now - timedelta(days=1)).isoformat()})
        assert problem(past, 400, "malformed_request")["errors"][0]["field"] == "effective_from"
        for wrong, field in (
            ({**rule, "measure": "balance"}, "rules/0/measure"),
            ({**rule, "channel": "sms", "operation": "*", "measure": "yearly_amount"}, "rules/0/channel"),
        ):
            answer = await one.post(TABLE, {**table, "rules": [wrong]})
            assert problem(answer, 400, "malformed_request")["errors"][0]["field"] == field
        made = await one.post(TABLE, table)
        assert made.status_code == 201, made.text
        path = f"{TABLE}/{made.json()['approval_id']}"
        problem(await one.post(f"{path}/approve"), 403, "same_person")
        assert len((await other.get(TABLE)).json()["proposed"]) == 1
        assert (await other.post(f"{path}/approve")).json()["version"] == 2
        problem(await other.post(f"{path}/refuse"), 409, "illegal_state")
        states = [each["state"] for each in (await other.get(TABLE)).json()["versions"]]
        assert states == ["coming", "in_force"]
        payer = await shop.subscriber()
        assert (await payer.post("/v1/purchases", shop.purchase(amount_fen=1_001))).status_code == 201
        shop.market.clock.advance(timedelta(minutes=10))
        problem(await payer.post("/v1/purchases", shop.purchase(amount_fen=1_001)), 403, "single_limit_exceeded")
        assert [each["state"] for each in (await other.get(TABLE)).json()["versions"]] == ["in_force", "past"]
        assert (await other.get(f"{TABLE}/2")).json()["rules"] == [{**rule, "channel": "*"}]
        problem(await other.get(f"{TABLE}/3"), 404, "not_found")
        async with shop.runtime.database.read() as uow:
            actions = await uow.dicts("SELECT action FROM audit_record WHERE action LIKE 'limit_table.%%'", {})
        assert {row["action"] for row in actions} == {"limit_table.propose", "limit_table.approve"}

    async def test_that_is_refused_or_too_late_never_counts(self, shop: Counter) -> None:
        rights = (Permission.LIMITS_VIEW, Permission.LIMITS_MANAGE, Permission.LIMITS_APPROVE)
        one, other = [await shop.staff(*rights, name=name) for name in ("maker of two", "checker of two")]
        rule = {"account_class": "weak", "operation": "*", "measure": "balance", "value": 1_000}
        begins = (shop.runtime.clock.now() + timedelta(minutes=1)).isoformat()
        paths = []
        for _ in range(2):
            made = await one.post(TABLE, {"effective_from": begins, "note": "n", "rules": [rule]})
            paths.append(f"{TABLE}/{made.json()['approval_id']}")
        assert (await other.post(f"{paths[0]}/refuse")).json()["version"] is None
        shop.market.clock.advance(timedelta(minutes=2))
        problem(await other.post(f"{paths[1]}/approve"), 409, "illegal_state")
        assert [each["version"] for each in (await other.get(TABLE)).json()["versions"]] == [1]
