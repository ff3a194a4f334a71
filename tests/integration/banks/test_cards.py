"""Bank cards bound from our side: the bank is asked, the phone's code confirms, numbers and names are sealed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mpss.accounts.cards import (
    BoundCard,
    card_balance,
    card_in_hand,
    confirm_binding,
    list_cards,
    request_binding,
    unbind,
)
from mpss.accounts.open import OpenedAccount
from mpss.db.database import Database
from mpss.kernel.clock import FixedClock
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.runtime import Runtime
from mpss.simulators.bank_faults import Fault, FaultKind
from tests.integration.banks.conftest import HOLDER, Connected
from tests.support.clauses import clause
from tests.support.house import events, house, last_secret, subscriber
from tests.support.instants import NOON

PHONE = "18912340001"
CARD = "6222020000000015"
OTHER_CARD = "6222020000000023"


@dataclass(slots=True)
class Cards:
    """A subscriber whose bank knows the phone."""

    runtime: Runtime
    owner: OpenedAccount
    connected: Connected

    async def request(self, number: str = CARD, name: str = HOLDER) -> BoundCard:
        return await request_binding(
            self.runtime, account_id=self.owner.account_id, bank="ICBC", card_number=number, holder_name=name,
            source="192.0.2.1",
        )  # fmt: skip

    async def bind(self, number: str = CARD) -> BoundCard:
        card = await self.request(number)
        code = await last_secret(self.runtime, PHONE, "code", "code_sealed")
        return await confirm_binding(self.runtime, account_id=self.owner.account_id, card_id=card.id, code=code)


@pytest.fixture
async def cards(database: Database, tmp_path: Path, connected: Connected) -> AsyncIterator[Cards]:
    """The bank has two cards of the subscriber's phone, the second with another name."""
    store = connected.bank.store
    store.open_card(CARD, holder_name=HOLDER, phone="+86" + PHONE, balance_fen=4200)
    store.open_card(OTHER_CARD, holder_name="王芳", phone="+86" + PHONE, balance_fen=0)
    async with house(database, tmp_path, FixedClock(NOON)) as runtime:
        with_bank = replace(runtime, ports=replace(runtime.ports, banks=connected.port))
        yield Cards(with_bank, await subscriber(with_bank, PHONE), connected)


async def refusal(work: object) -> ErrorCode:
    with pytest.raises(Refused) as found:
        await work  # type: ignore[misc]  # a coroutine
    return found.value.code


@clause("CT 6.1.2", "CM 6.6.1.2")
class TestBinding:
    async def test_asks_the_bank_then_the_phone_and_tells_its_owner(self, cards: Cards) -> None:
        bound = await cards.bind()
        assert (bound.state, bound.masked) == ("bound", "************0015")
        assert await list_cards(cards.runtime, account_id=cards.owner.account_id) == [bound]
        assert (await events(cards.runtime, PHONE))[-2:] == ["code", "card_bound"]

    async def test_keeps_number_and_name_out_of_the_database(self, cards: Cards) -> None:
        bound = await cards.bind()
        async with cards.runtime.database.read() as uow:
            (row,) = await uow.dicts("SELECT bank_card::text AS whole, number_sealed, name_sealed FROM bank_card", {})
        assert CARD not in row["whole"]
        assert HOLDER not in row["whole"]
        assert CARD.encode() not in bytes(row["number_sealed"])
        hand = await card_in_hand(cards.runtime, account_id=cards.owner.account_id, card_id=bound.id)
        assert (hand.number, hand.holder_name) == (CARD, HOLDER)
        assert CARD not in repr(hand)

    async def test_is_refused_with_another_name_or_number(self, cards: Cards) -> None:
        assert await refusal(cards.request(name="别人")) is ErrorCode.CARD_REFUSED
        assert await refusal(cards.request("6222020000000031")) is ErrorCode.CARD_REFUSED
        with pytest.raises(MalformedField):
            await cards.request("6222020000000019")

    async def test_takes_cards_of_one_holder_alone(self, cards: Cards) -> None:
        await cards.bind()
        assert await refusal(cards.request(OTHER_CARD, "王芳")) is ErrorCode.CARD_REFUSED

    async def test_needs_the_right_code(self, cards: Cards) -> None:
        card = await cards.request()
        code = await last_secret(cards.runtime, PHONE, "code", "code_sealed")
        wrong = f"{(int(code) + 1) % 1_000_000:06d}"
        account_id = cards.owner.account_id
        again = confirm_binding(cards.runtime, account_id=account_id, card_id=card.id, code=wrong)
        assert await refusal(again) is ErrorCode.WRONG_CODE
        assert await list_cards(cards.runtime, account_id=account_id) == []

    async def test_is_not_done_twice(self, cards: Cards) -> None:
        await cards.bind()
        assert await refusal(cards.request()) is ErrorCode.ILLEGAL_STATE

    async def test_waits_for_another_try_when_the_bank_is_silent(
        self, cards: Cards, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mpss.accounts.cards.BANK_TIMEOUT_SECONDS", 0.3)
        cards.connected.bank.faults.add(Fault(FaultKind.LOSE_REPLY, 1))
        assert await refusal(cards.request()) is ErrorCode.BUSY
        assert (await cards.bind()).state == "bound"


class TestBoundCard:
    async def test_says_its_balance(self, cards: Cards) -> None:
        bound = await cards.bind()
        assert await card_balance(cards.runtime, account_id=cards.owner.account_id, card_id=bound.id) == 4200

    async def test_is_unbound_once_and_may_be_bound_again(self, cards: Cards) -> None:
        bound = await cards.bind()
        account_id = cards.owner.account_id
        await unbind(cards.runtime, account_id=account_id, card_id=bound.id)
        assert await list_cards(cards.runtime, account_id=account_id) == []
        assert (await events(cards.runtime, PHONE))[-1] == "card_unbound"
        again = unbind(cards.runtime, account_id=account_id, card_id=bound.id)
        assert await refusal(again) is ErrorCode.ILLEGAL_STATE
        assert (await cards.bind()).state == "bound"

    async def test_is_unknown_to_others(self, cards: Cards) -> None:
        bound = await cards.bind()
        other = await subscriber(cards.runtime, "18912340002")
        balance = card_balance(cards.runtime, account_id=other.account_id, card_id=bound.id)
        assert await refusal(balance) is ErrorCode.UNKNOWN_CARD
