"""Freezes of an amount: what is frozen does not leave, what is beyond it does; released, extended, deducted by two."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from datetime import timedelta

import pytest

from mpss.accounts.codes import Purpose
from mpss.accounts.freeze import end_dated_freezes
from mpss.staff.permissions import Permission
from mpss.transactions.verify import verify
from tests.support.clauses import clause
from tests.support.house import PASSWORD, events, sms_code
from tests.support.http import Caller, Counter, problem
from tests.support.market import PHONE

NUMBERS = itertools.count()
PAPER = "(2026) 12"


async def officers(shop: Counter) -> tuple[Caller, Caller]:
    wanted = (Permission.ACCOUNT_FREEZE, Permission.LAW_DEDUCT)
    number = next(NUMBERS)
    return await shop.staff(*wanted, name=f"one {number}"), await shop.staff(*wanted, name=f"two {number}")


async def decided(two: Caller, approval_id: str, kind: str) -> None:
    answer = await two.post(f"/v1/staff/freezes/proposals/{approval_id}/approve", {"kind": kind})
    assert answer.status_code == 204, answer.text


async def proposed(one: Caller, path: str, body: Mapping[str, object]) -> str:
    answer = await one.post(path, {"phone": PHONE, **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["approval_id"])


async def frozen(one: Caller, two: Caller, amount_fen: int | None, **more: object) -> str:
    """Freeze by law; the freeze's id."""
    body = {"kind": "law", "amount_fen": amount_fen, "reason": "order", "document": PAPER, **more}
    await decided(two, await proposed(one, "/v1/staff/freezes", body), "account_freeze")
    return str((await one.get("/v1/staff/freezes", phone=PHONE)).json()["items"][0]["freeze_id"])


async def released(one: Caller, two: Caller, freeze_id: str, amount_fen: int | None = None) -> None:
    body = {"freeze_id": freeze_id, "amount_fen": amount_fen, "reason": "lifted"}
    await decided(two, await proposed(one, "/v1/staff/freezes/release", body), "account_release")


async def deduction(one: Caller, freeze_id: str, amount_fen: int) -> str:
    body = {"freeze_id": freeze_id, "amount_fen": amount_fen, "currency": "CNY", "authority": "court", "document": "x"}
    return await proposed(one, "/v1/staff/deductions", body)


async def seen(payer: Caller) -> tuple[int, int, int]:
    """Balance, frozen, available."""
    told = (await payer.get("/v1/account")).json()
    return told["balance_fen"], told["frozen_fen"], told["available_fen"]


async def assert_all_holds(shop: Counter) -> None:
    async with shop.runtime.database.read() as uow:
        assert [check for check in await verify(uow) if not check.holds] == []


@clause("CM 7.6")
class TestAFreezeOfAnAmount:
    async def test_keeps_it_and_lets_the_rest_go(self, shop: Counter) -> None:
        payer, (one, two) = await shop.subscriber(), await officers(shop)
        balance_fen = await shop.balance_fen()
        freeze_id = await frozen(one, two, balance_fen - 3_000)
        assert await seen(payer) == (balance_fen, balance_fen - 3_000, 3_000)
        assert (await payer.get("/v1/account")).json()["state"] == "active"
        problem(await payer.post("/v1/purchases", shop.purchase(amount_fen=3_001)), 402, "insufficient_funds")
        assert (await payer.post("/v1/purchases", shop.purchase(amount_fen=2_000))).status_code == 201
        told = (await one.get("/v1/staff/freezes", phone=PHONE)).json()["items"]
        assert [(each["freeze_id"], each["left_fen"], each["document"]) for each in told] == [
            (freeze_id, balance_fen - 3_000, PAPER)
        ]
        await released(one, two, freeze_id, balance_fen - 5_000)
        problem(
            await payer.post("/v1/purchases", shop.purchase(amount_fen=balance_fen - 3_999)), 402, "insufficient_funds"
        )
        await released(one, two, freeze_id)
        assert (await seen(payer))[1] == 0
        problem(
            await one.post("/v1/staff/freezes/release", {"phone": PHONE, "freeze_id": freeze_id, "reason": "again"}),
            409,
            "illegal_state",
        )
        told_of = await events(shop.runtime, PHONE)
        assert [each for each in told_of if each.startswith("amount_")] == [
            "amount_frozen", "amount_released", "amount_released",
        ]  # fmt: skip
        await assert_all_holds(shop)

    async def test_larger_than_the_balance_takes_in_what_comes_later(self, shop: Counter) -> None:
        payer, (one, two) = await shop.subscriber(), await officers(shop)
        balance_fen = await shop.balance_fen()
        freeze_id = await frozen(one, two, balance_fen + 1_000)
        assert await seen(payer) == (balance_fen, balance_fen, 0)
        problem(await payer.post("/v1/purchases", shop.purchase(amount_fen=1)), 402, "insufficient_funds")
        clerk = await shop.staff(Permission.CASH_TOPUP, name="cashier", hall="H01", clerk="C77")
        cash = {"phone": PHONE, "amount_fen": 1_500, "currency": "CNY"}
        assert (await clerk.post("/v1/topups/cash", cash)).status_code == 201
        assert await seen(payer) == (balance_fen + 1_500, balance_fen + 1_000, 500)
        problem(await payer.post("/v1/purchases", shop.purchase(amount_fen=501)), 402, "insufficient_funds")
        assert (await payer.post("/v1/purchases", shop.purchase(amount_fen=500))).status_code == 201
        assert freeze_id
        await assert_all_holds(shop)

    async def test_holds_against_purchases_that_race_with_it(self, shop: Counter) -> None:
        payer, (one, two) = await shop.subscriber(), await officers(shop)
        balance_fen = await shop.balance_fen()
        step_fen = balance_fen // 10
        body = {"kind": "law", "amount_fen": balance_fen - 3 * step_fen, "reason": "order", "document": PAPER}
        made = await proposed(one, "/v1/staff/freezes", body)
        sales = [payer.post("/v1/purchases", shop.purchase(amount_fen=step_fen)) for _ in range(12)]
        answers = await asyncio.gather(*sales[:4], decided(two, made, "account_freeze"), *sales[4:])
        paid = [answer for answer in answers if answer is not None and answer.status_code == 201]
        left_fen, frozen_fen, available_fen = await seen(payer)
        assert left_fen == balance_fen - len(paid) * step_fen
        assert frozen_fen + available_fen == left_fen
        assert available_fen < step_fen
        await assert_all_holds(shop)

    async def test_stops_the_closing(self, shop: Counter) -> None:
        payer, (one, two) = await shop.subscriber(), await officers(shop)
        await frozen(one, two, 100)
        standing = (await payer.get("/v1/account/closing")).json()
        assert all("frozen_money" in way["blocks"] for way in standing["ways"])
        code = await sms_code(shop.runtime, PHONE, Purpose.ACCOUNT)
        asked = {"payout": "cash", "payment_password": PASSWORD, "code": code}
        problem(await payer.post("/v1/account/closing", asked), 409, "closing_blocked")

    async def test_made_after_the_closing_was_asked_for_stops_the_payout(self, shop: Counter) -> None:
        (one, two) = await officers(shop)
        clerk = await shop.staff(Permission.ACCOUNT_CLOSE, name="closer", hall="H01", clerk="C78")
        rest = {"phone": PHONE, "document": "resident ID, seen"}
        assert (await clerk.post("/v1/staff/accounts/closing", await shop.shown())).status_code == 201
        part = await frozen(one, two, 100)
        problem(await clerk.post("/v1/staff/accounts/closing/pay-out", rest), 409, "closing_blocked")
        whole = await frozen(one, two, None)
        problem(await clerk.post("/v1/staff/accounts/closing/pay-out", rest), 403, "frozen_by_law")
        await released(one, two, part)
        await released(one, two, whole)
        assert (await clerk.post("/v1/staff/accounts/closing/pay-out", rest)).status_code == 201
        await assert_all_holds(shop)

    @pytest.mark.parametrize("amount_fen", [100, None])
    async def test_ends_on_its_day_unless_two_people_extend_it(self, shop: Counter, amount_fen: int | None) -> None:
        (one, two), clock = await officers(shop), shop.market.clock
        today = clock.now().date()
        until = (today + timedelta(days=3)).isoformat()
        freeze_id = await frozen(one, two, amount_fen, until=until)
        later = {"freeze_id": freeze_id, "until": until, "reason": "goes on", "document": PAPER}
        wrong = problem(
            await one.post("/v1/staff/freezes/extension", {"phone": PHONE, **later}), 400, "malformed_request"
        )
        assert "until" in str(wrong)
        later["until"] = (today + timedelta(days=6)).isoformat()
        await decided(two, await proposed(one, "/v1/staff/freezes/extension", later), "account_extension")
        clock.advance(timedelta(days=4))
        assert await end_dated_freezes(shop.runtime) == 0
        clock.advance(timedelta(days=3))
        assert await end_dated_freezes(shop.runtime) == 1
        assert await end_dated_freezes(shop.runtime) == 0
        payer = await shop.subscriber()
        assert ((await seen(payer))[1], (await payer.get("/v1/account")).json()["state"]) == (0, "active")
        told_of = await events(shop.runtime, PHONE)
        assert (told_of.count("freeze_extended"), told_of.count("unfrozen")) == (1, 1)
        await assert_all_holds(shop)


@clause("CM 7.6")
class TestADeduction:
    async def test_takes_what_is_frozen_once_by_two_people(self, shop: Counter) -> None:
        payer, (one, two) = await shop.subscriber(), await officers(shop)
        balance_fen = await shop.balance_fen()
        freeze_id = await frozen(one, two, 4_000)
        body = {"phone": PHONE, "freeze_id": freeze_id, "currency": "CNY", "authority": "court", "document": "x"}
        problem(await one.post("/v1/staff/deductions", {**body, "amount_fen": 4_001}), 400, "malformed_request")
        made = await deduction(one, freeze_id, 3_000)
        where = f"/v1/staff/deductions/{made}/approve"
        problem(await one.post(where), 403, "same_person")
        done = await two.post(where)
        assert (done.status_code, done.json()["kind"], done.json()["amount_fen"]) == (201, "law_deduction", 3_000)
        again = await two.post(where)
        assert again.json()["transaction_id"] == done.json()["transaction_id"]
        assert await seen(payer) == (balance_fen - 3_000, 1_000, balance_fen - 4_000)
        async with shop.runtime.database.read() as uow:
            owed = await uow.value("SELECT -sum(amount_fen)::bigint FROM posting WHERE ledger_account_id = 34")
            audited = await uow.value("SELECT count(*) FROM audit_record WHERE action = 'law_deduction.approve'")
        assert (owed, audited) == (3_000, 1)
        assert (await events(shop.runtime, PHONE))[-1] == "deducted"
        lines = (await payer.get("/v1/account/transactions")).json()["items"]
        assert lines[0]["kind"] == "law_deduction"
        await assert_all_holds(shop)

    async def test_waits_for_money_that_is_not_there(self, shop: Counter) -> None:
        payer, (one, two) = await shop.subscriber(), await officers(shop)
        balance_fen = await shop.balance_fen()
        freeze_id = await frozen(one, two, balance_fen + 500)
        made = await deduction(one, freeze_id, balance_fen + 500)
        problem(await two.post(f"/v1/staff/deductions/{made}/approve"), 402, "insufficient_funds")
        clerk = await shop.staff(Permission.CASH_TOPUP, name="cashier", hall="H01", clerk="C77")
        cash = {"phone": PHONE, "amount_fen": 500, "currency": "CNY"}
        assert (await clerk.post("/v1/topups/cash", cash)).status_code == 201
        assert (await two.post(f"/v1/staff/deductions/{made}/approve")).status_code == 201
        assert await seen(payer) == (0, 0, 0)
        (ended,) = (await one.get("/v1/staff/freezes", phone=PHONE)).json()["items"]
        assert (ended["left_fen"], ended["released_at"] is None) == (0, False)
        await assert_all_holds(shop)

    async def test_is_of_a_freeze_by_law_alone_and_may_be_refused(self, shop: Counter) -> None:
        (one, two) = await officers(shop)
        risk = await frozen(one, two, 100, kind="risk")
        body = {
            "phone": PHONE,
            "freeze_id": risk,
            "amount_fen": 100,
            "currency": "CNY",
            "authority": "a",
            "document": "x",
        }
        problem(await one.post("/v1/staff/deductions", body), 409, "illegal_state")
        made = await deduction(one, await frozen(one, two, None), 100)
        (listed,) = (await two.get("/v1/staff/deductions")).json()["items"]
        assert (listed["approval_id"], listed["amount_fen"]) == (made, 100)
        assert (await two.post(f"/v1/staff/deductions/{made}/refuse")).status_code == 204
        problem(await two.post(f"/v1/staff/deductions/{made}/approve"), 409, "illegal_state")
        assert (await two.get("/v1/staff/deductions")).json()["items"] == []

    async def test_for_a_later_order_leaves_what_an_earlier_one_freezes(self, shop: Counter) -> None:
        payer, (one, two) = await shop.subscriber(), await officers(shop)
        balance_fen = await shop.balance_fen()
        first = await frozen(one, two, balance_fen - 1_000)
        shop.market.clock.advance(timedelta(seconds=1))
        later = await frozen(one, two, 5_000)
        # A freeze for a risk is no order.
        await frozen(one, two, balance_fen, kind="risk")
        made = await deduction(one, later, 1_001)
        where = f"/v1/staff/deductions/{made}/approve"
        problem(await two.post(where), 402, "insufficient_funds")
        assert (await two.post(f"/v1/staff/deductions/{await deduction(one, later, 400)}/approve")).status_code == 201
        # The earlier order takes all of its own, whatever the later one has frozen.
        own = await deduction(one, first, balance_fen - 1_000)
        assert (await two.post(f"/v1/staff/deductions/{own}/approve")).status_code == 201
        problem(await two.post(where), 402, "insufficient_funds")
        rest = [await deduction(one, later, 600), await deduction(one, later, 600)]
        answers = await asyncio.gather(*(two.post(f"/v1/staff/deductions/{each}/approve") for each in rest))
        assert sorted(answer.status_code for answer in answers) == [201, 402]
        assert (await seen(payer))[0] == 0
        await assert_all_holds(shop)

    async def test_waits_while_an_earlier_order_freezes_the_whole_account(self, shop: Counter) -> None:
        (one, two) = await officers(shop)
        whole = await frozen(one, two, None)
        shop.market.clock.advance(timedelta(seconds=1))
        where = f"/v1/staff/deductions/{await deduction(one, await frozen(one, two, 100), 100)}/approve"
        problem(await two.post(where), 403, "frozen_by_law")
        assert (await two.post(f"/v1/staff/deductions/{await deduction(one, whole, 50)}/approve")).status_code == 201
        await released(one, two, whole)
        assert (await two.post(where)).status_code == 201
        await assert_all_holds(shop)
