"""Staff: the risk rules and their figures, switched on and off by two people. Spec: CM 9.2, 9.3, 9.4, 9.5."""

from __future__ import annotations

import json
from datetime import datetime, time, timedelta
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import AwareDatetime, Field, StrictInt
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Body, BusinessDate, PageLimit, RiskRuleIdField, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, encode_id
from mpss.channels.http.routes.staff_vouchers import STAFF_EXAMPLE
from mpss.channels.http.views import At, NextCursor, reply
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode, MalformedField
from mpss.kernel.ids import RiskRuleId
from mpss.risk.patterns import PATTERNS
from mpss.risk.replay import replay, replay_patterns
from mpss.risk.rule_store import RuleLine, rule_lines
from mpss.risk.rule_versions import check_figures, decide_rule, meaning_of, propose_rule
from mpss.risk.rules import RULES, Action, RuleVersion
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")
_CLAUSES = ("CM 9.2", "CM 9.3", "CM 9.4", "CM 9.5")
_MOST_DAYS = 31
_MOST_LINES = 100_000
_PAGE = 500


class RuleBody(Body):
    rule: Annotated[str, *text(32)] = Field(description=f"of: {', '.join((*RULES, *PATTERNS))}", examples=["velocity"])
    action: Action = Field(
        description="what follows where the rule is hit; report for a pattern of reports", examples=["challenge"]
    )
    enabled: bool = Field(strict=True, examples=[True])
    figures: dict[str, StrictInt] = Field(
        default_factory=dict, description="those that are not given have their defaults", examples=[{"count": 5}]
    )
    effective_from: AwareDatetime | None = Field(default=None, description="none: once approved")


class RuleView(View):
    version_id: str = Field(examples=["rrv_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"])
    rule: str = Field(examples=["velocity"])
    meaning: str = Field(examples=["count payments within minutes"])
    action: Action = Field(examples=["challenge"])
    enabled: bool = Field(examples=[True])
    figures: dict[str, int] = Field(examples=[{"count": 5, "minutes": 10}])
    effective_from: At
    state: Literal["proposed", "approved", "refused"] = Field(examples=["proposed"])
    proposed_by: str = Field(examples=[STAFF_EXAMPLE])
    proposed_at: At
    decided_by: str | None = Field(examples=[None])
    decided_at: At | None


class ReplayBody(Body):
    rule: Annotated[str, *text(32)] = Field(description=f"of: {', '.join((*RULES, *PATTERNS))}", examples=["velocity"])
    figures: dict[str, StrictInt] = Field(
        default_factory=dict, description="those that are not given have their defaults", examples=[{"count": 5}]
    )
    first_date: BusinessDate = Field(description="the first day, Asia/Shanghai")
    last_date: BusinessDate = Field(description=f"the last day, included; of {_MOST_DAYS} days at most")


class ReplayView(View):
    rule: str = Field(examples=["velocity"])
    figures: dict[str, int] = Field(examples=[{"count": 5, "minutes": 10}])
    looked_at: int = Field(description="payments and top-ups; of a pattern days", examples=[41_207])
    caught: int = Field(description="of these; of a pattern lines of the queue", examples=[12])
    complete: bool = Field(
        description=f"false: the first {_MOST_LINES:,} transactions were looked at; `mpss risk replay` looks at all",
        examples=[True],
    )


class RulesView(View):
    items: list[RuleView]
    next_cursor: NextCursor


def _view(line: RuleLine) -> RuleView:
    facts = line._asdict()
    del facts["approval_id"]
    facts["figures"] = json.loads(line.figures)
    return RuleView(version_id=RiskRuleId.outside(facts.pop("id")), meaning=meaning_of(line.rule), **facts)


@SUBJECT.operation(
    "POST",
    "/v1/staff/risk/rules",
    summary="Propose figures for a risk rule",
    access=Access.STAFF,
    permission=Permission.RISK_MANAGE,
    says={201: Said("It waits for a second person", RuleView)},
    clauses=_CLAUSES,
)
async def propose_risk_rule(request: Request, body: RuleBody) -> Response:
    """Switches a rule on or off, or changes its figures. `mpss risk replay` says how many it would have caught."""
    told = exchange(request)
    made = await propose_rule(
        told.runtime,
        by=told.staff,
        rule=body.rule,
        action=body.action,
        enabled=body.enabled,
        figures=body.figures,
        effective_from=body.effective_from,
    )
    return reply(_view(made), 201)


@SUBJECT.operation(
    "POST",
    "/v1/staff/risk/rules/replay",
    summary="Try a rule over history",
    access=Access.STAFF,
    permission=Permission.RISK_VIEW,
    says={200: Said("What it would have caught; nothing is written", ReplayView)},
    clauses=("CM 9", *_CLAUSES),
)
async def replay_risk_rule(request: Request, body: ReplayBody) -> Response:
    """With these figures, over what was recorded; whether the rule is on does not matter."""
    database = exchange(request).runtime.database
    figures = check_figures(body.rule, body.figures)
    first, last = body.first_date, body.last_date
    days = (last - first).days + 1
    if not 1 <= days <= _MOST_DAYS:
        raise MalformedField(field="last_date", problem=f"must be of {_MOST_DAYS} days from first_date at most")
    if body.rule in PATTERNS:
        lines = await replay_patterns(database, {body.rule: figures}, first=first, last=last)
        view = ReplayView(rule=body.rule, figures=figures, looked_at=days, caught=lines[body.rule], complete=True)
        return reply(view)
    since, until = (
        datetime.combine(day, time(), SHANGHAI) for day in (first, last + timedelta(days=1))
    )  # fmt: skip
    version = RuleVersion(body.rule, Action.CHALLENGE, True, figures, since)
    # In small pages: between them other requests have their turn.
    found = await replay(database, [version], since=since, until=until, page=_PAGE, most=_MOST_LINES)
    looked_at = found.payments + found.topups
    return reply(
        ReplayView(rule=body.rule, figures=figures, looked_at=looked_at, caught=found.any_rule, complete=found.complete)
    )


@SUBJECT.operation(
    "GET",
    "/v1/staff/risk/rules",
    summary="List the versions of the risk rules",
    access=Access.STAFF,
    permission=Permission.RISK_VIEW,
    says={200: Said("A page, newest first", RulesView)},
    clauses=_CLAUSES,
)
async def list_risk_rules(
    request: Request, limit: Annotated[PageLimit, Query()] = 50, cursor: Annotated[Cursor, Query()] = None
) -> Response:
    """In force is, of each rule, the approved version that began last."""
    before = decode_id(cursor)
    async with exchange(request).runtime.database.read() as uow:
        found = await rule_lines(uow, before=before, limit=limit + 1)
    found, following = cut(found, limit, lambda line: encode_id(line.id))
    return reply(RulesView(items=[_view(line) for line in found], next_cursor=following))


@SUBJECT.operation(
    "POST",
    "/v1/staff/risk/rules/{version_id}/approve",
    summary="Approve a version of a risk rule",
    access=Access.STAFF,
    permission=Permission.RISK_APPROVE,
    says={200: Said("It counts from its effective date on", RuleView)},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE, ErrorCode.SAME_PERSON),
    clauses=_CLAUSES,
)
async def approve_risk_rule(request: Request, version_id: Annotated[RiskRuleIdField, Path()]) -> Response:
    """By somebody else than who proposed it."""
    told = exchange(request)
    return reply(_view(await decide_rule(told.runtime, by=told.staff, version_id=version_id, approve=True)))


@SUBJECT.operation(
    "POST",
    "/v1/staff/risk/rules/{version_id}/refuse",
    summary="Refuse a version of a risk rule",
    access=Access.STAFF,
    permission=Permission.RISK_APPROVE,
    says={200: Said("It never counts", RuleView)},
    errors=(ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE, ErrorCode.SAME_PERSON),
    clauses=_CLAUSES,
)
async def refuse_risk_rule(request: Request, version_id: Annotated[RiskRuleIdField, Path()]) -> Response:
    """By somebody else than who proposed it."""
    told = exchange(request)
    return reply(_view(await decide_rule(told.runtime, by=told.staff, version_id=version_id, approve=False)))
