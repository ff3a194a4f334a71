"""A member of a corporate account pays with the company's money, within their quota (CM 5.2.1.2)."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import timedelta
from typing import Any

from mpss.accounts.dormancy import find_dormant
from mpss.kernel.ids import ProductId
from mpss.ledger.day_close import close_day
from mpss.simulators.merchant_shop import Fault
from mpss.staff.permissions import Permission
from mpss.transactions.verify import verify
from tests.integration.http.test_identity import COMPANY, NEW, clerk_of
from tests.support.clauses import clause
from tests.support.house import events, notices
from tests.support.http import Caller, Counter, problem
from tests.support.market import PHONE

MASTER = NEW
PAIR = {"master_phone": MASTER, "member_phone": PHONE}
QUOTA = {**PAIR, "quota_month_fen": 10_000, "quota_single_fen": 6_000, "currency": "CNY"}
FUND = 50_000
SEEN = {
    "document": "business licence, seen",
    "document_kind": COMPANY["document_kind"],
    "document_number": COMPANY["document_number"],
}


async def group(shop: Counter) -> tuple[Caller, Caller]:
    """A company with 500 yuan, the market's payer its member; the member, and the clerk."""
    clerk = await clerk_of(shop)
    assert (await clerk.post("/v1/staff/accounts/corporate", {**COMPANY, "phone": MASTER})).status_code == 201
    async with shop.runtime.database.transaction() as uow:
        await uow.execute("UPDATE account SET life = 'active' WHERE phone = %(phone)s", {"phone": MASTER})
    teller = await shop.staff(Permission.CASH_TOPUP, name="teller", hall="H01", clerk="C09")
    given = await teller.post("/v1/topups/cash", {"phone": MASTER, "amount_fen": FUND, "currency": "CNY"})
    assert given.status_code == 201, given.text
    assert (await clerk.post("/v1/staff/groups/members", QUOTA)).status_code == 204
    return await shop.subscriber(), clerk


async def balances(shop: Counter) -> tuple[int, int]:
    """The company's and the payer's."""
    async with shop.runtime.database.read() as uow:
        rows = await uow.dicts(
            "SELECT a.phone, b.balance_fen FROM account AS a JOIN ledger_balance AS b USING (ledger_account_id)"
        )
    found = {row["phone"]: int(row["balance_fen"]) for row in rows}
    return found[MASTER], found[PHONE]


async def sound(shop: Counter) -> None:
    async with shop.runtime.database.read() as uow:
        assert [check.name for check in await verify(uow) if not check.holds] == []


async def told(shop: Counter, phone: str) -> list[tuple[str, dict[str, Any]]]:
    return [each for each in await notices(shop.runtime, phone) if each[0].startswith("group_")]


@clause("CM 5.2.1.2")
class TestAMember:
    async def test_pays_with_the_companys_money_and_gets_it_back_there(self, shop: Counter) -> None:
        member, _ = await group(shop)
        master_fen, own_fen = await balances(shop)
        paid = await member.post("/v1/purchases", shop.purchase(funding="group"), key="g1")
        assert (paid.status_code, paid.json()["funding"]) == (201, "group"), paid.text
        again = await member.post("/v1/purchases", shop.purchase(funding="group"), key="g1")
        assert (again.json(), again.headers["idempotent-replayed"]) == (paid.json(), "true")
        assert await balances(shop) == (master_fen - 2500, own_fen)
        mine = (await member.get("/v1/account/group")).json()
        assert (mine["company"], mine["used_month_fen"], mine["left_month_fen"]) == (COMPANY["name"], 2500, 7500)
        ((event, facts),) = (await told(shop, PHONE))[1:]
        assert (event, facts["left_fen"]) == ("group_paid", 7500)
        ((event, facts),) = await told(shop, MASTER)
        assert (event, facts["counterpart"], facts["balance_fen"]) == ("group_spent", "+86189****0001", FUND - 2500)
        assert (await member.get("/v1/account")).json()["spent_today_fen"] == 0

        back = await shop.merchant().post(
            "/v1/reversals", {"transaction_id": paid.json()["transaction_id"], "reason": "sold out"}
        )
        assert (back.status_code, back.json()["funding"]) == (201, "group"), back.text
        assert await balances(shop) == (master_fen, own_fen)
        assert (await member.get("/v1/account/group")).json()["used_month_fen"] == 0
        assert [event for event, _ in await told(shop, PHONE)][-1] == "group_reversed"
        assert [event for event, _ in await told(shop, MASTER)] == ["group_spent", "group_refunded"]
        await sound(shop)

    async def test_falls_not_dormant_who_pays_with_the_companys_money(self, shop: Counter) -> None:
        member, _ = await group(shop)
        policy, clock = shop.runtime.policy, shop.market.clock
        clock.advance(timedelta(days=policy.dormancy_days - policy.dormancy_warning_days + 1))
        member = await shop.subscriber()
        assert (await member.post("/v1/purchases", shop.purchase(funding="group"))).status_code == 201
        await find_dormant(shop.runtime)
        assert "dormancy_near" not in await events(shop.runtime, PHONE)

    async def test_is_seen_in_both_statements_and_lists(self, shop: Counter) -> None:
        member, clerk = await group(shop)
        await member.post("/v1/purchases", shop.purchase(funding="group"))
        master = await shop.subscriber(MASTER)
        for reader, change_fen, other in ((member, 0, "+86189****0071"), (master, -2500, "+86189****0001")):
            line = (await reader.get("/v1/account/transactions")).json()["items"][0]
            seen = (line["funding"], line["amount_fen"], line["change_fen"], line["counterpart"])
            assert seen == ("group", 2500, change_fen, other)
        table = await member.send(
            "GET", "/v1/account/statement/export", headers={"accept-language": "en"}, query={"format": "csv"}
        )
        row = list(csv.reader(io.StringIO(table.content.decode())))[1]
        assert (row[7], row[11], row[12]) == ("0.00", "25.00", "corporate account")
        assert (await member.get("/v1/account/transactions", sort="smallest")).json()["items"][0]["funding"] == "group"
        listed = (await master.get("/v1/account/group/members")).json()["items"]
        assert [(one["phone"], one["used_month_fen"]) for one in listed] == [("+86189****0001", 2500)]
        by_staff = await clerk.post("/v1/staff/groups/members/list", {"master_phone": MASTER})
        assert by_staff.json()["items"] == listed
        problem(await member.get("/v1/account/group/members"), 409, "illegal_state")

    async def test_is_refused_above_the_quota_and_where_the_company_cannot_pay(self, shop: Counter) -> None:
        member, clerk = await group(shop)

        async def pay(amount_fen: int) -> Any:
            return await member.post("/v1/purchases", shop.purchase(funding="group", amount_fen=amount_fen))

        problem(await pay(6_001), 403, "group_quota_exceeded")
        assert (await pay(6_000)).status_code == 201
        problem(await pay(4_001), 403, "group_quota_exceeded")
        problem(
            await member.post("/v1/purchases", shop.purchase(funding="group", payment_password="135790")),
            403,
            "wrong_password",
        )
        shop.market.clock.advance(timedelta(days=31))
        now = shop.market.clock.now()
        await close_day(shop.runtime.database, today=now.date(), now=now)
        member = await shop.subscriber()
        assert (await member.get("/v1/account/group")).json()["used_month_fen"] == 0
        for life, code in (("pre_closed", "group_not_available"), ("active", None)):
            async with shop.runtime.database.transaction() as uow:
                await uow.execute(
                    "UPDATE account SET life = %(life)s WHERE phone = %(phone)s", {"life": life, "phone": MASTER}
                )
            answer = await pay(4_001)
            if code is not None:
                problem(answer, 409, code)
            else:
                assert answer.status_code == 201, answer.text
        rich = {**QUOTA, "quota_month_fen": 400_000, "quota_single_fen": 400_000}
        assert (await clerk.put("/v1/staff/groups/members", rich)).status_code == 204
        problem(await pay(300_000), 402, "insufficient_funds")
        assert (await clerk.post("/v1/staff/groups/members/remove", PAIR)).status_code == 204
        problem(await pay(100), 403, "not_group_member")
        problem(await member.get("/v1/account/group"), 403, "not_group_member")
        await sound(shop)

    async def test_gets_the_quota_back_where_nothing_was_delivered(self, shop: Counter) -> None:
        member, _ = await group(shop)
        before = await balances(shop)
        shop.market.shop.fail(Fault.REFUSE)
        goods = shop.purchase(
            funding="group", product_id=str(ProductId.from_uuid(shop.market.product.id)), quantity=1, amount_fen=2500
        )
        paid = await member.post("/v1/purchases", goods)
        assert paid.status_code == 201, paid.text
        async with shop.market.working():
            for _ in range(200):
                if (await member.get("/v1/account/group")).json()["used_month_fen"] == 0:
                    break
                await asyncio.sleep(0.05)
        assert await balances(shop) == before
        assert (await told(shop, PHONE))[-1][0] == "group_reversed"
        await sound(shop)


@clause("CM 5.2.3.2")
class TestACompanyThatCloses:
    async def test_has_no_members_left_and_gets_its_money_at_a_hall(self, shop: Counter) -> None:
        _, clerk = await group(shop)
        closer = await shop.staff(Permission.ACCOUNT_CLOSE, name="closer", hall="H01", clerk="C11")
        seen = {"phone": MASTER, **SEEN}
        blocked = problem(await closer.post("/v1/staff/accounts/closing", seen), 409, "closing_blocked")
        assert "members" in blocked["detail"]
        assert (await clerk.post("/v1/staff/groups/members/remove", PAIR)).status_code == 204
        assert (await told(shop, PHONE))[-1][0] == "group_left"
        asked = await closer.post("/v1/staff/accounts/closing", seen)
        assert asked.status_code == 201, asked.text
        paid = await closer.post("/v1/staff/accounts/closing/pay-out", seen, key="rest")
        assert (paid.status_code, paid.json()["amount_fen"]) == (201, FUND)
        async with shop.runtime.database.read() as uow:
            assert await uow.value("SELECT life FROM account WHERE phone = %(phone)s", {"phone": MASTER}) == "closed"
        await sound(shop)

    async def test_takes_its_members_with_it_where_its_number_is_cancelled(self, shop: Counter) -> None:
        member, _ = await group(shop)
        async with shop.runtime.database.transaction() as uow:
            await uow.execute("UPDATE account SET life = 'pre_closed' WHERE phone = %(phone)s", {"phone": MASTER})
        closer = await shop.staff(Permission.ACCOUNT_CLOSE, name="closer", hall="H01", clerk="C11")
        seen = {"phone": MASTER, **SEEN}
        assert (await closer.post("/v1/staff/accounts/closing/pay-out", seen, key="rest")).status_code == 201
        problem(await member.get("/v1/account/group"), 403, "not_group_member")
        await sound(shop)
