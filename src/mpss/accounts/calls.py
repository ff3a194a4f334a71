"""A telephone call and its steps: each document the caller hears is answered once, by whichever process gets to it.

    opened, step 1 ──what was keyed there is claimed──► carried out ──► step 2 … ──silence or the end──► swept

What the voice platform posts again finds the step answered, and hears what was answered then. A claim outlives the
process that made it by `CLAIM`; whoever takes the step over knows that it may have been carried out before.

Invariant: what stands here is where the dialogue is; what the caller keyed as a proof is never part of it.
Decision: ADR-0036.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from mpss.accounts.call_store import CallRow, answer_call, claim_call, insert_call, lock_call, sweep_calls_before
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import Id
from mpss.runtime import Runtime

CLAIM = timedelta(seconds=60)
"""Longer than any step takes: none asks another system for more than a few times its timeout."""
_KEPT = timedelta(hours=1)


class Call(NamedTuple):
    """`phone` is E.164, None where the caller's number is withheld or is no mobile number of the mainland."""

    id: UUID
    phone: str | None
    step: int
    standing: str


class Turn(StrEnum):
    """What a post for a step finds."""

    FRESH = "fresh"
    OVERTAKEN = "overtaken"
    """Somebody claimed it and did not answer in time; whether it was carried out nobody knows."""
    ANSWERED = "answered"
    BUSY = "busy"


class Claim(NamedTuple):
    """`until` marks whose claim it is, where the step was claimed."""

    call: Call
    turn: Turn
    until: datetime | None = None


async def open_call(runtime: Runtime, *, reference: str, phone: str | None, standing: str) -> Call:
    """A new call under the voice platform's reference, or the one of this reference as it stands.

    Raises:
        Refused: NOT_FOUND, the call of this reference is over; FORBIDDEN, it is another caller's.
    """
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        expires_at = now + timedelta(seconds=runtime.policy.ivr_pause_seconds)
        await insert_call(
            uow, Id.new(now), reference=reference, phone=phone, standing=standing, now=now, expires_at=expires_at
        )
        row = _living(await lock_call(uow, reference), now)
    if row.phone != phone:
        raise Refused(ErrorCode.FORBIDDEN, detail="this call is another caller's")
    return _call(row)


async def claim_step(runtime: Runtime, *, reference: str, step: int) -> Claim:
    """Claim what was keyed at a step. ANSWERED and BUSY claim nothing.

    Raises:
        MalformedField: `step` is not reached yet.
        Refused: NOT_FOUND, there is no such call, or it is over.
    """
    now = runtime.clock.now()
    until = now + CLAIM
    async with runtime.database.transaction() as uow:
        row = _living(await lock_call(uow, reference), now)
        if step > row.step or step < 1:
            raise MalformedField(field="step", problem="is not reached yet")
        if step < row.step:
            return Claim(_call(row), Turn.ANSWERED)
        if row.claimed_until is not None and now < row.claimed_until:
            return Claim(_call(row), Turn.BUSY)
        await claim_call(uow, row.id, until=until)
    return Claim(_call(row), Turn.FRESH if row.claimed_until is None else Turn.OVERTAKEN, until)


async def answer_step(runtime: Runtime, claim: Claim, *, standing: str) -> Call:
    """Go on to the next step, which stands as `standing`.

    Raises:
        Refused: BUSY, it took so long that another process took the step over.
    """
    assert claim.until is not None
    call = claim.call
    expires_at = runtime.clock.now() + timedelta(seconds=runtime.policy.ivr_pause_seconds)
    async with runtime.database.transaction() as uow:
        if not await answer_call(
            uow, call.id, step=call.step, until=claim.until, standing=standing, expires_at=expires_at
        ):
            raise Refused(ErrorCode.BUSY, detail="the step was taken over")
    return call._replace(step=call.step + 1, standing=standing)


async def sweep_calls(runtime: Runtime) -> int:
    """Forget the calls that are over; how many. For a job."""
    async with runtime.database.transaction() as uow:
        return await sweep_calls_before(uow, before=runtime.clock.now() - _KEPT)


def _living(row: CallRow | None, now: datetime) -> CallRow:
    if row is None or row.expires_at <= now:
        raise Refused(ErrorCode.NOT_FOUND, detail="there is no such call, or it is over")
    return row


def _call(row: CallRow) -> Call:
    return Call(row.id, row.phone, row.step, row.standing)
