"""The outbox's table: add in the caller's unit of work, claim in sets, write down what became of each attempt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.db.rows import InsertSet, copy_rows
from mpss.outbox.model import OutboxItem, OutboxRow

OUTBOX = InsertSet(
    name="outbox",
    copy="""
        COPY outbox (id, kind, reference, recipient, payload, state, created_at, due_at)
        FROM STDIN (FORMAT BINARY)
    """,
    types=("uuid", "text", "uuid", "text", "text", "text", "timestamptz", "timestamptz"),
)

CLAIM = """
    -- At most %(each)s of one recipient, so that a dead one does not fill the batch. A claim is a lease: the row is
    -- due again when the claimer has not written a result by then, because it was killed. What was written at one
    -- instant goes in the order it was written, which its serial tells and its id does not.
    WITH due AS MATERIALIZED (
        SELECT id, recipient, due_at, serial FROM outbox
         WHERE kind = %(kind)s AND state = 'pending' AND due_at <= %(now)s AND recipient <> ALL(%(busy)s::text[])
           AND (%(only)s::text[] IS NULL OR recipient = ANY(%(only)s::text[]))
         ORDER BY due_at LIMIT %(window)s
    ), fair AS (
        SELECT id, row_number() OVER (PARTITION BY recipient ORDER BY due_at, serial) AS place FROM due
    ), locked AS (
        SELECT outbox.id FROM outbox
         WHERE outbox.id IN (SELECT id FROM fair WHERE place <= %(each)s)
           AND state = 'pending' AND due_at <= %(now)s
         ORDER BY due_at, serial LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    UPDATE outbox SET attempts = attempts + 1, due_at = %(until)s, resend = false
      FROM locked WHERE outbox.id = locked.id
    RETURNING outbox.id, kind, reference, recipient, payload, serial, attempts, created_at
"""

FINISH = """
    -- A result of a lease that ran out changes nothing, except that what was approved is done. Nor does a result end
    -- what somebody asked to be sent again meanwhile.
    UPDATE outbox
       SET state = CASE WHEN outbox.resend THEN 'pending' ELSE result.state END,
           due_at = CASE WHEN outbox.resend THEN outbox.due_at ELSE coalesce(result.due_at, outbox.due_at) END,
           last_error = result.error,
           finished_at = CASE WHEN outbox.resend OR result.state = 'pending' THEN NULL ELSE %(now)s::timestamptz END
      FROM unnest(%(ids)b::uuid[], %(attempts)b::int4[], %(states)b::text[], %(due)b::timestamptz[], %(errors)b::text[])
           AS result (id, attempt, state, due_at, error)
     WHERE outbox.id = result.id AND outbox.state = 'pending'
       AND (outbox.attempts = result.attempt OR result.state = 'done')
"""

RECORD_ATTEMPTS = """
    INSERT INTO outbox_attempt (outbox_id, attempt, at, outcome, detail, duration_ms)
    SELECT * FROM unnest(%(ids)b::uuid[], %(attempts)b::int4[], %(at)b::timestamptz[], %(outcomes)b::text[],
                         %(details)b::text[], %(durations)b::int4[])
    ON CONFLICT DO NOTHING
"""

RESEND = """
    UPDATE outbox SET state = 'pending', due_at = %(now)s, finished_at = NULL, resend = true WHERE id = %(id)s
"""


class Result(NamedTuple):
    """What became of one attempt. `due_at` is set when the item stays pending; `outcome` is the answer's name."""

    id: UUID
    attempt: int
    state: str
    due_at: datetime | None
    at: datetime
    outcome: str
    detail: str
    duration_ms: int


async def enqueue(uow: UnitOfWork, rows: Sequence[OutboxRow]) -> None:
    """Add messages to the caller's unit of work."""
    if rows:
        await copy_rows(uow, OUTBOX, rows)


async def claim(
    uow: UnitOfWork,
    kind: str,
    *,
    now: datetime,
    limit: int,
    each: int,
    busy: Sequence[str] = (),
    only: Sequence[str] | None = None,
    lease_seconds: float,
) -> list[OutboxItem]:
    """Take up to `limit` due items, oldest first, at most `each` of one recipient and none of the `busy` ones.

    `only` limits it to these recipients.
    They are due again `lease_seconds` from `now` unless a result is written before.
    """
    until = now + timedelta(seconds=lease_seconds)
    asked = {"kind": kind, "limit": limit, "each": each, "busy": list(busy), "window": limit * 8}
    asked["only"] = None if only is None else list(only)
    items = await uow.rows(OutboxItem, CLAIM, {**asked, "now": now, "until": until})
    items.sort(key=lambda item: item.serial)
    return items


async def finish(uow: UnitOfWork, results: Sequence[Result], *, now: datetime) -> None:
    """Write the results of attempts: done, dead or due again; and the attempts themselves."""
    if not results:
        return
    # In id order, as everybody who updates several rows does.
    results = sorted(results)
    ids = [result.id for result in results]
    attempts = [result.attempt for result in results]
    details = [result.detail for result in results]
    await uow.execute(
        FINISH,
        {
            "ids": ids,
            "attempts": attempts,
            "states": [result.state for result in results],
            "due": [result.due_at for result in results],
            "errors": [None if result.state == "done" else result.detail for result in results],
            "now": now,
        },
    )
    await uow.execute(
        RECORD_ATTEMPTS,
        {
            "ids": ids,
            "attempts": attempts,
            "at": [result.at for result in results],
            "outcomes": [result.outcome for result in results],
            "details": details,
            "durations": [result.duration_ms for result in results],
        },
    )


async def resend(uow: UnitOfWork, item_id: UUID, *, now: datetime) -> bool:
    """Make an item due at once, also while an attempt is under way; False when there is none."""
    return await uow.execute(RESEND, {"id": item_id, "now": now}) == 1
