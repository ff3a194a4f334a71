"""What stops an account, by its holder's hand, a clerk's, two people's and the clock's; told over HTTP to the database.

`TestEveryOperation` tries each operation in each state and compares with the printed table.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from mpss.accounts.codes import Purpose
from mpss.accounts.dormancy import find_dormant
from mpss.accounts.freeze import end_dated_freezes
from mpss.accounts.freeze_store import freezes_differ
from mpss.accounts.loss import end_oral_losses
from mpss.accounts.state import ALLOWED, REFUSALS, EffectiveState, Operation
from mpss.kernel.errors import ErrorCode
from mpss.staff.permissions import Permission
from mpss.transactions.verify import verify
from tests.integration.http.test_identity import NUMBER, PAPERS
from tests.support.clauses import clause
from tests.support.house import PASSWORD, events, sms_code
from tests.support.http import Caller, Counter, problem
from tests.support.market import PHONE

PAYEE = "18912340009"
SEEN = "resident ID, seen"
NUMBERS = itertools.count()


async def proofs(shop: Counter, password: str = PASSWORD) -> dict[str, str]:
    return {"payment_password": password, "code": await sms_code(shop.runtime, PHONE, Purpose.ACCOUNT)}


async def clerk_of(shop: Counter) -> Caller:
    wanted = (Permission.LOSS_WRITTEN, Permission.CASH_TOPUP, Permission.ACCOUNT_CLOSE, Permission.IDENTITY_MANAGE)
    return await shop.staff(*wanted, name=f"clerk {next(NUMBERS)}", hall="H01", clerk=f"C{next(NUMBERS)}")


async def officer(shop: Counter, name: str) -> Caller:
    return await shop.staff(Permission.ACCOUNT_FREEZE, Permission.LOSS_REPORT, name=name)


async def state_of(payer: Caller) -> str:
    return str((await payer.get("/v1/account")).json()["state"])


async def frozen(shop: Counter, kind: str) -> str:
    """Freeze by two officers; the id of the freeze."""
    one, two = await officer(shop, f"{kind}-one"), await officer(shop, f"{kind}-two")
    asked = {"phone": PHONE, "kind": kind, "reason": "order", "document": "(2026) 12"}
    made = (await one.post("/v1/staff/freezes", asked)).json()["approval_id"]
    where = f"/v1/staff/freezes/proposals/{made}/approve"
    problem(await one.post(where, {"kind": "account_freeze"}), 403, "same_person")
    assert (await two.post(where, {"kind": "account_freeze"})).status_code == 204
    async with shop.runtime.database.read() as uow:
        sql = "SELECT id FROM account_freeze WHERE kind = %(kind)s AND released_at IS NULL"
        return f"frz_{(await uow.value(sql, {'kind': kind})).hex}"


class TestLoss:
    @clause("CM 5.2.9", "CM 6.7", "CM 6.7.2", "GD 3.4")
    async def test_reported_over_the_portal_stops_payments_and_ends_the_other_sessions(self, shop: Counter) -> None:
        other, payer = await shop.subscriber(), await shop.subscriber()
        told = await payer.post("/v1/account/loss", {})
        assert told.status_code == 201
        assert (await other.get("/v1/account")).status_code == 401
        assert await state_of(payer) == "loss_oral"
        problem(await payer.post("/v1/purchases", shop.purchase()), 403, "loss_oral")
        problem(await payer.post("/v1/account/loss", {}), 409, "illegal_state")
        assert (await events(shop.runtime, PHONE))[-1] == "loss_reported"

    @clause("CM 6.7")
    async def test_reported_orally_runs_out_by_the_clock_before_any_job(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        assert (await payer.post("/v1/account/loss", {})).status_code == 201
        shop.market.clock.advance(timedelta(days=shop.runtime.policy.loss_oral_days))
        payer = await shop.subscriber()
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        assert await end_oral_losses(shop.runtime) == 1
        assert await end_oral_losses(shop.runtime) == 0
        assert (await events(shop.runtime, PHONE)).count("loss_expired") == 1

    @clause("CM 5.2.10", "CM 6.8")
    async def test_reported_orally_is_lifted_by_password_and_code(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        problem(await payer.post("/v1/account/loss/lift", await proofs(shop)), 409, "illegal_state")
        assert (await payer.post("/v1/account/loss", {})).status_code == 201
        problem(await payer.post("/v1/account/loss/lift", await proofs(shop, "111111")), 403, "wrong_password")
        assert await state_of(payer) == "loss_oral"
        assert (await payer.post("/v1/account/loss/lift", await proofs(shop))).status_code == 204
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201

    @clause("CM 6.7.1")
    async def test_reported_to_the_call_center_is_audited(self, shop: Counter) -> None:
        payer, agent = await shop.subscriber(), await officer(shop, "agent")
        told = await agent.post("/v1/staff/accounts/loss", {"phone": PHONE, "note": "name and last top-up"})
        assert told.status_code == 201
        assert (await payer.get("/v1/account")).status_code == 401
        async with shop.runtime.database.read() as uow:
            sql = "SELECT detail::jsonb ->> 'note' FROM audit_record WHERE action = 'account.loss_reported'"
            assert await uow.value(sql) == "name and last top-up"

    @clause("CM 6.7.3", "CM 6.8")
    async def test_reported_in_writing_never_expires_and_is_lifted_at_a_hall_alone(self, shop: Counter) -> None:
        clerk = await clerk_of(shop)
        asked = {"phone": PHONE, "document": SEEN}
        assert (await clerk.post("/v1/staff/accounts/loss/written", asked)).status_code == 204
        shop.market.clock.advance(timedelta(days=400))
        assert await end_oral_losses(shop.runtime) == 0
        payer = await shop.subscriber()
        problem(await payer.post("/v1/purchases", shop.purchase()), 403, "loss_written")
        problem(await payer.post("/v1/account/loss/lift", await proofs(shop)), 403, "loss_written")
        # Whoever has the phone may know the password too.
        closing = {"payout": "cash", **await proofs(shop)}
        problem(await payer.post("/v1/account/closing", closing), 403, "loss_written")
        cash = {"phone": PHONE, "amount_fen": 100, "currency": "CNY"}
        assert (await clerk.post("/v1/topups/cash", cash)).status_code == 201
        wrong = problem(await clerk.post("/v1/staff/accounts/loss/lift", asked), 400, "malformed_request")
        assert "code" in str(wrong)
        shown = await shop.shown()
        assert (await clerk.post("/v1/staff/accounts/loss/lift", shown)).status_code == 204
        problem(await clerk.post("/v1/staff/accounts/loss/lift", await shop.shown()), 409, "illegal_state")
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201

    @clause("CM 6.7")
    async def test_keeps_whoever_holds_the_phone_from_a_new_password(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        assert (await payer.post("/v1/account/loss", {})).status_code == 201
        code = await sms_code(shop.runtime, PHONE, Purpose.SET_PASSWORD)
        body = {"phone": PHONE, "code": code, "password": "520943"}
        problem(await payer.post("/v1/account/password/reset", body), 403, "loss_oral")
        code = await sms_code(shop.runtime, PHONE, Purpose.UNLOCK)
        problem(await payer.post("/v1/account/password/unlock", {"phone": PHONE, "code": code}), 403, "loss_oral")
        code = await sms_code(shop.runtime, PHONE, Purpose.LOGIN_PASSWORD)
        login = {"password": "blue-heron-41", "code": code}
        problem(await payer.put("/v1/account/login-password", login), 403, "loss_oral")
        changed = {"old_password": PASSWORD, "new_password": "520943"}
        problem(await payer.put("/v1/account/password", changed), 403, "loss_oral")
        # A number is sent five codes an hour.
        shop.market.clock.advance(timedelta(hours=2))
        payer = await shop.subscriber()
        assert (await payer.post("/v1/account/loss/lift", await proofs(shop))).status_code == 204

    async def test_in_writing_is_for_the_clerk_of_a_hall(self, shop: Counter) -> None:
        nobody = await shop.staff(Permission.LOSS_WRITTEN, name="no hall")
        asked = {"phone": PHONE, "document": SEEN}
        problem(await nobody.post("/v1/staff/accounts/loss/written", asked), 403, "forbidden")


class TestAFreeze:
    @clause("CT 5.2", "CT 6.1.3")
    async def test_of_the_holder_keeps_the_account_out_of_all_trading(self, shop: Counter) -> None:
        payer, clerk = await shop.subscriber(), await clerk_of(shop)
        assert (await payer.post("/v1/account/freeze", {})).json() == {"until": None}
        problem(await payer.post("/v1/purchases", shop.purchase()), 403, "frozen_by_user")
        cash = {"phone": PHONE, "amount_fen": 100, "currency": "CNY"}
        problem(await clerk.post("/v1/topups/cash", cash), 403, "frozen_by_user")
        problem(await payer.post("/v1/account/unfreeze", await proofs(shop, "111111")), 403, "wrong_password")
        assert (await payer.post("/v1/account/unfreeze", await proofs(shop))).status_code == 204
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        problem(await payer.post("/v1/account/unfreeze", await proofs(shop)), 409, "illegal_state")

    @clause("CT 6.1.3")
    async def test_of_the_holder_ends_on_its_day(self, shop: Counter) -> None:
        payer, clock = await shop.subscriber(), shop.market.clock
        today = clock.now().date()
        wrong = problem(await payer.post("/v1/account/freeze", {"until": today.isoformat()}), 400, "malformed_request")
        assert "until" in str(wrong)
        asked = {"until": (today + timedelta(days=3)).isoformat()}
        until = (await payer.post("/v1/account/freeze", asked)).json()["until"]
        assert until.startswith(f"{today + timedelta(days=2)}T16:00:00")
        clock.advance(timedelta(days=2))
        payer = await shop.subscriber()
        problem(await payer.post("/v1/purchases", shop.purchase()), 403, "frozen_by_user")
        assert await end_dated_freezes(shop.runtime) == 0
        clock.advance(timedelta(days=1))
        payer = await shop.subscriber()
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        assert await end_dated_freezes(shop.runtime) == 1
        assert (await events(shop.runtime, PHONE)).count("unfrozen") == 1
        async with shop.runtime.database.read() as uow:
            assert await freezes_differ(uow) == 0

    @clause("CT 6.1.3")
    async def test_of_the_holder_is_put_off_without_the_password_and_never_made_shorter(self, shop: Counter) -> None:
        payer, clock = await shop.subscriber(), shop.market.clock
        today = clock.now().date()

        async def freeze(days: int | None) -> Any:
            until = {} if days is None else {"until": (today + timedelta(days=days)).isoformat()}
            return await payer.post("/v1/account/freeze", until)

        assert (await freeze(30)).status_code == 201
        problem(await freeze(1), 409, "illegal_state")
        assert (await freeze(30)).status_code == 201
        assert (await freeze(31)).status_code == 201
        assert (await freeze(None)).status_code == 201
        problem(await freeze(365), 409, "illegal_state")
        assert (await payer.post("/v1/account/unfreeze", await proofs(shop))).status_code == 204
        # What ran out by the clock stands in nobody's way, though the job is late.
        assert (await freeze(2)).status_code == 201
        clock.advance(timedelta(days=2))
        payer, today = await shop.subscriber(), clock.now().date()
        assert (await freeze(1)).status_code == 201
        assert await state_of(payer) == "frozen_by_user"

    @clause("CT 6.1.3", "CT 5.2")
    async def test_of_the_holder_is_released_at_a_hall_where_the_password_is_forgotten(self, shop: Counter) -> None:
        payer, clerk = await shop.subscriber(), await clerk_of(shop)
        where = "/v1/staff/accounts/unfreeze"
        problem(await clerk.post(where, await shop.shown()), 409, "illegal_state")
        assert (await payer.post("/v1/account/freeze", {})).status_code == 201
        wrong = problem(await clerk.post(where, {"phone": PHONE, "document": SEEN}), 400, "malformed_request")
        assert "code" in str(wrong)
        nobody = await shop.staff(Permission.LOSS_WRITTEN, name="no hall, no thaw")
        problem(await nobody.post(where, await shop.shown()), 403, "forbidden")
        assert await state_of(payer) == "frozen_by_user"
        assert (await clerk.post(where, await shop.shown())).status_code == 204
        assert await state_of(payer) == "active"
        assert (await events(shop.runtime, PHONE))[-1] == "unfrozen"
        async with shop.runtime.database.read() as uow:
            assert await freezes_differ(uow) == 0
            sql = "SELECT detail::jsonb ->> 'document' FROM audit_record WHERE action = 'account.unfrozen'"
            assert await uow.value(sql) == SEEN

    @clause("CM 7.6")
    @pytest.mark.parametrize(("kind", "code"), [("risk", "frozen_for_risk"), ("law", "frozen_by_law")])
    async def test_for_a_risk_or_by_law_takes_two_people_both_ways(self, shop: Counter, kind: str, code: str) -> None:
        payer = await shop.subscriber()
        freeze_id = await frozen(shop, kind)
        problem(await payer.post("/v1/purchases", shop.purchase()), 403, code)
        problem(await payer.post("/v1/account/unfreeze", await proofs(shop)), 409, "illegal_state")
        one, two = await officer(shop, "one"), await officer(shop, "two")
        asked = {"phone": PHONE, "freeze_id": freeze_id, "reason": "lifted"}
        made = (await one.post("/v1/staff/freezes/release", asked)).json()["approval_id"]
        (listed,) = (await two.send("GET", "/v1/staff/freezes/proposals", query={"kind": "account_release"})).json()[
            "items"
        ]
        assert (listed["approval_id"], listed["freeze_id"], listed["freeze_kind"]) == (made, freeze_id, kind)
        where, body = f"/v1/staff/freezes/proposals/{made}/approve", {"kind": "account_release"}
        problem(await one.post(where, body), 403, "same_person")
        assert (await two.post(where, body)).status_code == 204
        problem(await two.post(where, body), 409, "illegal_state")
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201

    async def test_that_is_refused_changes_nothing(self, shop: Counter) -> None:
        payer, one, two = await shop.subscriber(), await officer(shop, "one"), await officer(shop, "two")
        asked = {"phone": PHONE, "kind": "risk", "reason": "velocity", "document": ""}
        made = (await one.post("/v1/staff/freezes", asked)).json()["approval_id"]
        where = f"/v1/staff/freezes/proposals/{made}/refuse"
        assert (await two.post(where, {"kind": "account_freeze"})).status_code == 204
        assert await state_of(payer) == "active"

    async def test_by_law_needs_the_authoritys_document(self, shop: Counter) -> None:
        one = await officer(shop, "one")
        asked = {"phone": PHONE, "kind": "law", "reason": "order"}
        assert "document" in str(problem(await one.post("/v1/staff/freezes", asked), 400, "malformed_request"))

    async def test_of_one_kind_outlives_the_release_of_another(self, shop: Counter) -> None:
        payer = await shop.subscriber()
        await frozen(shop, "law")
        assert (await payer.post("/v1/account/freeze", {})).status_code == 201
        assert await state_of(payer) == "frozen_by_law"
        assert (await payer.post("/v1/account/unfreeze", await proofs(shop))).status_code == 204
        assert await state_of(payer) == "frozen_by_law"


@clause("CM 7.7")
class TestDormancy:
    async def test_is_warned_of_then_falls_and_is_woken_by_its_holder(self, shop: Counter) -> None:
        policy, clock = shop.runtime.policy, shop.market.clock
        clock.advance(timedelta(days=policy.dormancy_days - policy.dormancy_warning_days - 1))
        assert await find_dormant(shop.runtime) == (0, 0)
        clock.advance(timedelta(days=2))
        assert await find_dormant(shop.runtime) == (1, 0)
        assert await find_dormant(shop.runtime) == (0, 0)
        clock.advance(timedelta(days=policy.dormancy_warning_days))
        assert (await find_dormant(shop.runtime))[1] == 1
        told = await events(shop.runtime, PHONE)
        assert told[-2:] == ["dormancy_near", "fallen_dormant"]
        payer = await shop.subscriber()
        problem(await payer.post("/v1/purchases", shop.purchase()), 403, "account_dormant")
        cash = {"phone": PHONE, "amount_fen": 100, "currency": "CNY"}
        assert (await (await clerk_of(shop)).post("/v1/topups/cash", cash)).status_code == 201
        assert (await payer.post("/v1/account/wake", await proofs(shop))).status_code == 204
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        problem(await payer.post("/v1/account/wake", await proofs(shop)), 409, "illegal_state")
        clock.advance(timedelta(days=1))
        assert await find_dormant(shop.runtime) == (0, 0)

    async def test_is_averted_by_a_payment_after_the_warning(self, shop: Counter) -> None:
        policy, clock = shop.runtime.policy, shop.market.clock
        clock.advance(timedelta(days=policy.dormancy_days - policy.dormancy_warning_days + 1))
        assert await find_dormant(shop.runtime) == (1, 0)
        payer = await shop.subscriber()
        assert (await payer.post("/v1/purchases", shop.purchase())).status_code == 201
        clock.advance(timedelta(days=policy.dormancy_warning_days + 1))
        assert await find_dormant(shop.runtime) == (0, 0)
        assert await state_of(await shop.subscriber()) == "active"


FACTS: dict[EffectiveState, str] = {
    EffectiveState.CLOSED: "life = 'closed'",
    EffectiveState.PRE_CLOSED: "life = 'pre_closed'",
    EffectiveState.FROZEN_BY_LAW: "freezes = '{law}'",
    EffectiveState.LOSS_WRITTEN: "loss = 'written'",
    EffectiveState.LOSS_ORAL: "loss = 'oral', loss_until = '2199-01-01'",
    EffectiveState.FROZEN_FOR_RISK: "freezes = '{risk}'",
    EffectiveState.FROZEN_BY_USER: "freezes = '{user}'",
    EffectiveState.STOPPED: "boss_stopped = true",
    EffectiveState.PENDING: "life = 'pending'",
    EffectiveState.DOCUMENT_EXPIRED: "document_expired_since = '2026-01-01'",
    EffectiveState.DORMANT: "dormant_since = '2026-01-01'",
    EffectiveState.ACTIVE: "life = 'active'",
}
"""How the row of an account in each state looks. A locked password is no fact of the row."""


async def put_into(shop: Counter, state: EffectiveState) -> None:
    """Write the payer's account as one in this state, and as nothing else."""
    account = {"id": shop.market.payer.account_id}
    async with shop.runtime.database.transaction() as uow:
        await uow.execute(
            "UPDATE account SET life = 'active', loss = 'none', loss_until = NULL, boss_stopped = false,"
            " document_expired_since = NULL, dormant_since = NULL, freezes = '{}', user_freeze_until = NULL,"
            " closed_at = NULL WHERE id = %(id)s",
            account,
        )
        await uow.execute(f"UPDATE account SET {FACTS[state]} WHERE id = %(id)s", account)


Try = Callable[[Counter, Caller], Awaitable[Any]]


async def _pay(shop: Counter, payer: Caller) -> Any:
    return await payer.post("/v1/purchases", shop.purchase())


async def _transfer(shop: Counter, payer: Caller) -> Any:
    body = {"payee_phone": PAYEE, "amount_fen": 100, "currency": "CNY", "payment_password": PASSWORD}
    return await payer.post("/v1/transfers", body)


async def _receive(shop: Counter, payer: Caller) -> Any:
    return await (await clerk_of(shop)).post("/v1/topups/cash", {"phone": PHONE, "amount_fen": 100, "currency": "CNY"})


async def _set_limit(shop: Counter, payer: Caller) -> Any:
    return await payer.put("/v1/account/daily-limit", {"daily_limit_fen": 100_000, "currency": "CNY"})


async def _set_payee(shop: Counter, payer: Caller) -> Any:
    code = await sms_code(shop.runtime, PHONE, Purpose.PAYEE)
    limits = {"single_limit_fen": 100, "daily_limit_fen": 100, "currency": "CNY"}
    return await payer.post(
        "/v1/payees", {"payee_phone": PAYEE, **limits, "payment_password": PASSWORD, "sms_code": code}
    )


async def _set_password(shop: Counter, payer: Caller) -> Any:
    code = await sms_code(shop.runtime, PHONE, Purpose.SET_PASSWORD)
    return await payer.post("/v1/account/password/reset", {"phone": PHONE, "code": code, "password": "520943"})


async def _report(shop: Counter, payer: Caller) -> Any:
    return await payer.post("/v1/account/loss", {})


async def _lift(shop: Counter, payer: Caller) -> Any:
    return await (await clerk_of(shop)).post("/v1/staff/accounts/loss/lift", await shop.shown())


async def _freeze(shop: Counter, payer: Caller) -> Any:
    return await payer.post("/v1/account/freeze", {})


async def _unfreeze(shop: Counter, payer: Caller) -> Any:
    return await payer.post("/v1/account/unfreeze", await proofs(shop))


async def _wake(shop: Counter, payer: Caller) -> Any:
    return await payer.post("/v1/account/wake", await proofs(shop))


async def _close(shop: Counter, payer: Caller) -> Any:
    return await (await clerk_of(shop)).post("/v1/staff/accounts/closing", await shop.shown())


async def _pay_out(shop: Counter, payer: Caller) -> Any:
    rest = {"phone": PHONE, "document": SEEN, "document_kind": "resident_id", "document_number": NUMBER}
    return await (await clerk_of(shop)).post("/v1/staff/accounts/closing/pay-out", rest)


async def _upgrade(shop: Counter, payer: Caller) -> Any:
    return await (await clerk_of(shop)).post("/v1/staff/accounts/upgrade", {**PAPERS, "phone": PHONE})


TRIES: dict[Operation, Try] = {
    # Before a transfer waits.
    Operation.CLOSE: _close,
    Operation.PAY: _pay,
    Operation.TRANSFER: _transfer,
    Operation.RECEIVE: _receive,
    Operation.SET_LIMIT: _set_limit,
    Operation.SET_PAYEE: _set_payee,
    Operation.REPORT_LOSS: _report,
    Operation.LIFT_LOSS: _lift,
    Operation.FREEZE: _freeze,
    Operation.UNFREEZE: _unfreeze,
    Operation.WAKE: _wake,
    # In this order: then the password is another, a document is on record, the money is gone.
    Operation.SET_PASSWORD: _set_password,
    Operation.UPGRADE: _upgrade,
    Operation.PAY_OUT: _pay_out,
}
NOTHING_TO_DO = {ErrorCode.ILLEGAL_STATE}
"""An allowed operation may find nothing to do: no loss to lift, no freeze of one's own to release, loss reported."""
AT_A_BANK = {Operation.BIND_CARD, Operation.UNBIND_CARD, Operation.TOP_UP, Operation.WITHDRAW}
"""tests/integration/banks/test_states.py tries these, which need a bank."""
GONE = {ErrorCode.UNKNOWN_ACCOUNT}
"""A closed account is found by its number no more."""


@clause("CM 7.6", "GD 3.6")
class TestEveryOperation:
    def test_is_tried(self) -> None:
        assert set(TRIES) | AT_A_BANK == set(Operation)

    @pytest.mark.parametrize("state", FACTS)
    async def test_in_each_state_does_what_the_printed_table_says(self, shop: Counter, state: EffectiveState) -> None:
        for operation, attempt in TRIES.items():
            # A number is sent five codes an hour.
            shop.market.clock.advance(timedelta(hours=2))
            payer = await shop.subscriber()
            await put_into(shop, state)
            answer = await attempt(shop, payer)
            code = None if answer.status_code < 400 else ErrorCode(answer.json()["code"])
            if operation in ALLOWED[state]:
                assert code is None or code in NOTHING_TO_DO, (operation, code)
            else:
                wanted = {REFUSALS[state]} | (GONE if state is EffectiveState.CLOSED else set())
                assert code in wanted, (operation, code)


async def test_the_books_hold_after_all_of_it(shop: Counter) -> None:
    payer = await shop.subscriber()
    assert (await payer.post("/v1/account/freeze", {})).status_code == 201
    assert (await payer.post("/v1/account/unfreeze", await proofs(shop))).status_code == 204
    async with shop.runtime.database.read() as uow:
        assert [check for check in await verify(uow) if not check.holds] == []
