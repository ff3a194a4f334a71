"""Purchases from a bound bank card: whatever is lost on the way, the bank's statement and our books agree (CT 5.1)."""

from __future__ import annotations

import asyncio
from collections import Counter as Tally
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mpss.adapters.bank_iso8583 import BankLine, Iso8583Banks
from mpss.adapters.iso8583_session import Line
from mpss.config import Policy
from mpss.db.database import Database
from mpss.kernel.ids import MerchantId, ProductId
from mpss.ledger.balances import gathered_balance_fen
from mpss.ports.bank import BankProfile
from mpss.simulators.bank_faults import Fault, FaultKind
from mpss.simulators.merchant_shop import Fault as ShopFault
from mpss.transactions.purchases.reversal import reverse
from mpss.transactions.verify import verify
from mpss.wire.iso8583.fields import PROFILES
from mpss.wire.iso8583.messages import Service
from tests.integration.banks.conftest import HOLDER, KEY, Connected
from tests.integration.banks.scene import CARD, BankScene, bank_counter, bind_card
from tests.support.clauses import clause
from tests.support.eventually import eventually
from tests.support.house import PASSWORD, events
from tests.support.market import PHONE, outside

POLICY = Policy(bank_timeout_seconds=1)


@dataclass(slots=True)
class Scene(BankScene):
    """The market with a bank; the payer has 1,000 yuan and a bound card with 2,000 yuan."""

    async def buy(self, amount_fen: int | None = None, *, key: str | None = None, **changed: Any) -> Any:
        """A free amount, or the product of 25 yuan."""
        what: dict[str, Any] = {"amount_fen": amount_fen}
        if amount_fen is None:
            what = {
                "product_id": str(ProductId.from_uuid(self.shop.market.product.id)),
                "quantity": 1,
                "amount_fen": 2_500,
            }
        body = {
            "merchant_id": str(MerchantId.from_uuid(self.shop.market.merchant.id)), "currency": "CNY",
            "funding": "bank_card", "card_id": self.card_id, "payment_password": PASSWORD, **what, **changed,
        }  # fmt: skip
        return await self.payer.post("/v1/purchases", body, key=key)

    async def take_back(self, sale: Any, *, key: str = "r") -> str:
        market = self.shop.market
        answer = await reverse(
            self.shop.runtime, caller="merchant", key=key, channel="http", merchant_id=market.merchant.id,
            original_id=(await self.transaction(sale))["id"], reason="sold out",
        )  # fmt: skip
        return answer.transaction.refusal or answer.transaction.state

    async def transaction(self, sale: Any) -> dict[str, Any]:
        async with self.shop.runtime.database.read() as uow:
            rows = await uow.dicts("SELECT id, state, kind FROM transaction ORDER BY created_at, id")
        return next(row for row in rows if outside(row["id"]) == sale.json()["transaction_id"])

    async def state(self, sale: Any) -> str:
        return str((await self.transaction(sale))["state"])

    async def comes_to(self, sale: Any, state: str) -> None:
        async def is_there() -> bool:
            return await self.state(sale) == state

        await eventually(is_there)

    def fault(self, kind: FaultKind, service: Service, **more: Any) -> None:
        self.connected.bank.faults.add(Fault(kind, more.pop("count", 1), service=service, **more))

    async def agrees(self, *, paid: int) -> None:
        """Line by line the bank's statement is ours, nothing is frozen, the merchant is owed what was `paid`."""
        async with self.shop.runtime.database.read() as uow:
            broken = [check for check in await verify(uow) if not check.holds]
            ours = await uow.dicts(
                """
                SELECT f.session, f.operation, f.amount_fen FROM funding_request AS f
                 WHERE f.state = 'APPROVED' AND f.operation IN ('debit', 'collect', 'credit')
                   AND NOT EXISTS (SELECT FROM funding_request AS r WHERE r.transaction_id = f.transaction_id
                                      AND r.operation = 'reverse' AND r.state = 'APPROVED')
                """
            )
            payable = self.shop.market.merchant.ledger_account_id
            owed = -await gathered_balance_fen(uow, payable)
        assert broken == []
        lines = [line for line in self.connected.bank.store.lines() if line["card"] == CARD and line["reference"]]
        undone = {line["original"] for line in lines if line["service"] == "reverse"}
        kept = [line for line in lines if line["service"] != "reverse" and line["reference"] not in undone]
        assert Tally((line["reference"], line["service"], abs(line["amount_fen"])) for line in kept) == Tally(
            (row["session"], row["operation"], row["amount_fen"]) for row in ours
        )
        assert -sum(line["amount_fen"] for line in lines) == owed == paid
        card = self.connected.bank.store.card(CARD)
        assert card is None or card.frozen_fen == 0


@asynccontextmanager
async def opened(
    database: Database, folder: Path, connected: Connected, *, freezes: bool = True
) -> AsyncIterator[Scene]:
    connected.bank.store.open_card(CARD, holder_name=HOLDER, phone=PHONE, balance_fen=200_000)
    line = Line(
        "ICBC", "127.0.0.1", connected.bank.port, PROFILES[connected.bank.settings.profile], KEY, quiet_seconds=0.3,
        answer_seconds=0.5,
    )  # fmt: skip
    port = Iso8583Banks([BankLine(BankProfile("ICBC", "工商银行", True, freezes), line)])
    await port.start()
    try:
        async with bank_counter(database, folder, port, policy=POLICY) as shop:
            assert await port.session("ICBC").wait_up(timeout_seconds=5)
            payer = await shop.subscriber()
            yield Scene(shop, replace(connected, port=port), payer, await bind_card(shop, payer))
    finally:
        await port.stop()


@pytest.fixture
async def scene(database: Database, tmp_path: Path, connected: Connected) -> AsyncIterator[Scene]:
    async with opened(database, tmp_path, connected) as found:
        yield found


@clause("CT 5.1", "CT 5.3")
class TestAFreeAmount:
    async def test_is_debited_in_real_time(self, scene: Scene) -> None:
        sale = await scene.buy(12_300)
        assert (sale.status_code, sale.json()["state"], sale.json()["funding"]) == (201, "SUCCEEDED", "bank_card")
        assert (await events(scene.shop.runtime, PHONE))[-1] == "card_paid"
        assert await scene.shop.balance_fen() == 100_000
        await scene.agrees(paid=12_300)

    async def test_the_bank_declines_gives_the_limits_back(self, scene: Scene) -> None:
        assert (await scene.buy(200_001)).json()["code"] == "insufficient_funds"
        scene.fault(FaultKind.DECLINE, Service.DEBIT, code="62")
        assert (await scene.buy(100)).json()["code"] == "funding_declined"
        assert (await scene.buy(200_000)).status_code == 201
        await scene.agrees(paid=200_000)

    async def test_asked_for_again_under_its_key_is_debited_once(self, scene: Scene) -> None:
        first, again = await scene.buy(100, key="k"), await scene.buy(100, key="k")
        assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
        assert (await scene.buy(100, key="k", card_id="crd_" + "0" * 32)).json()["code"] == "key_reused"
        await scene.payer.send("DELETE", f"/v1/account/cards/{scene.card_id}")
        assert (await scene.buy(100, key="k")).json() == first.json()
        assert (await scene.buy(100)).json()["code"] == "illegal_state"
        await scene.agrees(paid=100)

    async def test_needs_a_card_of_the_payers_own(self, scene: Scene) -> None:
        for changed, code in (
            ({"card_id": None}, "malformed_request"),
            ({"funding": "wallet"}, "malformed_request"),
            ({"card_id": "crd_" + "0" * 32}, "unknown_card"),
        ):
            answer = await scene.buy(100, **changed)
            assert answer.json()["code"] == code, answer.text
            assert code != "malformed_request" or answer.json()["errors"][0]["field"] == "card_id"
        await scene.agrees(paid=0)


@clause("CT 5.1", "CT 6.3.2", "CT 6.5.1")
class TestGoods:
    async def test_are_frozen_then_collected_on_delivery(self, scene: Scene) -> None:
        sale = await scene.buy()
        assert (sale.status_code, sale.json()["state"]) == (202, "AUTHORIZED")
        card = scene.connected.bank.store.card(CARD)
        assert card is not None
        assert (card.balance_fen, card.frozen_fen) == (200_000, 2_500)
        async with scene.shop.market.working():
            await scene.comes_to(sale, "SUCCEEDED")
        asked = [request["service"] for request in scene.connected.bank.store.requests()]
        assert asked[-2:] == ["freeze", "collect"]
        await scene.agrees(paid=2_500)

    async def test_not_delivered_are_unfrozen(self, scene: Scene) -> None:
        scene.shop.market.shop.fail(ShopFault.REFUSE, count=1)
        sale = await scene.buy()
        async with scene.shop.market.working():
            await scene.comes_to(sale, "CANCELLED")
        assert scene.connected.bank.store.requests()[-1]["service"] == "unfreeze"
        assert (await events(scene.shop.runtime, PHONE))[-1] == "card_not_charged"
        await scene.agrees(paid=0)

    async def test_at_a_bank_without_freezes_are_debited_first(
        self, database: Database, tmp_path: Path, connected: Connected
    ) -> None:
        async with opened(database, tmp_path, connected, freezes=False) as scene, scene.shop.market.working():
            sale = await scene.buy()
            await scene.comes_to(sale, "SUCCEEDED")
            scene.shop.market.shop.fail(ShopFault.REFUSE, count=1)
            second = await scene.buy()
            await scene.comes_to(second, "CANCELLED")
            asked = [request["service"] for request in connected.bank.store.requests()]
            assert asked[-3:] == ["debit", "debit", "reverse"]
            await scene.agrees(paid=2_500)

    async def test_collected_without_a_reply_are_collected_once(self, scene: Scene) -> None:
        scene.fault(FaultKind.LOSE_REPLY, Service.COLLECT)
        sale = await scene.buy()
        async with scene.shop.market.working():
            await scene.comes_to(sale, "COMPLETING")
        scene.fault(FaultKind.LOSE_REQUEST, Service.INQUIRE)
        await scene.resolve()
        assert await scene.state(sale) == "COMPLETING"
        await scene.resolve(seconds=90)
        assert await scene.state(sale) == "SUCCEEDED"
        await scene.agrees(paid=2_500)


@clause("CT 5.1", "CT 6.3.2")
class TestDoubt:
    @pytest.mark.parametrize("amount_fen", [None, 4_200], ids=["freeze", "debit"])
    async def test_ends_when_the_bank_says_what_it_did(self, scene: Scene, amount_fen: int | None) -> None:
        service = Service.FREEZE if amount_fen is None else Service.DEBIT
        scene.fault(FaultKind.LOSE_REPLY, service)
        sale = await scene.buy(amount_fen)
        assert (sale.status_code, sale.json()["state"]) == (202, "IN_DOUBT")
        await scene.resolve()
        async with scene.shop.market.working():
            await scene.comes_to(sale, "SUCCEEDED")
        assert (await events(scene.shop.runtime, PHONE)).count("card_in_doubt") == 1
        await scene.agrees(paid=amount_fen or 2_500)

    @pytest.mark.parametrize("amount_fen", [None, 4_200], ids=["freeze", "debit"])
    @pytest.mark.parametrize("kind", [FaultKind.LOSE_REQUEST, FaultKind.DELAY_REQUEST])
    async def test_of_what_never_came_is_given_up_with_a_tombstone(
        self, scene: Scene, kind: FaultKind, amount_fen: int | None
    ) -> None:
        scene.fault(kind, Service.FREEZE if amount_fen is None else Service.DEBIT, seconds=2.5)
        sale = await scene.buy(amount_fen)
        await scene.resolve()
        assert await scene.state(sale) == "CANCELLED"
        await asyncio.gather(*scene.connected.bank.late)
        await scene.agrees(paid=0)

    async def test_that_lasts_is_given_up_and_reversed_until_acknowledged(self, scene: Scene) -> None:
        scene.fault(FaultKind.LOSE_REPLY, Service.DEBIT)
        scene.fault(FaultKind.LOSE_REPLY, Service.INQUIRE)
        scene.fault(FaultKind.LOSE_REPLY, Service.REVERSE)
        sale = await scene.buy(4_200)
        await scene.resolve(seconds=POLICY.funding_give_up_seconds + 1)
        assert await scene.state(sale) == "RELEASING"
        await scene.resolve(seconds=90)
        assert await scene.state(sale) == "CANCELLED"
        await scene.agrees(paid=0)

    async def test_in_which_the_merchant_takes_it_back_ends_unpaid(self, scene: Scene) -> None:
        scene.fault(FaultKind.LOSE_REPLY, Service.FREEZE)
        sale = await scene.buy()
        assert await scene.take_back(sale) == "SUCCEEDED"
        await scene.resolve()
        await scene.resolve(seconds=90)
        assert await scene.state(sale) == "CANCELLED"
        await scene.agrees(paid=0)


@clause("CT 6.5.1")
class TestRefund:
    async def test_goes_back_to_the_card(self, scene: Scene) -> None:
        sale = await scene.buy(8_000)
        assert await scene.take_back(sale) == "SUCCEEDED"
        assert await scene.state(sale) == "REVERSED"
        assert (await events(scene.shop.runtime, PHONE))[-1] == "card_refunded"
        assert await scene.shop.balance_fen() == 100_000
        await scene.agrees(paid=0)

    @pytest.mark.parametrize("kind", [FaultKind.LOSE_REQUEST, FaultKind.LOSE_REPLY, FaultKind.DELAY_REQUEST])
    async def test_without_an_answer_is_insisted_upon_and_credited_once(self, scene: Scene, kind: FaultKind) -> None:
        sale = await scene.buy(8_000)
        scene.fault(kind, Service.CREDIT, seconds=1.5)
        assert await scene.take_back(sale) == "COMPLETING"
        await scene.resolve()
        await asyncio.gather(*scene.connected.bank.late)
        await scene.resolve(seconds=90)
        assert await scene.state(sale) == "REVERSED"
        await scene.agrees(paid=0)

    async def test_the_bank_refuses_is_asked_for_again_under_another_reference(self, scene: Scene) -> None:
        sale = await scene.buy(8_000)
        scene.fault(FaultKind.DECLINE, Service.CREDIT, code="61")
        assert await scene.take_back(sale) == "COMPLETING"
        await scene.resolve()
        assert await scene.state(sale) == "REVERSED"
        await scene.agrees(paid=0)

    async def test_of_a_closed_card_goes_to_the_wallet(self, scene: Scene) -> None:
        sale = await scene.buy(8_000)
        scene.connected.bank.store.close_card(CARD)
        assert await scene.take_back(sale) == "SUCCEEDED"
        assert await scene.state(sale) == "REVERSED"
        assert (await events(scene.shop.runtime, PHONE))[-1] == "refunded_to_wallet"
        assert await scene.shop.balance_fen() == 108_000
        async with scene.shop.runtime.database.read() as uow:
            assert [check for check in await verify(uow) if not check.holds] == []
