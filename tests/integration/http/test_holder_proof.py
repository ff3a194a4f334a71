"""A reset of a real-name account's payment password asks for the end of the document's number (CM 7.5; DOMAIN 1.6)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from mpss.accounts.codes import Purpose
from mpss.accounts.password import request_link
from tests.integration.http.test_identity import NUMBER, PAPERS, clerk_of
from tests.support.clauses import clause
from tests.support.house import last_secret, sms_code
from tests.support.http import Counter, problem
from tests.support.market import PHONE

NEW, OTHER, TAIL = "857214", "630284", NUMBER[-6:]


async def real_name(shop: Counter) -> None:
    clerk = await clerk_of(shop)
    assert (await clerk.post("/v1/staff/accounts/upgrade", {**PAPERS, "phone": PHONE})).status_code == 200


async def reset(shop: Counter, **fields: Any) -> httpx.Response:
    shop.market.clock.advance(timedelta(minutes=20))
    code = await sms_code(shop.runtime, PHONE, Purpose.SET_PASSWORD)
    body = {"phone": PHONE, "code": code, "password": NEW, **fields}
    return await shop.nobody().post("/v1/account/password/reset", body)


async def link(shop: Counter) -> str:
    shop.market.clock.advance(timedelta(minutes=20))
    await request_link(shop.runtime, phone=PHONE)
    return (await last_secret(shop.runtime, PHONE, "password_link", "url_sealed")).rsplit("/", 1)[1]


@clause("CM 7.5", "CM 7.2.1", "CT 5.2", "GD 3.3")
class TestAReset:
    async def test_of_a_weak_account_asks_for_the_code_alone(self, shop: Counter) -> None:
        assert (await reset(shop)).status_code == 204

    async def test_of_a_real_name_account_asks_for_the_document_too(self, shop: Counter) -> None:
        await real_name(shop)
        problem(await reset(shop), 403, "identity_required")
        document = problem(await reset(shop, identity_tail="010072"), 409, "identity_mismatch")
        assert NUMBER not in str(document)
        problem(await reset(shop, identity_tail="1"), 400, "malformed_request")
        assert (await reset(shop, identity_tail=TAIL)).status_code == 204

    async def test_wrong_too_often_is_for_a_hall_until_the_next_day(self, shop: Counter) -> None:
        await real_name(shop)
        for _ in range(5):
            problem(await reset(shop, identity_tail="999999"), 409, "identity_mismatch")
        problem(await reset(shop, identity_tail=TAIL), 429, "rate_limited")
        shop.market.clock.advance(timedelta(days=1))
        assert (await reset(shop, identity_tail=TAIL)).status_code == 204

    async def test_refuses_a_password_out_of_the_document(self, shop: Counter) -> None:
        await real_name(shop)
        problem(await reset(shop, identity_tail=TAIL, password="360426"), 422, "weak_password")
        payer = await shop.subscriber()
        body = {"old_password": "470983", "new_password": "042619"}
        document = problem(await payer.put("/v1/account/password", body), 422, "weak_password")
        assert document["errors"][0]["field"] == "new_password"


@clause("CM 7.5", "CT 5.2")
class TestALink:
    async def test_to_a_first_password_asks_for_nothing_more(self, shop: Counter) -> None:
        token = await link(shop)
        answer = await shop.nobody().post(f"/v1/password-links/{token}", {"password": NEW})
        assert answer.status_code == 204, answer.text

    async def test_that_replaces_a_real_name_accounts_password_asks_for_the_document(self, shop: Counter) -> None:
        await real_name(shop)
        token = await link(shop)
        path = f"/v1/password-links/{token}"
        problem(await shop.nobody().post(path, {"password": NEW}), 403, "identity_required")
        wrong = {"password": NEW, "identity_tail": "010072"}
        problem(await shop.nobody().post(path, wrong), 409, "identity_mismatch")
        assert (await shop.nobody().post(path, {"password": NEW, "identity_tail": TAIL})).status_code == 204

    async def test_has_a_page_that_asks_for_it(self, shop: Counter) -> None:
        await real_name(shop)
        path = f"/password/{await link(shop)}"
        shown = await shop.client.get(path)
        assert 'name="identity_tail"' in shown.text
        for tail, status in (("010072", 409), ("", 409), (TAIL, 200)):
            form = {"password": OTHER, "again": OTHER, "identity_tail": tail}
            sent = await shop.client.post(path, data=form)
            assert sent.status_code == status, sent.text
            assert ('name="identity_tail"' in sent.text) is (status == 409)
