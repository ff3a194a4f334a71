"""What goes wrong between us and the OCS: each fault ends in one of the three answers, and a repeat charges once."""

from __future__ import annotations

import asyncio
import time

import pytest

from mpss.kernel.outcome import Approved, Declined, InDoubt
from mpss.ports.charging import ChargingOperation
from mpss.simulators.ocs_faults import OcsFaultKind
from tests.integration.charging.conftest import Bill, new_adapter
from tests.support.eventually import eventually

DEBIT = ChargingOperation.DEBIT
IN_FLIGHT = 500


class TestFault:
    @pytest.mark.parametrize(
        "kind",
        [
            OcsFaultKind.LOSE_REQUEST,
            OcsFaultKind.LOSE_REPLY,
            OcsFaultKind.UNKNOWN_CODE,
            OcsFaultKind.WRONG_SESSION,
            OcsFaultKind.NONSENSE,
        ],
    )
    async def test_leaves_it_in_doubt_and_asking_again_charges_once(self, bill: Bill, kind: OcsFaultKind) -> None:
        bill.fault(kind)
        bill.timeout_seconds = 0.3
        session = bill.new_session()
        assert isinstance(await bill.ask(DEBIT, session), InDoubt)
        bill.timeout_seconds = 2.0
        assert await bill.ask(DEBIT, session, again=True) == Approved(session)
        assert bill.lines() == [(session, "charge", 2500)]
        assert bill.charging.in_flight == 0

    @pytest.mark.parametrize("kind", [OcsFaultKind.CLOSE, OcsFaultKind.NOISE])
    async def test_that_breaks_the_connection_is_asked_again_at_the_other_door(
        self, bill: Bill, kind: OcsFaultKind
    ) -> None:
        bill.fault(kind)
        session = bill.new_session()
        assert await bill.ask(DEBIT, session) == Approved(session)
        assert bill.lines() == [(session, "charge", 2500)]
        assert bill.ocs.repeats_marked == 1

    async def test_of_both_doors_leaves_it_in_doubt(self, bill: Bill) -> None:
        bill.fault(OcsFaultKind.CLOSE, times=None)
        bill.timeout_seconds = 0.5
        session = bill.new_session()
        assert isinstance(await bill.ask(DEBIT, session), InDoubt)
        assert bill.lines() == [(session, "charge", 2500)]

    @pytest.mark.parametrize("kind", [OcsFaultKind.TWICE, OcsFaultKind.STRANGER])
    async def test_with_an_answer_too_many_does_no_harm(self, bill: Bill, kind: OcsFaultKind) -> None:
        bill.fault(kind)
        sessions = [bill.new_session(), bill.new_session()]
        assert [await bill.ask(DEBIT, session) for session in sessions] == [Approved(session) for session in sessions]
        assert len(bill.lines()) == 2

    async def test_late_answer_is_in_doubt_and_disturbs_no_other_call(self, bill: Bill) -> None:
        bill.fault(OcsFaultKind.LATE, seconds=0.4)
        bill.timeout_seconds = 0.2
        late, next_one = bill.new_session(), bill.new_session()
        assert isinstance(await bill.ask(DEBIT, late), InDoubt)
        await asyncio.sleep(0.3)
        assert await bill.ask(DEBIT, next_one) == Approved(next_one)

    async def test_delay_within_the_time_is_waited_for(self, bill: Bill) -> None:
        bill.fault(OcsFaultKind.DELAY, seconds=0.2)
        session = bill.new_session()
        assert await bill.ask(DEBIT, session) == Approved(session)

    async def test_decline_charges_nothing(self, bill: Bill) -> None:
        bill.fault(OcsFaultKind.DECLINE)
        assert await bill.ask(DEBIT, bill.new_session()) == Declined("4012 credit limit reached")
        assert bill.lines() == []


class TestConnection:
    async def test_fails_over_to_the_other_door_and_comes_back(self, bill: Bill) -> None:
        first = bill.ocs.doors[0]
        port = first.port
        await first.close()
        session = bill.new_session()
        assert await bill.ask(DEBIT, session) == Approved(session)
        await first.open(port)
        await bill.connected()
        assert len(bill.charging.ready_peers) == 2

    async def test_says_no_when_nothing_was_ever_written(self, bill: Bill) -> None:
        for door in bill.ocs.doors:
            await door.close()
        await bill.connected(doors=0)
        bill.timeout_seconds = 0.1
        assert await bill.ask(DEBIT, bill.new_session()) == Declined("not connected")

    async def test_says_in_doubt_of_a_repeat_that_was_not_written_now(self, bill: Bill) -> None:
        for door in bill.ocs.doors:
            await door.close()
        await bill.connected(doors=0)
        bill.timeout_seconds = 0.1
        assert isinstance(await bill.ask(DEBIT, bill.new_session(), again=True), InDoubt)

    async def test_waits_for_a_door_to_open_within_the_time(self, bill: Bill) -> None:
        ports = [door.port for door in bill.ocs.doors]
        for door in bill.ocs.doors:
            await door.close()
        await bill.connected(doors=0)
        bill.timeout_seconds = 10.0
        session = bill.new_session()
        asked = asyncio.create_task(bill.ask(DEBIT, session))
        await bill.ocs.doors[1].open(ports[1])
        assert await asked == Approved(session)

    async def test_cuts_a_silent_peer_off_by_watchdog(self, bill: Bill) -> None:
        bill.ocs.mute = True
        await bill.connected(doors=0)
        bill.ocs.mute = False
        await bill.connected()

    async def test_keeps_an_idle_connection_by_watchdog(self, bill: Bill) -> None:
        await asyncio.sleep(1.0)
        assert bill.ocs.stats()["connections"] == [1, 1]
        assert len(bill.charging.ready_peers) == 2

    async def test_starts_before_the_charging_system_does(self, bill: Bill) -> None:
        ports = [door.port for door in bill.ocs.doors]
        for door in bill.ocs.doors:
            await door.close()
        early = new_adapter(bill.ocs)
        early_ports = [address[1] for address in early._addresses]
        assert early_ports == ports
        await early.start()
        for door, port in zip(bill.ocs.doors, ports, strict=True):
            await door.open(port)
        try:
            outcome = await early.charge(bill.request(DEBIT, bill.new_session()), timeout_seconds=5)
            assert isinstance(outcome, Approved)
        finally:
            await early.stop()


class TestManyCalls:
    async def test_wait_together_and_need_no_thread_each(self, bill: Bill) -> None:
        bill.fault(OcsFaultKind.LATE, times=None, seconds=1.0)
        bill.timeout_seconds = 20.0
        sessions = [bill.new_session() for _ in range(IN_FLIGHT)]
        started = time.monotonic()
        outcomes = await asyncio.gather(*(bill.ask(DEBIT, session, 1) for session in sessions))
        assert outcomes == [Approved(session) for session in sessions]
        assert time.monotonic() - started < 15.0
        assert bill.balance == 10_000 - IN_FLIGHT
        assert bill.charging.in_flight == 0

    async def test_are_all_heard_of_when_the_connection_is_cut_under_them(self, bill: Bill) -> None:
        bill.fault(OcsFaultKind.LATE, times=IN_FLIGHT, seconds=2.0)
        bill.timeout_seconds = 20.0
        sessions = [bill.new_session() for _ in range(IN_FLIGHT)]
        asked = [asyncio.create_task(bill.ask(DEBIT, session, 1)) for session in sessions]

        async def all_arrived() -> bool:
            return bill.ocs.requests >= IN_FLIGHT

        await eventually(all_arrived)
        bill.ocs.doors[0].cut()
        assert await asyncio.gather(*asked) == [Approved(session) for session in sessions]
        assert len(bill.lines()) == IN_FLIGHT


class TestTwoDoors:
    async def test_are_one_system(self, bill: Bill) -> None:
        session = bill.new_session()
        await bill.ask(ChargingOperation.RESERVE, session)
        bill.ocs.doors[0].cut()
        await bill.ocs.doors[0].close()
        assert await bill.ask(ChargingOperation.COMMIT, session) == Approved(session)
        assert bill.lines() == [(session, "charge", 2500)]
