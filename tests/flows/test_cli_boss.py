"""`mpss boss` on a running center in a town with its BOSS: what it told, what it has differently, and how that ends."""

from __future__ import annotations

import asyncio
import json
from subprocess import CompletedProcess

import pytest

from tests.flows.test_cli import variables
from tests.flows.test_cli_accounts import key_of
from tests.support.center import Center
from tests.support.clauses import clause
from tests.support.eventually import eventually
from tests.support.programs import run

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("center")]


async def boss(center: Center, *arguments: str, key: str = "") -> CompletedProcess[str]:
    settings = center.settings
    places = {
        **variables(center), "MPSS_BOSS_URL": settings.boss_url, "MPSS_BOSS_SECRET": settings.boss_secret,
        "MPSS_STAFF_KEY": key,
    }  # fmt: skip
    return await asyncio.to_thread(lambda: run("boss", *arguments, **places))


async def question_of(center: Center, phone: str) -> str:
    """The question about the number that `mpss boss questions` shows; "" where there is none."""
    done = await boss(center, "questions", "--most", "500", "--json")
    assert done.returncode == 0, done.stderr
    return "".join(item["question"] for item in json.loads(done.stdout)["items"] if item["number"] == phone)


async def status_of(center: Center, phone: str) -> str:
    """What we have the number's subscription in."""
    rows = await center.dicts(
        "SELECT s.boss_status FROM account_subscription AS s JOIN account AS a ON a.id = s.account_id"
        " WHERE a.phone = %(phone)s",
        phone=phone,
    )
    return str(rows[0]["boss_status"]) if rows else ""


@clause("CM 7.8", "CT 9.1.1")
class TestBoss:
    async def test_shows_what_it_told_and_settles_what_it_has_differently(self, shared_center: Center) -> None:
        town_boss = shared_center.running.town.boss
        assert town_boss is not None
        li = await shared_center.subscriber()
        town_boss.change("stop_1way", li.phone)

        async def stopped() -> bool:
            return await status_of(shared_center, li.phone) == "stopped_1way"

        await eventually(stopped, seconds=20.0)
        told = await boss(shared_center, "events", "--phone", li.phone)
        assert (told.returncode, "stop_1way" in told.stdout, "applied" in told.stdout) == (0, True, True)

        async def differ(status: str) -> str:
            async with shared_center.database.transaction() as uow:
                await uow.execute(
                    "UPDATE account_subscription AS s SET boss_status = %(status)s FROM account AS a"
                    " WHERE a.id = s.account_id AND a.phone = %(phone)s",
                    {"status": status, "phone": li.phone},
                )
            compared = await boss(shared_center, "compare")
            assert (compared.returncode, "questions" in compared.stdout) == (1, True), compared.stderr
            return await question_of(shared_center, li.phone)

        kept = await differ("active")
        clerk = await key_of(shared_center, "cli boss settler", "boss_settle")
        nobody = await boss(shared_center, "settle", kept, "--how", "accept")
        assert (nobody.returncode, "MPSS_STAFF_KEY" in nobody.stderr) == (2, True)
        silent = await boss(shared_center, "settle", kept, "--how", "keep", key=clerk)
        assert (silent.returncode, "reason" in silent.stderr) == (2, True)
        again = await boss(shared_center, "settle", kept, "--how", "ask_again", key=clerk)
        assert (again.returncode, "It stands" in again.stdout) == (1, True), again.stderr
        done = await boss(
            shared_center, "settle", kept, "--how", "keep", "--reason", "the holder was asked", "--json", key=clerk
        )
        assert (done.returncode, json.loads(done.stdout)["settled"]) == (0, "kept"), done.stderr
        await boss(shared_center, "compare")
        assert await question_of(shared_center, li.phone) == ""
        accepted = await boss(shared_center, "settle", await differ("stopped_2way"), "--how", "accept", key=clerk)
        assert (accepted.returncode, "accepted" in accepted.stdout) == (0, True), accepted.stderr
        assert await status_of(shared_center, li.phone) == "stopped_1way"
        lines = await shared_center.dicts("SELECT action FROM audit_record WHERE action LIKE 'boss_question.%%'")
        assert {line["action"] for line in lines} >= {"boss_question.kept", "boss_question.accepted"}
