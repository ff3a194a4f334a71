"""What a channel lets through never exceeds its limits, and what is given back was counted by that channel alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mpss.accounts.channel_store import CHANNEL_USAGE
from mpss.accounts.limit_model import Counts, Measure, caps_of, is_counted, make_table
from mpss.accounts.limit_store import LIMITS
from mpss.config import Policy
from mpss.desk.batch import decide_all
from mpss.desk.model import Snapshot, Transaction
from mpss.desk.store import TRANSACTIONS
from mpss.kernel.errors import ErrorCode
from mpss.ledger.model import Balance
from mpss.transactions.purchases.reversal import ReversalCommand
from mpss.transactions.purchases.sale import Sale
from tests.support.clauses import clause
from tests.support.instants import NOON
from tests.support.sales import KIOSK, PAYER, World, asked, purchase_of

CHANNELS = ("http", "sms", "ivr")
DAY_FEN, DAY_COUNT, MONTH_FEN = 700, 4, 1_500
TABLE = make_table(
    [
        (PAYER.account_class.value, "sms", Measure.DAILY_AMOUNT, DAY_FEN),
        (PAYER.account_class.value, "http", Measure.DAILY_COUNT, DAY_COUNT),
        (PAYER.account_class.value, "http", Measure.MONTHLY_AMOUNT, MONTH_FEN),
    ]
)
TABLES = ((NOON - timedelta(days=99), TABLE),)
STEPS = st.lists(
    st.tuples(st.sampled_from(("pay", "pay", "pay", "back", "day")), st.sampled_from(CHANNELS), st.integers(1, 400)),
    max_size=60,
)


class Walk:
    """Payments of one wallet by three channels, two of them limited, and reversals."""

    def __init__(self) -> None:
        self.snapshot = World(account=PAYER._replace(daily_limit_fen=10**9), balance=Balance(10**9, 0, 0)).snapshot()
        self.snapshot[LIMITS]["payment"] = TABLES
        for channel in ("http", "sms"):
            self.snapshot[CHANNEL_USAGE][PAYER.id, "payment", channel] = Counts(self.snapshot.business_date)
        self.standing: list[Transaction] = []
        self.number = 0

    @property
    def today(self) -> date:
        return self.snapshot.business_date

    def next_day(self, days: int) -> None:
        later = Snapshot(self.today + timedelta(days=days))
        later.update(self.snapshot)
        self.snapshot = later

    def pay(self, channel: str, amount_fen: int) -> ErrorCode | None:
        self.number += 1
        sale = Sale(PAYER.id, KIOSK.id, None, 0, amount_fen, None)
        command = purchase_of(sale, key=f"p{self.number}", policy=Policy(single_limit_fen=10**9))
        command = replace(command, asked=command.asked._replace(channel=channel))
        (answer,), _ = decide_all([command], self.snapshot, {})
        if answer.transaction.refusal is None:
            self.snapshot[TRANSACTIONS][answer.transaction.id] = answer.transaction
            self.standing.append(answer.transaction)
        return answer.transaction.refusal

    def reverse(self, place: int) -> None:
        self.number += 1
        original = self.standing.pop(place % len(self.standing))
        head = asked(f"r{self.number}", place, caller="merchant:kiosk")._replace(channel="http")
        decide_all([ReversalCommand(head, KIOSK.id, original, None, "test")], self.snapshot, {})

    def passed(self, channel: str) -> tuple[int, int, int]:
        """The day's amount and number, and the month's amount, of what stands."""
        month = [each for each in self.standing if each.channel == channel and self._in_month(each.business_date)]
        day = [each.amount_fen for each in month if each.business_date == self.today]
        return sum(day), len(day), sum(each.amount_fen for each in month)

    def _in_month(self, day: date) -> bool:
        return (day.year, day.month) == (self.today.year, self.today.month)


def fits(channel: str, passed: tuple[int, int, int], amount_fen: int) -> bool:
    """A second opinion."""
    day_fen, number, month_fen = passed
    if channel == "sms":
        return day_fen + amount_fen <= DAY_FEN
    return channel != "http" or (number < DAY_COUNT and month_fen + amount_fen <= MONTH_FEN)


@clause("CM 9.5")
@given(STEPS)
def test_a_channel_lets_through_exactly_what_its_limits_leave(steps: list[tuple[str, str, int]]) -> None:
    walk = Walk()
    for what, channel, number in steps:
        if what == "day":
            walk.next_day(number % 9)
        elif what == "back" and walk.standing:
            walk.reverse(number)
        elif what == "pay":
            expected = None if fits(channel, walk.passed(channel), number) else ErrorCode.CHANNEL_LIMIT_EXCEEDED
            assert walk.pay(channel, number) is expected
        for limited in ("http", "sms"):
            row = walk.snapshot[CHANNEL_USAGE][PAYER.id, "payment", limited]
            if row.day == walk.today:
                assert row[1:] == walk.passed(limited)
        assert (PAYER.id, "payment", "ivr") not in walk.snapshot[CHANNEL_USAGE]


def test_a_channel_is_counted_from_the_first_table_that_limits_it_for_good() -> None:
    plain = make_table([(PAYER.account_class.value, "sms", Measure.SINGLE, 5)])
    tables = ((NOON, plain), (NOON - timedelta(days=1), TABLE))
    assert caps_of(tables, PAYER.account_class, "sms", NOON).channel_day_fen > DAY_FEN
    assert [is_counted(tables, channel) for channel in CHANNELS] == [True, True, False]
    assert not is_counted(((NOON, plain),), "sms")
