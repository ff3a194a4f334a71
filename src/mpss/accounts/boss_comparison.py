"""Comparing every account with BOSS, each night and when an operator asks: what the feed lost is found here.

    due ──page of accounts──► BOSS is asked ──► missed events take effect · questions ──► … ──last page──► finished

Invariants: (1) a page is compared in sets, and counted once; (2) a comparison that was cut off goes on after the last
page that was done; (3) a question stands until a comparison no longer finds it, or somebody settles it
(accounts/boss_settlement.py); what was kept is not asked again while both sides say the same. Decision: ADR-0027.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from mpss.accounts.boss_asking import take_answer
from mpss.accounts.boss_comparison_store import (
    Comparison,
    Run,
    advance_comparison,
    claim_comparison,
    comparison,
    finish_comparison,
    kept_questions,
    last_finished,
    open_questions,
    release_comparison,
    start_comparison,
    write_questions,
)
from mpss.accounts.boss_events import COMPARISON
from mpss.accounts.boss_findings import Findings, Link, Question, QuestionKind, findings, question_of
from mpss.accounts.boss_store import bind_accounts, links_after, save_agreed
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import BossComparisonId
from mpss.kernel.outcome import InDoubt
from mpss.observability import BOSS_COMPARED, BOSS_QUESTIONS, log
from mpss.ports.boss import MOST_COMPARED, BossPort, NoSubscriber, Subscriber
from mpss.runtime import Runtime

_LEASE = timedelta(minutes=2)
_PAUSE = timedelta(seconds=30)
_TURN_SECONDS = 60.0

Answered = tuple[Link, Subscriber | NoSubscriber, Findings]


async def compare_due(runtime: Runtime) -> int:
    """Start the night's comparison if it is due, go on with what is not finished; how many accounts. For a job."""
    boss, now = runtime.ports.boss, runtime.clock.now()
    if boss is None or not boss.can_be_asked:
        return 0
    local = now.astimezone(SHANGHAI)
    async with runtime.database.transaction() as uow:
        if local.time() >= runtime.settings.boss_compare_at:
            await start_comparison(uow, BossComparisonId.new(now), day=local.date(), now=now)
        run = await claim_comparison(uow, run_id=None, now=now, until=now + _LEASE)
    done = 0 if run is None else await _work(runtime, boss, run, turn_seconds=_TURN_SECONDS)
    await measure_questions(runtime)
    return done


async def compare_now(runtime: Runtime) -> Comparison:
    """Compare every account now; what it came to. It is not finished where BOSS fell silent: the job goes on with it.

    Raises:
        Refused: NOT_FOUND, no BOSS can be asked.
    """
    boss, now = runtime.ports.boss, runtime.clock.now()
    if boss is None or not boss.can_be_asked:
        raise Refused(ErrorCode.NOT_FOUND, detail="no BOSS can be asked: MPSS_BOSS_URL is not set")
    run_id = BossComparisonId.new(now)
    async with runtime.database.transaction() as uow:
        await start_comparison(uow, run_id, day=None, now=now)
        run = await claim_comparison(uow, run_id=run_id, now=now, until=now + _LEASE)
    assert run is not None
    await _work(runtime, boss, run, turn_seconds=None)
    async with runtime.database.read() as uow:
        return await comparison(uow, run_id)


async def measure_questions(runtime: Runtime) -> None:
    """Set the gauges: questions that are open, and when a comparison was last finished."""
    async with runtime.database.read() as uow:
        counts, finished = await open_questions(uow), await last_finished(uow)
    for kind in QuestionKind:
        BOSS_QUESTIONS.labels(kind=kind.value).set(counts.get(kind.value, 0))
    if finished is not None:
        BOSS_COMPARED.set(finished.timestamp())


async def _work(runtime: Runtime, boss: BossPort, run: Run, *, turn_seconds: float | None) -> int:
    """Compare page after page until the end, the end of the turn, or BOSS is silent; how many accounts."""
    started, done = time.monotonic(), 0
    while turn_seconds is None or time.monotonic() - started < turn_seconds:
        async with runtime.database.read() as uow:
            links = await links_after(uow, run.after, limit=MOST_COMPARED)
        if not links:
            async with runtime.database.transaction() as uow:
                await finish_comparison(uow, run, now=runtime.clock.now())
            return done
        answer = await boss.compare(
            [question_of(link) for link in links], timeout_seconds=runtime.policy.boss_timeout_seconds
        )
        if isinstance(answer, InDoubt):
            log.warning("boss.silent", at="comparison", problem=answer.problem)
            await _release(runtime, run, _PAUSE)
            return done
        if not await _take_page(runtime, run, links, answer):
            return done
        run, done = Run(run.id, links[-1].account_id), done + len(links)
    await _release(runtime, run, timedelta(0))
    return done


async def _release(runtime: Runtime, run: Run, pause: timedelta) -> None:
    async with runtime.database.transaction() as uow:
        await release_comparison(uow, run, until=runtime.clock.now() + pause)


async def _take_page(
    runtime: Runtime, run: Run, links: Sequence[Link], answers: Sequence[Subscriber | NoSubscriber]
) -> bool:
    """Let a page take effect; False where somebody else did it."""
    now = runtime.clock.now()
    page: list[Answered] = [
        (link, answer, findings(link, answer, now=now)) for link, answer in zip(links, answers, strict=True)
    ]
    asked = [(link.account_id, question) for link, _, found in page for question in found.questions]
    missed = 0
    # Few: each is a change of its own, with its own notices.
    for link, answer, found in page:
        if not found.missed and not found.parts:
            continue
        async with runtime.database.transaction() as uow:
            results = await take_answer(uow, link, answer, source=COMPARISON, now=now)
        missed += results.count("applied")
        if "number_taken" in results:
            theirs = answer.phone if isinstance(answer, Subscriber) else ""
            asked.append((link.account_id, Question(QuestionKind.NUMBER_TAKEN, link.phone, theirs)))
    alike = [
        (link.account_id, answer, found)
        for link, answer, found in page
        if isinstance(answer, Subscriber) and not found.missed and not found.parts
    ]
    async with runtime.database.transaction() as uow:
        kept = await kept_questions(uow, _ids(links))
        asked = [each for each in asked if each not in kept]
        counted = await advance_comparison(
            uow, run, last=links[-1].account_id, accounts=len(links), missed=missed, questions=len(asked),
            until=now + _LEASE,
        )  # fmt: skip
        if not counted:
            return False
        await bind_accounts(uow, [(account_id, answer) for account_id, answer, found in alike if found.binds], now=now)
        await save_agreed(uow, [(account_id, answer, found.agreed) for account_id, answer, found in alike], now=now)
        await write_questions(uow, _ids(links), asked, now=now)
    return True


def _ids(links: Sequence[Link]) -> list[UUID]:
    return [link.account_id for link in links]
