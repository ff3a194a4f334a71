"""What BOSS tells of a subscription takes effect on the account: stop, resume, deactivation, owner, number, card.

Invariants: (1) an event has its effect once, however often it comes; (2) within an aspect (accounts/boss_status.py) an
older event never undoes a newer one, unless somebody settles it so; (3) an account follows its subscription, not its
number: an event of another subscription on the same number does nothing to it; (4) a number that was given up or is
another's leaves its account, and the directed relations that pay it end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from mpss.accounts.boss_status import BOSS_EFFECTS, Aspect, BossEffect, BossKind, is_newer
from mpss.accounts.boss_store import (
    Subscription,
    end_sessions,
    insert_boss_event,
    insert_replaced_sim,
    leave_number,
    lock_subscription,
    record_result,
    save_subscription,
    set_boss_stopped,
    set_phone,
    set_sim_changed,
)
from mpss.accounts.change import changed
from mpss.accounts.model import AccountRow, Life
from mpss.accounts.notify import tell
from mpss.accounts.payee_store import dissolve_to
from mpss.accounts.state_store import insert_event, set_life
from mpss.accounts.store import find_wallet, lock_account
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import OutboxId
from mpss.kernel.masking import mask_phone
from mpss.kernel.phone import home_province, parse_phone
from mpss.outbox.model import notice
from mpss.outbox.store import enqueue
from mpss.ports.boss import BossEvent
from mpss.runtime import Runtime

ACTOR = "boss"
FEED, ASKED, COMPARISON, SETTLED = "feed", "asked", "comparison", "settled"


async def take_boss_event(runtime: Runtime, headers: Mapping[str, str], body: bytes) -> str:
    """Record a signed event and let it take effect; what became of it. Said again, it changes nothing ("repeated").

    Raises:
        SignatureInvalid: BOSS did not sign it.
        MalformedField: it says nothing that can be understood, naming the field.
        Refused: NOT_FOUND, no BOSS is connected.

    Spec: CM 5.2.4, 5.2.6, 5.2.7, 5.2.8, 6.3, 7.8.
    """
    if runtime.ports.boss is None:
        raise Refused(ErrorCode.NOT_FOUND, detail="no BOSS is connected")
    event = runtime.ports.boss.read_event(headers, body)
    if event.kind not in set(map(str, BossKind)):
        raise MalformedField(field="kind", problem=f"must be of: {', '.join(BossKind)}")
    kind = BossKind(event.kind)
    event = replace(event, phone=parse_phone(event.phone))
    if kind is BossKind.CHANGE_NUMBER and event.new_phone is None:
        raise MalformedField(field="new_phone", problem="is missing")
    if event.new_phone is not None:
        event = replace(event, new_phone=parse_phone(event.new_phone, field="new_phone"))
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        return await apply_event(uow, event, source=FEED, now=now)


async def apply_event(uow: UnitOfWork, event: BossEvent, *, source: str, now: datetime) -> str:
    """Record an event whose kind and numbers are known to be right, and let it take effect; what became of it.

    `source` is where it came from: the feed, a question ("asked"), the nightly comparison. What a member of staff
    "settled" so takes effect whatever its sequence.
    """
    kind = BossKind(event.kind)
    payload = {"new_phone": event.new_phone, "sim_serial": event.sim_serial}
    values = {
        "id": event.event_id, "kind": event.kind, "phone": event.phone, "subscription_id": event.subscription_id,
        "sequence": event.sequence, "occurred_at": event.occurred_at, "now": now, "payload": json.dumps(payload),
        "source": source,
    }  # fmt: skip
    if not await insert_boss_event(uow, values):
        return "repeated"
    bound = await lock_subscription(
        uow, subscription_id=event.subscription_id, phone=event.phone, occurred_at=event.occurred_at
    )
    locked = None if bound is None else await lock_account(uow, bound.account_id)
    if bound is None or locked is None:
        await _end_relations(uow, event, kind, now=now)
        return "no_account"
    result = await _apply(uow, event, kind, bound, locked[0], now=now, anyway=source == SETTLED)
    applied_at = now if result == "applied" else None
    await _end_relations(uow, event, kind, now=now)
    await record_result(uow, event.event_id, result, account_id=bound.account_id, applied_at=applied_at)
    return result


async def part(uow: UnitOfWork, account_id: UUID, *, source: str, now: datetime) -> None:
    """The number is another subscription's: the account, which belonged to none that we know, takes no more part."""
    locked = await lock_account(uow, account_id)
    if locked is None or locked[0].life is Life.CLOSED:
        return
    await set_life(uow, account_id, Life.PRE_CLOSED, now=now)
    await leave_number(uow, account_id, now=now)
    await end_sessions(uow, account_id)
    await _dissolved_to(uow, locked[0].phone, now=now)
    await insert_event(uow, account_id, "number_transferred", detail={"source": source}, actor=ACTOR, now=now)


async def _end_relations(uow: UnitOfWork, event: BossEvent, kind: BossKind, *, now: datetime) -> None:
    """The number is not whose it was: who sends money to it by a directed relation meant somebody else.

    A late event of an earlier owner ends nothing of who has a wallet on it now.
    """
    gone = BOSS_EFFECTS[kind].aspect is Aspect.END or kind is BossKind.CHANGE_NUMBER
    if gone and await find_wallet(uow, phone=event.phone) is None:
        await _dissolved_to(uow, event.phone, now=now)


async def _dissolved_to(uow: UnitOfWork, phone: str, *, now: datetime) -> None:
    """End the directed relations that pay the number, and tell whose they were."""
    params = {"counterpart": mask_phone(phone)}
    rows = [
        notice(
            OutboxId.new(now), reference=payer.id, phone=payer.phone, event="payee_dissolved", language=payer.language,
            params=params, now=now,
        )
        for payer in await dissolve_to(uow, phone, now=now)
    ]  # fmt: skip
    await enqueue(uow, rows)


async def _apply(
    uow: UnitOfWork,
    event: BossEvent,
    kind: BossKind,
    bound: Subscription,
    account: AccountRow,
    *,
    now: datetime,
    anyway: bool,
) -> str:
    effect, new_phone = BOSS_EFFECTS[kind], event.new_phone
    if account.life in (Life.PRE_CLOSED, Life.CLOSED) and effect.aspect is not Aspect.END:
        return "ended"
    if account.life is Life.CLOSED or (account.life is Life.PRE_CLOSED and bound.boss_status == effect.status):
        return "ended"
    if not anyway and not is_newer(kind, event.sequence, _last(bound, effect.aspect)):
        if effect.aspect is Aspect.CARD and event.sim_serial and event.sim_serial != bound.sim_serial:
            # A card between two others: it was replaced before we heard of it.
            await insert_replaced_sim(uow, account.id, sim_serial=event.sim_serial, event_id=event.event_id, now=now)
        return "stale"
    if new_phone is not None and kind is BossKind.CHANGE_NUMBER and new_phone != account.phone:
        if await find_wallet(uow, phone=new_phone) is not None:
            return "number_taken"
        await set_phone(uow, account.id, phone=new_phone, province=home_province(new_phone))
    if effect.stopped is not None:
        await set_boss_stopped(uow, account.id, effect.stopped)
    if effect.pre_closed:
        await set_life(uow, account.id, Life.PRE_CLOSED, now=now)
        await leave_number(uow, account.id, now=now)
    if effect.aspect is Aspect.CARD and bound.sim_serial != (event.sim_serial or ""):
        await insert_replaced_sim(uow, account.id, sim_serial=bound.sim_serial, event_id=event.event_id, now=now)
    if effect.aspect in (Aspect.CARD, Aspect.NUMBER):
        # From when it is heard of: the holder learns no earlier.
        await set_sim_changed(uow, account.id, now=now)
    if effect.sessions_ended:
        await end_sessions(uow, account.id)
    await save_subscription(uow, _moved(bound, effect, event.sequence), sim_serial=event.sim_serial)
    await _tell(uow, event, effect, account, now=now)
    return "applied"


async def _tell(uow: UnitOfWork, event: BossEvent, effect: BossEffect, account: AccountRow, *, now: datetime) -> None:
    detail = {"kind": event.kind, "event_id": event.event_id}
    if effect.notice is None:
        await insert_event(uow, account.id, "number_transferred", detail=detail, actor=ACTOR, now=now)
        return
    await changed(uow, account, effect.notice, actor=ACTOR, now=now, detail=detail)
    if effect.aspect is Aspect.NUMBER and event.new_phone is not None:
        await tell(uow, effect.notice, reference=account.id, phone=event.new_phone, language=account.language, now=now)


def _last(bound: Subscription, aspect: Aspect) -> int:
    by_aspect = {
        Aspect.STATUS: bound.status_sequence,
        Aspect.NUMBER: bound.number_sequence,
        Aspect.CARD: bound.card_sequence,
    }
    return by_aspect.get(aspect, 0)


def _moved(bound: Subscription, effect: BossEffect, sequence: int) -> Subscription:
    status = bound.boss_status if effect.status is None else effect.status
    match effect.aspect:
        case Aspect.STATUS:
            return bound._replace(boss_status=status, status_sequence=sequence)
        case Aspect.NUMBER:
            return bound._replace(number_sequence=sequence)
        case Aspect.CARD:
            return bound._replace(card_sequence=sequence)
        case Aspect.END:
            return bound._replace(boss_status=status)
