"""Asking BOSS about one number: before an account is opened, when its holder signs in, before it is woken.

    opening  nobody has it, or no owner is registered ──► refused      stopped ──► refused      silent ──► policy
    sign-in, waking  what differs takes effect as the event that was missed; the number another's ──► refused

Invariants: (1) BOSS is asked outside any unit of work; (2) a new account belongs to the subscription that BOSS named;
(3) whoever has a number now never gets the account of who had it before. Decision: ADR-0027.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from mpss.accounts.boss_events import ASKED, apply_event, part
from mpss.accounts.boss_findings import Link, findings, question_of
from mpss.accounts.boss_store import KnownLink, bind_accounts, link_of, save_agreed
from mpss.accounts.store import find_wallet
from mpss.accounts.token_store import end_sessions_before
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.outcome import InDoubt
from mpss.observability import log
from mpss.ports.boss import NoSubscriber, Subscriber
from mpss.runtime import Runtime


async def ask_at_opening(runtime: Runtime, phone: str) -> Subscriber | None:
    """Who has the number, fit to open an account; None where BOSS is not asked, or silent and policy lets that pass.

    Where the number still has the wallet of another subscription, whose end or move was missed, that takes effect.

    Raises:
        Refused: NUMBER_NOT_IN_SERVICE, nobody has it or no owner is registered; NUMBER_STOPPED; BUSY, BOSS is silent.

    Spec: CM 6.1, 7.2.
    """
    boss = runtime.ports.boss
    if boss is None or not boss.can_be_asked:
        return None
    found = await boss.enquire(phone, timeout_seconds=runtime.policy.boss_timeout_seconds)
    match found:
        case InDoubt(problem=problem):
            log.warning("boss.silent", at="opening", problem=problem)
            _refuse_silent(runtime)
            return None
        case NoSubscriber() | Subscriber(status="cancelled" | "transferred"):
            raise Refused(ErrorCode.NUMBER_NOT_IN_SERVICE, detail="nobody has the number", field="phone")
        case Subscriber(owner=""):
            raise Refused(ErrorCode.NUMBER_NOT_IN_SERVICE, detail="no owner is registered", field="phone")
        case Subscriber(status="stopped_1way" | "stopped_2way"):
            raise Refused(ErrorCode.NUMBER_STOPPED, field="phone")
    await part_from_previous(runtime, phone, found)
    return found


async def part_from_previous(runtime: Runtime, phone: str, subscriber: Subscriber) -> None:
    """The number leaves a wallet of another subscription, which goes where BOSS says: to another number, or to its end.

    Raises:
        Refused: BUSY, BOSS is silent.
    """
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        known = await link_of(uow, phone)
    if known is None or _belongs(known.link, subscriber):
        return
    answer = await _ask(runtime, known, at="opening") if known.link.subscription_id else None
    async with runtime.database.transaction() as uow:
        if answer is not None:
            await take_answer(uow, known.link, answer, source=ASKED, now=now)
        if await find_wallet(uow, phone=phone) == known.link.account_id:
            await part(uow, known.link.account_id, source=ASKED, now=now)


def _belongs(link: Link, subscriber: Subscriber) -> bool:
    if not link.subscription_id:
        return subscriber.since <= link.opened_at
    return link.subscription_id == subscriber.subscription_id and link.owner in ("", subscriber.owner)


async def bind_new(uow: UnitOfWork, account_id: UUID, subscriber: Subscriber, *, now: datetime) -> None:
    """The account just opened belongs to the subscription, as it stands; sessions from before it do not get it."""
    await end_sessions_before(uow, phone=subscriber.phone, before=subscriber.since)
    await bind_accounts(uow, [(account_id, subscriber)], now=now)
    sequences = (subscriber.status_sequence, subscriber.number_sequence, subscriber.card_sequence)
    await save_agreed(uow, [(account_id, subscriber, sequences)], now=now)


async def check_number(runtime: Runtime, phone: str, *, at_waking: bool = False) -> None:
    """See that the number's wallet is still its own, where BOSS has not said so for policy.boss_known_hours.

    What BOSS has otherwise takes effect. A silent BOSS hinders waking alone, unless policy lets it pass.

    Raises:
        Refused: NUMBER_REASSIGNED, the wallet is another's than who has the number now; it has left the number. BUSY.
    """
    boss, now = runtime.ports.boss, runtime.clock.now()
    if boss is None or not boss.can_be_asked:
        return
    async with runtime.database.read() as uow:
        known = await link_of(uow, phone)
    if known is None or not (at_waking or _is_old(runtime, known, now)):
        return
    answer = await _ask(runtime, known, at="waking" if at_waking else "sign_in")
    if answer is None:
        return
    async with runtime.database.transaction() as uow:
        await take_answer(uow, known.link, answer, source=ASKED, now=now)
        has_it = await find_wallet(uow, phone=phone) == known.link.account_id
    if not has_it:
        raise Refused(ErrorCode.NUMBER_REASSIGNED, detail="sign in again to open an account of your own")


async def _ask(runtime: Runtime, known: KnownLink, *, at: str) -> Subscriber | NoSubscriber | None:
    """What became of the account's subscription; None where BOSS is silent and policy, or who signs in, lets it."""
    boss = runtime.ports.boss
    assert boss is not None
    answer = await boss.compare([question_of(known.link)], timeout_seconds=runtime.policy.boss_timeout_seconds)
    if not isinstance(answer, InDoubt):
        return answer[0]
    log.warning("boss.silent", at=at, problem=answer.problem)
    if at != "sign_in":
        _refuse_silent(runtime)
    return None


async def take_answer(
    uow: UnitOfWork, link: Link, answer: Subscriber | NoSubscriber, *, source: str, now: datetime
) -> list[str]:
    """Let what BOSS says of one account take effect; what became of each event that was missed.

    What no event explains is left to the nightly comparison.
    """
    found = findings(link, answer, now=now)
    if isinstance(answer, NoSubscriber):
        return []
    if found.parts:
        await part(uow, link.account_id, source=source, now=now)
        return ["applied"]
    if found.binds:
        await bind_accounts(uow, [(link.account_id, answer)], now=now)
    results = [await apply_event(uow, event, source=source, now=now) for event in found.missed]
    await save_agreed(uow, [(link.account_id, answer, found.agreed)], now=now)
    return results


def _is_old(runtime: Runtime, known: KnownLink, now: datetime) -> bool:
    if known.dormant or known.compared_at is None:
        return True
    return known.compared_at < now - timedelta(hours=runtime.policy.boss_known_hours)


def _refuse_silent(runtime: Runtime) -> None:
    if runtime.policy.boss_silent == "refuse":
        raise Refused(ErrorCode.BUSY, detail="BOSS does not answer now; try again in a moment")
