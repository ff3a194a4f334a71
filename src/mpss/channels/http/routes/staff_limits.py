"""Staff: the versions of the table of limits, made by two people. Spec: CM 9.1, 9.2, 9.3, 9.4, 9.5."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path
from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.limit_model import Measure
from mpss.accounts.limit_queries import LimitRule, LimitVersion
from mpss.accounts.limit_versions import (
    MOST_RULES,
    Proposal,
    decide_limits,
    in_force,
    list_limits,
    proposal_id,
    propose_limits,
    read_limits,
)
from mpss.accounts.model import AccountClass
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import ApprovalIdField, Body, FeeFen, View, text
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.routes.staff_vouchers import STAFF_EXAMPLE
from mpss.channels.http.views import At, reply
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import ApprovalId
from mpss.staff.permissions import Permission

SUBJECT = Subject("Staff")
_CLAUSES = ("CM 9.1", "CM 9.2", "CM 9.3", "CM 9.4", "CM 9.5")
_DECIDED = (ErrorCode.NOT_FOUND, ErrorCode.ILLEGAL_STATE, ErrorCode.SAME_PERSON)
_APPROVAL = "apv_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"


class LimitRuleBody(Body):
    account_class: AccountClass = Field(examples=["class_2"])
    channel: Annotated[str, *text(16)] = Field(
        default="*", description="* for all together; one of them has figures of a day and a month too", examples=["*"]
    )
    operation: Annotated[str, *text(16)] = Field(description="* for all together", examples=["payment"])
    measure: Measure = Field(examples=["daily_amount"])
    value: FeeFen = Field(description="fen, or a count", examples=[500_000])


class LimitTableBody(Body):
    effective_from: AwareDatetime = Field(description="in the future", examples=["2027-01-01T00:00:00+08:00"])
    note: Annotated[str, *text(200)] = Field(examples=["circular 12 of 2026"])
    rules: list[LimitRuleBody] = Field(
        description="the whole table", max_length=MOST_RULES,
        examples=[[{"account_class": "class_2", "operation": "payment", "measure": "daily_amount", "value": 500_000}]],
    )  # fmt: skip


class LimitRuleView(View):
    account_class: str = Field(examples=["class_2"])
    channel: str = Field(examples=["*"])
    operation: str = Field(examples=["payment"])
    measure: str = Field(examples=["daily_amount"])
    value: int = Field(examples=[500_000])


class LimitVersionView(View):
    version: int = Field(examples=[1])
    effective_from: At
    state: Literal["coming", "in_force", "past"] = Field(examples=["in_force"])
    approval_id: str | None = Field(description="null: the table that came with the platform", examples=[_APPROVAL])
    note: str = Field(examples=["circular 12 of 2026"])
    rule_count: int = Field(examples=[24])


class LimitTableView(View):
    version: int = Field(examples=[1])
    effective_from: At
    note: str = Field(examples=["circular 12 of 2026"])
    rules: list[LimitRuleView]


class LimitProposalView(View):
    approval_id: str = Field(examples=[_APPROVAL])
    effective_from: At
    note: str = Field(examples=["circular 12 of 2026"])
    rules: list[LimitRuleView]
    proposed_by: str = Field(examples=[STAFF_EXAMPLE])
    proposed_at: At


class LimitVersionsView(View):
    versions: list[LimitVersionView]
    proposed: list[LimitProposalView]


class LimitDecisionView(View):
    approval_id: str = Field(examples=[_APPROVAL])
    version: int | None = Field(description="null: it was refused", examples=[2])


def _rules(found: list[LimitRule]) -> list[LimitRuleView]:
    return [LimitRuleView(**rule._asdict()) for rule in found]


def _proposal(made: Proposal) -> LimitProposalView:
    facts = made._asdict() | {"approval_id": proposal_id(made), "rules": _rules(list(made.rules))}
    return LimitProposalView(**facts)


def _version(found: LimitVersion, current: int | None, begun: bool) -> LimitVersionView:
    state: Literal["coming", "in_force", "past"] = "past" if begun else "coming"
    return LimitVersionView(
        version=found.version,
        effective_from=found.effective_from,
        state="in_force" if found.version == current else state,
        approval_id=None if found.approval_id is None else ApprovalId.outside(found.approval_id),
        note=found.note,
        rule_count=found.rules,
    )


@SUBJECT.operation(
    "GET",
    "/v1/staff/limits",
    summary="List the versions of the table of limits",
    access=Access.STAFF,
    permission=Permission.LIMITS_VIEW,
    says={200: Said("The versions, the latest to begin first, and what waits for a second person", LimitVersionsView)},
    clauses=_CLAUSES,
)
async def list_limit_versions(request: Request) -> Response:
    """In force is the one that began last."""
    runtime = exchange(request).runtime
    now = runtime.clock.now()
    versions, proposals = await list_limits(runtime)
    current = in_force(versions, at=now)
    view = LimitVersionsView(
        versions=[_version(each, current, each.effective_from <= now) for each in versions],
        proposed=[_proposal(each) for each in proposals],
    )
    return reply(view)


@SUBJECT.operation(
    "GET",
    "/v1/staff/limits/{version}",
    summary="Read a version of the table of limits",
    access=Access.STAFF,
    permission=Permission.LIMITS_VIEW,
    says={200: Said("The table", LimitTableView)},
    errors=(ErrorCode.NOT_FOUND,),
    clauses=_CLAUSES,
)
async def read_limit_version(
    request: Request, version: Annotated[int, Path(ge=1, le=2**31 - 1, description="its number", examples=[1])]
) -> Response:
    """By class, operation, channel and measure."""
    found, rules = await read_limits(exchange(request).runtime, version=version)
    view = LimitTableView(
        version=found.version, effective_from=found.effective_from, note=found.note, rules=_rules(rules)
    )
    return reply(view)


@SUBJECT.operation(
    "POST",
    "/v1/staff/limits",
    summary="Propose a table of limits",
    access=Access.STAFF,
    permission=Permission.LIMITS_MANAGE,
    says={201: Said("It waits for a second person", LimitProposalView)},
    clauses=_CLAUSES,
)
async def propose_limit_table(request: Request, body: LimitTableBody) -> Response:
    """A version is a whole table: what it does not say is not limited by it."""
    told = exchange(request)
    rules = [
        LimitRule(rule.account_class.value, rule.channel, rule.operation, rule.measure.value, rule.value)
        for rule in body.rules
    ]
    made = await propose_limits(
        told.runtime, by=told.staff, rules=rules, effective_from=body.effective_from, note=body.note
    )
    return reply(_proposal(made), 201)


@SUBJECT.operation(
    "POST",
    "/v1/staff/limits/{approval_id}/approve",
    summary="Approve a table of limits",
    access=Access.STAFF,
    permission=Permission.LIMITS_APPROVE,
    says={200: Said("The version that it is now", LimitDecisionView)},
    errors=_DECIDED,
    clauses=_CLAUSES,
)
async def approve_limit_table(request: Request, approval_id: Annotated[ApprovalIdField, Path()]) -> Response:
    """By somebody else than who proposed it, before its date."""
    told = exchange(request)
    made = await decide_limits(told.runtime, by=told.staff, approval_id=approval_id, approve=True)
    view = LimitDecisionView(
        approval_id=ApprovalId.outside(approval_id), version=None if made is None else made.version
    )
    return reply(view)


@SUBJECT.operation(
    "POST",
    "/v1/staff/limits/{approval_id}/refuse",
    summary="Refuse a table of limits",
    access=Access.STAFF,
    permission=Permission.LIMITS_APPROVE,
    says={200: Said("It never counts", LimitDecisionView)},
    errors=_DECIDED,
    clauses=_CLAUSES,
)
async def refuse_limit_table(request: Request, approval_id: Annotated[ApprovalIdField, Path()]) -> Response:
    """By somebody else than who proposed it."""
    told = exchange(request)
    await decide_limits(told.runtime, by=told.staff, approval_id=approval_id, approve=False)
    return reply(LimitDecisionView(approval_id=ApprovalId.outside(approval_id), version=None))
