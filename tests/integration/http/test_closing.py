"""Closing an account: what stands in the way, the rest paid out, then gone. Over HTTP, at the counter, by the job."""

from __future__ import annotations

from mpss.accounts.codes import Purpose
from mpss.accounts.model import Life
from mpss.accounts.state_store import set_life
from mpss.staff.permissions import Permission
from mpss.transactions.closings.close import finish_closings
from mpss.transactions.closings.rest import take_rests
from mpss.transactions.verify import verify
from tests.support.clauses import clause
from tests.support.house import PASSWORD, events, sms_code
from tests.support.http import Caller, Counter, problem
from tests.support.market import PHONE

SEEN = {"phone": PHONE, "document": "resident ID, seen"}
REST = SEEN


async def clerk_of(shop: Counter) -> Caller:
    wanted = (Permission.ACCOUNT_CLOSE, Permission.LOSS_WRITTEN, Permission.CASH_TOPUP)
    return await shop.staff(*wanted, name="closer", hall="H01", clerk="C09")


async def asked(shop: Counter, payout: str, password: str = PASSWORD) -> dict[str, str]:
    code = await sms_code(shop.runtime, PHONE, Purpose.ACCOUNT)
    return {"payout": payout, "payment_password": password, "code": code}


async def assert_all_holds(shop: Counter) -> None:
    async with shop.runtime.database.read() as uow:
        assert [check for check in await verify(uow) if not check.holds] == []


class TestClosing:
    @clause("CM 5.2.3.1", "CM 5.2.3.4", "GD 3.2")
    async def test_says_what_stands_in_the_way_then_pays_cash_and_is_gone(self, shop: Counter) -> None:
        payer, clerk = await shop.subscriber(), await clerk_of(shop)
        balance_fen = await shop.balance_fen()
        seen = (await payer.get("/v1/account/closing")).json()
        ways = {way["payout"]: way["blocks"] for way in seen["ways"]}
        assert (seen["balance_fen"], ways["none"], ways["cash"]) == (balance_fen, ["balance"], [])
        refused = problem(await payer.post("/v1/account/closing", await asked(shop, "none")), 409, "closing_blocked")
        assert "balance" in refused["detail"]
        problem(await payer.post("/v1/account/closing", await asked(shop, "cash", "111111")), 403, "wrong_password")
        told = await payer.post("/v1/account/closing", await asked(shop, "cash"))
        assert (told.status_code, told.json()) == (201, {"life": "pre_closed"})
        problem(await payer.post("/v1/purchases", shop.purchase()), 409, "account_closing")
        cash = {"phone": PHONE, "amount_fen": 100, "currency": "CNY"}
        problem(await clerk.post("/v1/topups/cash", cash), 409, "account_closing")
        assert await finish_closings(shop.runtime) == 0
        paid = await clerk.post("/v1/staff/accounts/closing/pay-out", REST, key="rest")
        assert (paid.status_code, paid.json()["amount_fen"]) == (201, balance_fen)
        again = await clerk.post("/v1/staff/accounts/closing/pay-out", REST, key="rest")
        assert again.headers["idempotent-replayed"] == "true"
        assert again.json()["transaction_id"] == paid.json()["transaction_id"]
        assert await shop.balance_fen() == 0
        async with shop.runtime.database.read() as uow:
            assert await uow.value("SELECT count(*) FROM account_session") == 0
        assert (await events(shop.runtime, PHONE))[-3:] == ["closing_asked", "closing_paid", "closed"]
        await assert_all_holds(shop)

    @clause("CM 5.2.3.1")
    async def test_frees_the_number_for_an_account_that_inherits_nothing(self, shop: Counter) -> None:
        clerk = await clerk_of(shop)
        assert (await clerk.post("/v1/staff/accounts/closing", await shop.shown())).status_code == 201
        assert (await clerk.post("/v1/staff/accounts/closing/pay-out", REST)).status_code == 201
        code = await sms_code(shop.runtime, PHONE, Purpose.OPEN)
        terms = shop.runtime.policy.terms_version
        body = {"phone": PHONE, "code": code, "terms_version": terms, "payment_password": "520943"}
        opened = await shop.nobody().post("/v1/accounts", body)
        assert opened.status_code == 201, opened.text
        token = {"authorization": f"Bearer {opened.json()['session']['token']}"}
        fresh = (await shop.nobody().send("GET", "/v1/account", headers=token)).json()
        assert (fresh["balance_fen"], fresh["state"]) == (0, "active")
        lines = (await shop.nobody().send("GET", "/v1/account/transactions", headers=token)).json()["items"]
        assert lines == []

    @clause("CM 5.2.5", "CM 6.2")
    async def test_after_a_loss_in_writing_is_for_a_hall(self, shop: Counter) -> None:
        clerk = await clerk_of(shop)
        assert (await clerk.post("/v1/staff/accounts/loss/written", SEEN)).status_code == 204
        told = await clerk.post("/v1/staff/accounts/closing", await shop.shown())
        assert (told.status_code, told.json()["life"]) == (201, "pre_closed")
        assert told.json()["balance_fen"] == await shop.balance_fen()
        async with shop.runtime.database.read() as uow:
            assert await uow.value("SELECT reason FROM account_closing") == "loss"
        problem(await clerk.post("/v1/staff/accounts/closing", await shop.shown()), 409, "account_closing")

    @clause("CM 6.2")
    async def test_waits_for_what_is_pending(self, shop: Counter) -> None:
        payer, clerk = await shop.subscriber(), await clerk_of(shop)
        body = {"payee_phone": "18912340009", "amount_fen": 100, "currency": "CNY", "payment_password": PASSWORD}
        assert (await payer.post("/v1/transfers", body)).json()["state"] == "WAITING"
        seen = (await payer.get("/v1/account/closing")).json()
        assert seen["pending_transactions"] == 1
        refused = problem(await clerk.post("/v1/staff/accounts/closing", await shop.shown()), 409, "closing_blocked")
        assert "pending_transactions" in refused["detail"]

    async def test_pays_nothing_of_an_account_nobody_closes(self, shop: Counter) -> None:
        clerk = await clerk_of(shop)
        problem(await clerk.post("/v1/staff/accounts/closing/pay-out", REST), 409, "illegal_state")

    @clause("CM 5.2.3.4")
    async def test_keeps_for_its_owner_what_comes_back_afterwards(self, shop: Counter) -> None:
        clerk, payer = await clerk_of(shop), await shop.subscriber()
        sold = (await payer.post("/v1/purchases", shop.purchase(amount_fen=2_500))).json()["transaction_id"]
        assert (await clerk.post("/v1/staff/accounts/closing", await shop.shown())).status_code == 201
        assert (await clerk.post("/v1/staff/accounts/closing/pay-out", REST)).status_code == 201
        assert await take_rests(shop.runtime) == 0
        body = {"transaction_id": sold, "reason": "taken back"}
        assert (await shop.merchant().post("/v1/reversals", body)).status_code == 201
        async with shop.runtime.database.read() as uow:
            broken = [check.name for check in await verify(uow) if not check.holds]
        assert broken == ["a closed account has nothing"]
        assert await take_rests(shop.runtime) == 1
        assert await take_rests(shop.runtime) == 0
        await assert_all_holds(shop)
        (rest,) = (await clerk.send("GET", "/v1/staff/closing-rests", query={"phone": PHONE})).json()["items"]
        assert rest["amount_fen"] == 2_500
        where, shown = f"/v1/staff/closing-rests/{rest['transaction_id']}/pay-out", {"document": "resident ID, seen"}
        paid = await clerk.post(where, shown, key="once")
        assert (paid.status_code, paid.json()["amount_fen"]) == (201, 2_500)
        assert (await clerk.post(where, shown, key="once")).headers["idempotent-replayed"] == "true"
        problem(await clerk.post(where, shown), 409, "illegal_state")
        assert (await clerk.send("GET", "/v1/staff/closing-rests", query={"phone": PHONE})).json()["items"] == []
        await assert_all_holds(shop)

    async def test_is_ended_by_the_job_after_a_crash(self, shop: Counter) -> None:
        clerk = await clerk_of(shop)
        assert (await clerk.post("/v1/staff/accounts/closing", await shop.shown())).status_code == 201
        assert (await clerk.post("/v1/staff/accounts/closing/pay-out", REST)).status_code == 201
        # As if the process had died between the payment and the closing.
        async with shop.runtime.database.transaction() as uow:
            now = shop.runtime.clock.now()
            await set_life(uow, shop.market.payer.account_id, Life.PRE_CLOSED, now=now)
        assert await finish_closings(shop.runtime) == 1
        assert await finish_closings(shop.runtime) == 0
        await assert_all_holds(shop)
