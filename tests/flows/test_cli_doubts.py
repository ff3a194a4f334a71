"""`mpss doubts` on a running center: a payout to the phone bill that nobody answers for is ended by two people."""

from __future__ import annotations

import asyncio
import json
from subprocess import CompletedProcess

import pytest

from mpss.cli.center import environment_of
from mpss.kernel.ids import TransactionId
from mpss.simulators.ocs_faults import OcsFault, OcsFaultKind
from tests.flows.test_cli_accounts import key_of
from tests.support.center import Center
from tests.support.clauses import clause
from tests.support.cli_times import listed
from tests.support.eventually import eventually
from tests.support.programs import run

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("center")]


async def mpss(center: Center, *arguments: str, key: str = "") -> CompletedProcess[str]:
    settings = {name: value for name, value in environment_of(center.settings).items() if name.startswith("MPSS_")}
    return await asyncio.to_thread(lambda: run(*arguments, **{**settings, "MPSS_STAFF_KEY": key}))


@clause("CM 5.2.3.4", "CT 9.1.1")
class TestDoubts:
    async def test_are_shown_and_ended_by_two_people(self, shared_center: Center) -> None:
        li = await shared_center.subscriber("Doubt", fen=2_000)
        clerk = await key_of(shared_center, "cli D closer", "account_close", "--hall", "H96D", "--clerk", "C96D")
        one = await key_of(shared_center, "cli D ender one", "funding_end")
        two = await key_of(shared_center, "cli D ender two", "funding_end")
        faults = shared_center.running.town.ocs.faults
        faults.add(OcsFault(OcsFaultKind.LOSE_REQUEST, phone=li.phone))
        try:
            code = await li.code("account")
            told = await mpss(
                shared_center, "accounts", "close", li.phone, "--document", "resident ID, seen", "--code", code,
                "--payout", "phone_bill", "--json", key=clerk,
            )  # fmt: skip
            assert (told.returncode, json.loads(told.stdout)["life"]) == (0, "pre_closed"), told.stderr
            request, transaction = "", ""

            async def in_doubt() -> bool:
                nonlocal request, transaction
                rows = await shared_center.dicts(
                    "SELECT f.id, t.id AS transaction_id FROM funding_request AS f"
                    " JOIN transaction AS t ON t.id = f.transaction_id JOIN account AS a ON a.id = t.account_id"
                    " WHERE a.phone = %(phone)s AND f.state = 'IN_DOUBT'",
                    phone=li.phone,
                )
                if rows:
                    request = f"fnd_{rows[0]['id'].hex}"
                    transaction = TransactionId.outside(rows[0]["transaction_id"])
                return bool(rows)

            await eventually(in_doubt, seconds=30.0)
            shown = await mpss(shared_center, "doubts")
            assert (shown.returncode, request in shown.stdout, transaction in shown.stdout) == (0, True, True)
            made = await mpss(
                shared_center, "doubts", "end", request, "--not-credited", "--evidence", "OCS duty", "--json", key=one
            )
            approval = json.loads(made.stdout)["approval_id"]
            waiting = await listed(shared_center, "", "doubts", "endings")
            assert approval in [item["approval_id"] for item in waiting]
            refused = await mpss(shared_center, "doubts", "approve", approval, key=one)
            assert (refused.returncode, "mpss:" in refused.stderr) == (2, True)
            done = refused

            async def approved() -> bool:
                nonlocal done
                done = await mpss(shared_center, "doubts", "approve", approval, "--json", key=two)
                # An answer may be on its way for as long as a call takes.
                assert done.returncode == 0 or "in a moment" in done.stderr
                return done.returncode == 0

            await eventually(approved, seconds=60.0)
            assert json.loads(done.stdout) == {"transaction": transaction, "state": "DECLINED"}
        finally:
            faults.clear()
        shown = await mpss(shared_center, "doubts")
        assert request not in shown.stdout
        cash = ("pay-out", li.phone, "--document", "resident ID, seen", "--key", "D1", "--json")
        paid = await mpss(shared_center, "accounts", *cash, key=clerk)
        assert (paid.returncode, json.loads(paid.stdout)["amount_fen"]) == (0, 2_000), paid.stdout + paid.stderr
        await shared_center.assert_sound()
