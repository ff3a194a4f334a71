"""Staff over HTTP: vouchers by two people, the books, members, customer care."""

from __future__ import annotations

from typing import Any

import pytest

from mpss.ledger.chart import CASH_IN_TRANSIT, FEE_INCOME
from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.house import assert_books_balance
from tests.support.http import Counter, problem
from tests.support.market import PHONE

BATCH: dict[str, Any] = {"face_fen": 5000, "currency": "CNY", "quantity": 3, "valid_until": "2028-12-31"}


@clause("CM 8.5", "CT 5.2")
class TestVouchers:
    async def test_are_made_by_one_person_and_put_on_sale_by_another(self, shop: Counter) -> None:
        both = (Permission.VOUCHER_GENERATE, Permission.VOUCHER_ACTIVATE)
        maker, seller = await shop.staff(*both, name="maker"), await shop.staff(*both, name="seller")
        made = await maker.post("/v1/staff/voucher-batches", BATCH, key="")
        assert (made.status_code, made.headers["content-type"]) == (201, "text/csv; charset=utf-8")
        header, *cards = made.text.splitlines()
        assert header == "serial,password,face_fen,valid_until"
        assert len(cards) == 3
        batch_id = made.headers["batch-id"]
        path = f"/v1/staff/voucher-batches/{batch_id}"
        (listed,) = (await seller.get("/v1/staff/voucher-batches")).json()["items"]
        assert (listed["batch_id"], listed["state"], listed["redeemed"]) == (batch_id, "generated", 0)
        payer = await shop.subscriber()
        card = {"voucher_password": cards[0].split(",")[1]}
        problem(await payer.post("/v1/topups/voucher", card), 409, "voucher_not_active")
        problem(await maker.post(f"{path}/activate"), 403, "same_person")
        activated = await seller.post(f"{path}/activate")
        assert (activated.status_code, activated.json()["amount_fen"]) == (201, 15_000)
        assert activated.json()["metadata"] == {"batch": batch_id}
        assert activated.headers["location"].startswith("/v1/staff/transactions/")
        problem(await seller.post(f"{path}/activate"), 409, "illegal_state")
        problem(await maker.post(f"{path}/discard"), 409, "illegal_state")
        assert (await payer.post("/v1/topups/voucher", card)).status_code == 201
        await assert_books_balance(shop.runtime)

    async def test_that_were_thrown_away_are_never_sold(self, shop: Counter) -> None:
        maker = await shop.staff(Permission.VOUCHER_GENERATE, name="maker")
        seller = await shop.staff(Permission.VOUCHER_ACTIVATE, name="seller")
        path = (await maker.post("/v1/staff/voucher-batches", BATCH)).headers["batch-id"]
        assert (await maker.post(f"/v1/staff/voucher-batches/{path}/discard")).status_code == 204
        problem(await seller.post(f"/v1/staff/voucher-batches/{path}/activate"), 409, "illegal_state")
        problem(await seller.post(f"/v1/staff/voucher-batches/vbt_{'0' * 32}/activate"), 404, "not_found")

    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            ({"face_fen": 0}, "amount_out_of_range"),
            ({"face_fen": 500_001}, "malformed_request"),
            ({"quantity": 0}, "malformed_request"),
            ({"quantity": 100_001}, "malformed_request"),
            ({"valid_until": "2020-01-01"}, "malformed_request"),
            ({"valid_until": "soon"}, "malformed_request"),
            ({"valid_until": 1e300}, "malformed_request"),
            ({"currency": "HKD"}, "unsupported_currency"),
        ],
    )
    async def test_are_not_made_of_a_bad_request(self, shop: Counter, changed: dict[str, Any], code: str) -> None:
        maker = await shop.staff(Permission.VOUCHER_GENERATE)
        before = await shop.left()
        problem(await maker.post("/v1/staff/voucher-batches", BATCH | changed), 400, code)
        assert await shop.left() == before


@clause("CT 5.2")
class TestTheBooks:
    async def test_are_weighed(self, shop: Counter) -> None:
        staff = await shop.staff(Permission.LEDGER_VIEW)
        trial = (await staff.get("/v1/staff/trial-balance")).json()
        assert trial["difference_fen"] == 0
        wallets = next(line for line in trial["lines"] if line["code"] == "2011")
        assert (wallets["credit_fen"], wallets["name"]) == (100_000, "虚拟账户")

    async def test_are_corrected_by_two_people(self, shop: Counter) -> None:
        proposer = await shop.staff(Permission.LEDGER_ADJUST, name="proposer")
        approver = await shop.staff(Permission.LEDGER_ADJUST, name="approver")
        legs = [
            {"ledger_account_id": CASH_IN_TRANSIT, "amount_fen": 100},
            {"ledger_account_id": FEE_INCOME, "amount_fen": -100},
        ]
        proposed = await proposer.post("/v1/staff/adjustments", {"legs": legs, "memo": "found in the till"})
        assert proposed.status_code == 201
        path = f"/v1/staff/adjustments/{proposed.json()['approval_id']}"
        (waiting,) = (await approver.get("/v1/staff/adjustments")).json()["items"]
        assert (waiting["approval_id"], waiting["memo"]) == (proposed.json()["approval_id"], "found in the till")
        problem(await proposer.post(f"{path}/approve"), 403, "same_person")
        approved = await approver.post(f"{path}/approve")
        assert (approved.status_code, approved.json()["kind"]) == (201, "adjustment")
        again = await approver.post(f"{path}/approve")
        assert (again.json(), again.headers["idempotent-replayed"]) == (approved.json(), "true")
        assert (await approver.get("/v1/staff/adjustments")).json()["items"] == []

    async def test_are_not_corrected_when_refused(self, shop: Counter) -> None:
        proposer = await shop.staff(Permission.LEDGER_ADJUST, name="proposer")
        approver = await shop.staff(Permission.LEDGER_ADJUST, name="approver")
        legs = [{"ledger_account_id": 3, "amount_fen": 1}, {"ledger_account_id": 61, "amount_fen": -1}]
        proposed = await proposer.post("/v1/staff/adjustments", {"legs": legs, "memo": "x"})
        path = f"/v1/staff/adjustments/{proposed.json()['approval_id']}"
        assert (await approver.post(f"{path}/refuse")).status_code == 204
        problem(await approver.post(f"{path}/approve"), 409, "illegal_state")
        problem(await approver.post(f"/v1/staff/adjustments/apv_{'0' * 32}/approve"), 404, "not_found")

    @pytest.mark.parametrize(
        "legs",
        [
            [],
            [{"ledger_account_id": 3, "amount_fen": 1}],
            [{"ledger_account_id": 3, "amount_fen": 1}, {"ledger_account_id": 61, "amount_fen": -2}],
            [{"ledger_account_id": 3, "amount_fen": 0}, {"ledger_account_id": 61, "amount_fen": 0}],
            [{"ledger_account_id": 3, "amount_fen": 1.5}, {"ledger_account_id": 61, "amount_fen": -1.5}],
            [{"ledger_account_id": 999, "amount_fen": 1}, {"ledger_account_id": 61, "amount_fen": -1}],
            [{"ledger_account_id": 2**70, "amount_fen": 1}, {"ledger_account_id": 61, "amount_fen": -1}],
            [{"ledger_account_id": 3, "amount_fen": 1, "part": "x"}, {"ledger_account_id": 61, "amount_fen": -1}],
        ],
    )
    async def test_are_not_corrected_by_a_bad_proposal(self, shop: Counter, legs: list[dict[str, Any]]) -> None:
        proposer = await shop.staff(Permission.LEDGER_ADJUST)
        before = await shop.left()
        answer = await proposer.post("/v1/staff/adjustments", {"legs": legs, "memo": "x"})
        assert answer.json()["code"] in ("malformed_request", "amount_out_of_range")
        assert answer.status_code == 400
        assert await shop.left() == before


@clause("CT 9.1.1", "CT 9.1.3")
class TestStaff:
    async def test_show_an_account_and_any_transaction(self, shop: Counter) -> None:
        care = await shop.staff(Permission.ACCOUNT_VIEW)
        payer = await shop.subscriber()
        paid = (await payer.post("/v1/purchases", shop.purchase())).json()
        found = await care.post("/v1/staff/accounts/search", {"phone": PHONE})
        assert found.json()["balance_fen"] == 97_500
        assert (await care.get(f"/v1/staff/transactions/{paid['transaction_id']}")).json() == paid
        problem(await care.post("/v1/staff/accounts/search", {"phone": "18912349999"}), 404, "unknown_account")
        problem(await care.get(f"/v1/staff/transactions/txn_{'0' * 32}"), 404, "unknown_transaction")

    async def test_see_what_has_not_left_the_house(self, shop: Counter) -> None:
        staff = await shop.staff(Permission.DELIVERY_RESEND)
        async with shop.runtime.database.transaction() as uow:
            await uow.execute("UPDATE outbox SET state = 'dead', finished_at = created_at, last_error = 'no such phone'"
                              " WHERE id = (SELECT id FROM outbox ORDER BY serial LIMIT 1)")  # fmt: skip
        shown = (await staff.get("/v1/staff/outbox")).json()
        (dead,) = shown["dead"]
        assert (dead["kind"], dead["last_error"]) == ("notice", "no such phone")
        assert shown["waiting"]["notice"] > 0

    async def test_are_added_renewed_and_stopped(self, shop: Counter) -> None:
        manager = await shop.staff(Permission.STAFF_MANAGE, Permission.CASH_TOPUP, name="manager")
        body = {"name": "王芳", "permissions": ["cash_topup"], "hall": "H01", "clerk": "C09"}
        created = await manager.post("/v1/staff/members", body)
        assert created.status_code == 201
        member = created.json()["member"]
        listed = (await manager.get("/v1/staff/members")).json()["items"]
        assert member in listed
        more = {"name": "x", "permissions": ["ledger_adjust"]}
        problem(await manager.post("/v1/staff/members", more), 403, "forbidden")
        problem(await manager.post("/v1/staff/members", body), 400, "malformed_request")
        renewed = await manager.post(f"/v1/staff/members/{member['staff_id']}/key")
        assert renewed.json()["api_key"] != created.json()["api_key"]
        assert (await manager.post(f"/v1/staff/members/{member['staff_id']}/stop")).status_code == 204
        problem(await manager.post(f"/v1/staff/members/{member['staff_id']}/stop"), 404, "not_found")
