"""Rules switched on, off and changed, by two people (双人复核).

A version counts from its effective date on, never before it was approved.

    propose ──► proposed ──another approves──► approved        ──another refuses──► refused

Spec: CM 9. Decision: ADR-0023.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import RiskRuleId
from mpss.risk import rule_store
from mpss.risk.patterns import PATTERNS
from mpss.risk.rule_store import RuleLine
from mpss.risk.rules import RULES, Action
from mpss.runtime import Runtime
from mpss.staff.approvals import decide, propose
from mpss.staff.model import ApprovalState, StaffMember
from mpss.staff.permissions import Permission

KIND = "risk_rule"
_LARGEST = 10**12
_MOST_DAYS = 92
"""How many days a pattern looks at most: each search reads their books."""


async def propose_rule(
    runtime: Runtime,
    *,
    by: StaffMember,
    rule: str,
    action: Action,
    enabled: bool,
    figures: Mapping[str, int],
    effective_from: datetime | None = None,
) -> RuleLine:
    """Propose figures for a rule; those that are not given have their defaults. Somebody else approves.

    Raises:
        MalformedField: there is no such rule, or it has no such figure, or the figure is not above zero; `action` is
            not one of a rule, or of a pattern.
        Refused: FORBIDDEN.
    """
    by.require(Permission.RISK_MANAGE)
    if (action is Action.REPORT) != (rule in PATTERNS):
        of = "report for a pattern of reports, and for nothing else"
        raise MalformedField(field="action", problem=f"must be {of}")
    whole, now = check_figures(rule, figures), runtime.clock.now()
    version_id = RiskRuleId.new(now)
    begins = effective_from or now
    payload = {
        "version": str(version_id), "rule": rule, "action": action, "enabled": enabled, "figures": whole,
        "effective_from": begins.isoformat(),
    }  # fmt: skip
    async with runtime.database.transaction() as uow:
        approval_id = await propose(uow, kind=KIND, payload=payload, by=by, now=now)
        line = RuleLine(
            version_id, rule, action, enabled, json.dumps(whole, sort_keys=True), begins, "proposed", approval_id,
            str(by.id), now, None, None,
        )  # fmt: skip
        await rule_store.insert_version(uow, line)
    return line


def check_figures(rule: str, figures: Mapping[str, int]) -> dict[str, int]:
    """The rule's figures, defaults where none is given.

    Raises:
        MalformedField: as `propose_rule`.
    """
    known = RULES[rule].figures if rule in RULES else PATTERNS[rule].figures if rule in PATTERNS else None
    if known is None:
        raise MalformedField(field="rule", problem=f"must be of: {', '.join((*RULES, *PATTERNS))}")
    if not figures.keys() <= known.keys():
        raise MalformedField(field="figures", problem=f"must be of: {', '.join(known)}")
    if any(not 0 < figure <= _LARGEST for figure in figures.values()):
        raise MalformedField(field="figures", problem=f"must be from 1 to {_LARGEST}")
    if rule in PATTERNS and figures.get("days", 1) > _MOST_DAYS:
        raise MalformedField(field="figures", problem=f"days must be from 1 to {_MOST_DAYS}")
    return {**known, **figures}


def meaning_of(rule: str) -> str:
    """What a rule or a pattern looks for, its figures named."""
    return RULES[rule].meaning if rule in RULES else PATTERNS[rule].meaning


async def decide_rule(runtime: Runtime, *, by: StaffMember, version_id: UUID, approve: bool) -> RuleLine:
    """Approve or refuse a proposed version.

    Raises:
        Refused: FORBIDDEN; NOT_FOUND; ILLEGAL_STATE, decided already; SAME_PERSON.
    """
    by.require(Permission.RISK_APPROVE)
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        line = await rule_store.lock_version(uow, version_id)
        if line is None:
            raise Refused(ErrorCode.NOT_FOUND)
        await decide(uow, approval_id=line.approval_id, kind=KIND, by=by, approve=approve, now=now)
        state = (ApprovalState.APPROVED if approve else ApprovalState.REFUSED).value
        await rule_store.decide_version(uow, version_id, state=state, by=str(by.id), now=now)
        decided = await rule_store.lock_version(uow, version_id)
    assert decided is not None
    return decided
