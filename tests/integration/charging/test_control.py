"""The OCS's control: phone bills are read line by line and faults are set, by programs of this machine."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from mpss.config import SettingInvalid, Settings
from mpss.kernel.outcome import Approved, InDoubt
from mpss.ports.charging import ChargingOperation
from mpss.simulators.ocs import Ocs, OcsSettings, serve
from tests.integration.charging.conftest import PHONE, Bill, new_adapter


class TestControl:
    async def test_shows_bills_reservations_and_every_charge(self, bill: Bill) -> None:
        held, paid = bill.new_session(), bill.new_session()
        await bill.ask(ChargingOperation.RESERVE, held, 300)
        await bill.ask(ChargingOperation.DEBIT, paid, 200)
        async with httpx.AsyncClient(base_url=bill.ocs.control_url) as http:
            shown = (await http.get(f"/subscribers/{PHONE}")).json()
            lines = (await http.get("/ledger", params={"phone": PHONE})).json()["lines"]
            sessions = (await http.get("/sessions", params={"state": "open"})).json()["sessions"]
        assert (shown["balance_fen"], shown["reserved_fen"], shown["available_fen"]) == (9_800, 300, 9_500)
        assert [(line["session_id"], line["kind"], line["amount_fen"]) for line in lines] == [(paid, "charge", 200)]
        assert [session["session_id"] for session in sessions] == [held]

    async def test_sets_a_subscriber_up(self, bill: Bill) -> None:
        asked = {"kind": "postpaid", "balance_fen": 0, "credit_limit_fen": 20_000}
        async with httpx.AsyncClient(base_url=bill.ocs.control_url) as http:
            assert (await http.put(f"/subscribers/{PHONE}", json=asked)).json()["available_fen"] == 20_000
            wrong = await http.put(f"/subscribers/{PHONE}", json={"balance_fen": "much"})
        assert wrong.status_code == 400

    async def test_sets_and_lifts_faults(self, bill: Bill) -> None:
        bill.timeout_seconds = 0.2
        async with httpx.AsyncClient(base_url=bill.ocs.control_url) as http:
            assert (await http.post("/faults", json={"kind": "lose_reply"})).status_code == 201
            session = bill.new_session()
            assert isinstance(await bill.ask(ChargingOperation.DEBIT, session), InDoubt)
            assert (await http.delete("/faults")).json() == {"faults": []}
        bill.timeout_seconds = 2.0
        assert await bill.ask(ChargingOperation.DEBIT, session, again=True) == Approved(session)

    @pytest.mark.parametrize("headers", [{"Host": "elsewhere.example"}, {"Origin": "http://elsewhere.example"}])
    async def test_refuses_other_hosts_and_pages(self, ocs: Ocs, headers: dict[str, str]) -> None:
        async with httpx.AsyncClient(base_url=ocs.control_url) as http:
            assert (await http.get("/ledger", headers=headers)).status_code == 403


class TestStore:
    async def test_is_shared_by_several_processes(self, bill: Bill, tmp_path: Path) -> None:
        session = bill.new_session()
        await bill.ask(ChargingOperation.RESERVE, session)
        async with serve(OcsSettings(tmp_path, ports=(0,), name="second")) as second:
            other = new_adapter(second)
            await other.start()
            try:
                request = bill.request(ChargingOperation.COMMIT, session)
                assert await other.charge(request, timeout_seconds=5) == Approved(session)
            finally:
                await other.stop()
        assert bill.lines() == [(session, "charge", 2500)]


class TestSettings:
    def test_name_peers_as_host_and_port(self) -> None:
        assert Settings.from_environment({"MPSS_CHARGING_PEERS": "10.0.0.1:3868, b:1"}).charging_peers
        for wrong in ("10.0.0.1", "a:0", "a:65536", ":3868", "a:b"):
            with pytest.raises(SettingInvalid):
                Settings.from_environment({"MPSS_CHARGING_PEERS": wrong})
