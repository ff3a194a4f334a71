"""Passwords over HTTP: none comes back at once, a hall resets without learning one, one signs in by another."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from mpss.accounts.codes import Purpose
from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.house import PASSWORD, events, last_secret, sms_code
from tests.support.http import Caller, Counter, problem
from tests.support.market import PHONE

OTHERS = ("857214", "630284", "741863", "906352", "528174")
LOGIN = "brook-7-lantern"


async def reset(shop: Counter, password: str) -> int:
    shop.market.clock.advance(timedelta(hours=1))
    code = await sms_code(shop.runtime, PHONE, Purpose.SET_PASSWORD)
    body = {"phone": PHONE, "code": code, "password": password}
    return (await shop.nobody().post("/v1/account/password/reset", body)).status_code


async def sign_in(shop: Counter, password: str = LOGIN, phone: str = PHONE) -> tuple[int, str]:
    answer = await shop.nobody().post("/v1/sessions/password", {"phone": phone, "password": password})
    return answer.status_code, answer.json().get("code", "")


async def with_login(shop: Counter) -> Caller:
    payer = await shop.subscriber()
    code = await sms_code(shop.runtime, PHONE, Purpose.LOGIN_PASSWORD)
    body = {"code": code, "password": LOGIN}
    assert (await payer.put("/v1/account/login-password", body)).status_code == 204
    return payer


@clause("CM 7.4", "CM 8.2.3")
class TestAPaymentPassword:
    async def test_that_was_used_lately_is_refused_and_one_of_long_ago_is_not(self, shop: Counter) -> None:
        assert [await reset(shop, password) for password in (PASSWORD, *OTHERS[:4])] == [422, 204, 204, 204, 204]
        assert await reset(shop, PASSWORD) == 422
        assert await reset(shop, OTHERS[3]) == 422
        assert await reset(shop, OTHERS[4]) == 204
        assert await reset(shop, PASSWORD) == 204

    async def test_is_not_changed_to_itself(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        body = {"old_password": PASSWORD, "new_password": PASSWORD}
        problem(await payer.put("/v1/account/password", body), 422, "password_reused")


@clause("CM 7.5", "CM 8.2.3", "GD 3.3")
class TestAtTheCounter:
    async def test_a_clerk_takes_the_password_away_and_the_phone_sets_a_new_one(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        assert (await payer.get("/v1/account")).status_code == 200
        clerk = await shop.staff(Permission.PASSWORD_RESET, hall="H01", clerk="C07")
        body = {"phone": PHONE, "document": "resident ID, seen"}
        assert (await clerk.post("/v1/staff/passwords/reset", body)).status_code == 204
        problem(await payer.get("/v1/account"), 401, "unauthenticated")
        payer = await shop.subscriber()
        problem(await payer.post("/v1/purchases", shop.purchase(), key="before"), 409, "password_not_set")
        token = (await last_secret(shop.runtime, PHONE, "password_link", "url_sealed")).rsplit("/", 1)[1]
        path = f"/v1/password-links/{token}"
        problem(await shop.nobody().post(path, {"password": PASSWORD}), 422, "password_reused")
        assert (await shop.nobody().post(path, {"password": OTHERS[0]})).status_code == 204
        payer = await shop.subscriber()
        paid = await payer.post("/v1/purchases", shop.purchase(payment_password=OTHERS[0]), key="after")
        assert paid.status_code == 201, paid.text
        async with shop.runtime.database.read() as uow:
            (noted,) = await uow.dicts("SELECT subject, detail FROM audit_record WHERE action = 'password.reset'")
        assert "H01" in str(noted["detail"])
        assert noted["subject"] == (await payer.get("/v1/account")).json()["account_id"]

    async def test_nobody_without_a_hall_does(self, shop: Counter) -> None:
        manager = await shop.staff(Permission.PASSWORD_RESET)
        answer = await manager.post("/v1/staff/passwords/reset", {"phone": PHONE, "document": "seen"})
        problem(answer, 403, "forbidden")


@clause("CT 12.1", "CM 8.2.3")
class TestALoginPassword:
    async def test_signs_in_and_pays_nothing(self, shop: Counter) -> None:
        await with_login(shop)
        answer = await shop.nobody().post("/v1/sessions/password", {"phone": PHONE, "password": LOGIN})
        assert answer.status_code == 201, answer.text
        payer = Caller(shop.client, shop.runtime.clock, {"authorization": f"Bearer {answer.json()['token']}"})
        assert (await payer.get("/v1/account")).json()["phone"] == PHONE
        problem(await payer.post("/v1/purchases", shop.purchase(payment_password=LOGIN)), 400, "malformed_request")
        assert "login_password_set" in await events(shop.runtime, PHONE)
        async with shop.runtime.database.read() as uow:
            assert str(await uow.value("SELECT hash FROM login_password")).startswith("$argon2id$")

    async def test_ends_other_sessions_when_it_is_set(self, shop: Counter) -> None:
        other = await shop.subscriber()
        assert (await other.get("/v1/account")).status_code == 200
        payer = await with_login(shop)
        problem(await other.get("/v1/account"), 401, "unauthenticated")
        assert (await payer.get("/v1/account")).status_code == 200

    async def test_that_is_weak_is_refused(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        for password, code in (("onlyletters", "weak_password"), ("12345678", "weak_password"),
                               ("my-12340001", "weak_password"), ("a1a1a1a1", "weak_password")):  # fmt: skip
            answer = await payer.put("/v1/account/login-password", {"code": "000000", "password": password})
            problem(answer, 422, code)
        answer = await payer.put("/v1/account/login-password", {"code": "000000", "password": "short-1"})
        problem(answer, 400, "malformed_request")

    async def test_tried_too_often_rests_and_the_owner_alone_is_told(self, shop: Counter) -> None:
        await with_login(shop)
        tries = shop.runtime.policy.login_tries
        refused = (403, "wrong_password")
        answers = await asyncio.gather(*(sign_in(shop, f"wrong-pass-{number}") for number in range(tries + 1)))
        assert set(answers) == {refused}
        assert await sign_in(shop) == refused
        assert await sign_in(shop, phone="18912340099") == refused
        assert (await events(shop.runtime, PHONE)).count("login_locked") == 1
        shop.market.clock.advance(timedelta(minutes=shop.runtime.policy.login_lock_minutes, seconds=1))
        assert (await sign_in(shop))[0] == 201
