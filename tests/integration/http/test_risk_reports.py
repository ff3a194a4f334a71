"""The queue of large-value and suspicious transactions: found once in a day's books, reviewed once (CM 9)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from mpss.kernel.clock import business_date
from mpss.kernel.ids import MerchantId
from mpss.ledger.day_close import close_day
from mpss.risk.reports import search_days
from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.house import PASSWORD, subscriber
from tests.support.http import Caller, Counter, problem
from tests.support.market import PHONE

PATH = "/v1/staff/risk/reports"
RULES = "/v1/staff/risk/rules"
FRIEND = "+8618912340002"


async def set_figures(shop: Counter, pattern: str, **figures: int) -> None:
    rights = (Permission.RISK_MANAGE, Permission.RISK_APPROVE)
    one, other = [await shop.staff(*rights, name=f"{pattern} {name}") for name in ("one", "other")]
    made = await one.post(RULES, {"rule": pattern, "action": "report", "enabled": True, "figures": figures})
    assert made.status_code == 201, made.text
    assert (await other.post(f"{RULES}/{made.json()['version_id']}/approve")).status_code == 200


async def end_day(shop: Counter) -> None:
    shop.market.clock.advance(timedelta(days=1))
    now = shop.runtime.clock.now()
    await close_day(shop.runtime.database, today=business_date(now), now=now)


async def top_up(clerk: Caller, amount_fen: int, times: int = 1) -> Any:
    body = {"phone": PHONE, "amount_fen": amount_fen, "currency": "CNY"}
    answers = [await clerk.post("/v1/topups/cash", body) for _ in range(times)]
    assert {answer.status_code for answer in answers} == {201}, answers[0].text
    return answers[-1].json()


@clause("CM 9")
class TestTheQueueOfReports:
    async def test_holds_what_a_persons_day_came_to_once(self, shop: Counter) -> None:
        await end_day(shop)  # What the market itself did is of the day before.
        assert await search_days(shop.runtime) >= 1
        await set_figures(shop, "large_cash", amount_fen=300_000)
        await set_figures(shop, "scattered", count=1, amount_fen=50_000)
        await set_figures(shop, "gathered", count=1, amount_fen=50_000)
        await subscriber(shop.runtime, FRIEND)
        clerk = await shop.staff(Permission.CASH_TOPUP, name="hall clerk", hall="H09", clerk="C09")
        undone = await top_up(clerk, 100_000)
        assert (await clerk.post(f"/v1/topups/cash/{undone['transaction_id']}/undo")).status_code == 201
        await top_up(clerk, 100_000, times=2)
        payer = await shop.subscriber()
        sent = {"payee_phone": FRIEND, "amount_fen": 50_000, "currency": "CNY", "payment_password": PASSWORD}
        assert (await payer.post("/v1/transfers", sent)).status_code == 201
        await end_day(shop)
        assert await search_days(shop.runtime) == 1
        one = await shop.staff(Permission.RISK_VIEW, Permission.RISK_REVIEW, name="reviewer")
        found = (await one.get(PATH)).json()["items"]
        # 2,000 yuan of cash are left of the day, below its figure.
        assert {(item["pattern"], item["phone"], item["amount_fen"]) for item in found} == {
            ("scattered", PHONE, 50_000), ("gathered", FRIEND, 50_000),
        }  # fmt: skip
        await top_up(clerk, 100_000, times=3)
        await end_day(shop)
        both = await asyncio.gather(search_days(shop.runtime), search_days(shop.runtime))
        assert sorted(both) == [0, 1]
        assert await search_days(shop.runtime) == 0
        (large,) = (await one.get(PATH, pattern="large_cash", phone=PHONE)).json()["items"]
        assert (large["amount_fen"], large["movements"], large["state"]) == (300_000, 3, "open")
        assert large["figures"] == {"amount_fen": 300_000}
        metrics = (await shop.nobody().get("/metrics")).text
        assert 'mpss_risk_reports_open{pattern="large_cash"} 1.0' in metrics
        day = large["business_date"]
        for figures, caught in (({"amount_fen": 300_000}, 1), ({"amount_fen": 300_001}, 0)):
            body = {"rule": "large_cash", "figures": figures, "first_date": day, "last_date": day}
            tried = (await one.post("/v1/staff/risk/rules/replay", body)).json()
            assert (tried["looked_at"], tried["caught"]) == (1, caught)
        table = (await one.get(f"{PATH}/export", first_date=day)).text.splitlines()
        assert [line.split(",")[2] for line in table] == ["pattern", "large_cash"]
        page = (await one.get(PATH, limit=2)).json()
        rest = (await one.get(PATH, limit=2, cursor=page["next_cursor"])).json()
        assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (2, 1, None)
        for order, amounts in (("oldest", None), ("largest", [300_000, 50_000, 50_000])):
            seen: list[dict[str, Any]] = []
            cursor: dict[str, str] = {}
            while len(seen) < 3:
                page = (await one.get(PATH, limit=1, order=order, **cursor)).json()
                seen += page["items"]
                cursor = {"cursor": page["next_cursor"]}
            assert page["next_cursor"] is None
            newest = [item["report_id"] for item in (await one.get(PATH)).json()["items"]]
            assert amounts is not None or [item["report_id"] for item in seen] == newest[::-1]
            assert amounts is None or [item["amount_fen"] for item in seen] == amounts
        table = (await one.get(f"{PATH}/export", min_fen=50_001, phone=PHONE, order="largest")).text.splitlines()
        assert len(table) == 2
        problem(await one.get(PATH, order="smallest"), 400, "malformed_request")

    @clause("CM 9.5")
    async def test_holds_a_merchant_who_gives_much_back(self, shop: Counter) -> None:
        await end_day(shop)
        await search_days(shop.runtime)
        await set_figures(shop, "refund_share", days=2, percent=50, amount_fen=2_000)
        payer, merchant = await shop.subscriber(), shop.merchant()
        one = await shop.staff(Permission.RISK_VIEW, Permission.RISK_REVIEW, name="reviewer")

        async def sell(amount_fen: int) -> str:
            sold = await payer.post("/v1/purchases", shop.purchase(amount_fen=amount_fen))
            assert sold.status_code == 201, sold.text
            return str(sold.json()["transaction_id"])

        async def undo(transaction_id: str) -> None:
            body = {"transaction_id": transaction_id, "reason": "sold out"}
            assert (await merchant.post("/v1/reversals", body)).status_code == 201

        async def found() -> list[tuple[int, int]]:
            await end_day(shop)
            await search_days(shop.runtime)
            items = (await one.get(PATH, pattern="refund_share", state="open")).json()["items"]
            return [(item["amount_fen"], item["movements"]) for item in items]

        await undo(await sell(2_000))
        await sell(2_001)
        assert await found() == []  # 2,000 of 4,001 is less than half.
        payer = await shop.subscriber()
        later = await sell(2_000)
        await undo(later)
        assert await found() == [(4_000, 2)]  # Of both days 4,000 of 6,001.
        assert await found() == [(4_000, 2)]  # It waits; nothing new was given back.
        (report,) = (await one.get(PATH, pattern="refund_share")).json()["items"]
        days = {"first_date": report["business_date"], "last_date": report["business_date"]}
        for percent, caught in ((50, 1), (90, 0)):
            figures = {"days": 2, "percent": percent, "amount_fen": 2_000}
            body = {"rule": "refund_share", "figures": figures, **days}
            tried = (await one.post("/v1/staff/risk/rules/replay", body)).json()
            assert tried["caught"] == caught, tried  # The report that waits does not stop it.
        merchant_id = str(MerchantId.from_uuid(shop.market.merchant.id))
        assert (report["merchant_id"], report["account_id"], report["phone"]) == (merchant_id, None, None)
        assert report["merchant_name"]
        done = await one.post(f"{PATH}/{report['report_id']}/review", {"event": "dismiss", "reason": "a recall"})
        assert (done.status_code, done.json()["merchant_id"]) == (200, merchant_id)
        table = (await one.get(f"{PATH}/export", pattern="refund_share")).text.splitlines()
        assert (len(table), merchant_id in table[1]) == (2, True)

    async def test_is_reviewed_once_with_a_reason_and_an_audit_line(self, shop: Counter) -> None:
        await set_figures(shop, "large_cash", amount_fen=1)
        clerk = await shop.staff(Permission.CASH_TOPUP, name="hall clerk", hall="H09", clerk="C09")
        await top_up(clerk, 100)
        await end_day(shop)
        await search_days(shop.runtime)
        viewer = await shop.staff(Permission.RISK_VIEW, name="viewer")
        reviewer = await shop.staff(Permission.RISK_VIEW, Permission.RISK_REVIEW, name="reviewer")
        report = (await viewer.get(PATH, state="open")).json()["items"][0]
        path = f"{PATH}/{report['report_id']}/review"
        problem(await viewer.post(path, {"event": "report", "reason": "large"}), 403, "forbidden")
        problem(await reviewer.post(path, {"event": "forget", "reason": "x"}), 400, "malformed_request")
        both = await asyncio.gather(
            *(reviewer.post(path, {"event": event, "reason": "looked into"}) for event in ("report", "dismiss"))
        )
        assert sorted(answer.status_code for answer in both) == [200, 409]
        (done,) = [answer.json() for answer in both if answer.status_code == 200]
        assert done["state"] in ("reported", "dismissed")
        assert (await viewer.get(PATH, state="open")).json()["items"] == []
        async with shop.runtime.database.read() as uow:
            lines = await uow.dicts(
                "SELECT action FROM audit_record WHERE subject = %(id)s", {"id": report["report_id"]}
            )
        assert [line["action"] for line in lines] == [
            f"risk_report.{'report' if done['state'] == 'reported' else 'dismiss'}"
        ]

    async def test_takes_figures_of_patterns_alone(self, shop: Counter) -> None:
        one = await shop.staff(Permission.RISK_MANAGE, name="one")
        for rule, action in (("velocity", "report"), ("large_cash", "refuse"), ("none", "report")):
            body = {"rule": rule, "action": action, "enabled": True, "figures": {}}
            problem(await one.post(RULES, body), 400, "malformed_request")
