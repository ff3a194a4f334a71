"""Real names: accounts opened and upgraded at a counter, submitted and reviewed, sealed at rest (CM 5.2.1, 5.2.2)."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from psycopg import sql

from mpss.accounts.customers import mark_persons
from mpss.accounts.document_expiry import find_expired
from mpss.accounts.upgrade import warn_of_documents
from mpss.risk.lists import decide_entry, enter, release
from mpss.risk.model import Colour, Scope
from mpss.runtime import Runtime
from mpss.staff.members import create_member
from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.house import PASSWORD, events, notices, subscriber
from tests.support.http import Caller, Counter, problem
from tests.support.market import PHONE

NAME, NUMBER = "李小明", "360426199101010071"
PICTURE = b"\xff\xd8\xff\xe0" + b"a face and a name" * 20
FRONT = {"kind": "front", "content": base64.b64encode(PICTURE).decode()}
BACK = {"kind": "back", "content": base64.b64encode(PICTURE).decode()}
LICENCE = {"kind": "licence", "content": base64.b64encode(PICTURE).decode()}
PAPERS: dict[str, Any] = {
    "name": NAME, "document_kind": "resident_id", "document_number": NUMBER, "valid_until": "2036-06-30",
    "address": "广州市天河区一号", "contact": "18912340009", "images": [FRONT, BACK],
}  # fmt: skip
COMPANY: dict[str, Any] = {
    "name": "南城信息技术有限公司", "document_kind": "business_licence", "document_number": "91110000600037341L",
    "images": [LICENCE],
}  # fmt: skip
NEW, OTHER = "+8618912340071", "+8618912340072"
FIVE = ["police", "bank_card", "operator", "tax", "education"]


async def clerk_of(shop: Counter) -> Caller:
    return await shop.staff(
        Permission.ACCOUNT_OPEN, Permission.IDENTITY_MANAGE, name="counter", hall="H01", clerk="C07"
    )


async def audited(shop: Counter) -> list[str]:
    async with shop.runtime.database.read() as uow:
        rows = await uow.dicts(
            "SELECT action FROM audit_record WHERE action ~ '^(identity|account|group)[.]' ORDER BY at, action"
        )
    return [row["action"] for row in rows]


async def at_rest(runtime: Runtime) -> bytes:
    """Every value of every row."""
    found: list[bytes] = []
    async with runtime.database.read() as uow:
        tables = await uow.dicts("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for table in tables:
            name = sql.Identifier(table["tablename"])
            cursor = await uow.connection.execute(sql.SQL("SELECT * FROM {}").format(name))
            for row in await cursor.fetchall():
                found += [value if isinstance(value, bytes) else str(value).encode() for value in row]
    return b"\n".join(found)


@clause("CM 5.2.1", "CM 5.2.1.1", "CM 6.1", "CM 6.1.2", "CM 6.1.3", "CM 7.1", "CM 7.2", "GD 3.1")
class TestTheCounter:
    async def test_opens_a_weak_account_and_upgrades_it(self, shop: Counter) -> None:
        clerk = await clerk_of(shop)
        weak = {name: value for name, value in PAPERS.items() if name != "images"}
        opened = await clerk.post("/v1/staff/accounts", {**weak, "phone": NEW, "real_name": False})
        assert (opened.status_code, opened.json()["account_class"]) == (201, "weak"), opened.text
        assert await events(shop.runtime, NEW) == ["opened", "password_link"]
        upgraded = await clerk.post("/v1/staff/accounts/upgrade", {**PAPERS, "phone": NEW, "verifications": []})
        assert (upgraded.status_code, upgraded.json()["account_class"]) == (200, "class_2"), upgraded.text
        customer = upgraded.json()["customer"]
        assert (customer["name"], customer["document_number"], customer["sex"]) == (
            "李**", "**************0071", "male",
        )  # fmt: skip
        assert (await notices(shop.runtime, NEW))[-1] == ("upgraded", {"level": "II"})
        looked = await clerk.post("/v1/staff/accounts/identity", {"phone": NEW})
        assert looked.json() == upgraded.json()
        assert await audited(shop) == ["account.open", "identity.upgrade", "identity.show"]
        problem(
            await clerk.post("/v1/staff/accounts", {**weak, "phone": NEW, "real_name": False}), 409, "account_exists"
        )

    async def test_gives_one_customer_one_account_of_class_three(self, shop: Counter) -> None:
        clerk = await clerk_of(shop)
        classes = []
        for phone in (NEW, OTHER):
            body = {**PAPERS, "phone": phone, "real_name": True, "verifications": FIVE}
            classes.append((await clerk.post("/v1/staff/accounts", body)).json()["account_class"])
        assert classes == ["class_3", "class_2"]

    async def test_knows_a_name_again_that_another_clerk_keyed_in(self, shop: Counter) -> None:
        clerk = await clerk_of(shop)
        body = {**PAPERS, "real_name": True}
        for phone, name in ((NEW, "买买提·阿不都拉"), (OTHER, "买买提•阿不都拉")):
            opened = await clerk.post("/v1/staff/accounts", {**body, "phone": phone, "name": name})
            assert opened.status_code == 201, opened.text

    async def test_refuses_a_document_that_is_known_with_another_name(self, shop: Counter) -> None:
        clerk = await clerk_of(shop)
        body = {**PAPERS, "phone": NEW, "real_name": True}
        assert (await clerk.post("/v1/staff/accounts", body)).status_code == 201
        left = await shop.left()
        wrong = await clerk.post("/v1/staff/accounts", {**body, "phone": OTHER, "name": "王五六"})
        problem(wrong, 409, "identity_mismatch")
        problem(
            await clerk.post("/v1/staff/accounts", {**body, "phone": OTHER, "images": [FRONT]}),
            400,
            "malformed_request",
        )
        assert await shop.left() == left

    async def test_refuses_a_person_on_the_black_list(self, shop: Counter) -> None:
        clerk = await clerk_of(shop)
        one, other = [
            (await create_member(shop.runtime, name=name, permissions=list(Permission))).member for name in ("a", "b")
        ]
        entry = await enter(shop.runtime, by=one, colour=Colour.BLACK, scope=Scope.PERSON, value=NUMBER, reason="fraud")
        await decide_entry(shop.runtime, by=other, entry_id=entry.id, approve=True)
        problem(await clerk.post("/v1/staff/accounts", {**PAPERS, "phone": NEW, "real_name": True}), 403, "blacklisted")

    @clause("CM 9.8")
    async def test_refuses_a_person_who_came_on_a_list_after_opening(self, shop: Counter) -> None:
        clerk = await clerk_of(shop)
        named = await clerk.post("/v1/staff/accounts/upgrade", {**PAPERS, "phone": PHONE, "verifications": []})
        assert named.status_code == 200, named.text
        one, other = [
            (await create_member(shop.runtime, name=name, permissions=list(Permission))).member for name in ("a", "b")
        ]
        payer = await shop.subscriber()
        await subscriber(shop.runtime, OTHER)
        friend = await shop.subscriber(OTHER)
        sent = {"amount_fen": 1000, "currency": "CNY", "payment_password": PASSWORD}

        async def answers() -> list[int]:
            return [
                (await payer.post("/v1/purchases", shop.purchase())).status_code,
                (await payer.post("/v1/transfers", {**sent, "payee_phone": OTHER})).status_code,
                (await friend.post("/v1/transfers", {**sent, "payee_phone": PHONE})).status_code,
            ]

        assert await answers() == [201, 201, 201]
        async with shop.runtime.database.transaction() as uow:  # As it was written before lists were looked up so.
            await uow.execute("UPDATE customer SET person_digest = NULL")
        assert [await mark_persons(shop.runtime) for _ in range(2)] == [1, 0]
        policy = shop.runtime.policy
        grey = await enter(shop.runtime, by=one, colour=Colour.GREY, scope=Scope.PERSON, value=NUMBER, reason="seen")
        share_fen = policy.single_limit_fen * policy.grey_limit_percent // 100
        assert ("grey_listed", {"amount_fen": share_fen}) in await notices(shop.runtime, PHONE)
        assert "grey_listed" not in await events(shop.runtime, OTHER)
        above = await payer.post("/v1/purchases", shop.purchase(amount_fen=share_fen + 1))
        problem(above, 403, "single_limit_exceeded")
        await release(shop.runtime, by=one, entry_id=grey.id, reason="clean")
        entry = await enter(shop.runtime, by=one, colour=Colour.BLACK, scope=Scope.PERSON, value=NUMBER, reason="fraud")
        assert await answers() == [201, 201, 201]
        await decide_entry(shop.runtime, by=other, entry_id=entry.id, approve=True)
        assert await answers() == [403, 403, 403]
        problem(await payer.post("/v1/purchases", shop.purchase()), 403, "blacklisted")
        await release(shop.runtime, by=one, entry_id=entry.id, reason="mistaken")
        await decide_entry(shop.runtime, by=other, entry_id=entry.id, approve=True)
        assert await answers() == [201, 201, 201]

    async def test_needs_the_permission_and_a_hall(self, shop: Counter) -> None:
        teller = await shop.staff(Permission.CASH_TOPUP, name="teller", hall="H01", clerk="C08")
        office = await shop.staff(Permission.ACCOUNT_OPEN, Permission.IDENTITY_MANAGE, name="office")
        for caller in (teller, office):
            body = {**PAPERS, "phone": NEW}
            problem(await caller.post("/v1/staff/accounts", {**body, "real_name": True}), 403, "forbidden")
            problem(await caller.post("/v1/staff/accounts/upgrade", body), 403, "forbidden")
            problem(await caller.post("/v1/staff/accounts/identity", {"phone": NEW}), 403, "forbidden")
        assert await audited(shop) == []


@clause("CM 5.2.2", "CM 6.1.1", "CM 8.2.1")
class TestASubmission:
    async def test_is_reviewed_and_every_look_is_on_record(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        reviewer = await shop.staff(Permission.IDENTITY_REVIEW, name="reviewer")
        sent = await payer.post("/v1/account/identity", PAPERS)
        assert (sent.status_code, sent.json()["state"]) == (201, "submitted"), sent.text
        problem(await payer.post("/v1/account/identity", PAPERS), 409, "illegal_state")
        (listed,) = (await reviewer.get("/v1/staff/identities", state="submitted")).json()["items"]
        assert listed["customer"]["name"] == "李**"
        path = f"/v1/staff/identities/{listed['submission_id']}"
        seen = (await reviewer.get(path)).json()
        assert (seen["customer"]["name"], seen["customer"]["document_number"]) == (NAME, NUMBER)
        assert seen["images"] == ["back", "front"]
        image = (await reviewer.get(f"{path}/images/front")).json()
        assert base64.b64decode(image["content"]) == PICTURE
        problem(await reviewer.get(f"{path}/images/licence"), 404, "not_found")
        approved = await reviewer.post(f"{path}/approve", {"verifications": ["police"]})
        assert (approved.status_code, approved.json()["state"]) == (200, "approved"), approved.text
        problem(await reviewer.post(f"{path}/refuse", {"reason": "迟了"}), 409, "illegal_state")
        mine = (await payer.get("/v1/account/identity")).json()
        assert (mine["account_class"], mine["customer"]["level"], mine["customer"]["name"]) == (
            "class_1", "real", "李**",
        )  # fmt: skip
        assert (await events(shop.runtime, PHONE))[-2:] == ["identity_submitted", "upgraded"]
        assert await audited(shop) == ["identity.look", "identity.look_at_image", "identity.approve"]

    async def test_that_is_refused_may_come_again_but_not_for_ever(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        reviewer = await shop.staff(Permission.IDENTITY_REVIEW, name="reviewer")
        for _ in range(3):
            sent = (await payer.post("/v1/account/identity", PAPERS)).json()
            path = f"/v1/staff/identities/{sent['submission_id']}/refuse"
            assert (await reviewer.post(path, {"reason": "照片不清晰"})).status_code == 200
        assert (await notices(shop.runtime, PHONE))[-1] == ("identity_refused", {"reason": "照片不清晰"})
        problem(await payer.post("/v1/account/identity", PAPERS), 429, "rate_limited")
        assert (await payer.get("/v1/account/identity")).json()["account_class"] == "weak"

    async def test_is_nowhere_at_rest_in_clear(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        assert (await payer.post("/v1/account/identity", PAPERS)).status_code == 201
        clerk = await clerk_of(shop)
        assert (await clerk.post("/v1/staff/accounts/upgrade", {**PAPERS, "phone": PHONE})).status_code == 200
        kept = await at_rest(shop.runtime)
        for secret in (NAME.encode(), NUMBER.encode(), PICTURE, "天河区".encode(), b"18912340009"):
            assert secret not in kept

    async def test_warns_once_of_a_document_that_runs_out(self, shop: Counter) -> None:
        clerk = await clerk_of(shop)
        soon = (shop.runtime.clock.now() + timedelta(days=20)).date().isoformat()
        body = {**PAPERS, "phone": PHONE, "valid_until": soon}
        assert (await clerk.post("/v1/staff/accounts/upgrade", body)).status_code == 200
        assert [await warn_of_documents(shop.runtime) for _ in range(2)] == [1, 0]
        assert (await notices(shop.runtime, PHONE))[-1] == ("document_expiring", {"until": soon})


@clause("CM 7.2.1")
class TestADocumentThatRanOut:
    async def test_stops_what_goes_out_after_its_grace_until_a_new_one_is_reviewed(self, shop: Counter) -> None:
        clerk, clock = await clerk_of(shop), shop.market.clock
        soon = (clock.now() + timedelta(days=20)).date()
        for phone in (PHONE, NEW):
            body = {**PAPERS, "phone": phone, "valid_until": soon.isoformat(), "real_name": True}
            path = "/v1/staff/accounts/upgrade" if phone == PHONE else "/v1/staff/accounts"
            if phone == PHONE:
                del body["real_name"]
            assert (await clerk.post(path, body)).status_code < 300
        clock.advance(timedelta(days=20 + shop.runtime.policy.document_grace_days))
        assert await find_expired(shop.runtime) == (0, 0)
        clock.advance(timedelta(days=1))
        assert [await find_expired(shop.runtime) for _ in range(2)] == [(2, 0), (0, 0)]
        payer = await shop.subscriber()
        assert (await payer.get("/v1/account")).json()["state"] == "document_expired"
        problem(await payer.post("/v1/purchases", shop.purchase()), 403, "document_expired")
        assert (await notices(shop.runtime, PHONE))[-2][0] == "document_expired"

        renewed = {**PAPERS, "valid_until": (clock.now() + timedelta(days=3650)).date().isoformat()}
        sent = (await payer.post("/v1/account/identity", renewed)).json()
        reviewer = await shop.staff(Permission.IDENTITY_REVIEW, name="renewer")
        path = f"/v1/staff/identities/{sent['submission_id']}/approve"
        assert (await reviewer.post(path, {"verifications": ["police"]})).status_code == 200
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        # The holder's other account is freed by the job.
        assert [await find_expired(shop.runtime) for _ in range(2)] == [(0, 1), (0, 0)]
        for phone in (PHONE, NEW):
            assert "document_renewed" in [event for event, _ in await notices(shop.runtime, phone)]
        async with shop.runtime.database.read() as uow:
            rows = await uow.dicts(
                "SELECT event FROM account_event WHERE account_id = %(id)s ORDER BY id",
                {"id": shop.market.payer.account_id},
            )
        events_told = [row["event"] for row in rows]
        assert events_told[:3] == ["upgraded", "document_expired", "identity_submitted"]
        assert set(events_told[3:]) == {"upgraded", "document_renewed"}

    async def test_of_a_company_is_renewed_at_a_hall(self, shop: Counter) -> None:
        clerk, clock = await clerk_of(shop), shop.market.clock
        until = (clock.now() + timedelta(days=20)).date().isoformat()
        opened = await clerk.post("/v1/staff/accounts/corporate", {**COMPANY, "phone": NEW, "valid_until": until})
        assert opened.status_code == 201, opened.text
        clock.advance(timedelta(days=21 + shop.runtime.policy.document_grace_days))
        assert await find_expired(shop.runtime) == (1, 0)
        path = "/v1/staff/accounts/upgrade"
        other = {**COMPANY, "phone": NEW, "document_number": "91350100M000100Y43"}
        problem(await clerk.post(path, other), 409, "identity_mismatch")
        problem(await clerk.post(path, {**PAPERS, "phone": NEW}), 409, "illegal_state")
        problem(await clerk.post(path, {**COMPANY, "phone": PHONE}), 409, "illegal_state")
        renewed = await clerk.post(path, {**COMPANY, "phone": NEW, "name": "南城信息科技有限公司"})
        assert (renewed.status_code, renewed.json()["account_class"]) == (200, "corporate"), renewed.text
        assert renewed.json()["customer"]["valid_until"] is None
        assert (await events(shop.runtime, NEW))[-2:] == ["document_expired", "document_renewed"]
        assert await find_expired(shop.runtime) == (0, 0)

    async def test_is_replaced_by_one_with_another_number_where_both_are_shown(self, shop: Counter) -> None:
        clerk, clock = await clerk_of(shop), shop.market.clock
        later = (clock.now() + timedelta(days=3650)).date().isoformat()
        old: dict[str, Any] = {
            **PAPERS, "name": "Anne O'Neill", "document_kind": "passport", "document_number": "E12345678",
            "nationality": "IRL", "images": [FRONT],
            "valid_until": (clock.now() + timedelta(days=5)).date().isoformat(),
        }  # fmt: skip
        path = "/v1/staff/accounts/upgrade"
        assert (await clerk.post(path, {**old, "phone": PHONE})).status_code == 200
        opened = await clerk.post("/v1/staff/accounts", {**old, "phone": NEW, "real_name": True})
        assert opened.status_code == 201, opened.text
        clock.advance(timedelta(days=6 + shop.runtime.policy.document_grace_days))
        assert await find_expired(shop.runtime) == (2, 0)

        new = {**old, "phone": PHONE, "document_number": "E87654321", "valid_until": later}
        problem(await clerk.post(path, new), 409, "identity_mismatch")
        problem(await clerk.post(path, {**new, "former_number": "E12345679"}), 409, "identity_mismatch")
        smith = {**new, "former_number": "E12345678", "name": "Ann Smith"}
        problem(await clerk.post(path, smith), 409, "identity_mismatch")
        wrong = problem(await clerk.post(path, {**new, "former_number": "?"}), 400, "malformed_request")
        assert wrong["errors"][0]["field"] == "former_number"
        taken = await clerk.post(path, {**new, "former_number": "E12345678"})
        assert (taken.status_code, taken.json()["customer"]["document_number"]) == (200, "*****4321"), taken.text
        payer = await shop.subscriber()
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        assert await find_expired(shop.runtime) == (0, 1)
        # From now on the new number is the holder's at every counter, and the old one nobody's.
        shown = {"phone": PHONE, "document": "passport, seen", "document_kind": "passport"}
        closer = await shop.staff(Permission.LOSS_WRITTEN, name="loss of both", hall="H01", clerk="C08")
        old_one = {**shown, "document_number": "E12345678"}
        problem(await closer.post("/v1/staff/accounts/loss/written", old_one), 409, "identity_mismatch")
        new_one = {**shown, "document_number": "E87654321"}
        assert (await closer.post("/v1/staff/accounts/loss/written", new_one)).status_code == 204

    async def test_of_a_resident_keeps_its_number_for_life(self, shop: Counter) -> None:
        clerk = await clerk_of(shop)
        path = "/v1/staff/accounts/upgrade"
        assert (await clerk.post(path, {**PAPERS, "phone": PHONE})).status_code == 200
        other = {**PAPERS, "phone": PHONE, "document_number": "11010519491231002X", "former_number": NUMBER}
        problem(await clerk.post(path, other), 409, "identity_mismatch")


@clause("CM 5.2.1.2")
class TestACorporateAccount:
    async def test_has_members_with_quotas(self, shop: Counter) -> None:
        clerk = await clerk_of(shop)
        opened = await clerk.post("/v1/staff/accounts/corporate", {**COMPANY, "phone": NEW})
        assert (opened.status_code, opened.json()["account_class"]) == (201, "corporate"), opened.text
        pair = {"master_phone": NEW, "member_phone": PHONE}
        quotas = {**pair, "quota_month_fen": 100_000, "quota_single_fen": 20_000, "currency": "CNY"}
        problem(await clerk.post("/v1/staff/groups/members", quotas), 409, "account_not_active")
        async with shop.runtime.database.transaction() as uow:
            await uow.execute("UPDATE account SET life = 'active' WHERE phone = %(phone)s", {"phone": NEW})
        assert (await clerk.post("/v1/staff/groups/members", quotas)).status_code == 204
        problem(await clerk.post("/v1/staff/groups/members", quotas), 409, "illegal_state")
        above = {**quotas, "quota_single_fen": 100_001}
        problem(await clerk.put("/v1/staff/groups/members", above), 400, "malformed_request")
        assert (await clerk.put("/v1/staff/groups/members", {**quotas, "quota_month_fen": 50_000})).status_code == 204
        (member,) = (await clerk.post("/v1/staff/groups/members/list", {"master_phone": NEW})).json()["items"]
        assert (member["phone"], member["quota_month_fen"]) == ("+86189****0001", 50_000)
        assert (await clerk.post("/v1/staff/groups/members/remove", pair)).status_code == 204
        problem(await clerk.post("/v1/staff/groups/members/remove", pair), 404, "not_found")
        told = [each for each in await notices(shop.runtime, PHONE) if each[0].startswith("group")]
        assert [event for event, _ in told] == ["group_joined", "group_joined", "group_left"]
        assert told[0][1] == {"group": COMPANY["name"], "amount_fen": 100_000}
        assert await audited(shop) == [
            "account.open", "group.add_member", "group.set_quota", "group.remove_member",
        ]  # fmt: skip
