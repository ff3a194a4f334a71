"""The moves of a request to a bank or the charging system; drawn in `model`."""

from __future__ import annotations

from enum import StrEnum

from mpss.kernel.machine import Machine
from mpss.transactions.funding.model import FundingState


class FundingEvent(StrEnum):
    APPROVE = "approve"
    DECLINE = "decline"
    NO_ANSWER = "no_answer"


FUNDING_REQUEST = Machine(
    "request to a bank or the charging system",
    start=FundingState.SENT,
    moves={
        (FundingState.SENT, FundingEvent.APPROVE): FundingState.APPROVED,
        (FundingState.SENT, FundingEvent.DECLINE): FundingState.DECLINED,
        (FundingState.SENT, FundingEvent.NO_ANSWER): FundingState.IN_DOUBT,
        (FundingState.IN_DOUBT, FundingEvent.NO_ANSWER): FundingState.IN_DOUBT,
        (FundingState.IN_DOUBT, FundingEvent.APPROVE): FundingState.APPROVED,
        (FundingState.IN_DOUBT, FundingEvent.DECLINE): FundingState.DECLINED,
    },
)
