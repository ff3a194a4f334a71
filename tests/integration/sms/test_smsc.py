"""The town's SMSC itself: a process of its own, its control API and pages, and who it lets in."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from mpss.adapters.sms_smpp import SmppSms
from mpss.kernel.outcome import Approved
from mpss.ports.sms import InboundSms, OutboundSms
from mpss.simulators.handset import Handset, NoSuchMessage
from mpss.simulators.smsc import Smsc, SmscSettings, serve
from mpss.simulators.smsc_faults import Fault, FaultKind
from mpss.wire.smpp import HEADER, Command, Status

LI = "+8618912340001"


class Running:
    """An SMSC process and its addresses."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, control_url: str) -> None:
        self.process = process
        self.port = port
        self.control_url = control_url


@asynccontextmanager
async def smsc_process(data: Path) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mpss.simulators.smsc",
        "--data",
        str(data),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ,
    )
    assert process.stdout is not None
    try:
        addresses = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        yield Running(process, addresses["port"], addresses["control_url"])
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 10)


class TestRestart:
    async def test_after_a_kill_finds_the_ports_the_inboxes_and_what_was_on_its_way(self, tmp_path: Path) -> None:
        taken: list[InboundSms] = []

        async def take(message: InboundSms) -> None:
            taken.append(message)

        async with smsc_process(tmp_path) as first:
            sms = SmppSms(host="127.0.0.1", port=first.port, system_id="mpss", password="town", number="10001888")
            await sms.start(take)
            assert await sms.wait_bound(timeout_seconds=5)
            outcome = await sms.submit(OutboundSms(LI, "您已开户【MPSS 000001】", 1), timeout_seconds=5)
            assert isinstance(outcome, Approved)
            await sms.stop()
            async with Handset(first.control_url, LI) as li:
                await li.send("YE")
            first.process.kill()
            await first.process.wait()
        async with smsc_process(tmp_path) as second, Handset(second.control_url, LI) as li:
            assert (second.port, second.control_url) == (first.port, first.control_url)
            (found,) = await li.inbox()
            assert (found.text, found.serial) == ("您已开户【MPSS 000001】", 1)
            sms = SmppSms(host="127.0.0.1", port=second.port, system_id="mpss", password="town", number="10001888")
            await sms.start(take)
            for _ in range(100):
                if taken:
                    break
                await asyncio.sleep(0.05)
            await sms.stop()
        assert [message.text for message in taken] == ["YE"]

    async def test_ends_when_it_is_told_to(self, tmp_path: Path) -> None:
        async with smsc_process(tmp_path) as running:
            running.process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(running.process.wait(), 10) == 0


@pytest.fixture
async def smsc(tmp_path: Path) -> AsyncIterator[Smsc]:
    async with serve(SmscSettings(tmp_path)) as running:
        yield running


@pytest.fixture
async def client(smsc: Smsc) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=smsc.control_url, trust_env=False) as opened:
        yield opened


class TestControl:
    async def test_lists_handsets_and_reads_an_inbox_page_by_page(self, smsc: Smsc, client: httpx.AsyncClient) -> None:
        for serial in (1, 2):
            smsc.store.receive(LI, f"[No. {serial}]", serial=serial, segments=1)
        listed = (await client.get("/handsets")).json()
        assert listed == {"handsets": [{"phone": LI, "received": 2, "last": "[No. 2]"}]}
        first, second = (await client.get(f"/handsets/{LI}/inbox")).json()["messages"]
        assert (first["text"], first["serial"], first["sent"]) == ("[No. 1]", 1, False)
        later = (await client.get(f"/handsets/18912340001/inbox?after={first['id']}")).json()["messages"]
        assert later == [second]

    async def test_waits_for_a_message(self, smsc: Smsc) -> None:
        async with Handset(smsc.control_url, LI) as li:
            waiting = asyncio.create_task(li.wait_for("开户", timeout_seconds=5))
            await asyncio.sleep(0.1)
            smsc.store.receive(LI, "noise", serial=None, segments=1)
            smsc.store.receive(LI, "您已开户", serial=3, segments=1)
            async with smsc._received:
                smsc._received.notify_all()
            assert (await waiting).serial == 3
            assert await li.last_id() == 2
            with pytest.raises(NoSuchMessage, match="noise"):
                await li.wait_for("余额", timeout_seconds=0.1)

    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("GET", "/nothing", None, 404),
            ("GET", "/handsets/abc/inbox", None, 400),
            ("GET", f"/handsets/{LI}/inbox?after=-1", None, 400),
            ("GET", f"/handsets/{LI}/inbox?wait_seconds=soon", None, 400),
            ("POST", f"/handsets/{LI}/send", "{}", 400),
            ("POST", f"/handsets/{LI}/send", '{"text": ""}', 400),
            ("POST", f"/handsets/{LI}/send", "[", 400),
            ("POST", "/faults", '{"kind": "meteor"}', 400),
            ("POST", "/faults", '{"kind": "delay", "seconds": -1}', 400),
            ("POST", "/faults", '{"kind": "throttled", "count": true}', 400),
        ],
    )
    async def test_refuses_what_is_malformed(
        self, client: httpx.AsyncClient, method: str, path: str, body: str | None, status: int
    ) -> None:
        answer = await client.request(method, path, content=body)
        assert answer.status_code == status
        assert answer.json()["error"]

    async def test_sets_and_lifts_faults(self, smsc: Smsc, client: httpx.AsyncClient) -> None:
        asked = {"kind": "delay", "count": 2, "seconds": 0.5, "phone": "18912340001"}
        assert (await client.post("/faults", json=asked)).status_code == 201
        assert (await client.get("/faults")).json() == {"faults": [{**asked, "phone": LI}]}
        assert (await client.delete("/faults")).json() == {"faults": []}
        assert smsc.faults.all() == []

    async def test_refuses_other_sites(self, client: httpx.AsyncClient) -> None:
        foreign = await client.post(f"/phones/{LI}", data={"text": "Y 1234"}, headers={"Origin": "http://example.com"})
        renamed = await client.get("/handsets", headers={"Host": "example.com"})
        assert (foreign.status_code, renamed.status_code) == (403, 403)


class TestPages:
    async def test_show_a_conversation_with_its_markup_escaped(self, smsc: Smsc, client: httpx.AsyncClient) -> None:
        smsc.store.receive(LI, "<script>alert(1)</script> & 付款", serial=None, segments=1)
        page = (await client.get(f"/phones/{LI}")).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; 付款" in page
        assert "<script>" not in page
        assert "<script>" not in (await client.get("/")).text

    async def test_send_from_a_handset(self, smsc: Smsc, client: httpx.AsyncClient) -> None:
        sent = await client.post(f"/phones/{LI}", data={"text": "余额"})
        assert (sent.status_code, sent.headers["Location"]) == (303, f"/phones/{LI}#send")
        assert [(message.text, message.sent) for message in smsc.store.messages(LI)] == [("余额", True)]


class TestGate:
    @pytest.mark.parametrize(
        ("pdu", "command", "status"),
        [
            (b"mpss\0wrong\0\0\x34\0\0\0", Command.BIND_TRANSCEIVER, Status.ESME_RINVPASWD),
            (b"mpss\0\0\0\x34\0\0\0", Command.BIND_TRANSMITTER, Status.ESME_RINVPASWD),
            (b"who\0town\0\0\x34\0\0\0", Command.BIND_RECEIVER, Status.ESME_RINVSYSID),
        ],
    )
    async def test_refuses_strangers(self, smsc: Smsc, pdu: bytes, command: Command, status: Status) -> None:
        answer = await exchange(smsc.port, HEADER.pack(16 + len(pdu), command, 0, 3) + pdu)
        assert HEADER.unpack(answer) == (16, command | 0x80000000, status, 3)

    async def test_refuses_to_talk_before_the_bind(self, smsc: Smsc) -> None:
        answer = await exchange(smsc.port, HEADER.pack(16, 0x15, 0, 3))
        assert HEADER.unpack(answer) == (16, Command.GENERIC_NACK, Status.ESME_RINVBNDSTS, 3)

    @pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 64, HEADER.pack(20, 9, 0, 1) + b"mpss"])
    async def test_hangs_up_on_noise(self, smsc: Smsc, noise: bytes) -> None:
        assert await exchange(smsc.port, noise) == b""

    async def test_is_shut_while_the_smsc_is_down(self, smsc: Smsc) -> None:
        await smsc.set_fault(Fault(FaultKind.DOWN))
        with pytest.raises(OSError, match="Connect"):
            await exchange(smsc.port, b"")
        await smsc.clear_faults()
        assert await exchange(smsc.port, b"\0" * 64) == b""


async def exchange(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()
