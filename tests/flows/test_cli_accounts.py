"""`mpss accounts` on a running center: the same people, two where it takes two, the same record as over HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.flows.test_cli import mpss, variables
from tests.support.center import Center
from tests.support.clauses import clause
from tests.support.cli_times import listed
from tests.support.programs import run

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("center")]


async def key_of(center: Center, name: str, permissions: str, *place: str) -> str:
    return (await mpss(center, "staff", "add", name, "--permissions", permissions, *place)).strip()


async def accounts(center: Center, key: str, *arguments: str) -> dict[str, Any]:
    """Run a command as the member of staff with the key; the object it printed."""
    places = {**variables(center), "MPSS_STAFF_KEY": key}
    done = await asyncio.to_thread(lambda: run("accounts", *arguments, "--json", **places))
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def refused(center: Center, key: str, *arguments: str) -> str:
    places = {**variables(center), "MPSS_STAFF_KEY": key}
    done = await asyncio.to_thread(lambda: run("accounts", *arguments, **places))
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


@clause("CM 7.6", "CT 9.1.1")
class TestAccounts:
    @clause("CM 6.7.1", "CM 6.7.3", "CM 6.8")
    async def test_reports_loss_and_lifts_it_as_a_member_of_staff(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=1_000)
        agent = await key_of(shared_center, "cli agent", "loss_report")
        clerk = await key_of(
            shared_center, "cli clerk", "loss_written,account_close", "--hall", "H90", "--clerk", "C90"
        )
        oral = await accounts(shared_center, agent, "loss", li.phone, "--note", "name and last top-up")
        assert oral["loss"] == "oral"
        assert (await accounts(shared_center, agent, "state", li.phone))["state"] == "loss_oral"
        assert "loss_written" in await refused(
            shared_center, agent, "loss", li.phone, "--document", "resident ID, seen"
        )
        written = await accounts(shared_center, clerk, "loss", li.phone, "--document", "resident ID, seen")
        assert written == {"loss": "written", "until": None}
        lift = ("lift-loss", li.phone, "--document", "resident ID, seen")
        assert "mpss:" in await refused(shared_center, clerk, *lift)
        lifted = await accounts(shared_center, clerk, *lift, "--code", await li.code("account"))
        assert lifted == {"loss": "none"}
        thaw = ("unfreeze-own", li.phone, "--document", "resident ID, seen", "--code", await li.code("account"))
        assert "has not frozen" in await refused(shared_center, clerk, *thaw)
        told = await accounts(shared_center, clerk, "events", li.phone)
        assert [each["event"] for each in told["items"]] == ["loss_lifted", "loss_written", "loss_reported"]
        assert told["items"][2]["detail"]["note"] == "name and last top-up"
        looks = await shared_center.dicts("SELECT actor FROM audit_record WHERE action = 'account.history'")
        assert {"actor": "platform"} in looks
        assert "MPSS_STAFF_KEY" in await refused(shared_center, "", "loss", li.phone, "--note", "x")
        assert "mpss:" in await refused(shared_center, "sk_wrong", "loss", li.phone, "--note", "x")

    @clause("CM 6.2")
    async def test_freezes_by_two_people_and_closes_at_a_hall(self, shared_center: Center) -> None:
        li = await shared_center.subscriber(fen=1_000)
        one = await key_of(shared_center, "cli officer one", "account_freeze")
        two = await key_of(shared_center, "cli officer two", "account_freeze")
        clerk = await key_of(shared_center, "cli closer", "account_close", "--hall", "H91", "--clerk", "C91")
        law = ("--kind", "law", "--reason", "order", "--document", "(2026) 12")
        asked = await accounts(shared_center, one, "freeze", li.phone, *law)
        approval = asked["approval_id"]
        waiting = await listed(shared_center, one, "accounts", "proposals")
        assert approval in [each["approval_id"] for each in waiting]
        decided = ("approve", approval, "--kind", "account_freeze")
        assert "mpss:" in await refused(shared_center, one, *decided)
        assert await accounts(shared_center, two, *decided) == {"approved": True}
        (state,) = await listed(shared_center, one, "accounts", "state", li.phone)
        assert (state["state"], "close" in state["allowed"]) == ("frozen_by_law", False)
        code = await li.code("account")
        closing = ("close", li.phone, "--document", "resident ID, seen", "--code", code)
        assert "frozen" in await refused(shared_center, clerk, *closing)
        (standing,) = state["freezes"]
        release = await accounts(shared_center, two, "unfreeze", li.phone, standing["freeze_id"], "--reason", "lifted")
        lifted = ("approve", release["approval_id"], "--kind", "account_release")
        assert await accounts(shared_center, one, *lifted) == {"approved": True}
        assert await accounts(shared_center, clerk, *closing) == {"life": "pre_closed", "balance_fen": 1_000}


@clause("CM 6.1.2", "CM 6.1.3", "CM 5.2.2")
class TestWhoHoldsAnAccount:
    async def test_is_opened_upgraded_and_shown(self, shared_center: Center, tmp_path: Path) -> None:
        person = shared_center.person()
        clerk = await key_of(
            shared_center, "cli opener", "account_open,identity_manage", "--hall", "H92", "--clerk", "C92"
        )
        papers, front = tmp_path / "papers.json", tmp_path / "front.jpg"
        papers.write_text(
            json.dumps({"name": "王小芳", "document_kind": "resident_id", "document_number": "110101199003074557"})
        )
        front.write_bytes(b"\xff\xd8\xff\xe0 a picture")
        given = (person.phone, "--papers", str(papers))
        opened = await accounts(shared_center, clerk, "open", *given)
        assert opened["class"] == "weak"
        assert "images" in await refused(shared_center, clerk, "upgrade", *given)
        pictures = ("--image", f"front={front}", "--image", f"back={front}", "--verified", "police")
        assert await accounts(shared_center, clerk, "upgrade", *given, *pictures) == {"class": "class_2"}
        shown = await accounts(shared_center, "", "show", person.phone)
        assert (shown["name"], shown["document_number"], shown["level"]) == ("王**", "**************4557", "real")
        places = variables(shared_center)
        chinese = await asyncio.to_thread(
            lambda: run("accounts", "show", person.phone, "--language", "zh-CN", **places)
        )
        assert "核验渠道" in chinese.stdout
        papers.write_text("[]")
        assert "papers" in await refused(shared_center, clerk, "upgrade", *given, *pictures)
        papers.write_text('{"name": "王小芳", "document_kind": "library_card", "document_number": "1"}')
        assert "document_kind" in await refused(shared_center, clerk, "upgrade", *given, *pictures)
        looks = await shared_center.dicts("SELECT actor FROM audit_record WHERE action = 'identity.show'")
        assert {"actor": "platform"} in looks
