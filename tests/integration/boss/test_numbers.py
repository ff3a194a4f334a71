"""Whose number it is, as BOSS has it: at opening, at sign-in, at waking; and who gets the account of whom."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from mpss.accounts.codes import Purpose
from mpss.config import Policy
from mpss.db.database import Database
from mpss.notices.sift import sift_notices
from mpss.outbox.model import OutboxItem
from mpss.simulators.boss import Boss, Fault
from mpss.simulators.boss_feed import FeedFault
from mpss.staff.permissions import Permission
from mpss.transactions.closings.close import finish_closings
from mpss.transactions.transfers.end import claim_transfers, return_transfers
from tests.support.boss import with_boss
from tests.support.clauses import clause
from tests.support.house import PASSWORD, events, sms_code
from tests.support.http import Counter, problem
from tests.support.market import PHONE, market

Linked = tuple[Counter, Boss]
OTHER = "+8618912340044"


async def open_at(shop: Counter, phone: str = OTHER) -> httpx.Response:
    body = {
        "phone": phone, "code": await sms_code(shop.runtime, phone, Purpose.OPEN),
        "terms_version": shop.runtime.policy.terms_version, "payment_password": PASSWORD,
    }  # fmt: skip
    return await shop.nobody().post("/v1/accounts", body)


async def accounts(shop: Counter, phone: str = OTHER) -> list[tuple[Any, ...]]:
    """Life, whether it still has the number, and the subscription of every account the number ever had."""
    async with shop.runtime.database.read() as uow:
        rows = await uow.dicts(
            "SELECT a.life, a.number_left_at IS NULL AS has_it, s.subscription_id FROM account a"
            " LEFT JOIN account_subscription s ON s.account_id = a.id WHERE a.phone = %(phone)s ORDER BY a.opened_at",
            {"phone": phone},
        )
    return [tuple(row.values()) for row in rows]


@clause("CM 7.2.2", "CM 7.8")
class TestOpening:
    async def test_is_for_who_has_the_number_in_service_and_registered(self, linked: Linked) -> None:
        shop, boss = linked
        problem(await open_at(shop), 403, "number_not_in_service")
        boss.sell(OTHER, owner="")
        problem(await open_at(shop), 403, "number_not_in_service")
        boss.change("cancel_user", OTHER)
        sold = boss.sell(OTHER)
        boss.change("stop_1way", OTHER)
        problem(await open_at(shop), 403, "number_stopped")
        boss.change("resume", OTHER)
        assert (await open_at(shop)).status_code == 201
        assert await accounts(shop) == [("active", True, sold.subscription_id)]

    @pytest.mark.parametrize("fault", Fault)
    async def test_is_asked_for_again_later_where_boss_is_silent(
        self, database: Database, tmp_path: Path, fault: Fault
    ) -> None:
        policy = Policy(boss_timeout_seconds=1)
        async with market(database, tmp_path, policy=policy) as opened, with_boss(opened, tmp_path) as (shop, boss):
            boss.sell(OTHER)
            boss.fail(fault, seconds=2)
            answer = await open_at(shop)
            problem(answer, 503, "busy")
            assert "retry-after" in answer.headers
            assert await accounts(shop) == []
            boss.work()
            assert (await open_at(shop)).status_code == 201

    async def test_goes_on_without_boss_where_policy_says_so(self, database: Database, tmp_path: Path) -> None:
        policy = Policy(boss_silent="open")
        async with market(database, tmp_path, policy=policy) as opened, with_boss(opened, tmp_path) as (shop, boss):
            boss.fail(Fault.ERROR)
            assert (await open_at(shop)).status_code == 201
            assert await accounts(shop) == [("active", True, None)]


@clause("CM 5.2.4", "CM 5.2.4.3", "CM 5.2.6", "CM 6.3")
class TestANumberSoldAgain:
    async def test_inherits_nothing_and_opens_anew_while_the_old_balance_waits(self, linked: Linked) -> None:
        shop, boss = linked
        old = boss.sell(OTHER)
        await open_at(shop)
        clerk = await shop.staff(Permission.CASH_TOPUP, name="till", hall="H01", clerk="C07")
        topped = await clerk.post("/v1/topups/cash", {"phone": OTHER, "amount_fen": 3000, "currency": "CNY"})
        assert topped.status_code == 201, topped.text
        shop.market.clock.advance(timedelta(seconds=1))
        boss.change("cancel_system", OTHER)
        await boss.told()
        assert await accounts(shop) == [("pre_closed", False, old.subscription_id)]
        told = await events(shop.runtime, OTHER)
        assert told[-1] == "number_cancelled"
        shop.market.clock.advance(timedelta(days=90))
        new = boss.sell(OTHER)
        assert (await shop.subscriber(OTHER)).headers["authorization"]
        assert (await open_at(shop)).status_code == 201
        assert await accounts(shop) == [
            ("pre_closed", False, old.subscription_id),
            ("active", True, new.subscription_id),
        ]
        owner = await shop.subscriber(OTHER)
        assert (await owner.get("/v1/account")).json()["balance_fen"] == 0
        closer = await shop.staff(Permission.ACCOUNT_CLOSE, name="closer", hall="H01", clerk="C08")
        (left,) = (await closer.get("/v1/staff/accounts/left", phone=OTHER)).json()["items"]
        assert left["balance_fen"] == 3000
        seen = {"phone": OTHER, "document": "resident ID, seen"}
        problem(await closer.post("/v1/staff/accounts/closing/pay-out", seen), 409, "illegal_state")
        paid = await closer.post("/v1/staff/accounts/closing/pay-out", {**seen, "account_id": left["account_id"]})
        assert (paid.status_code, paid.json()["amount_fen"]) == (201, 3000)
        assert [row[0] for row in await accounts(shop)] == ["closed", "active"]

    @pytest.mark.parametrize("kind", ["cancel_user", "transfer_owner"])
    async def test_whose_end_was_never_told_is_found_when_the_next_owner_opens(self, linked: Linked, kind: str) -> None:
        shop, boss = linked
        old = boss.sell(OTHER)
        await open_at(shop)
        boss.fail(FeedFault.LOSE)
        shop.market.clock.advance(timedelta(seconds=1))
        boss.change(kind, OTHER)
        if kind == "cancel_user":
            boss.sell(OTHER)
        assert (await open_at(shop)).status_code == 201
        assert [row[:2] for row in await accounts(shop)] == [("pre_closed", False), ("active", True)]
        assert (await accounts(shop))[0][2] == old.subscription_id

    async def test_is_found_at_the_next_sign_in_and_at_no_other(self, linked: Linked) -> None:
        shop, boss = linked
        boss.sell(OTHER)
        await open_at(shop)
        asked = boss.asked
        await shop.subscriber(OTHER)
        assert boss.asked == asked
        boss.fail(FeedFault.LOSE)
        boss.change("transfer_owner", OTHER)
        shop.market.clock.advance(timedelta(hours=37))
        code = {"phone": OTHER, "code": await sms_code(shop.runtime, OTHER, Purpose.SIGN_IN)}
        problem(await shop.nobody().post("/v1/sessions", code), 409, "number_reassigned")
        assert [row[:2] for row in await accounts(shop)] == [("pre_closed", False)]
        again = await shop.nobody().post("/v1/sessions", code)
        assert (again.status_code, again.json()["account_id"]) == (201, None)

    @clause("CM 5.2.6", "CM 6.3")
    @pytest.mark.parametrize("kind", ["cancel_user", "transfer_owner", "change_number"])
    @pytest.mark.parametrize("wallet", [True, False])
    async def test_is_paid_by_no_relation_to_who_had_it(self, linked: Linked, kind: str, wallet: bool) -> None:
        shop, boss = linked
        boss.sell(OTHER)
        if wallet:
            await open_at(shop)
        payer = await shop.subscriber()
        code = await sms_code(shop.runtime, PHONE, Purpose.PAYEE)
        body = {
            "payee_phone": OTHER, "single_limit_fen": 5_000, "daily_limit_fen": 9_000, "currency": "CNY",
            "payment_password": PASSWORD, "sms_code": code,
        }  # fmt: skip
        made = await payer.post("/v1/payees", body)
        assert made.status_code == 201, made.text
        shop.market.clock.advance(timedelta(seconds=1))
        boss.change("stop_1way", OTHER)
        await boss.told()
        assert len((await payer.get("/v1/payees")).json()["items"]) == 1
        boss.change(kind, OTHER, **({"new_phone": "+8618912340055"} if kind == "change_number" else {}))
        await boss.told()
        assert (await payer.get("/v1/payees")).json()["items"] == []
        assert (await events(shop.runtime, PHONE))[-1] == "payee_dissolved"

    @clause("CM 5.2.6")
    async def test_gets_no_transfer_that_waited_for_who_had_it(self, linked: Linked) -> None:
        shop, boss = linked
        boss.sell(OTHER)
        payer = await shop.subscriber()
        body = {"payee_phone": OTHER, "amount_fen": 2_500, "currency": "CNY", "payment_password": PASSWORD}
        assert (await payer.post("/v1/transfers", body)).json()["state"] == "WAITING"
        before_fen = await shop.balance_fen()
        shop.market.clock.advance(timedelta(minutes=1))
        boss.change("transfer_owner", OTHER)
        await boss.told()
        shop.market.clock.advance(timedelta(minutes=1))
        assert (await open_at(shop)).status_code == 201
        assert await claim_transfers(shop.runtime) == 0
        # What is sent from now on is the new owner's.
        assert (await payer.post("/v1/transfers", body)).json()["state"] == "SUCCEEDED"
        shop.market.clock.advance(timedelta(days=shop.runtime.policy.transfer_hold_days))
        assert await return_transfers(shop.runtime) == 1
        assert await shop.balance_fen() == before_fen

    async def test_gives_no_account_to_a_session_of_who_had_it(self, linked: Linked) -> None:
        shop, boss = linked
        boss.sell(OTHER)
        before = await shop.subscriber(OTHER)
        boss.fail(FeedFault.LOSE)
        shop.market.clock.advance(timedelta(minutes=1))
        boss.change("transfer_owner", OTHER)
        shop.market.clock.advance(timedelta(minutes=1))
        assert (await open_at(shop)).status_code == 201
        problem(await before.get("/v1/account"), 401, "unauthenticated")

    async def test_that_was_only_changed_for_another_takes_the_account_along(self, linked: Linked) -> None:
        shop, boss = linked
        moved = boss.sell(OTHER)
        await open_at(shop)
        boss.fail(FeedFault.LOSE)
        boss.change("change_number", OTHER, new_phone="+8618912340055")
        boss.sell(OTHER)
        shop.market.clock.advance(timedelta(seconds=1))
        assert (await open_at(shop)).status_code == 201
        assert await accounts(shop, "+8618912340055") == [("active", True, moved.subscription_id)]

    async def test_of_an_account_from_before_boss_was_asked_is_told_by_its_age(self, linked: Linked) -> None:
        shop, boss = linked
        shop.market.clock.advance(timedelta(days=100))
        boss.sell(PHONE)
        code = {"phone": PHONE, "code": await sms_code(shop.runtime, PHONE, Purpose.SIGN_IN)}
        problem(await shop.nobody().post("/v1/sessions", code), 409, "number_reassigned")
        assert await accounts(shop, PHONE) == [("pre_closed", False, None)]

    async def test_is_not_told_of_the_account_it_was_of(self, linked: Linked) -> None:
        shop, boss = linked
        boss.sell(OTHER)
        await open_at(shop)
        shop.market.clock.advance(timedelta(seconds=1))
        boss.change("transfer_owner", OTHER)
        await boss.told()
        shop.market.clock.advance(timedelta(seconds=1))
        assert await finish_closings(shop.runtime) == 1
        assert (await events(shop.runtime, OTHER))[-1] == "closed"
        shop.market.clock.advance(timedelta(seconds=1))
        async with shop.runtime.database.read() as uow:
            items = [
                OutboxItem(**row)
                for row in await uow.dicts(
                    "SELECT id, kind, reference, recipient, payload, serial, attempts::int, created_at FROM outbox"
                    " WHERE recipient = %(phone)s AND kind = 'notice' ORDER BY serial",
                    {"phone": OTHER},
                )
            ]
            sifted = await sift_notices(uow, items, shop.runtime.clock.now())
        assert [item.body()["event"] for item in items if item.id in sifted] == ["closed"]
