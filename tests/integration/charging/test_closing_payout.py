"""The rest of a closed account goes to its phone bill: once, whatever becomes of request and answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from mpss.accounts.codes import Purpose
from mpss.db.database import Database
from mpss.kernel.ids import FundingId
from mpss.simulators.ocs import Ocs
from mpss.simulators.ocs_faults import OcsFaultKind
from mpss.staff.permissions import Permission
from mpss.transactions.closings.close import finish_closings
from mpss.transactions.resolve import list_open, resolve_due
from mpss.transactions.verify import verify
from tests.integration.charging.conftest import Bill, charging, connected
from tests.support.clauses import clause
from tests.support.house import PASSWORD, events, sms_code
from tests.support.http import Caller, Counter, counter, problem
from tests.support.market import PHONE, market

AT_FIRST_FEN = 5_000
REST = {"phone": PHONE, "document": "resident ID, seen"}


@dataclass(slots=True)
class Scene:
    shop: Counter
    payer: Caller
    bill: Bill

    async def close(self) -> str:
        code = await sms_code(self.shop.runtime, PHONE, Purpose.ACCOUNT)
        body = {"payout": "phone_bill", "payment_password": PASSWORD, "code": code}
        told = await self.payer.post("/v1/account/closing", body)
        assert told.status_code == 201, told.text
        return str(told.json()["life"])

    async def resolve(self) -> None:
        self.shop.market.clock.advance(timedelta(minutes=10))
        assert await resolve_due(self.shop.runtime) == 1

    async def doubt(self, fault: OcsFaultKind) -> str:
        """A closing whose payout is in doubt; the request's id."""
        self.bill.fault(fault)
        assert await self.close() == "pre_closed"
        (open_,) = await list_open(self.shop.runtime)
        return FundingId.outside(open_.id)

    async def two(self) -> tuple[Caller, Caller]:
        wanted = Permission.FUNDING_END
        return await self.shop.staff(wanted, name="ender one"), await self.shop.staff(wanted, name="ender two")

    @property
    def bill_fen(self) -> int:
        return self.bill.ocs.store.subscriber(PHONE).balance_fen

    @property
    def credits(self) -> list[int]:
        return [line["amount_fen"] for line in self.bill.ocs.store.ledger() if line["kind"] == "refund"]

    async def state(self) -> str:
        async with self.shop.runtime.database.read() as uow:
            sql = "SELECT state FROM transaction WHERE kind = 'closing_payout' AND channel = 'closing'"
            return str(await uow.value(sql))

    async def assert_sound(self) -> None:
        async with self.shop.runtime.database.read() as uow:
            assert [check for check in await verify(uow) if not check.holds] == []


@pytest.fixture
async def scene(database: Database, tmp_path: Path, ocs: Ocs) -> AsyncIterator[Scene]:
    ocs.store.set_subscriber(PHONE, kind="prepaid", balance_fen=AT_FIRST_FEN, credit_limit_fen=0, barred=False)
    async with market(database, tmp_path) as opened, charging(ocs) as bill:
        runtime = connected(opened, bill).runtime
        policy = replace(runtime.policy, charging_timeout_seconds=1)
        opened.runtime = replace(runtime, settings=replace(runtime.settings, policy=policy))
        async with counter(opened, rate_per_second=0, source_rate_per_second=0) as shop:
            yield Scene(shop, await shop.subscriber(), bill)


@clause("CM 5.2.3.4", "GD 3.2")
class TestTheRestOfAClosedAccount:
    async def test_is_credited_to_the_phone_bill_with_what_may_not_be_withdrawn(self, scene: Scene) -> None:
        rest_fen = await scene.shop.balance_fen()
        ways = {way["payout"]: way["blocks"] for way in (await scene.payer.get("/v1/account/closing")).json()["ways"]}
        assert ways["phone_bill"] == []
        assert await scene.close() == "closed"
        assert (scene.bill_fen, scene.credits) == (AT_FIRST_FEN + rest_fen, [rest_fen])
        assert await scene.shop.balance_fen() == 0
        async with scene.shop.runtime.database.read() as uow:
            assert (
                await uow.value("SELECT sum(amount_fen)::bigint FROM posting WHERE ledger_account_id = 5") == -rest_fen
            )
        assert (await events(scene.shop.runtime, PHONE))[-3:] == ["closing_asked", "closing_paid_to_bill", "closed"]
        await scene.assert_sound()

    @pytest.mark.parametrize(
        "fault",
        [OcsFaultKind.LOSE_REPLY, OcsFaultKind.LOSE_REQUEST, OcsFaultKind.UNKNOWN_CODE, OcsFaultKind.NONSENSE],
    )
    async def test_in_doubt_is_asked_for_again_and_credited_once(self, scene: Scene, fault: OcsFaultKind) -> None:
        rest_fen = await scene.shop.balance_fen()
        scene.bill.fault(fault)
        assert await scene.close() == "pre_closed"
        assert await scene.state() == "IN_DOUBT"
        (open_,) = await list_open(scene.shop.runtime)
        assert (open_.operation, open_.amount_fen) == ("refund", rest_fen)
        clerk = await scene.shop.staff(Permission.ACCOUNT_CLOSE, name="closer", hall="H01", clerk="C09")
        answer = await clerk.post("/v1/staff/accounts/closing/pay-out", REST)
        problem(answer, 409, "closing_blocked")
        assert await finish_closings(scene.shop.runtime) == 0
        await scene.assert_sound()
        # A "no" to a repeat is not believed: the first may have been heard.
        scene.bill.fault(OcsFaultKind.DECLINE)
        await scene.resolve()
        assert await scene.state() == "IN_DOUBT"
        await scene.resolve()
        assert await scene.state() == "SUCCEEDED"
        assert await finish_closings(scene.shop.runtime) == 1
        assert scene.credits == [rest_fen]
        assert await scene.shop.balance_fen() == 0
        await scene.assert_sound()

    async def test_that_the_charging_system_refuses_is_fetched_at_a_hall(self, scene: Scene) -> None:
        rest_fen = await scene.shop.balance_fen()
        scene.bill.fault(OcsFaultKind.DECLINE)
        assert await scene.close() == "pre_closed"
        assert (await scene.state(), scene.credits) == ("DECLINED", [])
        assert (await events(scene.shop.runtime, PHONE))[-1] == "closing_unpaid"
        await scene.assert_sound()
        clerk = await scene.shop.staff(Permission.ACCOUNT_CLOSE, name="closer", hall="H01", clerk="C09")
        paid = await clerk.post("/v1/staff/accounts/closing/pay-out", REST)
        assert (paid.status_code, paid.json()["amount_fen"]) == (201, rest_fen)
        await scene.assert_sound()

    async def test_goes_there_from_a_hall_too(self, scene: Scene) -> None:
        rest_fen = await scene.shop.balance_fen()
        clerk = await scene.shop.staff(Permission.ACCOUNT_CLOSE, name="closer", hall="H01", clerk="C09")
        told = await clerk.post("/v1/staff/accounts/closing", await scene.shop.shown(payout="phone_bill"))
        assert (told.status_code, told.json()["life"], told.json()["balance_fen"]) == (201, "closed", rest_fen)
        assert scene.credits == [rest_fen]
        await scene.assert_sound()


@clause("CM 5.2.3.4")
class TestAPayoutInDoubt:
    @pytest.mark.parametrize(
        ("fault", "credited"), [(OcsFaultKind.LOSE_REPLY, True), (OcsFaultKind.LOSE_REQUEST, False)]
    )
    async def test_is_ended_by_two_people_as_the_other_books_say(
        self, scene: Scene, fault: OcsFaultKind, credited: bool
    ) -> None:
        rest_fen = await scene.shop.balance_fen()
        request, (one, two) = await scene.doubt(fault), await scene.two()
        assert scene.credits == ([rest_fen] if credited else [])
        where = f"/v1/staff/funding-requests/{request}/ending"
        said = {"credited": credited, "reference": "4711" if credited else "", "evidence": "OCS duty, by phone"}
        if credited:
            problem(await one.post(where, {**said, "reference": ""}), 400, "malformed_request")
        made = (await one.post(where, said)).json()["approval_id"]
        (listed,) = (await two.get("/v1/staff/funding-endings")).json()["items"]
        assert (listed["approval_id"], listed["request_id"], listed["credited"]) == (made, request, credited)
        approve = f"/v1/staff/funding-endings/{made}/approve"
        # Nothing is sent from now on, and an answer that is on its way is waited for.
        problem(await two.post(approve), 503, "busy")
        scene.shop.market.clock.advance(timedelta(minutes=10))
        assert await resolve_due(scene.shop.runtime) == 0
        problem(await one.post(approve), 403, "same_person")
        ended = await two.post(approve)
        assert (ended.status_code, ended.json()["state"]) == (200, "SUCCEEDED" if credited else "DECLINED"), ended.text
        problem(await two.post(approve), 409, "illegal_state")
        assert await list_open(scene.shop.runtime) == []
        told = "closing_paid_to_bill" if credited else "closing_unpaid"
        assert (await events(scene.shop.runtime, PHONE))[-1] == told
        assert await scene.shop.balance_fen() == (0 if credited else rest_fen)
        assert await finish_closings(scene.shop.runtime) == int(credited)
        async with scene.shop.runtime.database.read() as uow:
            lines = await uow.dicts("SELECT action FROM audit_record WHERE action LIKE 'bill_payout_ending.%%'")
        assert [line["action"] for line in lines] == ["bill_payout_ending.propose", "bill_payout_ending.approve"]
        await scene.assert_sound()

    async def test_is_asked_about_again_where_nobody_approves(self, scene: Scene) -> None:
        rest_fen = await scene.shop.balance_fen()
        request, (one, two) = await scene.doubt(OcsFaultKind.LOSE_REQUEST), await scene.two()
        where = f"/v1/staff/funding-requests/{request}/ending"
        said = {"credited": False, "evidence": "OCS duty, by phone"}
        refused = (await one.post(where, said)).json()["approval_id"]
        assert (await two.post(f"/v1/staff/funding-endings/{refused}/refuse")).status_code == 204
        scene.bill.fault(OcsFaultKind.LOSE_REQUEST)
        await scene.resolve()
        late = (await one.post(where, said)).json()["approval_id"]
        scene.shop.market.clock.advance(timedelta(hours=25))
        scene.bill.fault(OcsFaultKind.LOSE_REPLY)
        assert await resolve_due(scene.shop.runtime) == 1
        # It was sent again since somebody looked: what they saw may be no longer so.
        problem(await two.post(f"/v1/staff/funding-endings/{late}/approve"), 409, "illegal_state")
        await scene.resolve()
        assert (await scene.state(), scene.credits) == ("SUCCEEDED", [rest_fen])
        problem(await one.post(where, said), 409, "illegal_state")
        await scene.assert_sound()
