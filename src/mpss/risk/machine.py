"""Where an entry of a list stands, a report, a review. Grey entries need no second person. Spec: CM 9."""

from __future__ import annotations

from enum import StrEnum

from mpss.kernel.machine import Machine
from mpss.risk.model import EntryState, ReportState, ReviewState


class EntryEvent(StrEnum):
    APPROVE = "approve"
    REFUSE = "refuse"
    ASK_RELEASE = "ask_release"
    RELEASE = "release"
    LAPSE = "lapse"


ENTRY = Machine(
    "risk_entry",
    start=EntryState.PROPOSED,
    moves={
        (EntryState.PROPOSED, EntryEvent.APPROVE): EntryState.LISTED,
        (EntryState.PROPOSED, EntryEvent.REFUSE): EntryState.REFUSED,
        (EntryState.LISTED, EntryEvent.RELEASE): EntryState.RELEASED,
        (EntryState.LISTED, EntryEvent.LAPSE): EntryState.RELEASED,
        (EntryState.LISTED, EntryEvent.ASK_RELEASE): EntryState.LEAVING,
        (EntryState.LEAVING, EntryEvent.APPROVE): EntryState.RELEASED,
        (EntryState.LEAVING, EntryEvent.REFUSE): EntryState.LISTED,
        (EntryState.LEAVING, EntryEvent.LAPSE): EntryState.RELEASED,
    },
)


class ReportEvent(StrEnum):
    REPORT = "report"
    DISMISS = "dismiss"


REPORT = Machine(
    "risk_report",
    start=ReportState.OPEN,
    moves={
        (ReportState.OPEN, ReportEvent.REPORT): ReportState.REPORTED,
        (ReportState.OPEN, ReportEvent.DISMISS): ReportState.DISMISSED,
    },
)


class ReviewEvent(StrEnum):
    RELEASE = "release"
    REFUSE = "refuse"
    EXPIRE = "expire"


REVIEW = Machine(
    "risk_review",
    start=ReviewState.OPEN,
    moves={
        (ReviewState.OPEN, ReviewEvent.RELEASE): ReviewState.RELEASED,
        (ReviewState.OPEN, ReviewEvent.REFUSE): ReviewState.REFUSED,
        (ReviewState.OPEN, ReviewEvent.EXPIRE): ReviewState.EXPIRED,
    },
)
