from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpss.adapters.recharge_http import MAX_FACE_FEN, RechargeHttp, read_recharge_answer
from mpss.kernel.outcome import Approved, Declined, InDoubt
from mpss.ports.recharge_card import CardConsumption
from mpss.security.signing import new_webhook_secret
from mpss.simulators.recharge_platform import Fault, RechargePlatform
from tests.support.clauses import clause

SECRET = new_webhook_secret()
PHONE = "+8618912340001"
WAIT = 0.3


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[RechargePlatform]:
    made = RechargePlatform(SECRET, path=tmp_path / "recharge.sqlite")
    await made.start()
    yield made
    await made.stop()
    made.close()


@pytest.fixture
async def port(platform: RechargePlatform) -> AsyncIterator[RechargeHttp]:
    made = RechargeHttp(url=platform.url, secret=SECRET)
    yield made
    await made.close()


def wanted(number: str, *, reference: str = "txn_1", most_fen: int = 1_000_000) -> CardConsumption:
    return CardConsumption(reference, number, PHONE, most_fen)


async def consume(port: RechargeHttp, consumption: CardConsumption) -> object:
    return await port.consume(consumption, timeout_seconds=WAIT)


async def inquire(port: RechargeHttp, reference: str = "txn_1") -> object:
    return await port.inquire(reference, timeout_seconds=WAIT)


@clause("CT 7.5")
@clause("CM 6.4.3")
class TestARechargeCard:
    async def test_is_checked_and_consumed_once(self, platform: RechargePlatform, port: RechargeHttp) -> None:
        (card,) = platform.sell(5000)
        assert await port.check(card.number, reference="txn_1", timeout_seconds=WAIT) == Approved(card.serial, "5000")
        assert platform.lines() == []
        first = await consume(port, wanted(card.number))
        assert first == Approved(card.serial, "5000")
        assert await consume(port, wanted(card.number)) == first
        assert await inquire(port) == first
        assert await consume(port, wanted(card.number, reference="txn_2")) == Declined("used")
        assert await port.check(card.number, reference="txn_3", timeout_seconds=WAIT) == Declined("used")
        (line,) = platform.lines()
        assert (line.reference, line.face_fen, line.phone, line.asked) == ("txn_1", 5000, PHONE, 2)

    async def test_asked_for_at_once_is_consumed_by_one(self, platform: RechargePlatform, port: RechargeHttp) -> None:
        (card,) = platform.sell(5000)
        answers = await asyncio.gather(
            *(port.consume(wanted(card.number, reference=f"txn_{n}"), timeout_seconds=5) for n in range(20))
        )
        assert sum(isinstance(answer, Approved) for answer in answers) == 1
        assert len(platform.lines()) == 1

    async def test_worth_more_than_the_wallet_takes_is_left_alone(
        self, platform: RechargePlatform, port: RechargeHttp
    ) -> None:
        (card,) = platform.sell(5000)
        assert await consume(port, wanted(card.number, most_fen=4999)) == Declined("above_most")
        assert await consume(port, wanted(card.number, reference="txn_2", most_fen=5000)) == Approved(
            card.serial, "5000"
        )

    @pytest.mark.parametrize("state", ["frozen", "expired"])
    async def test_that_is_not_good_is_refused(
        self, platform: RechargePlatform, port: RechargeHttp, state: str
    ) -> None:
        (card,) = platform.sell(5000)
        platform.store.set_state(card.number, state)
        assert await port.check(card.number, reference="txn_0", timeout_seconds=WAIT) == Declined(state)
        assert await consume(port, wanted(card.number)) == Declined(state)
        # The first answer stands, also when the card is good again.
        platform.store.set_state(card.number, "good")
        assert await consume(port, wanted(card.number)) == Declined(state)

    async def test_unknown_is_refused(self, port: RechargeHttp) -> None:
        assert await consume(port, wanted("190000000000000000")) == Declined("unknown_card")

    async def test_with_anothers_reference_is_refused(self, platform: RechargePlatform, port: RechargeHttp) -> None:
        one, other = platform.sell(5000, 2)
        await consume(port, wanted(one.number))
        assert await consume(port, wanted(other.number)) == Declined("reference_reused")
        assert len(platform.lines()) == 1

    async def test_outlives_the_platforms_restart(self, platform: RechargePlatform, port: RechargeHttp) -> None:
        (card,) = platform.sell(5000)
        first = await consume(port, wanted(card.number))
        address = int(platform.url.rsplit(":", 1)[1])
        await platform.stop()
        assert isinstance(await inquire(port), InDoubt)
        await platform.start(address)
        assert await inquire(port) == first


class TestAConsumptionWithoutAnAnswer:
    @pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.HANG_UP, Fault.NONSENSE])
    async def test_that_never_arrived_is_closed_by_the_inquiry(
        self, platform: RechargePlatform, port: RechargeHttp, fault: Fault
    ) -> None:
        (card,) = platform.sell(5000)
        platform.fail(fault, count=1)
        assert isinstance(await consume(port, wanted(card.number)), InDoubt)
        assert await inquire(port) == Declined("closed")
        assert await consume(port, wanted(card.number)) == Declined("closed")
        assert platform.lines() == []

    async def test_that_was_carried_out_is_found_by_the_inquiry(
        self, platform: RechargePlatform, port: RechargeHttp
    ) -> None:
        (card,) = platform.sell(5000)
        platform.fail(Fault.LOSE_REPLY, count=1)
        assert await consume(port, wanted(card.number)) == InDoubt(f"no answer in {WAIT:g} s")
        assert await inquire(port) == Approved(card.serial, "5000")
        assert len(platform.lines()) == 1

    async def test_that_arrives_after_the_inquiry_moves_nothing(
        self, platform: RechargePlatform, port: RechargeHttp
    ) -> None:
        (card,) = platform.sell(5000)
        platform.fail(Fault.LATE, on="consume", count=1, seconds=2 * WAIT)
        assert isinstance(await consume(port, wanted(card.number)), InDoubt)
        assert await inquire(port) == Declined("closed")
        await asyncio.sleep(2 * WAIT)
        assert platform.lines() == []

    async def test_whose_answer_comes_twice_does_not_answer_the_next_question(
        self, platform: RechargePlatform, port: RechargeHttp
    ) -> None:
        one, other = platform.sell(5000) + platform.sell(10_000)
        platform.fail(Fault.ANSWER_TWICE, count=1)
        assert await consume(port, wanted(one.number)) == Approved(one.serial, "5000")
        # The second copy is to another question, which stays in doubt until it is asked about.
        assert await consume(port, wanted(other.number, reference="txn_2")) in (
            InDoubt("the answer is to another question"),
            Approved(other.serial, "10000"),
        )
        assert await inquire(port, "txn_2") in (Approved(other.serial, "10000"), Declined("closed"))
        assert await inquire(port) == Approved(one.serial, "5000")

    async def test_that_is_slow_is_waited_for(self, platform: RechargePlatform, port: RechargeHttp) -> None:
        (card,) = platform.sell(5000)
        platform.fail(Fault.DELAY, count=1, seconds=WAIT / 3)
        assert await consume(port, wanted(card.number)) == Approved(card.serial, "5000")

    async def test_signed_by_somebody_else_is_not_believed(self, platform: RechargePlatform) -> None:
        stranger = RechargeHttp(url=platform.url, secret=new_webhook_secret())
        (card,) = platform.sell(5000)
        assert await consume(stranger, wanted(card.number)) == InDoubt("status 401")
        await stranger.close()
        assert platform.lines() == []

    async def test_is_made_to_fail_from_outside(self, platform: RechargePlatform, port: RechargeHttp) -> None:
        async with httpx.AsyncClient(base_url=platform.url, trust_env=False) as control:
            made = await control.post("/control/cards", json={"face_fen": 3000, "count": 2})
            numbers = [card["number"] for card in made.json()["cards"]]
            await control.post("/control/faults", json={"fault": "decline", "on": "consume"})
            assert await consume(port, wanted(numbers[0])) == Declined("frozen")
            await control.delete("/control/faults")
            assert isinstance(await consume(port, wanted(numbers[1], reference="txn_2")), Approved)
            lines = (await control.get("/control/lines")).json()["lines"]
            assert [(line["reference"], line["face_fen"]) for line in lines] == [("txn_2", 3000)]
            assert "txn_2" in (await control.get("/")).text


_JSON = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=80) | st.lists(st.none())
)


class TestAnAnswer:
    @given(
        st.fixed_dictionaries(
            {},
            optional={
                "result": st.sampled_from(["consumed", "good", "refused"]) | _JSON,
                "face_fen": _JSON,
                "serial": _JSON,
                "reason": _JSON,
            },
        )
    )
    def test_of_any_form_is_one_of_three(self, answer: dict[str, object]) -> None:
        outcome = read_recharge_answer("txn_1", answer, yes="consumed")
        if isinstance(outcome, Approved):
            assert answer["result"] == "consumed"
            assert 0 < int(outcome.content) <= MAX_FACE_FEN
        if isinstance(outcome, Declined):
            assert answer["result"] == "refused"
            assert outcome.reason

    @pytest.mark.parametrize("face_fen", [0, -5, True, 5.0, "5000", None, MAX_FACE_FEN + 1])
    def test_without_a_value_is_no_answer(self, face_fen: object) -> None:
        answer = {"result": "consumed", "face_fen": face_fen, "serial": "RC1"}
        assert isinstance(read_recharge_answer("txn_1", answer, yes="consumed"), InDoubt)
