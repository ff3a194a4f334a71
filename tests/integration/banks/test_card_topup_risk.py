"""Rules and lists before a bound card is debited, whoever asks by which channel (CM 9.3, 9.8)."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from mpss.accounts.codes import Purpose
from mpss.channels.sms.handlers import handle
from mpss.risk.grey_rules import grey_topped_up
from mpss.staff.permissions import Permission
from tests.integration.banks.scene import CARD
from tests.integration.banks.test_card_topup import Scene, scene
from tests.integration.http.test_risk_rules import switch_on
from tests.support.clauses import clause
from tests.support.house import notices, sms_code
from tests.support.market import PHONE

__all__ = ["scene"]
_KEYS = itertools.count(1)


async def sent(scene: Scene, text: str) -> str | None:
    """What is replied to a message from the payer, beside notices."""
    reply, _ = await handle(scene.shop.runtime, phone=PHONE, text=text, key=f"sms-{next(_KEYS)}")
    return reply


async def asked_codes(scene: Scene) -> list[str]:
    """The codes of the questions that the payer was sent."""
    told = await notices(scene.shop.runtime, PHONE)
    return [str(facts["code"]) for event, facts in told if event == "confirm_card_topup"]


@clause("CM 9.3")
async def test_a_rule_challenges_or_refuses_before_the_bank_is_asked(scene: Scene) -> None:
    shop = scene.shop
    await switch_on(shop, rule="first_day_topup", action="challenge", figures={"amount_fen": 20_000})
    before = len(scene.connected.bank.store.requests())
    assert (await scene.ask(20_000, key="one")).json()["code"] == "challenge_required"
    code = await sms_code(shop.runtime, PHONE, Purpose.CHALLENGE)
    assert (await scene.ask(20_000, key="one", sms_code=code)).status_code == 201
    assert (await scene.ask(19_999)).status_code == 201
    await switch_on(shop, ("three", "four"), rule="topup_velocity", action="hold", figures={"count": 3, "minutes": 60})
    assert (await scene.ask(100)).json()["code"] == "risk_refused"  # Nothing is held at somebody else's bank.
    assert len(scene.connected.bank.store.requests()) == before + 2
    assert await asked_codes(scene) == []
    assert await sent(scene, "CZ YHK 1") is not None
    shop.market.clock.advance(timedelta(minutes=61))
    # By SMS the phone is shown already, so a challenge asks for nothing more.
    assert await sent(scene, "CZ YHK 200") is None
    (question,) = await asked_codes(scene)
    assert await sent(scene, f"Y {question}") is None
    assert await grey_topped_up(shop.runtime) == 0
    await scene.agrees(gained=59_999)


@clause("CM 9.8")
@pytest.mark.parametrize("scope", ["number", "bank_card"])
async def test_a_listed_number_or_card_tops_nothing_up_by_sms(scene: Scene, scope: str) -> None:
    assert await sent(scene, "CZ YHK 100") is None
    (question,) = await asked_codes(scene)
    rights = (Permission.RISK_MANAGE, Permission.RISK_APPROVE)
    one, other = [await scene.shop.staff(*rights, name=name) for name in ("one", "other")]
    body = {"colour": "black", "scope": scope, "value": PHONE if scope == "number" else CARD, "reason": "fraud"}
    made = (await one.post("/v1/staff/risk/entries", body)).json()
    assert (await other.post(f"/v1/staff/risk/entries/{made['entry_id']}/approve")).json()["state"] == "listed"
    before = len(scene.connected.bank.store.requests())
    for text in (f"Y {question}", "CZ YHK 100"):
        assert "暂不能办理" in str(await sent(scene, text))
    assert len(scene.connected.bank.store.requests()) == before
    await scene.agrees(gained=0)


@clause("CM 9.8")
async def test_a_listed_card_named_in_a_reply_pays_nothing(scene: Scene) -> None:
    asked = {"phone": PHONE, "amount_fen": 2_500, "currency": "CNY", "merchant_order_no": "L-1"}
    assert (await scene.shop.merchant().post("/v1/purchases", asked)).status_code == 202
    told = await notices(scene.shop.runtime, PHONE)
    code = next(str(facts["code"]) for event, facts in told if event == "confirm_purchase")
    rights = (Permission.RISK_MANAGE, Permission.RISK_APPROVE)
    one, other = [await scene.shop.staff(*rights, name=name) for name in ("one", "other")]
    body = {"colour": "black", "scope": "bank_card", "value": CARD, "reason": "fraud"}
    made = (await one.post("/v1/staff/risk/entries", body)).json()
    assert (await other.post(f"/v1/staff/risk/entries/{made['entry_id']}/approve")).json()["state"] == "listed"
    before = len(scene.connected.bank.store.requests())
    assert "暂不能办理" in str(await sent(scene, f"Y {code} YHK"))
    assert len(scene.connected.bank.store.requests()) == before
    await scene.agrees(gained=0)


@clause("CM 9.6")
async def test_a_grey_card_tops_up_a_share_of_the_limit_at_once(scene: Scene) -> None:
    officer = await scene.shop.staff(Permission.RISK_MANAGE, name="officer")
    body = {"colour": "grey", "scope": "bank_card", "value": CARD, "reason": "seen elsewhere"}
    assert (await officer.post("/v1/staff/risk/entries", body)).json()["state"] == "listed"
    policy = scene.shop.runtime.policy
    most_fen = policy.topup_single_limit_fen * policy.grey_limit_percent // 100
    assert (await scene.ask(most_fen + 1)).json()["code"] == "single_limit_exceeded"
    assert (await scene.ask(most_fen)).status_code == 201
    await scene.agrees(gained=most_fen)
