"""Who may call what: every operation is tried without what it needs."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from mpss.accounts.codes import Purpose
from mpss.channels.http.app import operations_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.operation import Operation
from mpss.staff.members import list_members, stop_member
from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.house import sms_code
from tests.support.http import Caller, Counter, problem
from tests.support.market import PHONE

OPERATIONS = operations_of(sandbox_too=True)
GUARDED = [operation for operation in OPERATIONS if operation.access not in (Access.OPEN, Access.PROBE)]
STAFF = [operation for operation in OPERATIONS if operation.access is Access.STAFF]
IDS = {"transaction_id": "txn_", "product_id": "prd_", "merchant_id": "mer_", "batch_id": "vbt_",
       "approval_id": "apv_", "entry_id": "rke_", "version_id": "rrv_", "report_id": "rpt_", "version": "1",
       "webhook_id": "out_", "staff_id": "stf_",
       "payee_id": "pye_", "question_id": "bsq_", "request_id": "fnd_", "card_id": "crd_", "submission_id": "sub_",
       "image_kind": "front"}  # fmt: skip


def path_of(operation: Operation) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: IDS[found.group(1)] + "0" * 32, operation.path)


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


async def call(caller: Caller, operation: Operation) -> tuple[int, str]:
    answer = await caller.send(operation.method, path_of(operation), {} if operation.method != "GET" else None)
    document = answer.json()
    return problem(answer, answer.status_code, document["code"])["status"], document["code"]


@clause("CT 9.1.1", "CM 8.3")
class TestAnOperation:
    async def test_that_needs_a_caller_is_refused_without_one(self, shop: Counter) -> None:
        before = await shop.left()
        for operation in GUARDED:
            assert await call(shop.nobody(), operation) == (401, "unauthenticated"), name_of(operation)
        assert await shop.left() == before

    async def test_is_refused_to_a_caller_of_another_kind(self, shop: Counter) -> None:
        payer, merchant = await shop.subscriber(), shop.merchant()
        clerk = await shop.staff(*Permission, name="everything", hall="H01", clerk="C02")
        before = await shop.left()
        wrong = {
            Access.SUBSCRIBER: (merchant, clerk),
            Access.MERCHANT: (payer, clerk),
            Access.SUBSCRIBER_OR_MERCHANT: (clerk,),
            Access.STAFF: (payer, merchant),
        }
        for operation in GUARDED:
            for caller in wrong[operation.access]:
                assert await call(caller, operation) == (401, "unauthenticated"), name_of(operation)
        assert await shop.left() == before

    @pytest.mark.parametrize("operation", STAFF, ids=name_of)
    async def test_of_staff_is_refused_without_its_permission(self, shop: Counter, operation: Operation) -> None:
        others = [permission for permission in Permission if permission is not operation.permission]
        caller = await shop.staff(*others, name="without", hall="H01", clerk="C02")
        before = await shop.left()
        assert await call(caller, operation) == (403, "forbidden")
        assert await shop.left() == before

    def test_of_staff_always_needs_a_permission(self) -> None:
        assert [name_of(operation) for operation in STAFF if operation.permission is None] == []

    def test_for_each_permission_there_is(self) -> None:
        assert {operation.permission for operation in STAFF} == set(Permission)

    def test_that_moves_money_needs_a_key_and_a_caller(self) -> None:
        money = {name_of(operation) for operation in OPERATIONS if operation.money}
        assert money == {
            "POST /v1/purchases",
            "POST /v1/reversals",
            "POST /v1/topups/voucher",
            "POST /v1/topups/cash",
            "POST /v1/topups/cash/{transaction_id}/undo",
            "POST /v1/topups/recharge-card",
            "POST /v1/topups/online-bank",
            "POST /v1/topups/bank-card",
            "POST /v1/transfers",
            "POST /v1/account/withdrawals",
            "POST /v1/staff/accounts/closing/pay-out",
            "POST /v1/staff/closing-rests/{transaction_id}/pay-out",
            "POST /v1/staff/voucher-batches/{batch_id}/activate",
        }
        assert all(operation.access is not Access.OPEN for operation in OPERATIONS if operation.money)


class TestAStaffKey:
    async def test_is_taken_in_either_header(self, shop: Counter) -> None:
        caller = await shop.staff(Permission.LEDGER_VIEW)
        assert (await caller.get("/v1/staff/trial-balance")).status_code == 200
        caller.headers = {"authorization": f"Bearer {caller.headers['x-staff-key']}"}
        assert (await caller.get("/v1/staff/trial-balance")).status_code == 200

    async def test_of_somebody_who_was_stopped_is_refused(self, shop: Counter) -> None:
        caller = await shop.staff(Permission.LEDGER_VIEW, name="leaver")
        (leaver,) = [member for member in await list_members(shop.runtime) if member.name == "leaver"]
        await stop_member(shop.runtime, member_id=leaver.id)
        problem(await caller.get("/v1/staff/trial-balance"), 401, "unauthenticated")

    async def test_of_a_manager_without_a_hall_takes_no_cash(self, shop: Counter) -> None:
        caller = await shop.staff(Permission.CASH_TOPUP)
        asked = {"phone": PHONE, "amount_fen": 100, "currency": "CNY"}
        problem(await caller.post("/v1/topups/cash", asked), 403, "forbidden")


@clause("CT 12.1")
class TestASession:
    async def test_ends_when_its_owner_signs_out(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        assert (await payer.get("/v1/account")).status_code == 200
        assert (await payer.send("DELETE", "/v1/sessions/current")).status_code == 204
        problem(await payer.get("/v1/account"), 401, "unauthenticated")

    async def test_ends_when_the_password_is_reset_on_another_phone(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        assert (await payer.get("/v1/account")).status_code == 200
        code = await sms_code(shop.runtime, PHONE, Purpose.SET_PASSWORD)
        body = {"phone": "18912340001", "code": code, "password": "857214"}
        assert (await shop.nobody().post("/v1/account/password/reset", body)).status_code == 204
        problem(await payer.get("/v1/account"), 401, "unauthenticated")

    async def test_runs_out(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        assert (await payer.get("/v1/account")).status_code == 200
        shop.market.clock.advance(timedelta(seconds=shop.runtime.policy.session_ttl_seconds + 1))
        problem(await payer.get("/v1/account"), 401, "unauthenticated")

    @pytest.mark.parametrize(
        "value", ["Bearer", "Bearer ", "Basic eDp5", "Bearer ses_x", "Bearer " + "x" * 5000, "Bearer 钥"]
    )
    async def test_of_no_form_is_refused(self, shop: Counter, value: str) -> None:
        answer = await shop.client.get("/v1/account", headers=[(b"authorization", value.encode())])
        problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")
