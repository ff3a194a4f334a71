"""The closing of a merchant (商户销户) as values: what was asked for, what is in its way. Pure. Spec: CM 5.2.3.3."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class MerchantBlock(StrEnum):
    """What stands in the way of the end of a closing; each with its figure."""

    NOT_DECIDED = "not_decided"
    NOTICE_PERIOD = "notice_period"
    OPEN_SALES = "open_sales"
    UNDELIVERED = "undelivered"
    WEBHOOKS = "webhooks"
    RISK_REPORTS = "risk_reports"
    PAYABLE = "payable"
    RECEIVABLE = "receivable"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing in the way, with what there is of it: a count, fen, or the instant until which it is."""

    block: MerchantBlock
    count: int | None = None
    amount_fen: int | None = None
    until: datetime | None = None


class Closing(NamedTuple):
    """What was asked for and what became of it. `ends_at` is the end of the notice period.

    `owed_fen` is what was payable to the merchant once nothing else could be posted to it, less what was settled since;
    below zero it owes us; None before it was counted.
    """

    merchant_id: UUID
    reason: str
    asked_by: str
    asked_at: datetime
    begun_at: datetime | None
    ends_at: datetime | None
    called_off_at: datetime | None
    owed_fen: int | None
    closed_at: datetime | None

    @property
    def stands(self) -> bool:
        """Whether it was neither called off nor carried out."""
        return self.called_off_at is None and self.closed_at is None


@dataclass(frozen=True, slots=True)
class MerchantStanding:
    """What a closing looks at. `payable_fen` is what we owe the merchant; below zero it owes us.

    `open_sales` counts its transactions that are not final, reversals on their way too; `undelivered` and `webhooks`
    the messages to it that nobody has answered yet.
    """

    open_sales: int
    undelivered: int
    webhooks: int
    risk_reports: int
    payable_fen: int


def in_the_way(standing: MerchantStanding, closing: Closing | None, *, now: datetime) -> list[Obstacle]:
    """Everything that stands in the way of the end now, in the order in which it is cleared; empty: nothing does."""
    found = []
    if closing is None or not closing.stands or closing.ends_at is None:
        found.append(Obstacle(MerchantBlock.NOT_DECIDED))
    elif now < closing.ends_at:
        found.append(Obstacle(MerchantBlock.NOTICE_PERIOD, until=closing.ends_at))
    counts = {
        MerchantBlock.OPEN_SALES: standing.open_sales,
        MerchantBlock.UNDELIVERED: standing.undelivered,
        MerchantBlock.WEBHOOKS: standing.webhooks,
        MerchantBlock.RISK_REPORTS: standing.risk_reports,
    }
    found += [Obstacle(block, count=count) for block, count in counts.items() if count]
    if standing.payable_fen > 0:
        found.append(Obstacle(MerchantBlock.PAYABLE, amount_fen=standing.payable_fen))
    if standing.payable_fen < 0:
        found.append(Obstacle(MerchantBlock.RECEIVABLE, amount_fen=-standing.payable_fen))
    return found


BEFORE_THE_END = frozenset(
    {MerchantBlock.NOT_DECIDED, MerchantBlock.NOTICE_PERIOD, MerchantBlock.OPEN_SALES, MerchantBlock.UNDELIVERED}
)
"""What must be cleared before nothing is posted to the merchant any more."""
BEFORE_SETTLING = BEFORE_THE_END | {MerchantBlock.RISK_REPORTS}


class OwedRow(NamedTuple):
    """What is still to be settled with a merchant, as the desk locks it; None: it was not counted yet."""

    owed_fen: int | None
