"""`mpss limits` on a running center: a table made by two people, and what limits one account."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.flows.test_cli import variables
from tests.flows.test_cli_accounts import key_of
from tests.support.center import Center
from tests.support.clauses import clause
from tests.support.programs import run

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("center")]


async def limits(center: Center, key: str, *arguments: str) -> dict[str, Any]:
    """Run a command as the member of staff with the key; the object it printed."""
    places = {**variables(center), "MPSS_STAFF_KEY": key}
    done = await asyncio.to_thread(lambda: run("limits", *arguments, "--json", **places))
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@clause("CM 9.1", "CM 9.5", "CM 8.3")
async def test_a_table_is_made_by_two_people_and_an_account_is_looked_at(shared_center: Center, tmp_path: Path) -> None:
    """The table to come limits every operation by channel, so that each later flow of this center is counted by it."""
    li = await shared_center.subscriber(fen=1_000)
    rights = "limits_view,limits_manage,limits_approve"
    maker, checker = [await key_of(shared_center, name, rights) for name in ("cli maker", "cli checker")]
    table = await limits(shared_center, "", "show", "1")
    table["rules"] += [
        {"account_class": "weak", "channel": channel, "operation": operation, "measure": measure, "value": 10**9}
        for channel in ("http", "sms", "hall", "bank")
        for operation in ("payment", "transfer", "topup", "withdrawal")
        for measure in ("daily_amount", "daily_count", "monthly_amount")
    ]
    file = tmp_path / "table.json"
    file.write_text(json.dumps(table), encoding="utf-8")
    kept = (await limits(shared_center, maker, "propose", str(file), "--from", "2098-01-01"))["proposal"]
    gone = (await limits(shared_center, maker, "propose", str(file), "--from", "2099-01-01"))["proposal"]
    version = (await limits(shared_center, checker, "approve", kept))["version"]
    assert (await limits(shared_center, checker, "refuse", gone))["version"] is None
    listed = await limits(shared_center, "", "list")
    assert listed["in_force"] == 1
    assert version in [each["version"] for each in listed["versions"]]
    shown = await limits(shared_center, "", "show", str(version))
    assert len(shown["rules"]) == len(table["rules"])
    seen = await limits(shared_center, "", "of", li.phone, "--channel", "hall")
    assert seen["limits"]["topup daily_fen"]["used"] == 1_000
    assert seen["limits"]["topup channel_daily_fen"] == {"limit": None, "used": 0, "left": None}
    looks = await shared_center.dicts("SELECT actor FROM audit_record WHERE action = 'account.limits'")
    assert {"actor": "platform"} in looks
