"""Random walks over the facts of an account's state, each step told to the flows and to a model of the two tables.

A step that the model forbids must be refused with the code the model names; one that it allows must leave the account
in the state, and with the money free, that the model says. Some steps are the clock's, BOSS's and the jobs'.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import pytest

from mpss.accounts.boss_store import set_boss_stopped
from mpss.accounts.codes import Purpose
from mpss.accounts.counter_check import Shown
from mpss.accounts.dormancy import wake
from mpss.accounts.freeze import (
    decide_freeze,
    end_dated_freezes,
    freeze_by_user,
    freezes_by_phone,
    propose_freeze,
    propose_release,
    unfreeze_by_user,
)
from mpss.accounts.freeze_change import Proposed
from mpss.accounts.freeze_store import freezes_differ, frozen_differs
from mpss.accounts.loss import end_oral_losses, lift_loss_at_counter, report_loss, report_loss_in_writing
from mpss.accounts.model import FreezeKind
from mpss.accounts.password_rules import candidate_digests, fingerprint
from mpss.accounts.proven import Proofs
from mpss.accounts.queries import overview
from mpss.accounts.state import ALLOWED, REFUSALS, EffectiveState, Operation
from mpss.accounts.store import lock_account
from mpss.db.database import Database
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode, Refused
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission
from mpss.transactions.closings.close import close_at_counter, pay_out_cash
from mpss.transactions.model import Proof
from mpss.transactions.purchases.purchase import purchase
from mpss.transactions.purchases.sale import Sale
from mpss.transactions.verify import verify
from tests.support.clauses import clause
from tests.support.house import PASSWORD, employee, sms_code
from tests.support.market import PHONE, Market, market

STEPS = 60
BEGINNING_FEN = 100_000
C = ErrorCode
T = TypeVar("T")


@dataclass(slots=True)
class Model:
    """What the account's facts should be. `loss` and `user_freeze` stay until a step, or a job, ends them."""

    now: datetime
    life: str = "active"
    loss: str = "none"
    loss_until: datetime | None = None
    stopped: bool = False
    dormant: bool = False
    user_freeze: tuple[datetime | None] | None = None
    whole: dict[UUID, FreezeKind] = field(default_factory=dict)
    amounts: dict[UUID, int] = field(default_factory=dict)
    balance_fen: int = BEGINNING_FEN

    @property
    def state(self) -> EffectiveState:
        kinds = set(self.whole.values())
        oral = self.loss == "oral" and self.loss_until is not None and self.now < self.loss_until
        held = self.user_freeze is not None and (self.user_freeze[0] is None or self.now < self.user_freeze[0])
        facts = (
            (self.life == "closed", EffectiveState.CLOSED),
            (self.life == "pre_closed", EffectiveState.PRE_CLOSED),
            (FreezeKind.LAW in kinds, EffectiveState.FROZEN_BY_LAW),
            (self.loss == "written", EffectiveState.LOSS_WRITTEN),
            (oral, EffectiveState.LOSS_ORAL),
            (FreezeKind.RISK in kinds, EffectiveState.FROZEN_FOR_RISK),
            (held, EffectiveState.FROZEN_BY_USER),
            (self.stopped, EffectiveState.STOPPED),
            (self.dormant, EffectiveState.DORMANT),
        )
        return next((state for holds, state in facts if holds), EffectiveState.ACTIVE)

    @property
    def available_fen(self) -> int:
        return max(0, self.balance_fen - sum(self.amounts.values()))

    def refusal(self, operation: Operation) -> ErrorCode | None:
        return None if operation in ALLOWED[self.state] else REFUSALS[self.state]


async def tried(step: Awaitable[T]) -> tuple[T | None, ErrorCode | None]:
    """What the step gave, or the code it was refused with."""
    try:
        return await step, None
    except Refused as refused:
        return None, refused.code


@dataclass(slots=True)
class Walk:
    """An account, who acts on it, and the model beside it."""

    market: Market
    chance: random.Random
    one: StaffMember
    two: StaffMember
    clerk: StaffMember
    model: Model
    keys: int = 0

    @property
    def account_id(self) -> UUID:
        return self.market.payer.account_id

    async def proofs(self) -> Proofs:
        return Proofs(PASSWORD, await sms_code(self.market.runtime, PHONE, Purpose.ACCOUNT), "test")

    async def shown(self) -> Shown:
        return Shown("resident ID, seen", code=await sms_code(self.market.runtime, PHONE, Purpose.ACCOUNT))

    async def done(self, wanted: ErrorCode | None, step: Awaitable[object]) -> bool:
        """Whether the step was carried out; refused or not, as the model wanted."""
        _, code = await tried(step)
        assert code is wanted, (code, wanted)
        return code is None

    # ── the holder

    async def reports_loss(self) -> None:
        model, runtime = self.model, self.market.runtime
        wanted = model.refusal(Operation.REPORT_LOSS)
        standing = model.loss == "written" or (
            model.loss == "oral" and model.loss_until is not None and model.now < model.loss_until
        )
        wanted = wanted or (C.ILLEGAL_STATE if standing else None)
        if await self.done(wanted, report_loss(runtime, account_id=self.account_id, channel="http")):
            model.loss, model.loss_until = "oral", model.now + timedelta(days=runtime.policy.loss_oral_days)

    async def freezes(self) -> None:
        model, days = self.model, self.chance.choice((None, 1, 2))
        until = None if days is None else model.now.astimezone(SHANGHAI).date() + timedelta(days=days)
        step = freeze_by_user(self.market.runtime, account_id=self.account_id, until=until, channel="http")
        ends = None if until is None else datetime.combine(until, time(0, 0), SHANGHAI).astimezone(UTC)
        standing = (model.now,) if model.user_freeze is None else model.user_freeze
        earlier = ends is not None and (standing[0] is None or ends < standing[0])
        if await self.done(model.refusal(Operation.FREEZE) or (C.ILLEGAL_STATE if earlier else None), step):
            model.user_freeze = (ends,)

    async def unfreezes(self) -> None:
        model = self.model
        wanted = model.refusal(Operation.UNFREEZE) or (C.ILLEGAL_STATE if model.user_freeze is None else None)
        step = unfreeze_by_user(self.market.runtime, account_id=self.account_id, proofs=await self.proofs())
        if await self.done(wanted, step):
            model.user_freeze = None

    async def wakes(self) -> None:
        step = wake(self.market.runtime, account_id=self.account_id, proofs=await self.proofs())
        if await self.done(self.model.refusal(Operation.WAKE), step):
            self.model.dormant = False

    async def pays(self) -> ErrorCode | None:
        """One fen; why not."""
        self.keys += 1
        runtime, keys = self.market.runtime, self.market.runtime.ports.key_store
        answer = await purchase(
            runtime,
            caller=f"account:{self.account_id}",
            key=f"walk-{self.keys}",
            channel="http",
            sale=Sale(self.account_id, self.market.merchant.id, None, 0, 1, None),
            proof=Proof(candidate_digests(keys, self.account_id, PASSWORD), False, fingerprint(keys, PASSWORD), "t"),
        )
        return answer.transaction.refusal

    # ── a hall

    async def loss_in_writing(self) -> None:
        model = self.model
        wanted = model.refusal(Operation.REPORT_LOSS) or (C.ILLEGAL_STATE if model.loss == "written" else None)
        shown = Shown("resident ID, seen")
        step = report_loss_in_writing(self.market.runtime, staff=self.clerk, phone=PHONE, shown=shown)
        if await self.done(wanted, step):
            model.loss, model.loss_until = "written", None

    async def lifts(self) -> None:
        model = self.model
        wanted = model.refusal(Operation.LIFT_LOSS) or (C.ILLEGAL_STATE if model.loss == "none" else None)
        step = lift_loss_at_counter(self.market.runtime, staff=self.clerk, phone=PHONE, shown=await self.shown())
        if await self.done(wanted, step):
            model.loss, model.loss_until = "none", None

    async def closes(self) -> None:
        model = self.model
        wanted = model.refusal(Operation.CLOSE) or (C.CLOSING_BLOCKED if model.amounts else None)
        step = close_at_counter(self.market.runtime, staff=self.clerk, phone=PHONE, shown=await self.shown())
        if await self.done(wanted, step):
            model.life = "pre_closed" if model.balance_fen else "closed"

    async def pays_out(self) -> None:
        model, kinds = self.model, set(self.model.whole.values())
        wanted = model.refusal(Operation.PAY_OUT)
        if wanted is None and kinds:
            wanted = C.FROZEN_BY_LAW if FreezeKind.LAW in kinds else C.FROZEN_FOR_RISK
        wanted = wanted or (C.CLOSING_BLOCKED if model.amounts else None)
        self.keys += 1
        shown = Shown("resident ID, seen")
        answer = await pay_out_cash(
            self.market.runtime, staff=self.clerk, key=f"rest-{self.keys}", phone=PHONE, shown=shown
        )
        assert answer.transaction.refusal is wanted, (answer.transaction.refusal, wanted)
        if wanted is None:
            assert answer.transaction.amount_fen == model.balance_fen
            model.life, model.balance_fen = "closed", 0

    # ── two officers

    async def staff_freeze(self, kind: FreezeKind, amount_fen: int | None) -> None:
        model, runtime = self.model, self.market.runtime
        document = "(2026) 12"
        wanted = model.refusal(Operation.FREEZE)
        step = propose_freeze(
            runtime, staff=self.one, phone=PHONE, kind=kind, reason="order", document=document, amount_fen=amount_fen
        )
        approval_id, code = await tried(step)
        assert code is wanted, (code, wanted)
        if approval_id is None:
            return
        await decide_freeze(runtime, staff=self.two, approval_id=approval_id, kind=Proposed.FREEZE, approve=True)
        made = (await freezes_by_phone(runtime, staff=self.one, phone=PHONE))[0]
        assert (made.kind, made.left_fen) == (kind, amount_fen)
        if amount_fen is None:
            model.whole[made.id] = kind
        else:
            model.amounts[made.id] = amount_fen

    async def whole(self) -> None:
        await self.staff_freeze(self.chance.choice((FreezeKind.RISK, FreezeKind.LAW)), None)

    async def amount(self) -> None:
        amount_fen = self.chance.choice((1, 30_000, BEGINNING_FEN, 3 * BEGINNING_FEN))
        await self.staff_freeze(self.chance.choice((FreezeKind.RISK, FreezeKind.LAW)), amount_fen)

    async def releases(self) -> None:
        model, runtime = self.model, self.market.runtime
        standing = sorted([*model.whole, *model.amounts])
        if not standing:
            return
        freeze_id = self.chance.choice(standing)
        left_fen = model.amounts.get(freeze_id)
        part_fen = None if left_fen is None else self.chance.choice((None, (left_fen + 1) // 2))
        approval_id = await propose_release(
            runtime, staff=self.one, phone=PHONE, freeze_id=freeze_id, reason="lifted", amount_fen=part_fen
        )
        await decide_freeze(runtime, staff=self.two, approval_id=approval_id, kind=Proposed.RELEASE, approve=True)
        model.whole.pop(freeze_id, None)
        if left_fen is not None:
            left_fen -= left_fen if part_fen is None else part_fen
            model.amounts.pop(freeze_id)
            if left_fen:
                model.amounts[freeze_id] = left_fen

    # ── BOSS, the clock, the jobs

    async def boss(self) -> None:
        self.model.stopped = not self.model.stopped
        async with self.market.runtime.database.transaction() as uow:
            await lock_account(uow, self.account_id)
            await set_boss_stopped(uow, self.account_id, self.model.stopped)

    async def falls_dormant(self) -> None:
        self.model.dormant = True
        async with self.market.runtime.database.transaction() as uow:
            await lock_account(uow, self.account_id)
            await uow.execute("UPDATE account SET dormant_since = now() WHERE id = %(id)s", {"id": self.account_id})

    async def time_passes(self) -> None:
        self.advance(timedelta(hours=self.chance.choice((3, 20, 70))))

    async def jobs_run(self) -> None:
        model, runtime = self.model, self.market.runtime
        lost = model.loss == "oral" and model.loss_until is not None and model.loss_until <= model.now
        ends_at = None if model.user_freeze is None else model.user_freeze[0]
        thawed = ends_at is not None and ends_at <= model.now
        assert await end_oral_losses(runtime) == int(lost)
        assert await end_dated_freezes(runtime) == int(thawed)
        if lost:
            model.loss, model.loss_until = "none", None
        if thawed:
            model.user_freeze = None

    def advance(self, by: timedelta) -> None:
        self.market.clock.advance(by)
        self.model.now = self.market.clock.now()

    # ── what must hold after every step

    async def assert_agrees(self) -> None:
        model, runtime = self.model, self.market.runtime
        seen = await overview(runtime, account_id=self.account_id)
        assert (seen.state, seen.balance_fen, seen.available_fen) == (
            model.state, model.balance_fen, model.available_fen,
        )  # fmt: skip
        wanted = model.refusal(Operation.PAY) or (None if model.available_fen else C.INSUFFICIENT_FUNDS)
        refusal = await self.pays()
        assert refusal is wanted, (refusal, wanted)
        model.balance_fen -= int(wanted is None)
        async with runtime.database.read() as uow:
            assert (await freezes_differ(uow), await frozen_differs(uow)) == (0, 0)


STEP_KINDS: tuple[Callable[[Walk], Awaitable[None]], ...] = (
    Walk.reports_loss, Walk.freezes, Walk.unfreezes, Walk.wakes, Walk.loss_in_writing, Walk.lifts, Walk.lifts,
    Walk.whole, Walk.amount, Walk.releases, Walk.releases, Walk.releases, Walk.boss, Walk.falls_dormant,
    Walk.time_passes, Walk.jobs_run,
)  # fmt: skip
LAST_STEPS = (*STEP_KINDS, Walk.closes, Walk.closes, Walk.pays_out, Walk.pays_out)
"""An account that is being closed is nothing else any more, so no walk closes its own before its second half."""


@pytest.fixture
async def opened(database: Database, tmp_path: Path) -> AsyncIterator[Market]:
    async with market(database, tmp_path) as made:
        yield made


@clause("CM 7.6", "CM 7.7", "CM 6.7", "CM 6.8", "CM 6.2")
@pytest.mark.parametrize("seed", range(6))
async def test_a_random_walk_never_leaves_the_tables(opened: Market, seed: int) -> None:
    runtime = opened.runtime
    one = await employee(runtime, "officer one", Permission.ACCOUNT_FREEZE)
    two = await employee(runtime, "officer two", Permission.ACCOUNT_FREEZE)
    wanted = (Permission.LOSS_WRITTEN, Permission.ACCOUNT_CLOSE)
    clerk = await employee(runtime, "walker", *wanted, hall="H01", clerk="C77")
    walk = Walk(opened, random.Random(seed), one, two, clerk, Model(opened.clock.now()))
    visited = set()
    for step in range(STEPS):
        # A number is sent five codes an hour.
        walk.advance(timedelta(minutes=30))
        await walk.chance.choice(STEP_KINDS if step < STEPS // 2 else LAST_STEPS)(walk)
        visited.add(walk.model.state)
        await walk.assert_agrees()
        if walk.model.life == "closed":
            break
    assert len(visited) >= 4, visited
    async with runtime.database.read() as uow:
        assert [check for check in await verify(uow) if not check.holds] == []
