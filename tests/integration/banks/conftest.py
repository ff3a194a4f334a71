"""A bank of the town and our side of the connection, in each profile."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mpss.adapters.bank_iso8583 import BankLine, Iso8583Banks
from mpss.adapters.iso8583_session import Line
from mpss.ports.bank import BankOperation, BankProfile, BankRequest
from mpss.simulators.bank import Bank, BankSettings
from mpss.simulators.bank import serve as serve_bank
from mpss.simulators.bank_store import CardAccount
from mpss.wire.iso8583.fields import PROFILES, ProfileName
from tests.support.instants import NOON

CARD, HOLDER, PHONE = "6222020000000017", "李小明", "+8618912340001"
KEY = bytes(range(16))


@dataclass(slots=True)
class Connected:
    """The bank, our port to it, and requests for it."""

    bank: Bank
    port: Iso8583Banks
    numbers: Callable[[], int]

    def request(self, operation: BankOperation, fen: int = 0, original: BankRequest | None = None) -> BankRequest:
        number = self.numbers()
        return BankRequest(
            "ICBC", operation, f"{number:06d}", f"{number:012d}", CARD, fen, NOON, original, HOLDER, PHONE
        )  # fmt: skip

    def card(self) -> CardAccount:
        found = self.bank.store.card(CARD)
        assert found is not None
        return found


@pytest.fixture(params=list(ProfileName))
async def connected(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Connected]:
    """One connected bank, in each profile; its card has 1,000 yuan."""
    name: ProfileName = request.param
    async with serve_bank(BankSettings("ICBC", tmp_path / "bank.sqlite", name, KEY)) as bank:
        bank.store.open_card(CARD, holder_name=HOLDER, phone=PHONE, balance_fen=100_000)
        line = Line("ICBC", "127.0.0.1", bank.port, PROFILES[name], KEY, quiet_seconds=0.3, answer_seconds=0.5)
        port = Iso8583Banks([BankLine(BankProfile("ICBC", "工商银行", True), line)])
        await port.start()
        assert await port.session("ICBC").wait_up(timeout_seconds=5)
        yield Connected(bank, port, itertools.count(1).__next__)
        await port.stop()


def again(request: BankRequest) -> BankRequest:
    """The same request, as it is read back from the database."""
    return replace(request)
