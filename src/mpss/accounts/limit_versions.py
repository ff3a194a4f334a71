"""The table of limits changed by two people (双人复核): a version is a whole table, and it begins in the future.

    propose ──► proposed ──another approves──► a version that begins at its date        ──another refuses──► nothing

Spec: CM 9.1, 9.2, 9.3, 9.4, 9.5. Decision: ADR-0026.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from mpss.accounts.limit_model import ANY, NO_LIMIT, LimitOperation, Measure
from mpss.accounts.limit_queries import (
    LimitRule,
    LimitVersion,
    begins_taken,
    insert_limit_version,
    limit_rules,
    limit_versions,
)
from mpss.accounts.model import AccountClass
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import ApprovalId
from mpss.runtime import Runtime
from mpss.staff.approvals import decide, propose, waiting
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission

KIND = "limit_table"
MOST_RULES = 1_000
_CHANNEL = re.compile(r"\*|[a-z][a-z_]{1,15}", re.ASCII)
_TOGETHER = {Measure.YEARLY_AMOUNT, Measure.LIFETIME_AMOUNT, Measure.BALANCE}


class Proposal(NamedTuple):
    """A table that waits for a second person."""

    approval_id: UUID
    effective_from: datetime
    note: str
    rules: tuple[LimitRule, ...]
    proposed_by: str
    proposed_at: datetime


def check_rules(rules: Sequence[LimitRule]) -> None:
    """
    Raises:
        MalformedField: naming the rule, what is wrong with it.
    """
    if not 0 < len(rules) <= MOST_RULES:
        raise MalformedField(field="rules", problem=f"must be from 1 to {MOST_RULES}")
    seen = set()
    for place, rule in enumerate(rules):
        problem = _problem(rule)
        if problem is None and rule[:4] in seen:
            problem = ("measure", "has a value already")
        if problem is not None:
            raise MalformedField(field=f"rules/{place}/{problem[0]}", problem=problem[1])
        seen.add(rule[:4])


def _problem(rule: LimitRule) -> tuple[str, str] | None:
    if rule.account_class not in set(AccountClass):
        return "account_class", f"must be of: {', '.join(AccountClass)}"
    if rule.operation != ANY and rule.operation not in set(LimitOperation):
        return "operation", f"must be * or of: {', '.join(LimitOperation)}"
    if rule.measure not in set(Measure):
        return "measure", f"must be of: {', '.join(Measure)}"
    if (rule.operation == ANY) != (rule.measure in _TOGETHER):
        return "measure", f"{', '.join(sorted(_TOGETHER))} go with the operation *, the others with one of its own"
    if _CHANNEL.fullmatch(rule.channel) is None:
        return "channel", "must be * or a channel's name"
    if rule.channel != ANY and rule.measure in _TOGETHER:
        return "channel", "must be *: a year, a lifetime and a balance are of all channels together"
    return None if 0 <= rule.value < NO_LIMIT else ("value", "must not be below zero")


async def propose_limits(
    runtime: Runtime, *, by: StaffMember, rules: Sequence[LimitRule], effective_from: datetime, note: str
) -> Proposal:
    """Propose a whole table that begins at `effective_from`; somebody else approves.

    Raises:
        MalformedField: `rules`, as `check_rules`; `effective_from` is not in the future, or another version's.
        Refused: FORBIDDEN.
    """
    by.require(Permission.LIMITS_MANAGE)
    check_rules(rules)
    now = runtime.clock.now()
    if effective_from <= now:
        raise MalformedField(field="effective_from", problem="must be in the future")
    payload = {
        "effective_from": effective_from.isoformat(), "note": note, "rules": [list(rule) for rule in rules],
    }  # fmt: skip
    async with runtime.database.transaction() as uow:
        if await begins_taken(uow, effective_from):
            raise MalformedField(field="effective_from", problem="another version begins then")
        approval_id = await propose(uow, kind=KIND, payload=payload, by=by, now=now)
    return Proposal(approval_id, effective_from, note, tuple(rules), str(by.id), now)


async def decide_limits(runtime: Runtime, *, by: StaffMember, approval_id: UUID, approve: bool) -> LimitVersion | None:
    """Approve a proposed table, which makes it a version, or refuse it, which makes it nothing (None).

    Raises:
        Refused: FORBIDDEN; NOT_FOUND; ILLEGAL_STATE, decided already, or its date has passed or was taken meanwhile;
            SAME_PERSON.
    """
    by.require(Permission.LIMITS_APPROVE)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        payload = await decide(uow, approval_id=approval_id, kind=KIND, by=by, approve=approve, now=now)
        if not approve:
            return None
        begins, rules = _begins(payload), _rules(payload)
        if begins <= now or await begins_taken(uow, begins):
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="its date has passed or was taken; propose it anew")
        version = await insert_limit_version(
            uow, list(rules), begins=begins, approval_id=approval_id, note=payload["note"]
        )
    return LimitVersion(version, begins, approval_id, payload["note"], len(rules))


async def list_limits(runtime: Runtime) -> tuple[list[LimitVersion], list[Proposal]]:
    """Every version, the latest to begin first, and what waits for a second person."""
    async with runtime.database.read() as uow:
        versions, open_ = await limit_versions(uow), await waiting(uow, kind=KIND)
    proposals = []
    for row in open_:
        payload = json.loads(row.payload)
        proposals.append(
            Proposal(row.id, _begins(payload), payload["note"], _rules(payload), str(row.proposed_by), row.proposed_at)
        )
    return versions, proposals


async def read_limits(runtime: Runtime, *, version: int) -> tuple[LimitVersion, list[LimitRule]]:
    """
    Raises:
        Refused: NOT_FOUND.
    """
    async with runtime.database.read() as uow:
        found = [each for each in await limit_versions(uow) if each.version == version]
        if not found:
            raise Refused(ErrorCode.NOT_FOUND)
        return found[0], await limit_rules(uow, version)


def in_force(versions: Sequence[LimitVersion], *, at: datetime) -> int | None:
    """The number of the version in force at an instant."""
    return next((each.version for each in versions if each.effective_from <= at), None)


def proposal_id(proposal: Proposal) -> str:
    return ApprovalId.outside(proposal.approval_id)


def _begins(payload: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(payload["effective_from"])


def _rules(payload: dict[str, Any]) -> tuple[LimitRule, ...]:
    return tuple(LimitRule(*rule) for rule in payload["rules"])
