"""A withdrawal that a rule holds: the bank is asked once, when somebody releases it, and never otherwise (CM 9.4)."""

from __future__ import annotations

import asyncio

from mpss.staff.permissions import Permission
from tests.integration.banks.test_withdrawal import Scene, scene
from tests.integration.http.test_risk_rules import switch_on
from tests.support.clauses import clause

__all__ = ["scene"]
PATH = "/v1/staff/risk/reviews"


@clause("CM 9.4")
async def test_a_withdrawal_that_is_held_goes_to_the_bank_once_when_it_is_released(scene: Scene) -> None:
    await switch_on(scene.shop, rule="first_day_large", action="hold", figures={"amount_fen": 20_000})
    reviewer = await scene.shop.staff(Permission.RISK_VIEW, Permission.RISK_REVIEW, name="reviewer")
    answers = [await scene.ask() for _ in range(2)]
    assert [(answer.status_code, answer.json()["state"]) for answer in answers] == [(202, "REVIEWING")] * 2
    released, refused = (answer.json()["transaction_id"] for answer in answers)
    assert await scene.held_fen() == 2 * 20_150
    assert [line for line in scene.connected.bank.store.lines() if line["card"].endswith("0015")] == []
    told = await asyncio.gather(
        *(reviewer.post(f"{PATH}/{released}", {"event": "release", "reason": "known"}) for _ in range(3))
    )
    assert {answer.json().get("transaction_state") for answer in told} <= {"SUCCEEDED", "FUNDING"}
    done = await reviewer.post(f"{PATH}/{refused}", {"event": "refuse", "reason": "the payer knows of nothing"})
    assert (done.json()["state"], done.json()["transaction_state"]) == ("refused", "DECLINED")
    assert await scene.state(answers[0]) == "SUCCEEDED"
    await scene.agrees(paid=20_000)


@clause("CM 9.4")
async def test_a_withdrawal_from_a_far_province_is_refused(scene: Scene) -> None:
    await switch_on(scene.shop, rule="far_provinces", action="refuse", figures={"minutes": 30})
    assert (await scene.ask(visited_province="GD")).status_code in (201, 202)
    answer = await scene.ask(visited_province="XJ")
    assert (answer.status_code, answer.json()["code"]) == (403, "risk_refused")
