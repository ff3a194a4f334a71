"""What comes on a bank's line and is no good request: answered or dropped as documented, and nothing moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mpss.adapters.iso8583_inbound import MOST_WAITING
from mpss.db.database import Database
from mpss.simulators.bank import _Connection
from mpss.wire.iso8583.codec import LONGEST_MESSAGE, Malformed, frame, pack, unpack
from mpss.wire.iso8583.fields import ProfileName
from mpss.wire.iso8583.mac import MAC_BYTES, ecb_mac
from mpss.wire.iso8583.messages import ECHO, BankMessage, Original, Service, to_fields
from tests.support.clauses import clause
from tests.support.eventually import eventually
from tests.support.inbound import CARD, Inbound, inbound
from tests.support.market import PHONE

EXAMPLES = 120
STRANGER = "+8618912349999"


class Wire:
    """The bank's own end of the line, as bytes; `heard` are the answers that came."""

    def __init__(self, line: Inbound) -> None:
        self.line = line
        self.profile = line.bank.profile
        self.heard: list[BankMessage] = []
        self._echoes = 0
        hear = line.bank.counter.hear

        def listen(reply: BankMessage) -> None:
            self.heard.append(reply)
            hear(reply)

        line.bank.counter.hear = listen  # type: ignore[method-assign]

    @property
    def end(self) -> _Connection:
        return self.line.bank.lines()[0]

    def signed(self, body: bytes) -> bytes:
        return frame(self.profile, body + ecb_mac(self.end.mac_key, body))

    def packed(self, message_type: str, fields: dict[int, str]) -> bytes:
        return pack(self.profile, message_type, fields, key=self.end.mac_key)

    async def alive(self) -> None:
        """The line answers an echo, so what was sent before was read; it may have been opened anew."""
        self._echoes += 1

        async def echoed() -> bool:
            await self.line.signed_on()
            trace = f"{self._echoes:06d}"
            reply = await self.line.bank.counter.ask(
                BankMessage(Service.NETWORK, trace, "0701120000", network_code=ECHO)
            )
            return reply is not None and reply.response == "00"

        await eventually(echoed)


@pytest.fixture(params=list(ProfileName))
async def wire(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> AsyncIterator[Wire]:
    async with inbound(database, tmp_path, request.param) as line:
        yield Wire(line)


def topup_fields(wire: Wire, **changed: Any) -> tuple[str, dict[int, str]]:
    message = BankMessage(
        Service.TOP_UP, "000777", "0701120000", "T00000000777", **{"amount_fen": 500, "phone": PHONE, **changed}
    )
    return to_fields(wire.profile, message)


class TestABadRequest:
    async def test_with_a_wrong_mac_is_dropped_unanswered(self, wire: Wire) -> None:
        message_type, fields = topup_fields(wire)
        wire.end.send_bytes(wire.packed(message_type, fields)[:-1] + b"~")
        await wire.alive()
        assert [reply.service for reply in wire.heard] == [Service.NETWORK]
        assert wire.line.session.dropped == 1
        assert await wire.line.agrees() == 0

    async def test_that_asks_for_what_nobody_offers_is_answered_12(self, wire: Wire) -> None:
        message_type, fields = topup_fields(wire)
        for changed in ({3: "999999"}, {3: "000000"}, {25: "06"}):
            assert await answer_to(wire, wire.packed(message_type, fields | changed)) == ("0210", "12")
        assert await wire.line.agrees() == 0

    async def test_that_is_malformed_is_answered_30(self, wire: Wire) -> None:
        message_type, fields = topup_fields(wire)
        for changed in ({48: "4E4D303939"}, {37: "not a ref!  "}, {48: topup_fields(wire, phone="1")[1][48]}):
            assert await answer_to(wire, wire.packed(message_type, fields | changed)) == ("0210", "30")
        body = wire.packed(message_type, fields)[wire.profile.length_bytes : -MAC_BYTES]
        # Its last field is cut short.
        assert await answer_to(wire, wire.signed(body[:-20])) == ("0210", "30")
        assert await wire.line.agrees() == 0

    async def test_of_a_wrong_length_ends_the_connection_and_another_begins(self, wire: Wire) -> None:
        end = wire.end
        end.send_bytes(b"\xff\xff\xff\xff")
        await wire.alive()
        assert wire.end is not end
        assert await wire.line.agrees() == 0

    async def test_under_our_own_name_moves_nothing(self, wire: Wire) -> None:
        """What we would send a bank, sent back to us."""
        for service in (Service.DEBIT, Service.CREDIT, Service.FREEZE, Service.VERIFY):
            message = BankMessage(service, "000001", "0701120000", "000000000001", card_number=CARD, amount_fen=100)
            assert (await answer_to(wire, wire.packed(*to_fields(wire.profile, message))))[1] == "12"
        assert await wire.line.agrees() == 0


async def answer_to(wire: Wire, data: bytes) -> tuple[str, str]:
    """Message type and response code of the answer to what is no message of ours."""
    found: list[tuple[str, str]] = []
    end, key = wire.end, wire.end.mac_key
    answer = type(end)._answer.__get__(end)

    async def read(body: bytes) -> None:
        message_type, fields = unpack(wire.profile, body, key=key)
        found.append((message_type, fields.get(39, "")))
        await answer(body)

    async def came() -> bool:
        return bool(found)

    end._answer = read  # type: ignore[method-assign]
    end.send_bytes(data)
    await eventually(came)
    return found[0]


class TestABurst:
    async def test_beyond_what_may_wait_is_refused_before_anything_is_done(self, wire: Wire) -> None:
        many = MOST_WAITING + 100
        for number in range(many):
            message = BankMessage(
                Service.TOP_UP, f"{number:06d}", "0701120000", f"T{number:011d}", amount_fen=1, phone=PHONE
            )
            wire.end.send_bytes(wire.packed(*to_fields(wire.profile, message)))

        async def answered() -> bool:
            return len(wire.heard) == many

        await eventually(answered)
        said = [reply.response for reply in wire.heard]
        assert set(said) == {"00", "96"}
        assert said.count("00") >= MOST_WAITING
        async with wire.line.runtime.database.read() as uow:
            credited = await uow.value("SELECT count(*) FROM transaction WHERE kind = 'bank_topup'", {})
        assert credited == said.count("00")


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)
REFERENCES = st.from_regex(r"[0-9A-Za-z]{12}", fullmatch=True) | st.just("")
DIGITS = st.text("0123456789", min_size=12, max_size=19) | st.just("")


def requests() -> st.SearchStrategy[BankMessage]:
    """Whatever a bank could ask; of top-ups none for a wallet that exists."""
    return st.builds(
        BankMessage,
        st.sampled_from([*Service]),
        st.from_regex(r"[0-9]{6}", fullmatch=True),
        st.from_regex(r"[0-9]{10}", fullmatch=True),
        REFERENCES,
        card_number=DIGITS,
        amount_fen=st.integers(0, 10**12 - 1),
        holder_name=TEXTS,
        phone=TEXTS | st.just(STRANGER),
        original=st.none() | st.builds(Original, REFERENCES, st.just("000001"), st.just("0701000000")),
        network_code=st.sampled_from(["", "001", "301", "999"]),
        masked_card=TEXTS,
    )


@clause("CM 5.3.1.2")
class TestFuzz:
    async def test_never_stops_us_and_never_moves_money(self, wire: Wire) -> None:
        loop = asyncio.get_running_loop()

        async def send(data: bytes, *, ends: bool) -> None:
            end = wire.end
            end.send_bytes(data)

            async def ended() -> bool:
                return end not in wire.line.bank.lines()

            if ends:
                await eventually(ended)
            await wire.alive()

        def sent(data: bytes, *, ends: bool = False) -> None:
            asyncio.run_coroutine_threadsafe(send(data, ends=ends), loop).result(60)

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            phases=(Phase.explicit, Phase.generate),
        )
        @given(st.one_of(requests(), st.binary(max_size=120), st.tuples(st.just("raw"), st.binary(max_size=60))))
        def fuzz(drawn: BankMessage | bytes | tuple[str, bytes]) -> None:
            if isinstance(drawn, BankMessage):
                try:
                    sent(wire.packed(*to_fields(wire.profile, drawn)))
                except (Malformed, UnicodeError):
                    return  # No bank could have written it.
            elif isinstance(drawn, bytes):
                sent(wire.signed(drawn))
            else:
                sent(drawn[1] + b"\xff" * 2 * LONGEST_MESSAGE, ends=True)  # Whatever frame it began is over.

        await asyncio.to_thread(fuzz)

        async def done() -> bool:
            return wire.line.session.carrying_out == 0

        await eventually(done)
        assert {reply.response for reply in wire.heard} <= {"00", "12", "13", "14", "22", "25", "30", "42", "62"}
        async with wire.line.runtime.database.read() as uow:
            moved = await uow.value(
                "SELECT count(*) FROM transaction WHERE kind LIKE 'bank%%' AND amount_fen > 0 AND state = 'SUCCEEDED'",
                {},
            )
        assert moved == 0
        assert await wire.line.agrees() == 0
