"""Transfers that a rule holds: nothing leaves until somebody says so, once (CM 9.2)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from mpss.channels.sms.handlers import handle
from mpss.staff.permissions import Permission
from mpss.transactions.reviews import expire_reviews
from mpss.transactions.verify import verify
from tests.integration.http.test_risk_rules import switch_on
from tests.support.clauses import clause
from tests.support.house import PASSWORD, events, notices, subscriber
from tests.support.http import Caller, Counter, problem
from tests.support.market import PHONE

PATH = "/v1/staff/risk/reviews"
FRIEND = "+8618912340002"
SENT = {"payee_phone": FRIEND, "amount_fen": 5_000, "currency": "CNY", "payment_password": PASSWORD}


async def holding(shop: Counter) -> tuple[Caller, Caller]:
    """The payer, and a reviewer, where every large transfer of a young account is held."""
    await subscriber(shop.runtime, FRIEND)
    payer = await shop.subscriber()
    await switch_on(shop, rule="first_day_large", action="hold", figures={"amount_fen": 5_000})
    reviewer = await shop.staff(Permission.RISK_VIEW, Permission.RISK_REVIEW, name="reviewer")
    return payer, reviewer


async def held(payer: Caller, key: str | None = None) -> str:
    answer = await payer.post("/v1/transfers", SENT, key=key)
    assert (answer.status_code, answer.json()["state"]) == (202, "REVIEWING"), answer.text
    return str(answer.json()["transaction_id"])


async def say(reviewer: Caller, transaction_id: str, event: str) -> Any:
    return await reviewer.post(f"{PATH}/{transaction_id}", {"event": event, "reason": "called the payer"})


async def money(shop: Counter, payer: Caller) -> tuple[int, int]:
    """The payer's balance and what of it is held; every invariant holds."""
    async with shop.runtime.database.read() as uow:
        assert [check for check in await verify(uow) if not check.holds] == []
    return await shop.balance_fen(), int((await payer.get("/v1/account")).json()["held_fen"])


@clause("CM 9.2")
class TestATransferHeldForReview:
    async def test_goes_on_once_when_it_is_released(self, shop: Counter) -> None:
        payer, reviewer = await holding(shop)
        before, _ = await money(shop, payer)
        transaction_id = await held(payer, key="one")
        assert await held(payer, key="one") == transaction_id
        assert await money(shop, payer) == (before, 5_000)
        (found,) = (await reviewer.get(PATH, state="open", phone=PHONE, rule="first_day_large")).json()["items"]
        assert (found["transaction_id"], found["held_fen"], found["kind"]) == (transaction_id, 5_000, "transfer")
        viewer = await shop.staff(Permission.RISK_VIEW, name="viewer")
        problem(await say(viewer, transaction_id, "release"), 403, "forbidden")
        other = await shop.staff(Permission.RISK_REVIEW, name="other reviewer")
        both = await asyncio.gather(*(say(caller, transaction_id, "release") for caller in (reviewer, other, reviewer)))
        assert sorted({answer.status_code for answer in both}) == [200, 409]
        assert await money(shop, payer) == (before - 5_000, 0)
        seen = (await payer.get(f"/v1/transactions/{transaction_id}")).json()
        assert seen["state"] == "SUCCEEDED"
        again = await payer.post("/v1/transfers", SENT, key="one")
        assert (again.status_code, again.json()["transaction_id"]) == (202, transaction_id)
        assert [event for event in await events(shop.runtime, PHONE) if event.startswith(("review", "transfer"))] == [
            "review_held", "transfer_sent", "review_released",
        ]  # fmt: skip
        async with shop.runtime.database.read() as uow:
            lines = await uow.dicts("SELECT action FROM audit_record WHERE subject = %(id)s", {"id": transaction_id})
        assert [line["action"] for line in lines] == ["risk_review.release"]

    async def test_is_searched_sorted_and_taken_along(self, shop: Counter) -> None:
        payer, reviewer = await holding(shop)
        made = []
        for amount_fen in (6_000, 5_000, 7_000):
            answer = await payer.post("/v1/transfers", {**SENT, "amount_fen": amount_fen})
            made.append(answer.json()["transaction_id"])
        expected = {"newest": made[::-1], "oldest": made, "largest": [made[2], made[0], made[1]]}
        for order, ids in expected.items():
            first = (await reviewer.get(PATH, order=order, limit=2)).json()
            rest = (await reviewer.get(PATH, order=order, limit=2, cursor=first["next_cursor"])).json()
            assert [item["transaction_id"] for item in first["items"] + rest["items"]] == ids
            assert rest["next_cursor"] is None
        today = (shop.runtime.clock.now() + timedelta(hours=8)).date()  # Asia/Shanghai
        for query, count in (
            ({"min_fen": 6_000}, 2), ({"first_date": str(today)}, 3), ({"last_date": str(today)}, 3),
            ({"first_date": str(today + timedelta(days=1))}, 0), ({"last_date": str(today - timedelta(days=1))}, 0),
            ({"rule": "velocity"}, 0), ({"kind": "transfer", "state": "open", "phone": PHONE}, 3),
        ):  # fmt: skip
            assert len((await reviewer.get(PATH, **query)).json()["items"]) == count, query
            table = (await reviewer.get(f"{PATH}/export", **query)).text.splitlines()
            assert len(table) == count + 1, query
        table = (await reviewer.get(f"{PATH}/export", order="largest")).text.splitlines()
        assert [line.split(",")[0] for line in table] == ["transaction_id", *expected["largest"]]

    async def test_gives_the_money_free_when_it_is_refused_or_nobody_comes(self, shop: Counter) -> None:
        payer, reviewer = await holding(shop)
        before, _ = await money(shop, payer)
        first, second = await held(payer), await held(payer)
        assert await money(shop, payer) == (before, 10_000)
        answers = await asyncio.gather(*(say(reviewer, first, event) for event in ("refuse", "release")))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert await expire_reviews(shop.runtime) == 0
        shop.market.clock.advance(timedelta(hours=shop.runtime.policy.review_hours))
        both = await asyncio.gather(expire_reviews(shop.runtime), expire_reviews(shop.runtime))
        assert max(both) == 1
        problem(await say(reviewer, second, "release"), 409, "illegal_state")
        payer = await shop.subscriber()
        seen = (await payer.get(f"/v1/transactions/{second}")).json()
        assert (seen["state"], seen["refusal"]) == ("DECLINED", "risk_refused")
        released = any(answer.status_code == 200 and answer.json()["state"] == "released" for answer in answers)
        assert await money(shop, payer) == (before - (5_000 if released else 0), 0)
        assert "review_refused" in await events(shop.runtime, PHONE)

    async def test_is_declined_where_what_was_true_is_not_any_more(self, shop: Counter) -> None:
        payer, reviewer = await holding(shop)
        before, _ = await money(shop, payer)
        transaction_id = await held(payer)
        rights = (Permission.RISK_MANAGE, Permission.RISK_APPROVE)
        one, other = [await shop.staff(*rights, name=name) for name in ("lister", "approver")]
        black = {"colour": "black", "scope": "number", "value": FRIEND[3:], "reason": "fraud"}
        entry = (await one.post("/v1/staff/risk/entries", black)).json()["entry_id"]
        assert (await other.post(f"/v1/staff/risk/entries/{entry}/approve")).status_code == 200
        answer = (await say(reviewer, transaction_id, "release")).json()
        assert (answer["state"], answer["transaction_state"]) == ("released", "DECLINED")
        assert await money(shop, payer) == (before, 0)
        assert (await events(shop.runtime, PHONE))[-1] == "review_refused"

    async def test_is_held_after_the_payers_reply_where_it_was_asked_for_by_sms(self, shop: Counter) -> None:
        payer, reviewer = await holding(shop)
        before, _ = await money(shop, payer)
        await handle(shop.runtime, phone=PHONE, text=f"ZZ {FRIEND[3:]} 50", key="sms-1")
        question = [facts for event, facts in await notices(shop.runtime, PHONE) if event == "confirm_transfer"][-1]
        assert await money(shop, payer) == (before, 0)
        await handle(shop.runtime, phone=PHONE, text=f"Y{question['code']}", key="sms-2")
        assert await money(shop, payer) == (before, 5_000)
        (found,) = (await reviewer.get(PATH)).json()["items"]
        assert (await say(reviewer, found["transaction_id"], "release")).status_code == 200
        assert await money(shop, payer) == (before - 5_000, 0)

    async def test_does_not_hold_a_purchase_but_refuses_it(self, shop: Counter) -> None:
        payer, _ = await holding(shop)
        problem(await payer.post("/v1/purchases", shop.purchase(amount_fen=5_000)), 403, "risk_refused")
