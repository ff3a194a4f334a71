"""What no event explains is settled by hand: BOSS's takes effect, ours stands with a reason, or BOSS is asked again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, LiteralString

import pytest

from mpss.accounts.boss_comparison import compare_now
from mpss.simulators.boss import Boss, Fault
from mpss.staff.permissions import Permission
from tests.integration.boss.test_comparison import THIRD, lossy, state
from tests.integration.boss.test_numbers import OTHER, accounts
from tests.support.clauses import clause
from tests.support.house import events, subscriber
from tests.support.http import Caller, Counter, problem
from tests.support.market import PHONE

__all__ = ["lossy"]
Linked = tuple[Counter, Boss]


async def settler(shop: Counter) -> Caller:
    return await shop.staff(Permission.BOSS_VIEW, Permission.BOSS_SETTLE, name="settler")


async def ours(shop: Counter, sql: LiteralString) -> None:
    """Make our side differ, as an error of a person or a program would."""
    async with shop.runtime.database.transaction() as uow:
        await uow.execute(sql)


async def asked(shop: Counter, staff: Caller, kind: str, phone: str = OTHER) -> dict[str, Any]:
    """The question of this kind that a comparison now finds of the number."""
    shop.market.clock.advance(timedelta(days=1))
    await compare_now(shop.runtime)
    items = (await staff.get("/v1/staff/boss/questions", open="true")).json()["items"]
    (found,) = [item for item in items if (item["kind"], item["phone"]) == (kind, phone)]
    return dict(found)


async def settle(staff: Caller, question: dict[str, Any], how: str, reason: str = "") -> Any:
    return await staff.post(
        f"/v1/staff/boss/questions/{question['question_id']}/settle", {"how": how, "reason": reason}
    )


async def how_settled(staff: Caller, question: dict[str, Any], how: str, reason: str = "") -> str | None:
    answer = await settle(staff, question, how, reason)
    assert answer.status_code == 200, answer.text
    told: str | None = answer.json()["settled_how"]
    return told


@clause("CM 7.8")
class TestWhatBossSays:
    async def test_of_the_status_takes_effect_whatever_its_sequence(self, lossy: Linked) -> None:
        shop, boss = lossy
        staff = await settler(shop)
        boss.change("stop_2way", OTHER)
        await compare_now(shop.runtime)
        await ours(
            shop,
            "WITH s AS (UPDATE account_subscription SET boss_status = 'active' RETURNING account_id)"
            " UPDATE account SET boss_stopped = false WHERE id IN (SELECT account_id FROM s)",
        )
        question = await asked(shop, staff, "status_differs")
        assert (question["ours"], question["theirs"]) == ("active", "stopped_2way")
        assert await how_settled(staff, question, "accept", "BOSS is right") == "accepted"
        found = await state(shop, OTHER)
        assert (found["boss_stopped"], found["boss_status"]) == (True, "stopped_2way")
        assert (await events(shop.runtime, OTHER))[-1] == "number_stopped"
        problem(await settle(staff, question, "accept"), 409, "illegal_state")
        assert (await staff.get("/v1/staff/boss/events", phone=OTHER)).json()["items"][0]["source"] == "settled"
        async with shop.runtime.database.read() as uow:
            assert await uow.value("SELECT count(*) FROM audit_record WHERE action = 'boss_question.accepted'") == 1

    @clause("CM 5.2.7", "CM 5.2.8")
    async def test_of_number_and_card_takes_effect(self, lossy: Linked) -> None:
        shop, boss = lossy
        staff = await settler(shop)
        await ours(shop, "UPDATE account_subscription SET sim_serial = 'SIM-NOBODY-HAS'")
        assert await how_settled(staff, await asked(shop, staff, "card_differs"), "accept") == "accepted"
        standing = boss.store.standing(OTHER)
        assert standing is not None
        assert (await state(shop, OTHER))["sim_serial"] == standing.sim_serial
        await ours(shop, f"UPDATE account SET phone = '{THIRD}' WHERE phone = '{OTHER}'")
        question = await asked(shop, staff, "number_differs", THIRD)
        assert await how_settled(staff, question, "accept") == "accepted"
        assert (await state(shop, OTHER))["subscription_id"] == standing.subscription_id
        assert (await events(shop.runtime, OTHER))[-1] == "number_changed"

    async def test_takes_effect_where_it_was_restored_to_an_older_state(self, lossy: Linked) -> None:
        shop, boss = lossy
        staff = await settler(shop)
        await ours(shop, "UPDATE account_subscription SET status_sequence = 40, boss_status = 'stopped_1way'")
        assert await how_settled(staff, await asked(shop, staff, "boss_behind"), "accept") == "accepted"
        found = await state(shop, OTHER)
        assert (found["boss_status"], found["status_sequence"]) == ("active", 0)
        # Its later events count again.
        boss.change("stop_1way", OTHER)
        await compare_now(shop.runtime)
        assert (await state(shop, OTHER))["boss_stopped"] is True

    @clause("CM 5.2.4")
    @pytest.mark.parametrize("linked_before", [False, True])
    async def test_that_nobody_has_the_number_ends_the_account(self, lossy: Linked, linked_before: bool) -> None:
        shop, _ = lossy
        staff = await settler(shop)
        phone = OTHER if linked_before else PHONE
        if linked_before:
            await ours(shop, "UPDATE account_subscription SET subscription_id = 'SUBUNKNOWN'")
            await ours(shop, f"UPDATE account SET phone = '{THIRD}' WHERE phone = '{OTHER}'")
            phone = THIRD
        question = await asked(shop, staff, "no_subscription", phone)
        assert await how_settled(staff, question, "accept", "asked by phone") == "accepted"
        assert [row[:2] for row in await accounts(shop, phone)] == [("pre_closed", False)]

    @clause("CM 5.2.7")
    async def test_of_a_number_that_another_account_had_moves_both(self, lossy: Linked) -> None:
        shop, boss = lossy
        staff = await settler(shop)
        boss.sell(THIRD)
        await subscriber(shop.runtime, THIRD)
        boss.change("cancel_user", THIRD)
        moved = boss.change("change_number", OTHER, new_phone=THIRD)
        question = await asked(shop, staff, "number_taken")
        assert await how_settled(staff, question, "accept") == "accepted"
        assert (await state(shop, THIRD))["subscription_id"] == moved.subscription_id
        assert [row[:2] for row in await accounts(shop, THIRD)] == [("active", True), ("pre_closed", False)]

    async def test_is_asked_anew_and_refused_where_it_is_not_what_was_seen(self, lossy: Linked) -> None:
        shop, boss = lossy
        staff = await settler(shop)
        await ours(shop, "UPDATE account_subscription SET boss_status = 'stopped_1way'")
        question = await asked(shop, staff, "status_differs")
        boss.fail(Fault.ERROR, count=1)
        problem(await settle(staff, question, "accept"), 503, "busy")
        boss.change("stop_2way", OTHER)
        problem(await settle(staff, question, "accept"), 409, "illegal_state")
        # What it says now was missed, and is done.
        assert (await state(shop, OTHER))["boss_status"] == "stopped_2way"
        problem(await settle(staff, question, "keep", "x"), 409, "illegal_state")


@clause("CM 7.8")
class TestOurs:
    async def test_stands_with_a_reason_until_either_side_says_something_else(self, lossy: Linked) -> None:
        shop, _ = lossy
        staff = await settler(shop)
        await ours(shop, "UPDATE account_subscription SET boss_status = 'stopped_1way'")
        question = await asked(shop, staff, "status_differs")
        wrong = problem(await settle(staff, question, "keep"), 400, "malformed_request")
        assert "reason" in str(wrong)
        assert await how_settled(staff, question, "keep", "BOSS corrects it next week") == "kept"
        shop.market.clock.advance(timedelta(days=1))
        await compare_now(shop.runtime)
        items = (await staff.get("/v1/staff/boss/questions", kind="status_differs")).json()["items"]
        assert [(item["settled_how"], item["reason"]) for item in items] == [("kept", "BOSS corrects it next week")]
        await ours(shop, "UPDATE account_subscription SET boss_status = 'stopped_2way'")
        assert (await asked(shop, staff, "status_differs"))["ours"] == "stopped_2way"


@clause("CM 7.8")
class TestAskingAgain:
    async def test_settles_what_is_gone_and_leaves_what_stands(self, lossy: Linked) -> None:
        shop, _ = lossy
        staff = await settler(shop)
        await ours(shop, "UPDATE account_subscription SET boss_status = 'stopped_1way'")
        question = await asked(shop, staff, "status_differs")
        shop.market.clock.advance(timedelta(minutes=1))
        assert await how_settled(staff, question, "ask_again") is None
        await ours(shop, "UPDATE account_subscription SET boss_status = 'active'")
        shop.market.clock.advance(timedelta(minutes=1))
        assert await how_settled(staff, question, "ask_again") == "gone"
