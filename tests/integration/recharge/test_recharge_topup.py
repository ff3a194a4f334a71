"""Top-up by a card of the recharge platform, told by HTTP and by SMS (CT 5.2, CM 6.4.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from mpss.adapters.recharge_http import RechargeHttp
from mpss.channels.sms.handlers import handle
from mpss.config import Policy
from mpss.db.database import Database
from mpss.kernel.ids import TransactionId
from mpss.security.signing import new_webhook_secret
from mpss.simulators.recharge_platform import Fault, RechargePlatform
from mpss.transactions.resolve import resolve_due
from mpss.transactions.verify import verify
from tests.support.clauses import clause
from tests.support.http import Caller, Counter, counter
from tests.support.market import market

POLICY = Policy(recharge_timeout_seconds=1, balance_limit_fen=120_000, voucher_tries=3)
SECRET = new_webhook_secret()


@dataclass(slots=True)
class Scene:
    """The market with a recharge platform; the payer, who has 1,000 yuan, is signed in."""

    shop: Counter
    platform: RechargePlatform
    payer: Caller

    def card(self, face_fen: int = 5000) -> str:
        return self.platform.sell(face_fen)[0].number

    async def top_up(self, number: str, *, key: str | None = None) -> Any:
        return await self.payer.post("/v1/topups/recharge-card", {"card_number": number}, key=key)

    async def by_sms(self, text: str, *, key: str) -> str | None:
        market = self.shop.market
        return (await handle(market.runtime, phone=market.payer.phone, text=text, key=key))[0]

    async def resolve(self) -> None:
        """Let the job ask about everything that waits."""
        self.shop.market.clock.advance(timedelta(seconds=90))
        await resolve_due(self.shop.runtime)

    async def gained(self) -> int:
        return await self.shop.balance_fen() - 100_000

    async def agrees(self) -> None:
        """The platform's lines are ours, and every invariant holds."""
        async with self.shop.runtime.database.read() as uow:
            broken = [check for check in await verify(uow) if not check.holds]
            ours = await uow.dicts(
                "SELECT id, amount_fen FROM transaction WHERE kind = 'recharge_topup' AND state = 'SUCCEEDED'"
            )
        assert broken == []
        told = {TransactionId.outside(row["id"]): row["amount_fen"] for row in ours}
        assert {line.reference: line.face_fen for line in self.platform.lines()} == told
        assert await self.gained() == sum(told.values())

    async def state(self, answer: Any) -> str:
        seen = await self.payer.get(f"/v1/transactions/{answer.json()['transaction_id']}")
        return str(seen.json()["state"])


@pytest.fixture
async def scene(database: Database, tmp_path: Path) -> AsyncIterator[Scene]:
    platform = RechargePlatform(SECRET, path=tmp_path / "recharge.sqlite")
    await platform.start()
    port = RechargeHttp(url=platform.url, secret=SECRET)
    async with market(database, tmp_path, policy=POLICY) as opened:
        ports = replace(opened.runtime.ports, recharge_card=port)
        opened.runtime = replace(opened.runtime, ports=ports)
        async with counter(opened, rate_per_second=0, source_rate_per_second=0) as shop:
            yield Scene(shop, platform, await shop.subscriber())
    await port.close()
    await platform.stop()
    platform.close()


@clause("CM 6.4.3")
class TestARechargeCard:
    async def test_is_money_in_the_wallet_once(self, scene: Scene) -> None:
        number = scene.card()
        first = await scene.top_up(number, key="k")
        assert (first.status_code, first.json()["state"], first.json()["amount_fen"]) == (201, "SUCCEEDED", 5000)
        again = await scene.top_up(number, key="k")
        assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
        other = await scene.top_up(scene.card(), key="k")
        assert other.json()["code"] == "key_reused"
        used = await scene.top_up(number)
        assert used.json()["code"] == "voucher_used"
        told = await scene.shop.market.told("topped_up")
        assert told[-1] == {"amount_fen": 5000, "balance_fen": 105_000, "source": "recharge"}
        seen = await scene.payer.get("/v1/account")
        assert seen.json()["withdrawable_fen"] == 100_000
        await scene.agrees()

    async def test_asked_for_at_once_under_many_keys_moves_once(self, scene: Scene) -> None:
        number = scene.card()
        answers = await asyncio.gather(*(scene.top_up(number, key=f"k{n}") for n in range(8)))
        assert sorted(answer.status_code for answer in answers)[0] == 201
        assert [answer.status_code for answer in answers].count(201) == 1
        await scene.agrees()

    async def test_comes_by_sms_too(self, scene: Scene) -> None:
        number = scene.card()
        assert await scene.by_sms(f"CZ {number[:6]} {number[6:12]}-{number[12:]}", key="1") is None
        assert await scene.by_sms(f"CZ {number}", key="1") is None
        assert await scene.by_sms(f"CZ {number}", key="2") == "该充值卡已使用。"
        wrong = await scene.by_sms("CZ 29" + "0" * 16, key="3")
        assert wrong is not None
        assert "16位" in wrong
        assert await scene.gained() == 5000
        await scene.agrees()

    async def test_above_the_balances_limit_is_not_used_up(self, scene: Scene) -> None:
        number = scene.card(20_001)
        refused = await scene.top_up(number)
        assert refused.json()["code"] == "balance_limit_exceeded"
        card = scene.platform.store.card(number)
        assert card is not None
        assert card.state == "good"
        assert (await scene.top_up(scene.card(20_000))).status_code == 201
        # A full wallet is refused before the platform is asked at all.
        scene.platform.fail(Fault.HANG_UP)
        assert (await scene.top_up(scene.card())).json()["code"] == "balance_limit_exceeded"
        await scene.agrees()

    async def test_that_is_wrong_counts_until_the_number_is_barred(self, scene: Scene) -> None:
        codes = [(await scene.top_up(f"19{n:016d}")).json()["code"] for n in range(4)]
        assert codes == ["unknown_voucher"] * 3 + ["voucher_barred"]
        assert len(await scene.shop.market.told("voucher_barred")) == 1
        assert (await scene.top_up(scene.card())).json()["code"] == "voucher_barred"
        await scene.agrees()

    @pytest.mark.parametrize("number", ["18" + "0" * 16, "19" + "0" * 15, "19" + "0" * 17, "1" * 41])
    async def test_of_another_form_is_malformed(self, scene: Scene, number: str) -> None:
        assert (await scene.top_up(number)).json()["code"] == "malformed_request"

    async def test_is_refused_where_no_platform_is_connected(self, scene: Scene) -> None:
        number = scene.card()
        market = scene.shop.market
        unconnected = replace(market.runtime, ports=replace(market.runtime.ports, recharge_card=None))
        reply, _ = await handle(unconnected, phone=market.payer.phone, text=f"CZ {number}", key="1")
        assert reply is not None
        assert "16位" in reply


@clause("CM 6.4.3")
class TestSilence:
    async def test_at_the_look_up_moves_nothing_and_keeps_the_key(self, scene: Scene) -> None:
        number = scene.card()
        scene.platform.fail(Fault.HANG_UP, on="check", count=1)
        busy = await scene.top_up(number, key="k")
        assert busy.json()["code"] == "busy"
        assert (await scene.top_up(number, key="k")).status_code == 201
        await scene.agrees()

    async def test_after_the_card_was_used_up_is_doubt_until_the_job_finds_the_money(self, scene: Scene) -> None:
        scene.platform.fail(Fault.LOSE_REPLY, on="consume", count=1)
        number = scene.card()
        answer = await scene.top_up(number, key="k")
        assert (answer.status_code, answer.json()["state"]) == (202, "IN_DOUBT")
        assert await scene.gained() == 0
        assert await scene.shop.market.told("topup_in_doubt") == [{"amount_fen": 5000}]
        scene.platform.fail(Fault.NONSENSE, on="inquire", count=1)
        await scene.resolve()
        assert await scene.state(answer) == "IN_DOUBT"
        await scene.resolve()
        assert await scene.state(answer) == "SUCCEEDED"
        assert (await scene.top_up(number, key="k")).json()["state"] == "SUCCEEDED"
        await scene.resolve()
        await scene.agrees()

    @pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.HANG_UP, Fault.NONSENSE])
    async def test_before_the_card_was_used_up_ends_declined(self, scene: Scene, fault: Fault) -> None:
        scene.platform.fail(fault, on="consume", count=1)
        number = scene.card()
        answer = await scene.top_up(number)
        assert answer.json()["state"] == "IN_DOUBT"
        await scene.resolve()
        assert await scene.state(answer) == "DECLINED"
        assert await scene.shop.market.told("topup_failed") == [{"amount_fen": 5000}]
        assert (await scene.top_up(number)).status_code == 201
        await scene.agrees()

    async def test_of_a_consumption_that_comes_late_moves_nothing(self, scene: Scene) -> None:
        scene.platform.fail(Fault.LATE, on="consume", count=1, seconds=1.5)
        answer = await scene.top_up(scene.card())
        await scene.resolve()
        assert await scene.state(answer) == "DECLINED"
        await asyncio.sleep(1)
        assert scene.platform.lines() == []
        await scene.agrees()

    async def test_of_a_process_that_died_after_the_intent_is_taken_up_by_the_job(self, scene: Scene) -> None:
        number = scene.card()
        market = scene.shop.market

        class Died(RuntimeError):
            pass

        class Dies(RechargeHttp):
            async def consume(self, *_: Any, **__: Any) -> Any:
                raise Died

        dying = Dies(url=scene.platform.url, secret=SECRET)
        broken = replace(market.runtime, ports=replace(market.runtime.ports, recharge_card=dying))
        with pytest.raises(Died):
            await handle(broken, phone=market.payer.phone, text=f"CZ {number}", key="1")
        await dying.close()
        async with market.runtime.database.read() as uow:
            topup: UUID = await uow.value("SELECT id FROM transaction WHERE state = 'FUNDING'")
        await scene.resolve()
        assert await market.state(topup) == "DECLINED"
        await scene.agrees()
