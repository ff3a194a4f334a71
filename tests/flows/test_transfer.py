"""Transfers as people make them: over HTTP and by SMS, to who has a wallet and to who has none yet (CM 5.3.2)."""

from __future__ import annotations

import pytest

from mpss.simulators.people import confirmation_in
from tests.support.center import Center, refusal
from tests.support.clauses import clause
from tests.support.eventually import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("center"), clause("CM 5.3.2")]


async def test_money_goes_to_another_phone_and_both_are_told(shared_center: Center) -> None:
    li = await shared_center.subscriber("Li", fen=10_000)
    wang = await shared_center.subscriber("Wang")
    await li.mark()
    await wang.mark()
    sent = await li.transfer(wang.phone, 2_500, key="t1")
    assert (sent["state"], sent["kind"]) == ("SUCCEEDED", "transfer")
    assert await li.transfer(wang.phone, 2_500, key="t1") == sent
    hidden = f"{wang.phone[:-8]}****{wang.phone[-4:]}"
    assert "25.00" in await li.sms("已向", hidden)
    assert "25.00" in await wang.sms("向您转账", "余额25.00元")

    question = await li.ask(f"ZZ {wang.phone} 10", "转账10.00元", "Y ")
    assert hidden in question
    await wang.mark()
    await li.ask(f"Y {confirmation_in(question)}", "已向", "10.00")
    await wang.sms("余额35.00元")
    assert ((await li.account())["balance_fen"], (await wang.account())["balance_fen"]) == (6_500, 3_500)

    for person, direction, changes in ((li, "out", [-1_000, -2_500]), (wang, "in", [1_000, 2_500])):
        listed = (await person.api.get("/v1/transfers"))["items"]
        assert [(item["direction"], item["state"]) for item in listed] == [(direction, "SUCCEEDED")] * 2
        lines = (await person.api.get("/v1/account/transactions", limit=2))["items"]
        assert [line["change_fen"] for line in lines] == changes
        assert {line["counterpart"] for line in lines} == {listed[0]["counterpart"]}
    one = await wang.api.get(f"/v1/transfers/{sent['transaction_id']}")
    assert (one["direction"], one["amount_fen"]) == ("in", 2_500)
    stranger = await shared_center.subscriber("Zhao")
    assert await refusal(stranger.api.get(f"/v1/transfers/{sent['transaction_id']}")) == "unknown_transaction"
    assert await refusal(li.transfer(li.phone, 1)) == "self_transfer"
    assert await refusal(li.transfer(wang.phone, 6_501)) == "insufficient_funds"
    await shared_center.assert_told_once(wang)
    await shared_center.assert_sound()


async def test_a_number_without_a_wallet_gets_the_money_when_it_opens_one(shared_center: Center) -> None:
    li = await shared_center.subscriber("Li", fen=10_000)
    sun = shared_center.person("Sun")
    await li.mark()
    held = await li.transfer(sun.phone, 4_000)
    assert held["state"] == "WAITING"
    await li.sms("尚未开通")
    await sun.sms("发送KT", "40.00元")
    await shared_center.assert_sound()
    await sun.open_by_sms()
    await sun.sms("已到账", "余额40.00元")
    await li.sms("已领取")
    found = await li.api.get(f"/v1/transfers/{held['transaction_id']}")
    assert (found["state"], found["direction"]) == ("SUCCEEDED", "out")
    await shared_center.assert_sound()


@clause("CM 5.3.2.1", "CM 5.3.2.2", "CM 6.5.2.2")
async def test_a_directed_relation_is_set_up_limited_and_dissolved(shared_center: Center) -> None:
    li = await shared_center.subscriber("Li", fen=10_000)
    wang = await shared_center.subscriber("Wang")
    made = await li.add_payee(wang.phone, single_limit_fen=300_000, daily_limit_fen=400_000)
    assert made["usable_from"] > made["created_at"]
    assert (await li.api.get("/v1/payees"))["items"] == [made]
    where = f"/v1/payees/{made['payee_id']}"
    limits = {"single_limit_fen": 1_000, "daily_limit_fen": 2_000, "currency": "CNY"}
    proofs = {"payment_password": "492713", "sms_code": await li.code("payee")}
    changed = await li.api.put(where, {**limits, **proofs})
    assert (changed["single_limit_fen"], changed["daily_limit_fen"]) == (1_000, 2_000)
    assert await refusal(li.api.put(where, {**limits, **proofs})) == "code_expired"
    assert await refusal(wang.api.call("DELETE", where)) == "unknown_payee"
    await li.api.call("DELETE", where)
    assert (await li.api.get("/v1/payees"))["items"] == []
    assert await refusal(li.api.call("DELETE", where)) == "unknown_payee"

    async def told() -> bool:
        return (await shared_center.events(li))[-1] == "payee_dissolved"

    await eventually(told)
    await shared_center.assert_told_once(li)
