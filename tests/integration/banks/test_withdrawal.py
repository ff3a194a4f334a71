"""Withdrawal in real time, from the password to the money on the card: wallet, hold and bank agree (CM 5.3.3, 6.6)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mpss.accounts.codes import Purpose
from mpss.channels.sms.handlers import handle
from mpss.config import Policy
from mpss.db.database import Database
from mpss.fees.model import Schedule
from mpss.fees.store import add_schedule
from mpss.simulators.bank_faults import Fault, FaultKind
from mpss.transactions.closings.close import finish_closings
from mpss.transactions.verify import verify
from mpss.wire.iso8583.messages import Service
from tests.integration.banks.conftest import HOLDER, Connected
from tests.integration.banks.scene import CARD, BankScene, bank_counter, bind_card
from tests.support.clauses import clause
from tests.support.house import PASSWORD, events, last_secret, notices, sms_code
from tests.support.market import PHONE

_KEYS = itertools.count(1)
POLICY = Policy(bank_timeout_seconds=1, withdrawal_single_limit_fen=50_000, withdrawal_daily_limit_fen=70_000)
FEE_FEN = 150
"""Of a withdrawal of 200 yuan: one yuan and 0.25 percent."""


@dataclass(slots=True)
class Scene(BankScene):
    """The market with a bank; the payer, who has 1,000 yuan and a bound card without money, is signed in."""

    async def ask(self, amount_fen: int = 20_000, *, key: str | None = None, **changed: Any) -> Any:
        body = {
            "card_id": self.card_id, "amount_fen": amount_fen, "currency": "CNY", "payment_password": PASSWORD,
            **changed,
        }  # fmt: skip
        return await self.payer.post("/v1/account/withdrawals", body, key=key)

    def fault(self, kind: FaultKind, service: Service | None = Service.CREDIT, **more: Any) -> None:
        self.connected.bank.faults.add(Fault(kind, more.pop("count", 1), service=service, **more))

    async def state(self, answer: Any) -> str:
        seen = await self.payer.get(f"/v1/account/withdrawals/{answer.json()['transaction_id']}")
        return str(seen.json()["state"])

    async def held_fen(self) -> int:
        return int((await self.payer.get("/v1/account")).json()["held_fen"])

    async def agrees(self, *, paid: int, times: int = 1) -> None:
        """The card got `paid` fen, the wallet gave it and the fees, nothing is held, every invariant holds."""
        async with self.shop.runtime.database.read() as uow:
            assert [check for check in await verify(uow) if not check.holds] == []
        lines = [line for line in self.connected.bank.store.lines() if line["card"] == CARD]
        assert sum(line["amount_fen"] for line in lines) == paid
        assert len({line["reference"] for line in lines}) == len(lines) == (times if paid else 0)
        fees = FEE_FEN * times if paid else 0
        assert await self.shop.balance_fen() == 100_000 - paid - fees
        assert await self.held_fen() == 0


@pytest.fixture
async def scene(database: Database, tmp_path: Path, connected: Connected) -> AsyncIterator[Scene]:
    connected.bank.store.open_card(CARD, holder_name=HOLDER, phone=PHONE, balance_fen=0)
    async with bank_counter(database, tmp_path, connected.port, policy=POLICY) as shop:
        async with shop.runtime.database.transaction() as uow:
            await add_schedule(uow, "withdrawal", Schedule(100, 25, 0, 10_000), valid_from=shop.market.clock.now())
        payer = await shop.subscriber()
        yield Scene(shop, connected, payer, await bind_card(shop, payer))


@clause("CM 5.3.3")
@clause("CM 6.6")
class TestWithdrawingInRealTime:
    async def test_moves_amount_and_fee_and_is_told(self, scene: Scene) -> None:
        quoted = await scene.payer.post("/v1/account/withdrawal-quotes", {"amount_fen": 20_000, "currency": "CNY"})
        assert quoted.json()["fee_fen"] == FEE_FEN
        answer = await scene.ask(fee_fen=FEE_FEN)
        assert (answer.status_code, answer.json()["state"]) == (201, "SUCCEEDED"), answer.text
        assert (await notices(scene.shop.runtime, PHONE))[-1] == (
            "withdrawal_paid",
            {"amount_fen": 20_000, "fee_fen": FEE_FEN, "card": "0015", "balance_fen": 79_850},
        )
        (listed,) = (await scene.payer.get("/v1/account/withdrawals")).json()["items"]
        assert (listed["state"], listed["card"], listed["mode"]) == ("SUCCEEDED", "0015", "real_time")
        (line,) = [
            line for line in (await scene.payer.get("/v1/account/transactions")).json()["items"]
            if line["kind"] == "withdrawal"
        ]  # fmt: skip
        assert line["change_fen"] == -20_150
        await scene.agrees(paid=20_000)

    async def test_is_refused_before_the_bank_is_asked(self, scene: Scene) -> None:
        before = len(scene.connected.bank.store.requests())
        assert (await scene.ask(payment_password="975310")).json()["code"] == "wrong_password"
        assert (await scene.ask(50_001)).json()["code"] == "single_limit_exceeded"
        assert (await scene.ask(fee_fen=0)).json()["code"] == "price_changed"
        assert (await scene.ask(card_id="crd_" + "0" * 32)).json()["code"] == "unknown_card"
        assert len(scene.connected.bank.store.requests()) == before
        assert (await scene.ask(50_000)).status_code == 201
        assert (await scene.ask(20_001)).json()["code"] == "daily_limit_exceeded"

    async def test_takes_no_money_that_may_not_be_withdrawn_or_is_held(self, scene: Scene) -> None:
        async with scene.shop.runtime.database.transaction() as uow:
            await uow.execute("UPDATE ledger_balance SET restricted_fen = 70_000 WHERE balance_fen = 100_000")
        assert (await scene.ask(30_000)).json()["code"] == "insufficient_funds"
        scene.fault(FaultKind.LOSE_REQUEST)
        assert (await scene.ask(20_000)).status_code == 202
        assert await scene.held_fen() == 20_150
        sent = {"payee_phone": "18912340077", "amount_fen": 9_900, "currency": "CNY", "payment_password": PASSWORD}
        refused = await scene.payer.post("/v1/transfers", sent)
        assert refused.json()["code"] == "insufficient_funds"
        assert (await scene.ask(9_800)).json()["code"] == "insufficient_funds"

    async def test_to_a_card_of_another_name_is_refused_by_the_bank(self, scene: Scene) -> None:
        scene.fault(FaultKind.DECLINE, code="63")
        answer = await scene.ask()
        assert (answer.status_code, answer.json()["code"]) == (402, "funding_declined")
        assert (await events(scene.shop.runtime, PHONE))[-1] == "withdrawal_failed"
        await scene.agrees(paid=0)
        # The day's limit is free again.
        for _ in range(3):
            assert (await scene.ask(20_000)).status_code == 201
        await scene.agrees(paid=60_000, times=3)

    @pytest.mark.parametrize("kind", [FaultKind.LOSE_REPLY, FaultKind.CLOSE, FaultKind.BAD_MAC])
    async def test_without_a_reply_is_found_by_inquiry(self, scene: Scene, kind: FaultKind) -> None:
        scene.fault(kind)
        answer = await scene.ask()
        assert (answer.status_code, answer.json()["state"]) == (202, "IN_DOUBT")
        assert await scene.held_fen() == 20_150
        await scene.resolve()
        assert await scene.state(answer) == "SUCCEEDED"
        assert (await events(scene.shop.runtime, PHONE))[-2:] == ["withdrawal_in_doubt", "withdrawal_paid"]
        await scene.agrees(paid=20_000)

    async def test_that_the_bank_never_had_is_sent_again_under_its_reference(self, scene: Scene) -> None:
        scene.fault(FaultKind.LOSE_REQUEST)
        answer = await scene.ask()
        await scene.resolve()
        assert await scene.state(answer) == "SUCCEEDED"
        await scene.agrees(paid=20_000)

    async def test_that_arrives_late_beside_its_repeat_is_paid_once(self, scene: Scene) -> None:
        scene.fault(FaultKind.DELAY_REQUEST, seconds=2.5)
        answer = await scene.ask()
        await scene.resolve()
        assert await scene.state(answer) == "SUCCEEDED"
        await asyncio.gather(*scene.connected.bank.late)
        await scene.agrees(paid=20_000)

    async def test_is_insisted_upon_for_as_long_as_it_takes(self, scene: Scene) -> None:
        scene.fault(FaultKind.LOSE_REQUEST)
        scene.fault(FaultKind.LOSE_REPLY, Service.INQUIRE, count=2)
        answer = await scene.ask()
        for _ in range(2):
            await scene.resolve(seconds=POLICY.funding_give_up_seconds + 60)
            assert await scene.state(answer) == "IN_DOUBT"
            assert await scene.held_fen() == 20_150
        await scene.resolve(seconds=POLICY.funding_give_up_seconds + 60)
        assert await scene.state(answer) == "SUCCEEDED"
        assert (await events(scene.shop.runtime, PHONE)).count("withdrawal_in_doubt") == 1
        await scene.agrees(paid=20_000)

    async def test_refused_when_it_is_sent_again_is_believed_by_inquiry(self, scene: Scene) -> None:
        scene.fault(FaultKind.LOSE_REQUEST)
        answer = await scene.ask()
        scene.fault(FaultKind.DECLINE, code="62")
        await scene.resolve()
        assert await scene.state(answer) == "DECLINED"
        await scene.agrees(paid=0)

    async def test_asked_again_under_its_key_is_paid_once(self, scene: Scene) -> None:
        first, again = await scene.ask(key="k"), await scene.ask(key="k")
        assert first.json() == again.json()
        assert again.headers["idempotent-replayed"] == "true"
        assert (await scene.ask(21_000, key="k")).json()["code"] == "key_reused"
        assert (await scene.payer.send("DELETE", f"/v1/account/cards/{scene.card_id}")).status_code == 204
        assert (await scene.ask(key="k")).json() == first.json()
        assert (await scene.ask()).json()["code"] == "illegal_state"
        await scene.agrees(paid=20_000)

    async def test_taken_up_by_the_job_where_its_process_died_is_paid_once(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def dies(*_: object, **__: object) -> None:
            raise RuntimeError("killed between intent and call")

        with monkeypatch.context() as patched:
            patched.setattr("mpss.transactions.withdrawals.withdrawal.ask_credit", dies)
            assert (await scene.ask(key="k")).status_code == 500
        assert await scene.held_fen() == 20_150
        await scene.resolve()
        assert (await scene.ask(key="k")).json()["state"] == "SUCCEEDED"
        await scene.agrees(paid=20_000)


@clause("CM 6.6")
class TestAWithdrawalAskedForBySms:
    async def test_is_paid_on_a_yes_and_only_once(self, scene: Scene) -> None:
        code = await _requested(scene, "TX 200")
        assert await scene.held_fen() == 0
        for _ in range(2):
            assert await _sent(scene, f"Y {code}") is None
        assert await _sent(scene, f"N {code}") == "该笔交易已支付，无法取消。"
        assert (await events(scene.shop.runtime, PHONE)).count("withdrawal_paid") == 1
        await scene.agrees(paid=20_000)

    async def test_moves_nothing_on_a_no_or_too_late(self, scene: Scene) -> None:
        code = await _requested(scene, "提现200元 0015")
        assert await _sent(scene, f"N {code}") == "已取消，未扣款。"
        late = await _requested(scene, "withdraw 200")
        scene.shop.market.clock.advance(timedelta(seconds=POLICY.confirmation_ttl_seconds))
        assert "已超时" in str(await _sent(scene, f"Y {late}"))
        await scene.agrees(paid=0)

    async def test_says_why_not(self, scene: Scene) -> None:
        assert "银行卡" in str(await _sent(scene, "TX 200 9999"))
        assert "单笔限额" in str(await _sent(scene, "TX 500.01"))
        code = await _requested(scene, "TX 200")
        scene.fault(FaultKind.DECLINE, code="62")
        assert await _sent(scene, f"Y {code}") is None
        assert (await events(scene.shop.runtime, PHONE))[-1] == "withdrawal_failed"
        await scene.agrees(paid=0)


async def _sent(scene: Scene, text: str) -> str | None:
    """What is replied to a message from the payer, beside notices."""
    reply, _ = await handle(scene.shop.runtime, phone=PHONE, text=text, key=f"sms-{next(_KEYS)}")
    return reply


async def _requested(scene: Scene, text: str) -> str:
    assert await _sent(scene, text) is None
    told = [facts for event, facts in await notices(scene.shop.runtime, PHONE) if event == "confirm_withdrawal"]
    return str(told[-1]["code"])


@clause("CM 5.2.3.4")
class TestTheRestOfAClosedAccount:
    async def closing(self, scene: Scene) -> Any:
        code = await sms_code(scene.shop.runtime, PHONE, Purpose.ACCOUNT)
        body = {"payout": "bank_card", "card_id": scene.card_id, "payment_password": PASSWORD, "code": code}
        return await scene.payer.post("/v1/account/closing", body)

    async def test_goes_to_the_card_whole_without_fee_and_beyond_the_limits(self, scene: Scene) -> None:
        rest_fen = await scene.shop.balance_fen()
        assert rest_fen > POLICY.withdrawal_daily_limit_fen
        told = await self.closing(scene)
        assert (told.status_code, told.json()) == (201, {"life": "closed"})
        assert await scene.shop.balance_fen() == 0
        lines = [line for line in scene.connected.bank.store.lines() if line["card"] == CARD]
        assert [line["amount_fen"] for line in lines] == [rest_fen]
        async with scene.shop.runtime.database.read() as uow:
            assert [check for check in await verify(uow) if not check.holds] == []
            assert await uow.value("SELECT count(*) FROM bank_card WHERE state = 'bound'") == 0

    async def test_goes_there_too_by_the_page_that_an_sms_asks_for(self, scene: Scene) -> None:
        assert await _sent(scene, "XH") is None
        path = "/change/" + (await last_secret(scene.shop.runtime, PHONE, "account_link", "url_sealed")).split("/")[-1]
        assert f'value="{scene.card_id}"' in (await scene.shop.client.get(path)).text
        none = await scene.shop.client.post(path, data={"password": PASSWORD, "payout": ""})
        assert (none.status_code, "请选择余额转入" in none.text) == (422, True)
        done = await scene.shop.client.post(path, data={"password": PASSWORD, "payout": scene.card_id})
        assert (done.status_code, "已办理" in done.text) == (200, True)
        assert await scene.shop.balance_fen() == 0

    async def test_in_doubt_keeps_the_account_until_the_bank_says(self, scene: Scene) -> None:
        scene.fault(FaultKind.LOSE_REPLY)
        assert (await self.closing(scene)).json() == {"life": "pre_closed"}
        assert await finish_closings(scene.shop.runtime) == 0
        await scene.resolve()
        assert await finish_closings(scene.shop.runtime) == 1
        assert await scene.shop.balance_fen() == 0
        lines = [line for line in scene.connected.bank.store.lines() if line["card"] == CARD]
        assert len(lines) == 1
