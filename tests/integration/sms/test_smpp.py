"""Our SMPP adapter against the town's SMSC, over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mpss.adapters.sms_smpp import SmppSms
from mpss.kernel.outcome import Approved, Declined, InDoubt
from mpss.kernel.unit_flag import unit_of_work_open
from mpss.ports.sms import InboundSms, OutboundSms
from mpss.simulators.handset import Handset
from mpss.simulators.smsc import Smsc, SmscSettings, serve
from mpss.simulators.smsc_faults import Fault, FaultKind

LI, WANG = "+8618912340001", "+8618912340002"


class Inbox:
    """What the platform was handed; `refuse` makes it fail to store."""

    def __init__(self) -> None:
        self.messages: list[InboundSms] = []
        self.attempts = 0
        self.refuse = False
        self.pause_seconds = 0.0

    async def take(self, message: InboundSms) -> None:
        self.attempts += 1
        await asyncio.sleep(self.pause_seconds)
        if self.refuse:
            raise RuntimeError("the database is away")
        self.messages.append(message)


async def until(condition: Callable[[], bool], *, timeout_seconds: float = 10.0) -> None:
    end = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        await asyncio.sleep(0.02)


@pytest.fixture
async def smsc(tmp_path: Path) -> AsyncIterator[Smsc]:
    async with serve(SmscSettings(tmp_path / "smsc")) as running:
        yield running


def adapter(smsc: Smsc, *, password: str = "town") -> SmppSms:  # noqa: S107
    return SmppSms(host="127.0.0.1", port=smsc.port, system_id="mpss", password=password, number="10001888")


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def sms(smsc: Smsc, inbox: Inbox) -> AsyncIterator[SmppSms]:
    bound = adapter(smsc)
    await bound.start(inbox.take)
    assert await bound.wait_bound(timeout_seconds=5)
    yield bound
    await bound.stop()


@pytest.fixture
async def li(smsc: Smsc) -> AsyncIterator[Handset]:
    async with Handset(smsc.control_url, LI) as phone:
        yield phone


def message(text: str = "Paid 25.00 yuan [No. 7]", *, serial: int = 7, phone: str = LI) -> OutboundSms:
    return OutboundSms(phone, text, serial)


class TestSubmit:
    @pytest.mark.parametrize(
        ("text", "segments"),
        [
            ("Paid 25.00 yuan €{~} [No. 7]", 1),
            ("您已支付25.00元，余额75.00元【MPSS 000007】", 1),
            ("您已支付" * 20 + "😀" * 30 + "【MPSS 7】", 3),
            ("a€" * 200 + "[No. 7]", 4),
        ],
    )
    async def test_puts_the_whole_text_into_the_inbox(
        self, sms: SmppSms, li: Handset, text: str, segments: int
    ) -> None:
        outcome = await sms.submit(message(text), timeout_seconds=5)
        assert isinstance(outcome, Approved)
        assert outcome.reference
        (received,) = await li.inbox()
        assert (received.text, received.serial) == (text, 7)

    async def test_tells_many_answers_apart(self, sms: SmppSms, smsc: Smsc) -> None:
        await smsc.set_fault(Fault(FaultKind.THROTTLED, phone=WANG))
        phones = [LI if n % 3 else WANG for n in range(300)]
        outcomes = await asyncio.gather(
            *(sms.submit(message(f"[No. {n}]", serial=n, phone=p), timeout_seconds=20) for n, p in enumerate(phones))
        )
        kinds = [Approved if phone == LI else Declined for phone in phones]
        assert [type(outcome) for outcome in outcomes] == kinds
        assert len({outcome.reference for outcome in outcomes if isinstance(outcome, Approved)}) == 200
        assert set((await smsc.stats())["by_serial"].values()) == {1}

    async def test_is_declined_when_the_smsc_refuses(self, sms: SmppSms, smsc: Smsc, li: Handset) -> None:
        await smsc.set_fault(Fault(FaultKind.THROTTLED, count=1))
        await smsc.set_fault(Fault(FaultKind.SYSTEM_ERROR, count=1))
        assert await sms.submit(message(), timeout_seconds=5) == Declined("ESME_RTHROTTLED")
        assert await sms.submit(message(), timeout_seconds=5) == Declined("ESME_RSYSERR")
        assert isinstance(await sms.submit(message(), timeout_seconds=5), Approved)
        assert len(await li.inbox()) == 1

    async def test_is_declined_for_a_number_that_is_no_phone(self, sms: SmppSms) -> None:
        assert await sms.submit(message(phone="+4412345"), timeout_seconds=5) == Declined("ESME_RINVDSTADR")

    async def test_is_declined_when_one_segment_is_refused_and_shown_once_when_sent_again(
        self, sms: SmppSms, smsc: Smsc, li: Handset
    ) -> None:
        await smsc.set_fault(Fault(FaultKind.THROTTLED, count=1))
        long = message("您已支付" * 40 + "【MPSS 7】")
        assert await sms.submit(long, timeout_seconds=5) == Declined("ESME_RTHROTTLED")
        assert await li.inbox() == []
        assert isinstance(await sms.submit(long, timeout_seconds=5), Approved)
        assert [received.text for received in await li.inbox()] == [long.text]

    async def test_is_in_doubt_when_the_reply_is_lost(self, sms: SmppSms, smsc: Smsc, li: Handset) -> None:
        await smsc.set_fault(Fault(FaultKind.LOSE_REPLY, count=1))
        assert await sms.submit(message(), timeout_seconds=0.3) == InDoubt("no answer in time")
        assert len(await li.inbox()) == 1
        assert isinstance(await sms.submit(message(), timeout_seconds=5), Approved)
        assert (await smsc.stats())["by_serial"] == {"7": 2}

    async def test_is_in_doubt_when_the_connection_is_cut_before_the_answer(
        self, sms: SmppSms, smsc: Smsc, li: Handset
    ) -> None:
        await smsc.set_fault(Fault(FaultKind.CLOSE, count=1))
        assert await sms.submit(message(), timeout_seconds=5) == InDoubt("connection lost")
        assert len(await li.inbox()) == 1
        assert await sms.wait_bound(timeout_seconds=5)
        assert isinstance(await sms.submit(message(), timeout_seconds=5), Approved)

    async def test_waits_for_a_slow_answer(self, sms: SmppSms, smsc: Smsc) -> None:
        await smsc.set_fault(Fault(FaultKind.DELAY, count=1, seconds=0.4))
        assert isinstance(await sms.submit(message(), timeout_seconds=5), Approved)

    async def test_is_refused_inside_a_unit_of_work(self, sms: SmppSms) -> None:
        token = unit_of_work_open.set(True)
        try:
            with pytest.raises(AssertionError, match="unit of work"):
                await sms.submit(message(), timeout_seconds=5)
        finally:
            unit_of_work_open.reset(token)


class TestBinding:
    async def test_comes_back_after_the_smsc_was_down(self, sms: SmppSms, smsc: Smsc, li: Handset) -> None:
        await smsc.set_fault(Fault(FaultKind.DOWN))
        await until(lambda: sms.problem != "")
        outcome = await sms.submit(message(), timeout_seconds=5)
        assert isinstance(outcome, Declined)
        assert outcome.reason.startswith("not connected: ")
        await smsc.clear_faults()
        assert await sms.wait_bound(timeout_seconds=10)
        assert isinstance(await sms.submit(message(), timeout_seconds=5), Approved)
        assert len(await li.inbox()) == 1

    async def test_says_that_the_password_is_wrong(self, smsc: Smsc, inbox: Inbox) -> None:
        stranger = adapter(smsc, password="guess")
        with capture_logs() as lines:
            await stranger.start(inbox.take)
            assert not await stranger.wait_bound(timeout_seconds=1)
            outcome = await stranger.submit(message(), timeout_seconds=1)
            await stranger.stop()
        assert stranger.problem == "ESME_RINVPASWD"
        assert outcome == Declined("not connected: ESME_RINVPASWD")
        failures = [line for line in lines if line["event"] == "sms.bind_failed"]
        assert [(line["log_level"], line["problem"]) for line in failures] == [("error", "ESME_RINVPASWD")]

    async def test_says_that_the_name_is_unknown(self, smsc: Smsc, inbox: Inbox) -> None:
        stranger = SmppSms(host="127.0.0.1", port=smsc.port, system_id="who", password="town", number="10001888")
        await stranger.start(inbox.take)
        await until(lambda: stranger.problem == "ESME_RINVSYSID")
        await stranger.stop()

    async def test_starts_though_nobody_listens(self, inbox: Inbox) -> None:
        lonely = SmppSms(host="127.0.0.1", port=1, system_id="mpss", password="town", number="10001888")
        await lonely.start(inbox.take)
        await until(lambda: "refused" in lonely.problem or "Connect" in lonely.problem)
        assert isinstance(await lonely.submit(message(), timeout_seconds=1), Declined)
        await lonely.stop()


class TestInbound:
    async def test_is_handed_on_with_its_sender_and_reference(self, sms: SmppSms, li: Handset, inbox: Inbox) -> None:
        await li.send("ye")
        await li.send("余额？")
        await until(lambda: len(inbox.messages) == 2)
        assert [(m.phone, m.text) for m in inbox.messages] == [(LI, "ye"), (LI, "余额？")]
        assert len({m.reference for m in inbox.messages}) == 2

    async def test_is_rejoined_from_its_segments(self, sms: SmppSms, li: Handset, inbox: Inbox) -> None:
        await li.send("余额" * 60)
        await until(lambda: len(inbox.messages) == 1)
        assert inbox.messages[0].text == "余额" * 60

    async def test_waits_until_we_are_bound(self, smsc: Smsc, li: Handset, inbox: Inbox) -> None:
        await li.send("YE")
        late = adapter(smsc)
        await late.start(inbox.take)
        await until(lambda: len(inbox.messages) == 1)
        await late.stop()

    async def test_comes_again_until_it_is_stored(self, sms: SmppSms, smsc: Smsc, li: Handset, inbox: Inbox) -> None:
        inbox.refuse = True
        await li.send("YE")
        await until(lambda: inbox.attempts >= 2)
        assert (await smsc.stats())["waiting_upstream"] == 1
        inbox.refuse = False
        await until(lambda: len(inbox.messages) == 1)
        await asyncio.sleep(0.3)
        assert len(inbox.messages) == 1
        assert (await smsc.stats())["waiting_upstream"] == 0

    async def test_comes_again_with_the_same_reference_when_the_acknowledgement_was_lost(
        self, sms: SmppSms, smsc: Smsc, li: Handset, inbox: Inbox
    ) -> None:
        inbox.pause_seconds = 0.3
        await li.send("YE")
        await until(lambda: inbox.attempts == 1)
        await smsc.set_fault(Fault(FaultKind.DOWN))
        await until(lambda: len(inbox.messages) == 1)
        await smsc.clear_faults()
        await until(lambda: len(inbox.messages) == 2)
        first, second = inbox.messages
        assert first == second

    async def test_does_not_keep_answers_waiting(self, sms: SmppSms, li: Handset, inbox: Inbox) -> None:
        inbox.pause_seconds = 2
        await li.send("YE")
        await until(lambda: inbox.attempts == 1)
        assert isinstance(await sms.submit(message(), timeout_seconds=1), Approved)

    async def test_receipts_are_acknowledged_and_logged(self, sms: SmppSms, smsc: Smsc, inbox: Inbox) -> None:
        with capture_logs() as lines:
            outcome = await sms.submit(message(), timeout_seconds=5)
            await until(lambda: any(line["event"] == "sms.receipt" for line in lines))
        assert isinstance(outcome, Approved)
        (receipt,) = (line for line in lines if line["event"] == "sms.receipt")
        assert (receipt["message_id"], receipt["state"]) == (outcome.reference, "DELIVRD")
        await until(lambda: smsc.store.counts()["waiting_upstream"] == 0)
        assert inbox.messages == []
