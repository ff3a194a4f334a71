"""The record of an account's state over HTTP, for its holder and for staff."""

from __future__ import annotations

from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.http import Counter, problem
from tests.support.market import PHONE


@clause("CM 7.6", "CM 8.2.1", "CM 8.2.2")
class TestTheRecord:
    async def test_has_every_change_for_its_holder_without_what_staff_wrote(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        agent = await shop.staff(Permission.LOSS_REPORT, name="history agent")
        await payer.post("/v1/account/freeze", {})
        told = {"phone": PHONE, "note": "name and last top-up"}
        assert (await agent.post("/v1/staff/accounts/loss", told)).status_code == 201
        payer = await shop.subscriber()
        page = (await payer.get("/v1/account/history?limit=1")).json()
        assert [(each["event"], each["by"]) for each in page["items"]] == [("loss_reported", "operator")]
        rest = (await payer.get(f"/v1/account/history?cursor={page['next_cursor']}")).json()
        assert [(each["event"], each["by"]) for each in rest["items"]] == [("frozen", "subscriber")]
        assert rest["next_cursor"] is None
        assert "last top-up" not in str(page) + str(rest)

    async def test_is_shown_whole_to_staff_and_the_look_is_audited(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        await payer.post("/v1/account/freeze", {})
        viewer, other = await shop.staff(Permission.ACCOUNT_VIEW, name="viewer"), await shop.staff(name="other")
        problem(await other.post("/v1/staff/accounts/history", {"phone": PHONE}), 403, "forbidden")
        shown = (await viewer.post("/v1/staff/accounts/history", {"phone": PHONE})).json()
        assert [each["detail"] for each in shown["items"]] == [{"channel": "http", "until": None}]
        problem(await viewer.post("/v1/staff/accounts/history", {"phone": "18912349999"}), 404, "unknown_account")
        async with shop.runtime.database.read() as uow:
            assert await uow.value("SELECT count(*) FROM audit_record WHERE action = 'account.history'") == 1
