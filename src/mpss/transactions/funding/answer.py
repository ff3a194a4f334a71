"""What a counterpart said of a request, as it is written down. Pure."""

from __future__ import annotations

from datetime import datetime

from mpss.transactions.funding.machine import FUNDING_REQUEST, FundingEvent
from mpss.transactions.funding.model import FundingRow


def answered(
    request: FundingRow, event: FundingEvent, *, at: datetime, due_at: datetime, reason: str = "", reference: str = ""
) -> FundingRow:
    """The request after what was said at `at`; where that settles nothing, it is asked about again at `due_at`.

    `reference` is the counterpart's own number of what it did, `reason` why it did not, or why nobody knows.
    """
    state = FUNDING_REQUEST.move(request.state, event)
    moved = request._replace(state=state, reason=reason, foreign_reference=reference)
    return moved._replace(answered_at=at) if moved.settled else moved._replace(due_at=due_at)
