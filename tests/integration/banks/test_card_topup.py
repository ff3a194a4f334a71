"""Top-up from a bound card, from the binding to the money: the bank's lines are ours (CT 5.1; CM 6.4.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mpss.config import Policy
from mpss.db.database import Database
from mpss.simulators.bank_faults import Fault, FaultKind
from mpss.transactions.verify import verify
from mpss.wire.iso8583.messages import Service
from tests.integration.banks.conftest import HOLDER, Connected
from tests.integration.banks.scene import CARD, BankScene, bank_counter, bind_card
from tests.support.clauses import clause
from tests.support.house import PASSWORD, events
from tests.support.market import PHONE

POLICY = Policy(bank_timeout_seconds=1, balance_limit_fen=210_000, topup_single_limit_fen=100_000)


@dataclass(slots=True)
class Scene(BankScene):
    """The market with a bank; the payer, who has 1,000 yuan and a bound card with 2,000 yuan, is signed in."""

    async def ask(self, amount_fen: int = 25_000, *, key: str | None = None, **changed: Any) -> Any:
        body = {
            "card_id": self.card_id, "amount_fen": amount_fen, "currency": "CNY", "payment_password": PASSWORD,
            **changed,
        }  # fmt: skip
        return await self.payer.post("/v1/topups/bank-card", body, key=key)

    def fault(self, kind: FaultKind, service: Service | None = Service.DEBIT, **more: Any) -> None:
        self.connected.bank.faults.add(Fault(kind, more.pop("count", 1), service=service, **more))

    async def state(self, answer: Any) -> str:
        seen = await self.payer.get(f"/v1/transactions/{answer.json()['transaction_id']}")
        return str(seen.json()["state"])

    async def agrees(self, *, gained: int) -> None:
        """The bank's lines are ours one by one, and every invariant holds."""
        async with self.shop.runtime.database.read() as uow:
            broken = [check for check in await verify(uow) if not check.holds]
            ours = await uow.dicts(
                "SELECT session, amount_fen FROM funding_request WHERE operation = 'debit' AND state = 'APPROVED'", {}
            )
        assert broken == []
        lines = [line for line in self.connected.bank.store.lines() if line["card"] == CARD]
        undone = {line["original"] for line in lines if line["service"] == "reverse"}
        kept = {
            line["reference"]: -line["amount_fen"]
            for line in lines
            if line["service"] == "debit" and line["reference"] not in undone
        }
        assert kept == {row["session"]: row["amount_fen"] for row in ours}
        assert sum(line["amount_fen"] for line in lines) == 200_000 - gained
        assert await self.shop.balance_fen() - 100_000 == gained == sum(kept.values())
        assert not any(reference.startswith("9") for reference in kept)


@pytest.fixture
async def scene(database: Database, tmp_path: Path, connected: Connected) -> AsyncIterator[Scene]:
    connected.bank.store.open_card(CARD, holder_name=HOLDER, phone=PHONE, balance_fen=200_000)
    async with bank_counter(database, tmp_path, connected.port, policy=POLICY) as shop:
        payer = await shop.subscriber()
        yield Scene(shop, connected, payer, await bind_card(shop, payer))


@clause("CT 5.1")
@clause("CM 6.4.2")
class TestTopUpFromACard:
    async def test_moves_the_money_and_is_told(self, scene: Scene) -> None:
        answer = await scene.ask()
        assert (answer.status_code, answer.json()["state"]) == (201, "SUCCEEDED"), answer.text
        assert (await events(scene.shop.runtime, PHONE))[-1] == "topped_up"
        listed = await scene.payer.get("/v1/account/cards")
        assert [card["card_id"] for card in listed.json()["items"]] == [scene.card_id]
        left = await scene.payer.get(f"/v1/account/cards/{scene.card_id}/balance")
        assert left.json()["available_fen"] == 175_000
        await scene.agrees(gained=25_000)

    async def test_is_refused_before_the_bank_is_asked(self, scene: Scene) -> None:
        before = scene.connected.bank.store.requests()
        assert (await scene.ask(payment_password="975310")).json()["code"] == "wrong_password"
        assert (await scene.ask(100_001)).json()["code"] == "single_limit_exceeded"
        assert (await scene.ask(card_id="crd_" + "0" * 32)).status_code in (404, 422)
        assert (await scene.ask(100_000)).status_code == 201
        assert (await scene.ask(10_001)).json()["code"] == "balance_limit_exceeded"
        assert len(scene.connected.bank.store.requests()) == len(before) + 1
        await scene.agrees(gained=100_000)

    async def test_declined_by_the_bank_moves_nothing(self, scene: Scene) -> None:
        scene.fault(FaultKind.DECLINE, code="51")
        assert (await scene.ask()).json()["code"] == "funding_declined"
        await scene.agrees(gained=0)

    @pytest.mark.parametrize(
        "kind",
        [
            FaultKind.LOSE_REPLY, FaultKind.CLOSE, FaultKind.BAD_MAC, FaultKind.BAD_LENGTH, FaultKind.NONSENSE,
            FaultKind.UNKNOWN_FIELD, FaultKind.UNMATCHED,
        ],
    )  # fmt: skip
    async def test_without_a_reply_to_believe_moves_nothing_until_the_inquiry(
        self, scene: Scene, kind: FaultKind
    ) -> None:
        scene.fault(kind)
        answer = await scene.ask()
        assert (answer.status_code, answer.json()["state"]) == (202, "IN_DOUBT")
        assert await scene.shop.balance_fen() == 100_000
        await scene.resolve()
        assert await scene.state(answer) == "SUCCEEDED"
        assert (await events(scene.shop.runtime, PHONE))[-2:] == ["topup_in_doubt", "topped_up"]
        await scene.agrees(gained=25_000)

    async def test_that_the_bank_never_had_is_reversed(self, scene: Scene) -> None:
        scene.fault(FaultKind.LOSE_REQUEST)
        answer = await scene.ask()
        await scene.resolve()
        assert await scene.state(answer) == "CANCELLED"
        assert (await events(scene.shop.runtime, PHONE))[-2:] == ["topup_in_doubt", "topup_failed"]
        await scene.agrees(gained=0)

    async def test_whose_debit_comes_late_meets_the_reversal(self, scene: Scene) -> None:
        scene.fault(FaultKind.DELAY_REQUEST, seconds=2.5)
        answer = await scene.ask()
        await scene.resolve()
        assert await scene.state(answer) == "CANCELLED"
        await asyncio.gather(*scene.connected.bank.late)
        await scene.agrees(gained=0)

    @pytest.mark.parametrize("carried_out", [True, False])
    async def test_given_up_is_reversed_until_acknowledged(self, scene: Scene, carried_out: bool) -> None:
        scene.fault(FaultKind.LOSE_REPLY if carried_out else FaultKind.LOSE_REQUEST)
        scene.fault(FaultKind.LOSE_REPLY, Service.INQUIRE)
        scene.fault(FaultKind.LOSE_REQUEST, Service.REVERSE)
        answer = await scene.ask()
        await scene.resolve(seconds=POLICY.funding_give_up_seconds + 1)
        assert await scene.state(answer) == "RELEASING"
        await scene.resolve(seconds=90)
        assert await scene.state(answer) == "CANCELLED"
        await scene.agrees(gained=0)

    async def test_answered_twice_or_late_counts_once(self, scene: Scene) -> None:
        scene.fault(FaultKind.TWICE)
        assert (await scene.ask()).json()["state"] == "SUCCEEDED"
        scene.fault(FaultKind.DELAY, seconds=1.3)
        late = await scene.ask()
        await asyncio.sleep(0.5)
        await scene.resolve()
        assert await scene.state(late) == "SUCCEEDED"
        await scene.agrees(gained=50_000)

    async def test_asked_again_under_its_key_is_debited_once(self, scene: Scene) -> None:
        first, again = await scene.ask(key="k"), await scene.ask(key="k")
        assert first.json() == again.json()
        assert again.headers["idempotent-replayed"] == "true"
        assert (await scene.ask(26_000, key="k")).json()["code"] == "key_reused"
        gone = await scene.payer.send("DELETE", f"/v1/account/cards/{scene.card_id}")
        assert gone.status_code == 204
        assert (await scene.ask(key="k")).json() == first.json()
        assert (await scene.ask()).json()["code"] == "illegal_state"
        await scene.agrees(gained=25_000)
