"""The SQL of comparisons with BOSS, of the questions they leave, and of the lists staff see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from mpss.accounts.boss_findings import Question, QuestionKind
from mpss.db.database import UnitOfWork
from mpss.kernel.ids import BossQuestionId

_START: LiteralString = """
    INSERT INTO boss_comparison (id, day, started_at, working_until) VALUES (%(id)s, %(day)s, %(now)s, %(now)s)
    ON CONFLICT (day) DO NOTHING
"""
_CLAIM: LiteralString = """
    UPDATE boss_comparison SET working_until = %(until)s
     WHERE id = (SELECT id FROM boss_comparison WHERE finished_at IS NULL AND working_until <= %(now)s
                    AND (%(id)s::uuid IS NULL OR id = %(id)s)
                  ORDER BY started_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, after_account
"""
# Nothing where somebody else compared the page meanwhile.
_ADVANCE: LiteralString = """
    UPDATE boss_comparison
       SET after_account = %(last)s, accounts = accounts + %(accounts)s, missed = missed + %(missed)s,
           questions = questions + %(questions)s, working_until = %(until)s
     WHERE id = %(id)s AND after_account IS NOT DISTINCT FROM %(after)s AND finished_at IS NULL
"""
_RELEASE: LiteralString = """
    UPDATE boss_comparison SET working_until = %(until)s WHERE id = %(id)s AND finished_at IS NULL
"""
_FINISH: LiteralString = """
    UPDATE boss_comparison SET finished_at = %(now)s WHERE id = %(id)s AND finished_at IS NULL
"""
_COMPARISON: LiteralString = """
    SELECT id, day, started_at, finished_at, accounts, missed, questions FROM boss_comparison WHERE id = %(id)s
"""
_COMPARISONS: LiteralString = """
    SELECT id, day, started_at, finished_at, accounts, missed, questions FROM boss_comparison
     WHERE %(before)s::uuid IS NULL OR id < %(before)s ORDER BY id DESC LIMIT %(limit)s
"""
_ASK: LiteralString = """
    INSERT INTO boss_question (id, account_id, kind, ours, theirs, found_at, seen_at)
    SELECT id, account_id, kind, ours, theirs, %(now)s, %(now)s
      FROM unnest(%(ids)s::uuid[], %(account_ids)s::uuid[], %(kinds)s::text[], %(ours)s::text[], %(theirs)s::text[])
        AS given (id, account_id, kind, ours, theirs)
        ON CONFLICT (account_id, kind) WHERE settled_at IS NULL
        DO UPDATE SET seen_at = EXCLUDED.seen_at, ours = EXCLUDED.ours, theirs = EXCLUDED.theirs
"""
_GONE: LiteralString = """
    UPDATE boss_question SET settled_at = %(now)s, settled_how = 'gone'
     WHERE account_id = ANY(%(account_ids)s) AND settled_at IS NULL AND seen_at < %(now)s
"""
_SETTLE_GONE: LiteralString = """
    UPDATE boss_question AS q SET settled_at = %(now)s, settled_how = 'gone' FROM account AS a
     WHERE a.id = q.account_id AND q.settled_at IS NULL AND (a.life = 'closed' OR a.number_left_at IS NOT NULL)
"""
_OPEN: LiteralString = "SELECT kind, count(*) AS questions FROM boss_question WHERE settled_at IS NULL GROUP BY kind"
_LAST: LiteralString = "SELECT max(finished_at) FROM boss_comparison"
_KEPT: LiteralString = """
    SELECT DISTINCT account_id, kind, ours, theirs FROM boss_question
     WHERE account_id = ANY(%(account_ids)s) AND settled_how = 'kept'
"""
_QUESTION_COLUMNS: LiteralString = """
    SELECT q.id, q.account_id, a.phone, q.kind, q.ours, q.theirs, q.found_at, q.seen_at, q.settled_at, q.settled_how,
           q.settled_by, q.reason
      FROM boss_question AS q JOIN account AS a ON a.id = q.account_id
"""
_QUESTION: LiteralString = _QUESTION_COLUMNS + " WHERE q.id = %(id)s"
_SETTLE: LiteralString = """
    UPDATE boss_question SET settled_at = %(now)s, settled_how = %(how)s, settled_by = %(by)s, reason = %(reason)s
     WHERE id = %(id)s AND settled_at IS NULL
"""
_QUESTIONS: LiteralString = (
    _QUESTION_COLUMNS
    + """
     WHERE (%(before)s::uuid IS NULL OR q.id < %(before)s)
       AND (%(kind)s::text IS NULL OR q.kind = %(kind)s)
       AND (%(open)s::boolean IS NULL OR (q.settled_at IS NULL) = %(open)s)
     ORDER BY q.id DESC LIMIT %(limit)s
"""
)
_EVENTS: LiteralString = """
    SELECT serial, id, kind, phone, subscription_id, sequence, source, result, account_id, occurred_at, received_at
      FROM boss_event
     WHERE (%(before)s::bigint IS NULL OR serial < %(before)s)
       AND (%(phone)s::text IS NULL OR phone = %(phone)s)
       AND (%(result)s::text IS NULL OR result = %(result)s)
     ORDER BY serial DESC LIMIT %(limit)s
"""


class Run(NamedTuple):
    """A comparison that somebody is at; it goes on after the account `after`."""

    id: UUID
    after: UUID | None


class Comparison(NamedTuple):
    """`day` is None where an operator asked for it; `missed` counts events found, `questions` what none explains."""

    id: UUID
    day: date | None
    started_at: datetime
    finished_at: datetime | None
    accounts: int
    missed: int
    questions: int


class AskedQuestion(NamedTuple):
    """A difference as staff see it; `settled_at` None: it is still there. `settled_how`: gone, accepted, kept."""

    id: UUID
    account_id: UUID
    phone: str
    kind: str
    ours: str
    theirs: str
    found_at: datetime
    seen_at: datetime
    settled_at: datetime | None
    settled_how: str | None
    settled_by: UUID | None
    reason: str


class RecordedEvent(NamedTuple):
    """An event of BOSS and what became of it; `serial` is the order they came in."""

    serial: int
    id: str
    kind: str
    phone: str
    subscription_id: str
    sequence: int
    source: str
    result: str
    account_id: UUID | None
    occurred_at: datetime
    received_at: datetime


async def start_comparison(uow: UnitOfWork, run_id: UUID, *, day: date | None, now: datetime) -> None:
    """Write a comparison down that nobody is at yet; nothing where the day has its own."""
    await uow.execute(_START, {"id": run_id, "day": day, "now": now})


async def claim_comparison(uow: UnitOfWork, *, run_id: UUID | None, now: datetime, until: datetime) -> Run | None:
    """The oldest comparison that is not finished and nobody is at, or this one; it is the caller's until `until`."""
    rows = await uow.dicts(_CLAIM, {"id": run_id, "now": now, "until": until})
    return Run(rows[0]["id"], rows[0]["after_account"]) if rows else None


async def advance_comparison(
    uow: UnitOfWork, run: Run, *, last: UUID, accounts: int, missed: int, questions: int, until: datetime
) -> bool:
    """The page after `run.after` is done, up to the account `last`; False where somebody else did it."""
    values = {
        "id": run.id, "after": run.after, "last": last, "accounts": accounts, "missed": missed,
        "questions": questions, "until": until,
    }  # fmt: skip
    return await uow.execute(_ADVANCE, values) == 1


async def release_comparison(uow: UnitOfWork, run: Run, *, until: datetime) -> None:
    """Somebody may go on with it from `until` on."""
    await uow.execute(_RELEASE, {"id": run.id, "until": until})


async def finish_comparison(uow: UnitOfWork, run: Run, *, now: datetime) -> None:
    """Every account was compared; questions about accounts without a number are settled."""
    await uow.execute(_FINISH, {"id": run.id, "now": now})
    await uow.execute(_SETTLE_GONE, {"now": now})


async def write_questions(
    uow: UnitOfWork, account_ids: Sequence[UUID], asked: Sequence[tuple[UUID, Question]], *, now: datetime
) -> None:
    """What was found of these accounts; what was not found again of them is settled."""
    values = {
        "ids": [BossQuestionId.new(now) for _ in asked],
        "account_ids": [account_id for account_id, _ in asked],
        "kinds": [question.kind.value for _, question in asked],
        "ours": [question.ours for _, question in asked],
        "theirs": [question.theirs for _, question in asked],
        "now": now,
    }
    if asked:
        await uow.execute(_ASK, values)
    await uow.execute(_GONE, {"account_ids": list(account_ids), "now": now})


async def kept_questions(uow: UnitOfWork, account_ids: Sequence[UUID]) -> set[tuple[UUID, Question]]:
    """What somebody chose to keep of these accounts as it is; it is no question while both sides say the same."""
    rows = await uow.dicts(_KEPT, {"account_ids": list(account_ids)})
    return {(row["account_id"], Question(QuestionKind(row["kind"]), row["ours"], row["theirs"])) for row in rows}


async def find_question(uow: UnitOfWork, question_id: UUID) -> AskedQuestion | None:
    """A question, open or settled."""
    return await uow.row(AskedQuestion, _QUESTION, {"id": question_id})


async def settle_question_as(
    uow: UnitOfWork, question_id: UUID, *, how: str, by: UUID, reason: str, now: datetime
) -> bool:
    """Settle an open question; False where it was settled meanwhile."""
    values = {"id": question_id, "how": how, "by": by, "reason": reason, "now": now}
    return await uow.execute(_SETTLE, values) == 1


async def open_questions(uow: UnitOfWork) -> dict[str, int]:
    """How many questions of each kind are open."""
    return {row["kind"]: row["questions"] for row in await uow.dicts(_OPEN)}


async def last_finished(uow: UnitOfWork) -> datetime | None:
    """When a comparison was last finished."""
    found: datetime | None = await uow.value(_LAST)
    return found


async def comparison(uow: UnitOfWork, run_id: UUID) -> Comparison:
    (row,) = await uow.dicts(_COMPARISON, {"id": run_id})
    return Comparison(**row)


async def comparisons(uow: UnitOfWork, *, before: UUID | None, limit: int) -> list[Comparison]:
    """Comparisons, newest first."""
    return [Comparison(**row) for row in await uow.dicts(_COMPARISONS, {"before": before, "limit": limit})]


async def questions(
    uow: UnitOfWork, *, kind: str | None, open: bool | None, before: UUID | None, limit: int
) -> list[AskedQuestion]:
    """Questions, newest first."""
    values = {"kind": kind, "open": open, "before": before, "limit": limit}
    return [AskedQuestion(**row) for row in await uow.dicts(_QUESTIONS, values)]


async def recorded_events(
    uow: UnitOfWork, *, phone: str | None, result: str | None, before: int | None, limit: int
) -> list[RecordedEvent]:
    """Events, the last that came first."""
    values = {"phone": phone, "result": result, "before": before, "limit": limit}
    return [RecordedEvent(**row) for row in await uow.dicts(_EVENTS, values)]
