"""Limits (限额) as values: the table in force, what is counted, whether one more amount still fits. Pure.

A table says, for a class of accounts, a channel and an operation, how much one transaction, a day, a month, a year
and a lifetime may come to, and a balance. What the table does not say is not limited by it; the platform's settings
(`config.Policy`) stay the ceiling, and the customer's own limits only lower it.

Invariants: (1) what is refused is not counted; (2) what is given back never exceeds what was counted, and only in the
day, the month and the year it was counted in. Spec: CM 9.1–9.5. Decision: ADR-0026.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from mpss.kernel.errors import ErrorCode

NO_LIMIT = 2**62
ANY = "*"
"""All channels; as an operation, payments and transfers together (year, lifetime), or the balance."""


class LimitOperation(StrEnum):
    PAYMENT = "payment"
    TRANSFER = "transfer"
    TOPUP = "topup"
    WITHDRAWAL = "withdrawal"


class Measure(StrEnum):
    SINGLE = "single"
    DAILY_AMOUNT = "daily_amount"
    DAILY_COUNT = "daily_count"
    MONTHLY_AMOUNT = "monthly_amount"
    YEARLY_AMOUNT = "yearly_amount"
    LIFETIME_AMOUNT = "lifetime_amount"
    BALANCE = "balance"


class Caps(NamedTuple):
    """What the table allows one account in one operation; `channel_…` are the channel's own: for one transaction, and
    of what this channel let through."""

    single_fen: int = NO_LIMIT
    day_fen: int = NO_LIMIT
    day_count: int = NO_LIMIT
    month_fen: int = NO_LIMIT
    year_fen: int = NO_LIMIT
    life_fen: int = NO_LIMIT
    balance_fen: int = NO_LIMIT
    channel_fen: int = NO_LIMIT
    channel_day_fen: int = NO_LIMIT
    channel_day_count: int = NO_LIMIT
    channel_month_fen: int = NO_LIMIT

    @property
    def counts_channel(self) -> bool:
        """Whether the channel has a limit of its own of a day or a month."""
        return min(self.channel_day_fen, self.channel_day_count, self.channel_month_fen) < NO_LIMIT


NO_CAPS = Caps()
_PLACES = {measure: place for place, measure in enumerate(Measure)}

ChannelKey = tuple[UUID, str, str]
"""An account, an operation, a channel."""


class Table(NamedTuple):
    """The caps of one operation by class and channel; a channel's are those of `ANY` with its own beside them.

    `counted` are the channels with a limit of a day or a month.
    """

    caps: Mapping[tuple[str, str], Caps]
    counted: frozenset[str]


Tables = tuple[tuple[datetime, Table], ...]
"""All tables of one operation, each with the instant it begins at, the latest first."""


class Counts(NamedTuple):
    """What an account did of one operation on business date `day`, and in its month."""

    day: date
    day_fen: int = 0
    day_count: int = 0
    month_fen: int = 0


class CustomerUsageRow(NamedTuple):
    """What all accounts of a customer paid and transferred from their balances in the year of `day`."""

    day: date
    year_fen: int


def make_table(rules: list[tuple[str, str, Measure, int]]) -> Table:
    """The table of one operation from its rules: class, channel, measure and value."""
    made: dict[tuple[str, str], list[int]] = {}
    for account_class, channel, measure, value in rules:
        made.setdefault((account_class, channel), list(NO_CAPS))[_PLACES[measure]] = value
    caps = {key: Caps._make(values) for key, values in made.items()}
    counted_channels = set()
    for (account_class, channel), own in caps.items():
        if channel == ANY:
            continue
        whole = caps.get((account_class, ANY), NO_CAPS)._replace(
            channel_fen=own.single_fen,
            channel_day_fen=own.day_fen,
            channel_day_count=own.day_count,
            channel_month_fen=own.month_fen,
        )
        caps[account_class, channel] = whole
        if whole.counts_channel:
            counted_channels.add(channel)
    return Table(caps, frozenset(counted_channels))


def caps_of(tables: Tables | None, account_class: str, channel: str, at: datetime) -> Caps:
    """What the table in force at an instant allows; nothing is limited before the first."""
    for begins_at, table in tables or ():
        if begins_at <= at:
            return table.caps.get((account_class, channel)) or table.caps.get((account_class, ANY), NO_CAPS)
    return NO_CAPS


def is_counted(tables: Tables | None, channel: str) -> bool:
    """Whether any table, past, in force or to come, limits what a channel lets through in a day or a month.

    From the first such table on it is counted for good, so that no later one finds a gap.
    """
    return any(channel in table.counted for _, table in tables or ())


def counted(before: Counts | None, amount_fen: int, today: date) -> Counts:
    """The counts with one more transaction of `amount_fen`."""
    if before is None or not same_month(before.day, today):
        return Counts(today, amount_fen, 1, amount_fen)
    if before.day != today:
        return Counts(today, amount_fen, 1, before.month_fen + amount_fen)
    return Counts(today, before.day_fen + amount_fen, before.day_count + 1, before.month_fen + amount_fen)


def uncounted(counts: Counts, amount_fen: int, day: date) -> Counts:
    """The counts without a transaction of business date `day` that came to nothing."""
    if not same_month(counts.day, day):
        return counts
    month_fen = max(counts.month_fen - amount_fen, 0)
    if counts.day != day:
        return counts._replace(month_fen=month_fen)
    return Counts(day, max(counts.day_fen - amount_fen, 0), max(counts.day_count - 1, 0), month_fen)


def check_counts(caps: Caps, amount_fen: int, after: Counts) -> ErrorCode | None:
    """Whether a transaction of `amount_fen` is within the table, `after` being the counts with it."""
    if amount_fen > caps.single_fen:
        return ErrorCode.SINGLE_LIMIT_EXCEEDED
    if after.day_fen > caps.day_fen:
        return ErrorCode.DAILY_LIMIT_EXCEEDED
    if after.day_count > caps.day_count:
        return ErrorCode.COUNT_LIMIT_EXCEEDED
    return ErrorCode.MONTHLY_LIMIT_EXCEEDED if after.month_fen > caps.month_fen else None


def check_channel(caps: Caps, after: Counts) -> ErrorCode | None:
    """Whether what a channel let through is within its own limits, `after` being the counts with one more."""
    within = (
        after.day_fen <= caps.channel_day_fen
        and after.day_count <= caps.channel_day_count
        and after.month_fen <= caps.channel_month_fen
    )
    return None if within else ErrorCode.CHANNEL_LIMIT_EXCEEDED


def count_customer(
    before: CustomerUsageRow | None, amount_fen: int, today: date, caps: Caps
) -> tuple[ErrorCode | None, CustomerUsageRow | None]:
    """Count for all of the customer's accounts together; an account without a customer has no such row."""
    if before is None:
        return None, None
    year_fen = (before.year_fen if before.day.year == today.year else 0) + amount_fen
    if year_fen > caps.year_fen:
        return ErrorCode.YEARLY_LIMIT_EXCEEDED, before
    return None, CustomerUsageRow(today, year_fen)


def uncount_customer(row: CustomerUsageRow, amount_fen: int, day: date) -> CustomerUsageRow:
    """The customer's year without a payment of business date `day` that was reversed."""
    if row.day.year != day.year:
        return row
    return row._replace(year_fen=max(row.year_fen - amount_fen, 0))


def same_month(one: date, other: date) -> bool:
    return one.month == other.month and one.year == other.year
