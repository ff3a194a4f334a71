"""Whom a clerk serves: the document on record is compared, and where none is, the phone proves the holder."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mpss.staff.permissions import Permission
from tests.integration.http.test_identity import BACK, FRONT, NAME, NUMBER
from tests.support.clauses import clause
from tests.support.http import Caller, Counter, problem
from tests.support.market import PHONE

OTHER = "11010519491231002X"
PAPERS = {
    "phone": PHONE, "name": NAME, "document_kind": "resident_id", "document_number": NUMBER,
    "valid_until": "2036-06-30", "images": [FRONT, BACK], "verifications": [],
}  # fmt: skip
WRITTEN, LIFT = "/v1/staff/accounts/loss/written", "/v1/staff/accounts/loss/lift"
CLOSE, PAY_OUT, RESET = "/v1/staff/accounts/closing", "/v1/staff/accounts/closing/pay-out", "/v1/staff/passwords/reset"


def shown(number: str | None = NUMBER, kind: str = "resident_id") -> dict[str, str]:
    seen = {"phone": PHONE, "document": "resident ID, seen"}
    return seen if number is None else {**seen, "document_kind": kind, "document_number": number}


@pytest.fixture
async def clerk(shop: Counter) -> Caller:
    """A clerk, and the payer known by a document."""
    wanted = (
        Permission.IDENTITY_MANAGE, Permission.LOSS_WRITTEN, Permission.ACCOUNT_CLOSE, Permission.PASSWORD_RESET,
    )  # fmt: skip
    made = await shop.staff(*wanted, name="counter", hall="H01", clerk="C07")
    upgraded = await made.post("/v1/staff/accounts/upgrade", PAPERS)
    assert upgraded.status_code == 200, upgraded.text
    return made


@clause("CM 5.2.5", "CM 6.7.3", "CM 6.8", "CM 7.5")
class TestAtACounter:
    async def test_the_holders_document_does_all_of_it(self, shop: Counter, clerk: Caller) -> None:
        assert (await clerk.post(RESET, shown())).status_code == 204
        assert (await clerk.post(WRITTEN, shown())).status_code == 204
        assert (await clerk.post(LIFT, shown(kind="temporary_id"))).status_code == 204
        assert (await clerk.post(CLOSE, shown())).json()["life"] == "pre_closed"
        assert (await clerk.post(PAY_OUT, shown())).status_code == 201
        assert await shop.balance_fen() == 0

    @pytest.mark.parametrize("path", [WRITTEN, LIFT, CLOSE, PAY_OUT, RESET])
    async def test_another_document_does_nothing_and_is_counted(self, shop: Counter, clerk: Caller, path: str) -> None:
        if path == LIFT:
            assert (await clerk.post(WRITTEN, shown())).status_code == 204
        if path == PAY_OUT:
            assert (await clerk.post(CLOSE, shown())).status_code == 201
        left = await shop.left()
        wrong = problem(await clerk.post(path, shown(None)), 400, "malformed_request")
        assert "document_number" in str(wrong)
        assert await shop.left() == left
        for _ in range(shop.runtime.policy.counter_tries_per_day):
            problem(await clerk.post(path, shown(OTHER)), 409, "identity_mismatch")
        # The right one neither, so that nobody learns it by trying.
        problem(await clerk.post(path, shown()), 429, "rate_limited")
        async with shop.runtime.database.read() as uow:
            sql = "SELECT count(*) FROM audit_record WHERE action = 'counter.document_mismatch'"
            assert await uow.value(sql) == shop.runtime.policy.counter_tries_per_day
            assert NUMBER not in str(await uow.dicts("SELECT detail FROM audit_record"))
        shop.market.clock.advance(timedelta(days=1))
        assert (await clerk.post(path, shown())).status_code in (201, 204)

    async def test_without_a_document_on_record_the_phone_proves_who_closes(self, shop: Counter) -> None:
        wanted = (Permission.LOSS_WRITTEN, Permission.ACCOUNT_CLOSE)
        clerk = await shop.staff(*wanted, name="counter", hall="H01", clerk="C07")
        assert "code" in str(problem(await clerk.post(CLOSE, shown(None)), 400, "malformed_request"))
        code = (await shop.shown())["code"]
        wrong = f"{(int(code) + 1) % 1_000_000:06d}"
        problem(await clerk.post(CLOSE, {**shown(None), "code": wrong}), 403, "wrong_code")
        assert (await clerk.post(CLOSE, {**shown(None), "code": code})).status_code == 201
        assert (await clerk.post(PAY_OUT, shown(None))).status_code == 201
