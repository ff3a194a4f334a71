"""The grey and the black list over HTTP: two people for black, and whom the desk refuses then (CM 9.6 to 9.9)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mpss.kernel.ids import AccountId, MerchantId
from mpss.risk.grey_rules import grey_often_refused
from mpss.risk.lists import lapse_entries
from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.house import PASSWORD, assert_books_balance
from tests.support.http import Caller, Counter, problem
from tests.support.market import PHONE

PATH = "/v1/staff/risk/entries"
BLACK: dict[str, Any] = {"colour": "black", "scope": "number", "value": "18912340001", "reason": "fraud"}


async def two_people(shop: Counter) -> tuple[Caller, Caller]:
    rights = (Permission.RISK_VIEW, Permission.RISK_MANAGE, Permission.RISK_APPROVE)
    return await shop.staff(*rights, name="one"), await shop.staff(*rights, name="other")


async def listed(one: Caller, other: Caller, **changed: str) -> str:
    made = await one.post(PATH, {**BLACK, **changed})
    assert (made.status_code, made.json()["state"]) == (201, "proposed"), made.text
    entry = str(made.json()["entry_id"])
    assert (await other.post(f"{PATH}/{entry}/approve")).json()["state"] == "listed"
    return entry


@clause("CM 9.8", "CM 9.9")
class TestTheBlackList:
    async def test_takes_two_people_to_enter_and_to_leave(self, shop: Counter) -> None:
        one, other = await two_people(shop)
        payer = await shop.subscriber()
        made = (await one.post(PATH, BLACK)).json()
        path = f"{PATH}/{made['entry_id']}"
        problem(await one.post(PATH, BLACK), 409, "illegal_state")
        problem(await one.post(f"{path}/approve"), 403, "same_person")
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201  # Proposed is not yet listed.
        assert (await other.post(f"{path}/approve")).json()["state"] == "listed"
        problem(await payer.post("/v1/purchases", shop.purchase()), 403, "blacklisted")
        assert (await one.post(f"{path}/release", {"reason": "mistaken"})).json()["state"] == "leaving"
        problem(await payer.post("/v1/purchases", shop.purchase()), 403, "blacklisted")
        problem(await one.post(f"{path}/approve"), 403, "same_person")
        assert (await other.post(f"{path}/refuse")).json()["state"] == "listed"
        assert (await one.post(f"{path}/release", {"reason": "mistaken"})).json()["state"] == "leaving"
        assert (await other.post(f"{path}/approve")).json()["state"] == "released"
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        await assert_books_balance(shop.runtime)
        async with shop.runtime.database.read() as uow:
            lines = await uow.dicts("SELECT action FROM audit_record WHERE subject = %(id)s ORDER BY id",
                                    {"id": made["entry_id"]})  # fmt: skip
        assert [line["action"] for line in lines] == [
            "risk.enter", "risk.approve", "risk.release", "risk.refuse", "risk.release", "risk.approve",
        ]  # fmt: skip

    @pytest.mark.parametrize("scope", ["number", "account", "merchant"])
    async def test_refuses_the_payer_and_the_merchant_at_the_desk(self, shop: Counter, scope: str) -> None:
        one, other = await two_people(shop)
        values = {
            "number": PHONE,
            "account": str(AccountId.from_uuid(shop.market.payer.account_id)),
            "merchant": str(MerchantId.from_uuid(shop.market.merchant.id)),
        }
        await listed(one, other, scope=scope, value=values[scope])
        payer = await shop.subscriber()
        wrong = {"payment_password": "000001"}
        # A stranger with a wrong password does not learn who is listed.
        problem(await payer.post("/v1/purchases", shop.purchase(**wrong)), 403, "wrong_password")
        answer = problem(await payer.post("/v1/purchases", shop.purchase()), 403, "blacklisted")
        assert "fraud" not in json.dumps(answer)
        clerk = await shop.staff(Permission.CASH_TOPUP, name="hall clerk", hall="H09", clerk="C09")
        cash = await clerk.post("/v1/topups/cash", {"phone": PHONE, "amount_fen": 100, "currency": "CNY"})
        assert cash.status_code == (201 if scope == "merchant" else 403), cash.text
        await assert_books_balance(shop.runtime)

    @pytest.mark.parametrize("value", ["198.51.100.7", "::ffff:198.51.100.7"])
    async def test_refuses_whoever_comes_from_an_address(self, shop: Counter, value: str) -> None:
        one, other = await two_people(shop)
        payer = await shop.subscriber()
        merchant, nobody, left = shop.merchant(), shop.nobody(), shop.left
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        entry = await listed(one, other, scope="address", value=value)
        before = await left()
        asked = {"phone": PHONE, "amount_fen": 100, "currency": "CNY", "merchant_order_no": "K-1"}
        opening = {
            "phone": "18912340077", "code": "000000", "terms_version": "2026-01", "payment_password": PASSWORD,
        }  # fmt: skip
        for answer in (
            await payer.post("/v1/purchases", shop.purchase()),
            await merchant.post("/v1/purchases", asked),
            await payer.post("/v1/topups/voucher", {"voucher_password": "0000000000000000"}),
            await nobody.post("/v1/codes", {"phone": PHONE, "purpose": "sign_in"}),
            await nobody.post("/v1/sessions", {"phone": PHONE, "code": "000000"}),
            await nobody.post("/v1/accounts", opening),
        ):
            problem(answer, 403, "blacklisted")
        assert await left() == before
        assert (await payer.get("/v1/account")).status_code == 200  # Looking moves nothing.
        assert (await one.post(f"{PATH}/{entry}/release", {"reason": "mistaken"})).status_code == 200
        assert (await other.post(f"{PATH}/{entry}/approve")).json()["state"] == "released"
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201

    @pytest.mark.parametrize("value", ["H09", "H09/C02"])
    async def test_refuses_the_counter_of_a_hall(self, shop: Counter, value: str) -> None:
        one, other = await two_people(shop)
        first, second = [
            await shop.staff(Permission.CASH_TOPUP, name=name, hall="H09", clerk=name) for name in ("C01", "C02")
        ]
        elsewhere = await shop.staff(Permission.CASH_TOPUP, name="C03", hall="H10", clerk="C02")
        await listed(one, other, scope="terminal", value=value)
        cash = {"phone": PHONE, "amount_fen": 100, "currency": "CNY"}
        answers = [await clerk.post("/v1/topups/cash", cash) for clerk in (first, second, elsewhere)]
        problem(answers[1], 403, "blacklisted")
        assert [answer.status_code for answer in answers] == [403 if value == "H09" else 201, 403, 201]

    async def test_shows_of_a_bank_card_and_a_person_the_last_characters_alone(self, shop: Counter) -> None:
        one, other = await two_people(shop)
        for scope, value in (("bank_card", "6222020000000000015"), ("person", "11010519491231002X")):
            await listed(one, other, scope=scope, value=value)
        found = await one.get(PATH, state="listed", ends_with="002X")
        assert [item["value"][-4:] for item in found.json()["items"]] == ["002X"]
        async with shop.runtime.database.read() as uow:
            for table in ("risk_entry", "approval", "audit_record", "outbox"):
                text = await uow.value(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} AS t")
                assert "6222020000000000015" not in text
                assert "11010519491231002X" not in text

    @pytest.mark.parametrize(
        ("scope", "value"),
        [("number", "123"), ("account", "mer_" + "0" * 32), ("address", "1.2.3"), ("bank_card", "12"), ("person", "1")],
    )
    async def test_takes_values_in_form(self, shop: Counter, scope: str, value: str) -> None:
        one, _ = await two_people(shop)
        problem(await one.post(PATH, {**BLACK, "scope": scope, "value": value}), 400, "malformed_request")


@clause("CM 9.6", "CM 9.7")
class TestTheGreyList:
    async def test_takes_one_person_and_ends_by_itself(self, shop: Counter) -> None:
        one, _ = await two_people(shop)
        until = (shop.runtime.clock.now() + timedelta(days=7)).isoformat()
        grey = {**BLACK, "colour": "grey", "until": until}
        first = (await one.post(PATH, grey)).json()
        assert first["state"] == "listed"
        payer = await shop.subscriber()
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        released = await one.post(f"{PATH}/{first['entry_id']}/release", {"reason": "clean"})
        assert (released.json()["state"], released.json()["release_reason"]) == ("released", "clean")
        second = (await one.post(PATH, grey)).json()
        assert await lapse_entries(shop.runtime) == 0
        shop.market.clock.advance(timedelta(days=7))
        assert await lapse_entries(shop.runtime) == 1
        newest = (await one.get(PATH, colour="grey", limit=1)).json()
        assert [item["entry_id"] for item in newest["items"]] == [second["entry_id"]]
        assert newest["items"][0]["released_by"] == "platform"
        oldest = (await one.get(PATH, order="oldest", limit=1, cursor="")).status_code
        assert oldest == 400
        table = (await one.get(f"{PATH}/export", colour="grey")).text.splitlines()
        assert (len(table), table[0].split(",")[:4]) == (3, ["entry_id", "colour", "scope", "value"])

    async def test_tells_the_holder_once_of_its_beginning_and_its_end(self, shop: Counter) -> None:
        one, other = await two_people(shop)

        async def told() -> list[tuple[str, str, Any]]:
            async with shop.runtime.database.read() as uow:
                lines = await uow.dicts("SELECT recipient, payload::text AS payload FROM outbox ORDER BY id")
            bodies = [(line["recipient"], json.loads(line["payload"])) for line in lines]
            return [(to, body["event"], body["params"]) for to, body in bodies if "grey" in body.get("event", "")]

        policy = shop.runtime.policy
        share_fen = policy.single_limit_fen * policy.grey_limit_percent // 100
        listing: tuple[str, str, Any] = (PHONE, "grey_listed", {"amount_fen": share_fen})
        end: tuple[str, str, Any] = (PHONE, "grey_released", {})
        until = (shop.runtime.clock.now() + timedelta(days=1)).isoformat()
        account = str(AccountId.from_uuid(shop.market.payer.account_id))
        first = (await one.post(PATH, {**BLACK, "colour": "grey"})).json()
        assert await told() == [listing]
        assert (
            await one.post(PATH, {**BLACK, "colour": "grey", "scope": "account", "value": account, "until": until})
        ).status_code == 201
        assert (await one.post(f"{PATH}/{first['entry_id']}/release", {"reason": "clean"})).status_code == 200
        assert await told() == [listing]  # The other entry still stands.
        shop.market.clock.advance(timedelta(days=1))
        assert [await lapse_entries(shop.runtime) for _ in range(2)] == [1, 0]
        assert await told() == [listing, end]
        await listed(one, other)
        nobodys = {**BLACK, "colour": "grey", "scope": "number", "value": "18912349999"}
        assert (await one.post(PATH, nobodys)).status_code == 201
        assert await told() == [listing, end]  # Of the black list nothing is told, and nobody has that number.

    @pytest.mark.parametrize("scope", ["number", "account", "merchant"])
    async def test_lowers_the_single_limit(self, shop: Counter, scope: str) -> None:
        one, _ = await two_people(shop)
        values = {
            "number": PHONE,
            "account": str(AccountId.from_uuid(shop.market.payer.account_id)),
            "merchant": str(MerchantId.from_uuid(shop.market.merchant.id)),
        }
        payer = await shop.subscriber()
        policy = shop.runtime.policy
        share_fen = policy.single_limit_fen * policy.grey_limit_percent // 100
        assert (
            await one.post(PATH, {**BLACK, "colour": "grey", "scope": scope, "value": values[scope]})
        ).status_code == 201
        above = await payer.post("/v1/purchases", shop.purchase(amount_fen=share_fen + 1))
        problem(above, 403, "single_limit_exceeded")
        assert (await payer.post("/v1/purchases", shop.purchase(amount_fen=2500))).status_code == 201

    @pytest.mark.parametrize("value", ["198.51.100.7", "::ffff:198.51.100.7"])
    async def test_lowers_the_limits_of_what_comes_from_an_address(self, shop: Counter, value: str) -> None:
        one, _ = await two_people(shop)
        payer, merchant, policy = await shop.subscriber(), shop.merchant(), shop.runtime.policy
        most_fen = policy.single_limit_fen * policy.grey_limit_percent // 100
        order = {"phone": PHONE, "currency": "CNY", "merchant_order_no": "G-1"}

        async def answers(more_fen: int) -> list[str]:
            told = (
                await payer.post("/v1/purchases", shop.purchase(amount_fen=most_fen + more_fen)),
                await merchant.post("/v1/purchases", {**order, "amount_fen": most_fen + more_fen}),
            )
            return [answer.json().get("code", answer.json().get("state")) for answer in told]

        grey = {**BLACK, "colour": "grey", "scope": "address", "value": value}
        entry = (await one.post(PATH, grey)).json()["entry_id"]
        assert await answers(1) == ["single_limit_exceeded"] * 2
        assert "single_limit_exceeded" not in await answers(0)
        assert (await one.post(f"{PATH}/{entry}/release", {"reason": "clean"})).status_code == 200
        order["merchant_order_no"] = "G-2"
        assert "single_limit_exceeded" not in await answers(1)

    @pytest.mark.parametrize("value", ["H96", "H96/C97"])
    async def test_lowers_the_limit_of_cash_at_a_counter(self, shop: Counter, value: str) -> None:
        one, _ = await two_people(shop)
        first, second = [
            await shop.staff(Permission.CASH_TOPUP, name=name, hall="H96", clerk=name) for name in ("C96", "C97")
        ]
        policy = shop.runtime.policy
        most_fen = policy.topup_single_limit_fen * policy.grey_limit_percent // 100
        grey = {**BLACK, "colour": "grey", "scope": "terminal", "value": value}
        assert (await one.post(PATH, grey)).json()["state"] == "listed"
        cash = {"phone": PHONE, "amount_fen": most_fen + 1, "currency": "CNY"}
        answers = [await clerk.post("/v1/topups/cash", cash) for clerk in (first, second)]
        problem(answers[1], 403, "single_limit_exceeded")
        assert answers[0].status_code == (403 if value == "H96" else 201), answers[0].text
        assert (await second.post("/v1/topups/cash", {**cash, "amount_fen": most_fen})).status_code == 201
        await assert_books_balance(shop.runtime)

    async def test_is_entered_by_many_refusals_and_left_after_clean_days(self, shop: Counter) -> None:
        policy = replace(shop.runtime.policy, grey_refusals=3)
        runtime = replace(shop.runtime, settings=replace(shop.runtime.settings, policy=policy))
        one, _ = await two_people(shop)
        payer = await shop.subscriber()

        async def refused(times: int) -> None:
            for _ in range(times):
                problem(
                    await payer.post("/v1/purchases", shop.purchase(amount_fen=10**9)), 403, "single_limit_exceeded"
                )

        await refused(2)
        assert await grey_often_refused(runtime) == 0
        await refused(1)
        assert [await grey_often_refused(runtime) for _ in range(2)] == [1, 0]
        async with shop.runtime.database.read() as uow:
            notices = await uow.value("SELECT count(*) FROM outbox WHERE payload::text LIKE '%%grey_listed%%'")
        assert notices == 1
        (entry,) = (await one.get(PATH, state="listed")).json()["items"]
        assert (entry["scope"], entry["entered_by"]) == ("account", "rule:many_refusals")
        shop.market.clock.advance(timedelta(days=policy.grey_days - 1))
        payer = await shop.subscriber()
        await refused(3)
        assert await grey_often_refused(runtime) == 0
        shop.market.clock.advance(timedelta(days=policy.grey_days - 1))
        assert await lapse_entries(runtime) == 0
        shop.market.clock.advance(timedelta(days=1))
        assert await lapse_entries(runtime) == 1
