"""`mpss accounts` by law and afterwards: extensions, deductions, what a number left, and names that were submitted."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from tests.flows.test_cli_accounts import accounts, key_of, refused
from tests.support.center import Center
from tests.support.clauses import clause
from tests.support.cli_times import listed
from tests.support.eventually import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("center")]

PICTURE = base64.b64encode(b"\xff\xd8\xff\xe0 a picture").decode()


@clause("CM 7.6", "CT 9.1.1")
class TestByLaw:
    @clause("CM 5.2.4.3")
    async def test_a_freeze_is_extended_deducted_from_and_the_rest_fetched(self, shared_center: Center) -> None:
        li = await shared_center.subscriber("Law", fen=3_000)
        wanted = "account_freeze,law_deduct"
        one = await key_of(shared_center, "cli D law one", wanted)
        two = await key_of(shared_center, "cli D law two", wanted)
        clerk = await key_of(shared_center, "cli D law clerk", "account_close", "--hall", "H97D", "--clerk", "C97D")
        day = datetime.now(UTC).date() + timedelta(days=30)
        law = ("--kind", "law", "--reason", "order", "--document", "(2026) 12", "--yuan", "20.00")
        made = await accounts(shared_center, one, "freeze", li.phone, *law, "--until", day.isoformat())
        await accounts(shared_center, two, "approve", made["approval_id"], "--kind", "account_freeze")
        (freeze,) = (await accounts(shared_center, one, "state", li.phone))["freezes"]
        later = (day + timedelta(days=9)).isoformat()
        paper = ("--reason", "goes on", "--document", "(2026) 13")
        made = await accounts(
            shared_center, one, "extend-freeze", li.phone, freeze["freeze_id"], "--until", later, *paper
        )
        extended = ("approve", made["approval_id"], "--kind", "account_extension")
        assert await accounts(shared_center, two, *extended) == {"approved": True}
        taken = ("--yuan", "15.00", "--authority", "court, account 1", "--document", "(2026) 12-1")
        made = await accounts(shared_center, one, "deduct", li.phone, freeze["freeze_id"], *taken)
        waiting = await listed(shared_center, one, "accounts", "deductions")
        assert made["approval_id"] in [item["approval_id"] for item in waiting]
        done = await accounts(shared_center, two, "decide-deduction", made["approval_id"])
        assert (done["state"], done["amount_fen"]) == ("SUCCEEDED", 1_500)
        made = await accounts(
            shared_center, one, "deduct", li.phone, freeze["freeze_id"], *taken[:1], "1.00", *taken[2:]
        )
        assert await accounts(shared_center, two, "decide-deduction", made["approval_id"], "--refuse") == {
            "approved": False
        }
        lifted = await accounts(shared_center, one, "unfreeze", li.phone, freeze["freeze_id"], "--reason", "lifted")
        await accounts(shared_center, two, "approve", lifted["approval_id"], "--kind", "account_release")

        town_boss = shared_center.running.town.boss
        assert town_boss is not None
        town_boss.change("cancel_user", li.phone)

        async def gone() -> bool:
            return bool((await accounts(shared_center, clerk, "left", li.phone))["items"])

        await eventually(gone, seconds=30.0)
        (left,) = await listed(shared_center, clerk, "accounts", "left", li.phone)
        assert left["balance_fen"] == 1_500
        paid = await accounts(
            shared_center, clerk, "pay-out", li.phone, "--account", left["account"], "--document", "resident ID, seen",
            "--key", "D97",
        )  # fmt: skip
        assert (paid["state"], paid["amount_fen"]) == ("SUCCEEDED", 1_500)
        assert await accounts(shared_center, clerk, "rests", li.phone) == {"items": []}
        nothing = ("pay-rest", paid["transaction"], "--document", "resident ID, seen", "--key", "D98")
        assert "unknown_transaction" in await refused(shared_center, clerk, *nothing)
        await shared_center.assert_sound()


@clause("CM 5.2.3.4", "CT 9.1.1")
class TestTheRest:
    async def test_of_a_sale_taken_back_after_the_closing_is_shown_and_fetched(self, shared_center: Center) -> None:
        li = await shared_center.subscriber("Rest", fen=1_000)
        clerk = await key_of(shared_center, "cli E rest clerk", "account_close", "--hall", "H96E", "--clerk", "C96E")
        paid = await li.pay(shared_center.kiosk, 1_000)
        shown = ("--document", "resident ID, seen")
        closing = ("close", li.phone, *shown, "--code", await li.code("account"))
        assert await accounts(shared_center, clerk, *closing) == {"life": "closed", "balance_fen": 0}
        keeper = shared_center.counter.shopkeeper(shared_center.kiosk)
        await keeper.post("/v1/reversals", {"transaction_id": paid["transaction_id"], "reason": "没有货"})

        async def waits() -> bool:
            return bool((await accounts(shared_center, clerk, "rests", li.phone))["items"])

        await eventually(waits, seconds=30.0)
        (rest,) = await listed(shared_center, clerk, "accounts", "rests", li.phone)
        done = await accounts(shared_center, clerk, "pay-rest", rest["rest"], *shown, "--key", "E96")
        assert (done["state"], done["amount_fen"]) == ("SUCCEEDED", 1_000)
        assert await accounts(shared_center, clerk, "rests", li.phone) == {"items": []}
        await shared_center.assert_sound()


@clause("CM 5.2.2", "CT 9.1.1")
class TestSubmittedNames:
    async def test_are_listed_masked_approved_and_refused(self, shared_center: Center) -> None:
        reviewer = await key_of(shared_center, "cli D reviewer", "identity_review")
        for number, command in (
            ("110101199003070070", ("approve-identity", "--verified", "police")),
            ("110101199003079251", ("refuse-identity", "--reason", "照片不清晰")),
        ):
            li = await shared_center.subscriber("Named")
            papers = {
                "name": "陈小红", "document_kind": "resident_id", "document_number": number,
                "images": [{"kind": kind, "content": PICTURE} for kind in ("front", "back")],
            }  # fmt: skip
            sent = await li.api.post("/v1/account/identity", papers)
            waiting = await listed(shared_center, reviewer, "accounts", "identities")
            (found,) = [item for item in waiting if item["submission"] == sent["submission_id"]]
            assert (found["name"], number in str(waiting)) == ("陈**", False)
            name, *options = command
            decided = await accounts(shared_center, reviewer, name, found["submission"], *options)
            own = await li.api.get("/v1/account/identity")
            assert own["submission"]["state"] == decided["state"], own
            assert "decided" in await refused(shared_center, reviewer, name, found["submission"], *options)
