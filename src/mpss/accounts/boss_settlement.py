"""What BOSS has differently and no event explains, settled by a member of staff.

    accept     BOSS is asked anew; where it still says what was seen, that takes effect      ──► accepted
    keep       ours stands, with a reason, until either side says something else             ──► kept
    ask_again  BOSS is asked anew; what an event explains takes effect                       ──► gone, or open as it is

Invariants: (1) nothing takes effect but what BOSS says at that moment and somebody has seen; (2) BOSS is asked outside
any unit of work; (3) the effect, the question and the audit record commit together. Decision: ADR-0027.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from mpss.accounts.boss_asking import part_from_previous, take_answer
from mpss.accounts.boss_comparison import measure_questions
from mpss.accounts.boss_comparison_store import (
    AskedQuestion,
    find_question,
    kept_questions,
    settle_question_as,
    write_questions,
)
from mpss.accounts.boss_events import ASKED, SETTLED, apply_event, part
from mpss.accounts.boss_findings import (
    Link,
    Question,
    QuestionKind,
    aspects_of,
    event_of,
    findings,
    question_of,
)
from mpss.accounts.boss_status import BossKind
from mpss.accounts.boss_store import follow_sequences, link_by_account, lock_subscription
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import AccountId, BossQuestionId
from mpss.kernel.outcome import InDoubt
from mpss.kernel.text import check_line
from mpss.ports.boss import BossEvent, NoSubscriber, Subscriber
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission

Said = Subscriber | NoSubscriber


class Settling(StrEnum):
    """What a member of staff does about a question."""

    ACCEPT = "accept"
    KEEP = "keep"
    ASK_AGAIN = "ask_again"


async def settle_question(
    runtime: Runtime, *, staff: StaffMember, question_id: UUID, how: Settling, reason: str = ""
) -> AskedQuestion:
    """Settle an open question; how it stands then. Asking again leaves it open where nothing has changed.

    Raises:
        MalformedField: `reason` is missing of what is kept, or is no line.
        Refused: FORBIDDEN, needs boss_settle; NOT_FOUND, there is no such question, or no BOSS can be asked;
            ILLEGAL_STATE, it is settled, BOSS says something else by now, or the number is still another account's;
            BUSY, BOSS is silent.

    Spec: CM 7.8.
    """
    staff.require(Permission.BOSS_SETTLE)
    if reason or how is Settling.KEEP:
        check_line(reason, field="reason")
    question, now = await _open(runtime, question_id), runtime.clock.now()
    if how is Settling.KEEP:
        async with runtime.database.transaction() as uow:
            await _settle(uow, question, "kept", staff=staff, reason=reason, now=now)
    elif how is Settling.ASK_AGAIN:
        await _ask_again(runtime, question, staff=staff, reason=reason, now=now)
    else:
        await _accept(runtime, question, staff=staff, reason=reason, now=now)
    await measure_questions(runtime)
    async with runtime.database.read() as uow:
        found = await find_question(uow, question_id)
    assert found is not None
    return found


async def _open(runtime: Runtime, question_id: UUID) -> AskedQuestion:
    async with runtime.database.read() as uow:
        question = await find_question(uow, question_id)
    if question is None:
        raise Refused(ErrorCode.NOT_FOUND)
    if question.settled_at is not None:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="the question is settled")
    return question


async def _ask_again(
    runtime: Runtime, question: AskedQuestion, *, staff: StaffMember, reason: str, now: datetime
) -> None:
    link, answer = await _asked(runtime, question)
    async with runtime.database.transaction() as uow:
        await _compare(uow, link, answer, now=now)
        await _audit(uow, question, Settling.ASK_AGAIN, staff=staff, reason=reason, now=now)


async def _accept(runtime: Runtime, question: AskedQuestion, *, staff: StaffMember, reason: str, now: datetime) -> None:
    link, answer = await _asked(runtime, question)
    seen = Question(QuestionKind(question.kind), question.ours, question.theirs)
    if seen.kind is QuestionKind.NUMBER_TAKEN:
        if isinstance(answer, NoSubscriber) or (link.phone, answer.phone) != (seen.ours, seen.theirs):
            await _says_something_else(runtime, link, answer, now=now)
        else:
            # The other account leaves the number, where BOSS says that it is not its own any more.
            await part_from_previous(runtime, answer.phone, answer)
    elif seen not in findings(link, answer, now=now).questions:
        await _says_something_else(runtime, link, answer, now=now)
    async with runtime.database.transaction() as uow:
        await _require_unchanged(uow, link, now=now)
        results = []
        if isinstance(answer, NoSubscriber):
            await _end(uow, link, question.id, now=now)
        else:
            results = await take_answer(uow, link, answer, source=ASKED, now=now)
            if seen.kind is not QuestionKind.NUMBER_TAKEN:
                results += await _follow(uow, link, answer, question, now=now)
        if "number_taken" in results:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="the number is still another account's: look at that one")
        await _settle(uow, question, "accepted", staff=staff, reason=reason, now=now)


async def _require_unchanged(uow: UnitOfWork, link: Link, *, now: datetime) -> None:
    """No event of the subscription came since it was read, and none comes until the unit of work ends.

    Raises:
        Refused: ILLEGAL_STATE.
    """
    if link.subscription_id:
        await lock_subscription(uow, subscription_id=link.subscription_id, phone=link.phone, occurred_at=now)
    if await link_by_account(uow, link.account_id) != link:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="an event came meanwhile: look at the questions again")


async def _says_something_else(runtime: Runtime, link: Link, answer: Said, *, now: datetime) -> None:
    """BOSS does not say any more what was seen: what it says is written down, and nothing is accepted.

    Raises:
        Refused: ILLEGAL_STATE.
    """
    async with runtime.database.transaction() as uow:
        await _compare(uow, link, answer, now=now)
    raise Refused(ErrorCode.ILLEGAL_STATE, detail="BOSS says something else by now: look at the questions again")


async def _follow(
    uow: UnitOfWork, link: Link, answer: Subscriber, question: AskedQuestion, *, now: datetime
) -> list[str]:
    """Let the asked aspect, or each in which BOSS is behind, become BOSS's; what became of the events."""
    aspects = aspects_of(link, answer)
    settled = [each.behind if question.kind == QuestionKind.BOSS_BEHIND else each.question == question.kind
               for each in aspects]  # fmt: skip
    results = []
    for each in [each for each, here in zip(aspects, settled, strict=True) if here and each.ours != each.theirs]:
        event_id = f"settled:{BossQuestionId.outside(question.id)}:{each.kind}"
        # An aspect that no event ever changed has sequence 0; an event has one above that.
        event = event_of(link, each.kind, answer, max(1, each.their_sequence), event_id=event_id, now=now)
        results.append(await apply_event(uow, event, source=SETTLED, now=now))
    left = await link_by_account(uow, link.account_id)
    if left is not None:
        theirs = [each.their_sequence for each in aspects]
        own = (left.status_sequence, left.number_sequence, left.card_sequence)
        status, number, card = (a if here else b for a, b, here in zip(theirs, own, settled, strict=True))
        await follow_sequences(uow, link.account_id, (status, number, card))
    return results


async def _end(uow: UnitOfWork, link: Link, question_id: UUID, *, now: datetime) -> None:
    """Nobody has the number: the account waits to be paid out, as after the end of its subscription."""
    if not link.subscription_id:
        await part(uow, link.account_id, source=SETTLED, now=now)
        return
    event_id = f"settled:{BossQuestionId.outside(question_id)}:{BossKind.CANCEL_SYSTEM}"
    event = BossEvent(event_id, BossKind.CANCEL_SYSTEM.value, link.phone, link.subscription_id, 1, now)
    await apply_event(uow, event, source=SETTLED, now=now)


async def _asked(runtime: Runtime, question: AskedQuestion) -> tuple[Link, Said]:
    """The account's link, and what BOSS says of it now.

    Raises:
        Refused: NOT_FOUND, no BOSS can be asked; ILLEGAL_STATE, the account has no number any more; BUSY.
    """
    boss = runtime.ports.boss
    if boss is None or not boss.can_be_asked:
        raise Refused(ErrorCode.NOT_FOUND, detail="no BOSS can be asked: MPSS_BOSS_URL is not set")
    async with runtime.database.read() as uow:
        link = await link_by_account(uow, question.account_id)
    if link is None:
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="the account is closed, or its number has left it")
    answer = await boss.compare([question_of(link)], timeout_seconds=runtime.policy.boss_timeout_seconds)
    if isinstance(answer, InDoubt):
        raise Refused(ErrorCode.BUSY, detail="BOSS does not answer now; try again in a moment")
    return link, answer[0]


async def _compare(uow: UnitOfWork, link: Link, answer: Said, *, now: datetime) -> None:
    """What the nightly comparison does, for this account alone."""
    asked = [(link.account_id, each) for each in findings(link, answer, now=now).questions]
    if "number_taken" in await take_answer(uow, link, answer, source=ASKED, now=now):
        theirs = answer.phone if isinstance(answer, Subscriber) else ""
        asked.append((link.account_id, Question(QuestionKind.NUMBER_TAKEN, link.phone, theirs)))
    kept = await kept_questions(uow, [link.account_id])
    await write_questions(uow, [link.account_id], [each for each in asked if each not in kept], now=now)


async def _settle(
    uow: UnitOfWork, question: AskedQuestion, how: str, *, staff: StaffMember, reason: str, now: datetime
) -> None:
    if not await settle_question_as(uow, question.id, how=how, by=staff.id, reason=reason, now=now):
        raise Refused(ErrorCode.ILLEGAL_STATE, detail="the question is settled")
    await _audit(uow, question, how, staff=staff, reason=reason, now=now)


async def _audit(
    uow: UnitOfWork, question: AskedQuestion, how: str, *, staff: StaffMember, reason: str, now: datetime
) -> None:
    detail = {
        "account": AccountId.outside(question.account_id), "kind": question.kind, "ours": question.ours,
        "theirs": question.theirs, "reason": reason,
    }  # fmt: skip
    subject = BossQuestionId.outside(question.id)
    await record(uow, at=now, actor=str(staff.id), action=f"boss_question.{how}", subject=subject, detail=detail)
