"""Whatever order BOSS's events come in, and however often, the account ends where their sequences lead."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from mpss.accounts.boss_events import apply_event
from mpss.accounts.boss_status import BossKind
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import FixedClock
from mpss.ports.boss import BossEvent
from mpss.simulators.boss_store import BossStore
from tests.support.clauses import clause
from tests.support.http import Counter
from tests.support.instants import NOON
from tests.support.market import PHONE

ORDERS = 12


class _Undone(Exception):
    """So that the next order starts from the same account."""


def legal_walk(choose: random.Random) -> list[BossEvent]:
    """What may happen to a subscription, as the town's BOSS lets it: up to its end, or before."""
    clock = FixedClock(NOON)
    books, phone = BossStore(None, now=clock.now), PHONE
    books.sell(phone)
    walked = []
    for step in range(choose.randint(1, 9)):
        clock.advance(timedelta(seconds=1))
        kind = choose.choice([each.value for each in BossKind])
        new_phone = f"+86189777000{step:02d}" if kind == BossKind.CHANGE_NUMBER else None
        changed, event = books.change(kind, phone, new_phone=new_phone)
        body = json.loads(event.body)
        walked.append(
            BossEvent(
                event.event_id,
                kind,
                body["phone"],
                "S1",
                event.sequence,
                clock.now(),
                body.get("new_phone"),
                body.get("sim_serial"),
            )
        )
        phone = changed.phone
        if changed.status in ("cancelled", "transferred"):
            break
    books.close()
    return walked


async def outcome(uow: UnitOfWork, account_id: UUID) -> dict[str, Any]:
    (row,) = await uow.dicts(
        "SELECT a.life, a.number_left_at IS NULL AS has_number, a.boss_stopped, a.phone, s.boss_status, s.sim_serial,"
        " s.status_sequence, s.number_sequence, s.card_sequence,"
        " ARRAY(SELECT sim_serial FROM replaced_sim r WHERE r.account_id = a.id ORDER BY sim_serial) AS replaced"
        " FROM account a LEFT JOIN account_subscription s ON s.account_id = a.id WHERE a.id = %(id)s",
        {"id": account_id},
    )
    # Of an account that has ended only that matters.
    return row if row["has_number"] else {"life": row["life"], "has_number": False}


@clause("CM 7.8")
@pytest.mark.parametrize("seed", range(25))
async def test_every_order_of_a_legal_walk_ends_alike(shop: Counter, seed: int) -> None:
    choose = random.Random(seed)
    walk, account_id = legal_walk(choose), shop.market.payer.account_id
    now = shop.runtime.clock.now()
    async with shop.runtime.database.transaction() as uow:
        # The account belongs to the subscription from its opening on.
        await uow.execute(
            "INSERT INTO account_subscription (account_id, subscription_id, boss_status, status_sequence,"
            " number_sequence, card_sequence) VALUES (%(id)s, 'S1', 'active', 0, 0, 0)",
            {"id": account_id},
        )
    outcomes = []
    for order in range(ORDERS):
        told = list(walk)
        if order:
            told += choose.choices(walk, k=choose.randint(0, len(walk)))
            choose.shuffle(told)
        with suppress(_Undone):
            async with shop.runtime.database.transaction() as uow:
                for event in told:
                    await apply_event(uow, event, source="feed", now=now)
                outcomes.append(await outcome(uow, account_id))
                raise _Undone
    assert outcomes == [outcomes[0]] * ORDERS, [(event.kind, event.sequence) for event in walk]
    assert outcomes[0]["has_number"] is (walk[-1].kind not in ("cancel_user", "cancel_system", "transfer_owner"))
