"""Wallets over HTTP: opened with a code, looked at, limited, their passwords set, their statements read in pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mpss.accounts.codes import Purpose
from mpss.accounts.open import open_by_sms
from mpss.staff.permissions import Permission
from tests.support.cards import cards_on_sale
from tests.support.clauses import clause
from tests.support.house import PASSWORD, assert_books_balance, last_secret, sms_code
from tests.support.http import Caller, Counter, problem
from tests.support.market import PHONE

NEW = "18912340077"


async def opening(shop: Counter, **changed: Any) -> dict[str, Any]:
    return {
        "phone": NEW,
        "code": await sms_code(shop.runtime, NEW, Purpose.OPEN),
        "terms_version": shop.runtime.policy.terms_version,
        "payment_password": PASSWORD,
        **changed,
    }


@clause("CT 5.1", "CT 5.2", "CT 6.1.1", "CM 6.1.1")
class TestOpening:
    async def test_gives_a_wallet_and_a_session(self, shop: Counter) -> None:
        asked = await shop.nobody().post("/v1/codes", {"phone": NEW, "purpose": "open"})
        assert asked.status_code == 202
        code = await last_secret(shop.runtime, NEW, "code", "code_sealed")
        body = {**await opening(shop), "code": code}
        del body["phone"]
        opened = await shop.nobody().post("/v1/accounts", {**body, "phone": NEW, "code": code})
        # The newest code alone holds; `opening` asked for another.
        problem(opened, 403, "wrong_code")
        opened = await shop.nobody().post("/v1/accounts", await opening(shop))
        assert opened.status_code == 201, opened.text
        told = opened.json()
        assert (told["phone"], told["home_province"], told["kind"]) == ("+8618912340077", "JS", "wallet")
        owner = Caller(shop.client, shop.runtime.clock, {"authorization": f"Bearer {told['session']['token']}"})
        account = (await owner.get("/v1/account")).json()
        assert account["account_id"] == told["account_id"] == told["session"]["account_id"]
        assert (account["state"], account["balance_fen"], account["password_set"]) == ("active", 0, True)

    @pytest.mark.parametrize(
        ("changed", "status", "code"),
        [
            ({"code": "000000"}, 403, "wrong_code"),
            ({"terms_version": "1999-01"}, 422, "terms_not_accepted"),
            ({"payment_password": "123456"}, 422, "weak_password"),
            ({"payment_password": "12345"}, 400, "malformed_request"),
            ({"phone": "02083334444"}, 400, "malformed_request"),
            ({"phone": "tel:18912340077"}, 400, "malformed_request"),
            ({"language": "fr"}, 400, "malformed_request"),
        ],
    )
    async def test_is_refused(self, shop: Counter, changed: dict[str, Any], status: int, code: str) -> None:
        body = await opening(shop, **changed)
        before = await shop.left()
        document = problem(await shop.nobody().post("/v1/accounts", body), status, code)
        assert [error["field"] for error in document["errors"]] == list(changed)
        assert await shop.left() == before

    async def test_a_second_time_is_refused(self, shop: Counter) -> None:
        assert (await shop.nobody().post("/v1/accounts", await opening(shop))).status_code == 201
        problem(await shop.nobody().post("/v1/accounts", await opening(shop)), 409, "account_exists")

    async def test_is_seen_by_a_session_that_began_before(self, shop: Counter) -> None:
        guest = await shop.subscriber(NEW)
        problem(await guest.get("/v1/account"), 404, "unknown_account")
        assert (await shop.nobody().post("/v1/accounts", await opening(shop))).status_code == 201
        assert (await guest.get("/v1/account")).status_code == 200

    async def test_codes_are_limited_by_number(self, shop: Counter) -> None:
        for _ in range(shop.runtime.policy.codes_per_phone_per_hour):
            assert (await shop.nobody().post("/v1/codes", {"phone": NEW, "purpose": "open"})).status_code == 202
        answer = await shop.nobody().post("/v1/codes", {"phone": NEW, "purpose": "open"})
        problem(answer, 429, "rate_limited")
        assert int(answer.headers["retry-after"]) > 0


@clause("CT 5.2", "CM 5.4")
class TestTheAccount:
    async def test_shows_type_state_limits_and_balance(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        account = (await payer.get("/v1/account")).json()
        shown = {
            name: account[name] for name in ("phone", "kind", "state", "daily_limit_fen", "balance_fen", "currency")
        }
        assert shown == {
            "phone": PHONE,
            "kind": "wallet",
            "state": "active",
            "daily_limit_fen": 500_000,
            "balance_fen": 100_000,
            "currency": "CNY",
        }

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"daily_limit_fen": -1, "currency": "CNY"}, "amount_out_of_range"),
            ({"daily_limit_fen": 500_001, "currency": "CNY"}, "amount_out_of_range"),
            ({"daily_limit_fen": 1.5, "currency": "CNY"}, "malformed_request"),
            ({"daily_limit_fen": 1, "currency": "USD"}, "unsupported_currency"),
        ],
    )
    async def test_takes_no_bad_limit(self, shop: Counter, body: dict[str, Any], code: str) -> None:
        payer = await shop.subscriber()
        before = await shop.left()
        problem(await payer.put("/v1/account/daily-limit", body), 400, code)
        assert await shop.left() == before

    async def test_has_a_statement_in_pages(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        for amount_fen in (100, 200, 300):
            shop.market.clock.advance(timedelta(seconds=1))
            await payer.post("/v1/purchases", shop.purchase(amount_fen=amount_fen))
        await payer.post("/v1/purchases", shop.purchase(amount_fen=200_000))  # declined: not in it
        changes: list[int] = []
        cursor, pages = None, 0
        while True:
            query: dict[str, Any] = {"limit": 2} if cursor is None else {"limit": 2, "cursor": cursor}
            page = (await payer.get("/v1/account/transactions", **query)).json()
            changes += [item["change_fen"] for item in page["items"]]
            cursor, pages = page["next_cursor"], pages + 1
            if cursor is None:
                break
        assert changes == [-300, -200, -100, 100_000]
        assert pages == 2


@clause("CT 5.2", "CM 7.4", "CM 7.5")
class TestThePassword:
    async def test_is_changed_with_the_old_one(self, shop: Counter) -> None:
        payer, other = await shop.subscriber(), await shop.subscriber()
        assert (await other.get("/v1/account")).status_code == 200
        body = {"old_password": PASSWORD, "new_password": "857214"}
        assert (await payer.put("/v1/account/password", body)).status_code == 204
        problem(await other.get("/v1/account"), 401, "unauthenticated")
        assert (await payer.post("/v1/purchases", shop.purchase(payment_password="857214"))).status_code == 201

    async def test_is_not_changed_with_a_wrong_one(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        body = {"old_password": "135246", "new_password": "857214"}
        document = problem(await payer.put("/v1/account/password", body), 403, "wrong_password")
        assert document["errors"][0]["field"] == "old_password"

    async def test_is_set_by_a_link_by_a_program(self, shop: Counter) -> None:
        token = await self._link(shop)
        path = f"/v1/password-links/{token}"
        problem(await shop.nobody().post(path, {"password": "111111"}), 422, "weak_password")
        assert (await shop.nobody().post(path, {"password": PASSWORD})).status_code == 204
        problem(await shop.nobody().post(path, {"password": PASSWORD}), 403, "code_expired")

    async def test_is_set_by_a_link_on_a_page_without_script(self, shop: Counter) -> None:
        token = await self._link(shop)
        path = f"/password/{token}"
        page = await shop.client.get(path)
        assert page.status_code == 200
        assert page.headers["content-language"] == "zh-CN"
        assert "<script" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        differ = await shop.client.post(path, data={"password": PASSWORD, "again": "857214"})
        assert (differ.status_code, "不一致" in differ.text) == (422, True)
        weak = await shop.client.post(path, data={"password": "111111", "again": "111111"})
        assert (weak.status_code, "<form" in weak.text) == (422, True)
        assert "111111" not in weak.text
        done = await shop.client.post(path, data={"password": PASSWORD, "again": PASSWORD})
        assert (done.status_code, "<form" in done.text) == (200, False)
        used = await shop.client.get(path, headers={"accept-language": "en"})
        assert (used.status_code, "no longer works" in used.text, "<form" in used.text) == (403, True, False)

    @pytest.mark.parametrize(
        "content", [b"", b"x", b"password=1", b"password=1&password=1", b"\xff", b"a=" + b"b" * 2000]
    )
    async def test_is_not_set_by_a_form_of_another_kind(self, shop: Counter, content: bytes) -> None:
        token = await self._link(shop)
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = await shop.client.post(f"/password/{token}", content=content, headers=headers)
        assert answer.status_code in (400, 422)
        problem(await shop.client.post(f"/password/{token}", json={}), 415, "unsupported_media_type")

    async def test_of_a_link_that_never_was_is_not_set(self, shop: Counter) -> None:
        for path in ("/v1/password-links/pwd_nothing1", "/v1/password-links/" + "x" * 100):
            problem(await shop.nobody().post(path, {"password": PASSWORD}), 403, "code_expired")

    async def _link(self, shop: Counter) -> str:
        await open_by_sms(shop.runtime, phone=NEW)
        return (await last_secret(shop.runtime, NEW, "password_link", "url_sealed")).rsplit("/", 1)[1]


@clause("CT 5.1", "CT 5.2", "CM 6.4.1", "CM 6.4.3")
class TestATopUp:
    async def test_by_voucher_turns_a_card_into_money_once(self, shop: Counter) -> None:
        card, other, _ = await cards_on_sale(shop.runtime)
        payer = await shop.subscriber()
        body = {"voucher_password": f"{card.password[:4]} {card.password[4:]}"}
        first = await payer.post("/v1/topups/voucher", body, key="k")
        assert (first.status_code, first.json()["amount_fen"]) == (201, 5000)
        again = await payer.post("/v1/topups/voucher", body, key="k")
        assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
        problem(
            await payer.post("/v1/topups/voucher", {"voucher_password": other.password}, key="k"), 422, "key_reused"
        )
        problem(await payer.post("/v1/topups/voucher", body), 409, "voucher_used")
        assert await shop.balance_fen() == 105_000
        await assert_books_balance(shop.runtime)

    async def test_by_voucher_never_repeats_the_card_password(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        for wrong in ("1234123412341234", "123412341234", "1234-1234-1234-12345"):
            answer = await payer.post("/v1/topups/voucher", {"voucher_password": wrong})
            assert answer.status_code in (400, 404)
            assert "1234" not in answer.text.replace(PHONE, "").replace(answer.headers["x-request-id"], "")

    async def test_by_voucher_is_barred_after_ten_wrong_ones(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        for number in range(10):
            body = {"voucher_password": f"{number:016d}"}
            problem(await payer.post("/v1/topups/voucher", body), 404, "unknown_voucher")
        problem(await payer.post("/v1/topups/voucher", {"voucher_password": "9" * 16}), 403, "voucher_barred")
        helper = await shop.staff(Permission.VOUCHER_RELEASE)
        assert (await helper.post("/v1/staff/accounts/release-vouchers", {"phone": PHONE})).status_code == 204
        problem(await payer.post("/v1/topups/voucher", {"voucher_password": "9" * 16}), 404, "unknown_voucher")

    async def test_by_cash_is_undone_by_the_same_clerk(self, shop: Counter) -> None:
        clerk = await shop.staff(Permission.CASH_TOPUP, name="c2", hall="H01", clerk="C02")
        other = await shop.staff(Permission.CASH_TOPUP, name="c3", hall="H01", clerk="C03")
        asked = {"phone": PHONE, "amount_fen": 5000, "currency": "CNY"}
        paid_in = await clerk.post("/v1/topups/cash", asked, key="k")
        assert (paid_in.status_code, paid_in.json()["kind"]) == (201, "cash_topup")
        assert "idempotent-replayed" in (await clerk.post("/v1/topups/cash", asked, key="k")).headers
        assert await shop.balance_fen() == 105_000
        path = f"/v1/topups/cash/{paid_in.json()['transaction_id']}/undo"
        problem(await other.post(path), 404, "unknown_transaction")
        undone = await clerk.post(path)
        assert (undone.status_code, undone.json()["original_id"]) == (201, paid_in.json()["transaction_id"])
        problem(await clerk.post(path), 409, "illegal_state")
        assert await shop.balance_fen() == 100_000
        await assert_books_balance(shop.runtime)
