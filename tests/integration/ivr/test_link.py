"""The link to the voice platform: who may say whose phone calls, and what becomes of a post that comes again."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from mpss.accounts.calls import CLAIM, Turn, answer_step, claim_step, sweep_calls
from mpss.channels.ivr.app import create_ivr_app
from mpss.channels.ivr.dialogs import Do, read_standing
from mpss.channels.ivr.handlers import carry_out
from mpss.db.database import opened
from mpss.desk.desk import Desk
from mpss.kernel.errors import Refused
from mpss.security.signing import new_webhook_secret
from mpss.simulators.ivr_browser import Page
from tests.integration.ivr.conftest import Voice
from tests.support.cards import cards_on_sale
from tests.support.clauses import clause
from tests.support.house import PASSWORD, events
from tests.support.market import PHONE
from tests.support.postgres import DatabaseUrls

CALL = "c0ffee-0001"
BEGIN = {"call": CALL, "caller": PHONE}
NEW = "630284"


async def step(voice: Voice, number: int, **fields: str) -> Page:
    """The document that answers a step."""
    answer = await voice.post("/steps", {"call": CALL, "step": str(number), **fields})
    assert answer.status_code == 200, answer.text
    page = Page(answer.content)
    page.listen()
    return page


@clause("CT 12.1")
class TestWhoCalls:
    async def test_is_said_by_the_platform_that_shares_the_secret_alone(self, voice: Voice) -> None:
        assert (await voice.post("/calls", BEGIN)).status_code == 200
        wrong: list[dict[str, Any]] = [
            {"secret": new_webhook_secret()},
            {"headers": {"webhook-signature": ""}},
            {"headers": {"webhook-timestamp": "1500000000"}},
            {"headers": {"webhook-id": "msg_2"}},
        ]
        for changed in wrong:
            answer = await voice.post("/calls", {**BEGIN, "call": "c0ffee-0002"}, **changed)
            assert (answer.status_code, answer.text) == (401, "signature_invalid")
            assert "webhook-signature" not in answer.headers
        assert (await voice.client.post("http://center/calls", data=BEGIN)).status_code == 401
        assert await voice.one("SELECT count(*) FROM voice_call") == 1

    async def test_is_not_changed_within_a_call(self, voice: Voice) -> None:
        assert (await voice.post("/calls", BEGIN)).status_code == 200
        assert (await voice.post("/calls", {**BEGIN, "caller": "+8618912340009"})).status_code == 403
        assert (await voice.post("/calls", {**BEGIN, "caller": "anonymous"})).status_code == 403

    @pytest.mark.parametrize("caller", ["anonymous", "", "+442079460000", "02112345678", "tel:+86123"])
    async def test_is_a_stranger_where_it_is_no_mobile_number_of_the_mainland(self, voice: Voice, caller: str) -> None:
        answer = await voice.post("/calls", {"call": CALL, "caller": caller})
        assert "请用开户的手机拨打" in answer.text

    async def test_is_read_as_a_telephone_address_too(self, voice: Voice) -> None:
        assert (await voice.post("/calls", {"call": CALL, "caller": f"tel:{PHONE}"})).status_code == 200
        assert "1000.00元" in (await step(voice, 1, key="1")).heard[0]

    async def test_is_not_asked_without_a_secret(self, voice: Voice) -> None:
        open_to_all = replace(voice.runtime, settings=replace(voice.runtime.settings, ivr_secret=""))
        with pytest.raises(ValueError, match="MPSS_IVR_SECRET"):
            create_ivr_app(open_to_all)


class TestAPost:
    async def test_out_of_form_is_refused(self, voice: Voice) -> None:
        await voice.post("/calls", BEGIN)
        for path, fields, status in (
            ("/calls", {"caller": PHONE}, 400),
            ("/calls", {"call": "short", "caller": PHONE}, 400),
            ("/calls", {"call": "c0ffee'-0001", "caller": PHONE}, 400),
            ("/steps", {"call": CALL, "key": "1"}, 400),
            ("/steps", {"call": CALL, "step": "-1", "key": "1"}, 400),
            ("/steps", {"call": CALL, "step": "2", "key": "1"}, 400),
            ("/steps", {"call": CALL, "step": "0", "key": "1"}, 400),
            ("/steps", {"call": CALL, "step": "1", "event": "exit"}, 400),
            ("/steps", {"call": "c0ffee-9999", "step": "1", "key": "1"}, 404),
            ("/steps", {"call": CALL, "step": "1", **{f"f{number}": "1" for number in range(20)}}, 400),
            ("/steps", {"call": CALL, "step": "1", "key": "1" * 5000}, 413),
        ):
            assert (await voice.post(path, fields)).status_code == status, fields
        assert (await voice.post("/calls", BEGIN, headers={"content-type": "application/json"})).status_code == 415
        assert (await voice.client.get(f"http://center/calls?call={CALL}&caller={PHONE}")).status_code == 405
        assert await voice.one("SELECT step FROM voice_call") == 1

    async def test_is_answered_signed_under_its_own_id_and_kept_by_nobody(self, voice: Voice) -> None:
        answer = await voice.post("/calls", BEGIN)
        assert (answer.headers["webhook-id"], answer.headers["cache-control"]) == ("msg_1", "no-store")
        assert answer.headers["content-type"].startswith("application/voicexml+xml")

    async def test_that_comes_again_is_answered_the_same_whatever_it_holds(self, voice: Voice) -> None:
        first = (await voice.post("/calls", BEGIN)).content
        assert (await voice.post("/calls", BEGIN)).content == first
        frozen = [await step(voice, number, **keyed) for number, keyed in ((1, {"key": "3"}), (2, {"key": "1"}))]
        assert frozen[-1].asking == "days"
        once, again = await step(voice, 3, days="7"), await step(voice, 3, days="9")
        assert once.heard == again.heard
        assert (await events(voice.runtime, PHONE)).count("frozen") == 1

    async def test_that_comes_twice_at_once_is_carried_out_once(self, voice: Voice) -> None:
        await voice.post("/calls", BEGIN)
        await step(voice, 1, key="5")
        changed = {"old_password": PASSWORD, "new_password": NEW, "once_more": NEW}
        pages = await asyncio.gather(*(step(voice, 2, **changed) for _ in range(4)))
        assert {page.heard[0] for page in pages} == {"支付密码修改成功。"}
        assert (await events(voice.runtime, PHONE)).count("password_changed") == 1
        assert await voice.one("SELECT wrong_today FROM account_usage LIMIT 1") == 0


class TestACall:
    async def test_is_over_when_nobody_goes_on(self, voice: Voice) -> None:
        await voice.post("/calls", BEGIN)
        voice.market.clock.advance(timedelta(seconds=voice.runtime.policy.ivr_pause_seconds))
        assert (await voice.post("/steps", {"call": CALL, "step": "1", "key": "1"})).status_code == 404
        assert (await voice.post("/calls", BEGIN)).status_code == 404
        assert await sweep_calls(voice.runtime) == 0
        voice.market.clock.advance(timedelta(hours=2))
        assert await sweep_calls(voice.runtime) == 1

    async def test_that_was_hung_up_has_nothing_to_say_but_goodbye(self, voice: Voice) -> None:
        await voice.post("/calls", BEGIN)
        assert (await step(voice, 1, event="hangup")).ended
        assert (await step(voice, 2, key="1")).ended

    async def test_holds_no_password_in_the_database(self, voice: Voice) -> None:
        await voice.call("5", PASSWORD, NEW, "518309")
        await voice.call("4", "2", PHONE.removeprefix("+86"), PASSWORD)
        kept = await voice.one("SELECT json_agg(c)::text FROM voice_call AS c")
        assert len(json.loads(kept)) == 2
        assert not any(secret in kept for secret in (PASSWORD, NEW, "518309"))


class TestTwoProcesses:
    """Each has a database pool and a desk of its own."""

    async def test_take_the_steps_of_one_call_in_turn_and_a_step_once(
        self, voice: Voice, database_urls: DatabaseUrls
    ) -> None:
        card, _ = await cards_on_sale(voice.runtime, quantity=2)
        async with opened(database_urls.run_url) as database:
            desk = Desk(database)
            await desk.start()
            other = create_ivr_app(replace(voice.runtime, database=database, desk=desk))
            async with httpx.AsyncClient(transport=httpx.ASGITransport(other)) as client:
                beside = replace(voice, client=client)
                assert (await beside.post("/calls", BEGIN)).status_code == 200
                assert (await step(voice, 1, key="6")).asking == "card"
                topped_up = [step(each, 2, card=card.password) for each in (voice, beside) * 3]
                pages = await asyncio.gather(*topped_up)
                assert {page.heard[0] for page in pages} == {"充值成功，金额50.00元。"}
                assert "1050.00元" in (await step(beside, 3, key="1")).heard[0]
            await desk.stop()
        assert await voice.one("SELECT count(*) FROM transaction WHERE kind = 'voucher_topup'") == 1

    async def test_of_which_one_died_with_a_topup_done_and_not_told_top_up_once(self, voice: Voice) -> None:
        card, _ = await cards_on_sale(voice.runtime, quantity=2)
        await voice.post("/calls", BEGIN)
        await step(voice, 1, key="6")
        claim = await claim_step(voice.runtime, reference=CALL, step=2)
        at = read_standing(claim.call.standing)
        await carry_out(voice.runtime, Do.TOP_UP, {"card": card.password}, call=claim.call, at=at)
        voice.market.clock.advance(CLAIM)
        assert (await step(voice, 2, card=card.password)).heard[0] == "充值成功，金额50.00元。"
        assert await voice.one("SELECT count(*) FROM transaction WHERE kind = 'voucher_topup'") == 1
        with pytest.raises(Refused, match="taken over"):
            await answer_step(voice.runtime, claim, standing=at.written())


class TestAProcessThatDied:
    """It claimed a step and never answered; another takes over once the claim is old."""

    async def test_leaves_a_change_of_which_nobody_knows_whether_it_was_made(self, voice: Voice) -> None:
        await voice.post("/calls", BEGIN)
        await step(voice, 1, key="5")
        assert (await claim_step(voice.runtime, reference=CALL, step=2)).turn is Turn.FRESH
        voice.market.clock.advance(CLAIM)
        page = await step(voice, 2, old_password=PASSWORD, new_password=NEW, once_more=NEW)
        assert "未能确认" in page.heard[0]
        assert "password_changed" not in await events(voice.runtime, PHONE)

    async def test_leaves_a_question_that_is_asked_again(self, voice: Voice) -> None:
        await voice.post("/calls", BEGIN)
        assert (await claim_step(voice.runtime, reference=CALL, step=1)).turn is Turn.FRESH
        assert (await claim_step(voice.runtime, reference=CALL, step=1)).turn is Turn.BUSY
        voice.market.clock.advance(CLAIM)
        assert "1000.00元" in (await step(voice, 1, key="1")).heard[0]
