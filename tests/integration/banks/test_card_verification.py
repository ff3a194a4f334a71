"""A card bound by the amount of a small debit: three answers, three tries, and the money goes back (CM 5.3.1.3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mpss.config import Policy
from mpss.db.database import Database
from mpss.simulators.bank_faults import Fault, FaultKind
from mpss.staff.permissions import Permission
from mpss.transactions.resolve import list_open, resolve_due
from mpss.transactions.topups.card_verification import end_verifications
from mpss.transactions.verify import verify
from mpss.wire.iso8583.messages import Service
from tests.integration.banks.conftest import HOLDER, Connected
from tests.integration.banks.scene import CARD, bank_counter
from tests.support.clauses import clause
from tests.support.house import events, notices
from tests.support.http import Caller, Counter
from tests.support.market import PHONE

MONEY = 200_000
POLICY = Policy(bank_timeout_seconds=1, card_verifications_per_day=2)


@dataclass(slots=True)
class Scene:
    """The market with a bank, which has a card of the payer with 2,000 yuan."""

    shop: Counter
    connected: Connected
    payer: Caller

    async def ask(self) -> Any:
        body = {"bank": "ICBC", "card_number": CARD, "holder_name": HOLDER, "verify_by": "debit"}
        return await self.payer.post("/v1/account/cards", body)

    async def confirm(self, card_id: str, **body: Any) -> Any:
        return await self.payer.post(f"/v1/account/cards/{card_id}/confirm", body)

    def fault(self, kind: FaultKind, service: Service, **more: Any) -> None:
        self.connected.bank.faults.add(Fault(kind, 1, service=service, **more))

    async def later(self, *, seconds: int = 30) -> None:
        assert await self.connected.port.session("ICBC").wait_up(timeout_seconds=5)
        self.shop.market.clock.advance(timedelta(seconds=seconds))
        await resolve_due(self.shop.runtime)
        await end_verifications(self.shop.runtime)

    def debited(self) -> int:
        """What the owner sees at the bank: the amount of the last debit."""
        lines = [line for line in self.connected.bank.store.lines() if line["service"] == "debit"]
        return -int(lines[-1]["amount_fen"])

    async def state(self) -> str:
        async with self.shop.runtime.database.read() as uow:
            return str(await uow.value("SELECT state FROM bank_card ORDER BY requested_at DESC, id DESC LIMIT 1", {}))

    async def agrees(self, *, out: int = 0) -> None:
        """Every invariant holds, the card has its money less `out`, and we hold a claim of that much."""
        async with self.shop.runtime.database.read() as uow:
            broken = [check for check in await verify(uow) if not check.holds]
            claim = await uow.value("SELECT coalesce(sum(amount_fen), 0) FROM posting WHERE ledger_account_id = 10", {})
        assert broken == []
        card = self.connected.bank.store.card(CARD)
        assert card is not None
        assert (card.balance_fen, claim) == (MONEY - out, out)


@pytest.fixture
async def scene(database: Database, tmp_path: Path, connected: Connected) -> AsyncIterator[Scene]:
    connected.bank.store.open_card(CARD, holder_name=HOLDER, phone=PHONE, balance_fen=MONEY)
    async with bank_counter(database, tmp_path, connected.port, policy=POLICY) as shop:
        yield Scene(shop, connected, await shop.subscriber())


@clause("CM 5.3.1.3")
class TestAVerificationByDebit:
    async def test_binds_by_the_amount_and_gives_it_back(self, scene: Scene) -> None:
        asked = await scene.ask()
        assert (asked.status_code, asked.json()["state"], asked.json()["verify_by"]) == (201, "verified", "debit")
        amount = scene.debited()
        assert 1 <= amount <= 99
        await scene.agrees(out=amount)
        assert (await events(scene.shop.runtime, PHONE))[-1] == "card_debited"
        card_id = asked.json()["card_id"]
        assert (await scene.confirm(card_id)).json()["code"] == "malformed_request"
        assert (await scene.confirm(card_id, code="123456")).json()["code"] == "illegal_state"
        bound = await scene.confirm(card_id, amount_fen=amount)
        assert (bound.status_code, bound.json()["state"]) == (200, "bound")
        assert (await scene.confirm(card_id, amount_fen=amount)).json()["code"] == "illegal_state"
        await scene.later()
        await scene.agrees()
        assert await scene.shop.balance_fen() == 100_000

    async def test_says_the_amount_to_nobody(self, scene: Scene) -> None:
        scene.fault(FaultKind.LOSE_REPLY, Service.DEBIT)
        asked = await scene.ask()
        waiting = await list_open(scene.shop.runtime)
        assert [request.amount_fen for request in waiting] == [0]
        async with scene.shop.runtime.database.read() as uow:
            (debit,) = await uow.dicts("SELECT id, amount_fen FROM transaction WHERE kind = 'card_verification'", {})
        amount, txn = debit["amount_fen"], f"txn_{debit['id'].hex}"
        staff = await scene.shop.staff(Permission.ACCOUNT_VIEW)
        assert (await staff.get(f"/v1/staff/transactions/{txn}")).json()["amount_fen"] == 0
        assert (await scene.payer.get(f"/v1/transactions/{txn}")).status_code == 404
        statement = await scene.payer.get("/v1/account/transactions")
        assert [item["kind"] for item in statement.json()["items"]] == ["cash_topup"]
        assert "amount" not in asked.text
        await scene.later()
        told = [params for event, params in await notices(scene.shop.runtime, PHONE) if event == "card_debited"]
        assert told == [{"card": "0015", "hours": 72}]
        assert amount == scene.debited()

    async def test_is_refused_after_three_wrong_amounts(self, scene: Scene) -> None:
        card_id, amount = (await scene.ask()).json()["card_id"], scene.debited()
        wrong = amount % 99 + 1
        codes = [(await scene.confirm(card_id, amount_fen=wrong)).json()["code"] for _ in range(3)]
        assert codes == ["wrong_code", "wrong_code", "card_refused"]
        assert (await scene.confirm(card_id, amount_fen=amount)).json()["code"] == "illegal_state"
        assert await scene.state() == "refused"
        await scene.later()
        await scene.agrees()

    async def test_waits_while_the_bank_is_silent(self, scene: Scene) -> None:
        scene.fault(FaultKind.LOSE_REPLY, Service.DEBIT)
        asked = await scene.ask()
        assert asked.status_code == 202
        card_id, amount = asked.json()["card_id"], scene.debited()
        waits = (await scene.confirm(card_id, amount_fen=amount)).json()
        assert (waits["code"], "wait" in waits["detail"]) == ("illegal_state", True)
        await scene.later()
        await scene.agrees(out=amount)
        assert (await scene.confirm(card_id, amount_fen=amount)).json()["state"] == "bound"
        await scene.later()
        await scene.agrees()

    async def test_that_the_bank_never_had_is_reversed_and_refused(self, scene: Scene) -> None:
        scene.fault(FaultKind.LOSE_REQUEST, Service.DEBIT)
        scene.fault(FaultKind.LOSE_REPLY, Service.REVERSE)
        card_id = (await scene.ask()).json()["card_id"]
        await scene.later()
        await scene.later(seconds=90)
        assert await scene.state() == "refused"
        assert (await events(scene.shop.runtime, PHONE))[-1] == "card_not_bound"
        assert (await scene.confirm(card_id, amount_fen=1)).json()["code"] == "illegal_state"
        await scene.agrees()

    async def test_that_the_bank_declines_is_refused(self, scene: Scene) -> None:
        scene.fault(FaultKind.DECLINE, Service.DEBIT, code="51")
        assert (await scene.ask()).json()["code"] == "card_refused"
        assert await scene.state() == "refused"
        await scene.later()
        await scene.agrees()

    async def test_that_nobody_confirms_expires_and_goes_back_insisting(self, scene: Scene) -> None:
        await scene.ask()
        amount = scene.debited()
        scene.fault(FaultKind.LOSE_REQUEST, Service.REVERSE)
        await scene.later(seconds=POLICY.card_binding_hours * 3600)
        assert await scene.state() == "expired"
        await scene.agrees(out=amount)
        await scene.later(seconds=90)
        await scene.agrees()

    async def test_is_sent_back_once_where_the_process_died_before(self, scene: Scene) -> None:
        await scene.ask()
        async with scene.shop.runtime.database.transaction() as uow:
            await uow.execute("UPDATE bank_card SET state = 'refused'", {})
        for _ in range(2):
            await end_verifications(scene.shop.runtime)
        await scene.later()
        await scene.agrees()
        reversals = [line for line in scene.connected.bank.store.lines() if line["service"] == "reverse"]
        assert len(reversals) == 1

    async def test_is_asked_for_so_many_times_a_day(self, scene: Scene) -> None:
        assert [(await scene.ask()).status_code for _ in range(2)] == [201, 201]
        assert (await scene.ask()).json()["code"] == "rate_limited"


class TestABindingThatNobodyEnds:
    async def test_expires_also_where_the_bank_never_answered(self, scene: Scene) -> None:
        scene.fault(FaultKind.LOSE_REQUEST, Service.VERIFY)
        body = {"bank": "ICBC", "card_number": CARD, "holder_name": HOLDER}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mpss.accounts.cards.BANK_TIMEOUT_SECONDS", 0.3)
            assert (await scene.payer.post("/v1/account/cards", body)).json()["code"] == "busy"
        assert await scene.state() == "requested"
        await scene.later(seconds=POLICY.card_binding_hours * 3600 - 60)
        assert await scene.state() == "requested"
        await scene.later(seconds=60)
        assert await scene.state() == "expired"
