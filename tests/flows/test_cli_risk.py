"""`mpss risk` and a hall's `mpss accounts` on a running center: two people where it takes two."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from mpss.risk.patterns import PATTERNS
from mpss.risk.rules import RULES
from tests.flows.test_cli import variables
from tests.flows.test_cli_accounts import key_of
from tests.support.center import Center
from tests.support.clauses import clause
from tests.support.cli_times import listed
from tests.support.programs import run

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("center")]


async def said(center: Center, key: str, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Run a command as the member of staff with the key; the object it printed."""
    places = {**variables(center), "MPSS_STAFF_KEY": key}
    done = await asyncio.to_thread(lambda: run(*arguments, "--json", **places))
    assert done.returncode == code, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"error": done.stderr}
    return found


@clause("CM 9.6", "CM 9.7")
async def test_the_black_list_takes_two_people_in_and_out(shared_center: Center) -> None:
    person = await shared_center.subscriber(fen=1_000)
    officer = await key_of(shared_center, "cli officer", "risk_view,risk_manage,risk_approve")
    chief = await key_of(shared_center, "cli chief", "risk_view,risk_manage,risk_approve")
    black = ("risk", "enter", "black", "number", person.phone, "--reason")
    assert "reason must be one line" in (await said(shared_center, officer, *black, " ", code=2))["error"]
    made = await said(shared_center, officer, *black, "fraud")
    assert made["state"] == "proposed"
    decide = ("risk", "decide", made["entry"])
    assert "same" in (await said(shared_center, officer, *decide, code=2))["error"]
    assert (await said(shared_center, chief, *decide))["state"] == "listed"
    assert (await said(shared_center, chief, "risk", "release", made["entry"], "--reason", "cleared"))[
        "state"
    ] == "leaving"
    assert (await said(shared_center, officer, *decide))["state"] == "released"


@clause("CM 9.2")
async def test_a_rule_is_changed_by_two_people(shared_center: Center) -> None:
    officer = await key_of(shared_center, "cli ruler", "risk_manage,risk_approve")
    chief = await key_of(shared_center, "cli approver", "risk_manage,risk_approve")
    rule = ("risk", "propose-rule", "velocity", "--action", "challenge", "--figure", "count=30", "--off")
    made = await said(shared_center, officer, *rule)
    assert made["state"] == "proposed"
    assert (await said(shared_center, chief, "risk", "decide-rule", made["version"]))["state"] == "approved"
    rules = await listed(shared_center, chief, "risk", "rules")
    assert (rules[0]["id"], rules[0]["enabled"]) == (made["version"], False)
    assert "figure" in (await said(shared_center, officer, *rule[:-3], "--figure", "count", code=2))["error"]
    assert (await said(shared_center, officer, "risk", "reviews", "--order", "largest"))["items"] == []


@clause("CM 9")
async def test_rules_and_patterns_are_tried_over_history(shared_center: Center) -> None:
    days = ("--from", "2026-03-01", "--to", "2026-03-03")
    every = await asyncio.to_thread(run, "risk", "replay", *days, **variables(shared_center))
    assert every.returncode == 0, every.stderr
    assert [name for name in (*RULES, *PATTERNS) if name not in every.stdout] == []
    one = ("--rule", "refund_share", "--figure", "percent=1")
    alone = await asyncio.to_thread(run, "risk", "replay", *days, *one, **variables(shared_center))
    assert (alone.returncode, "percent=1" in alone.stdout, "top-ups" in alone.stdout) == (0, True, False)


@clause("CM 6.2", "CM 7.5")
async def test_a_hall_takes_a_password_away_and_pays_the_rest_once(shared_center: Center) -> None:
    person = await shared_center.subscriber(fen=2_500)
    place = ("--hall", "H95", "--clerk", "C95")
    clerk = await key_of(shared_center, "cli hall", "account_close,password_reset", *place)
    seen = (person.phone, "--document", "resident ID, seen")
    await said(shared_center, clerk, "accounts", "reset-password", *seen)
    assert "http" in await person.sms("http")
    code = ("--code", await person.code("account"))
    assert (await said(shared_center, clerk, "accounts", "close", *seen, *code))["life"] == "pre_closed"
    pay = ("accounts", "pay-out", *seen, "--key", "rest-1")
    paid = await said(shared_center, clerk, *pay)
    assert (paid["state"], paid["amount_fen"], paid["repeated"]) == ("SUCCEEDED", 2_500, False)
    again = await said(shared_center, clerk, *pay)
    assert (again["transaction"], again["repeated"]) == (paid["transaction"], True)
