"""The table of limits as a table: nothing that is allowed goes beyond it, and what is given back was counted."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mpss.accounts.channel_store import CHANNEL_USAGE
from mpss.accounts.checks import count_transfer, give_back, spend
from mpss.accounts.limit_model import (
    NO_CAPS,
    Caps,
    Counts,
    CustomerUsageRow,
    Measure,
    caps_of,
    check_counts,
    count_customer,
    counted,
    make_table,
    uncount_customer,
    uncounted,
)
from mpss.accounts.limit_store import CUSTOMER_USAGE, LIMITS
from mpss.accounts.model import UsageRow
from mpss.config import Policy
from mpss.kernel.errors import ErrorCode
from mpss.merchants.limit_model import MerchantUsageRow, gathered, given_back, on_day, paid_out
from mpss.merchants.limit_store import MERCHANT_USAGE
from tests.support.clauses import clause
from tests.support.instants import NOON
from tests.support.sales import KIOSK, PAYER, TEA_FOR_PAYER, World, purchase_of

START = date(2026, 11, 28)
CAPS = Caps(single_fen=400, day_fen=700, day_count=4, month_fen=1_200, year_fen=1_600, life_fen=2_500)
POLICY = Policy(single_limit_fen=10**9)
ACCOUNT = PAYER._replace(daily_limit_fen=10**9)
CODES = {
    ErrorCode.SINGLE_LIMIT_EXCEEDED,
    ErrorCode.DAILY_LIMIT_EXCEEDED,
    ErrorCode.COUNT_LIMIT_EXCEEDED,
    ErrorCode.MONTHLY_LIMIT_EXCEEDED,
    ErrorCode.YEARLY_LIMIT_EXCEEDED,
    ErrorCode.LIFETIME_LIMIT_EXCEEDED,
}
STEPS = st.lists(st.tuples(st.sampled_from(("pay", "transfer")), st.integers(1, 500), st.integers(0, 9)), max_size=40)


@clause("CM 9.1", "CM 9.2", "CM 9.5")
@given(STEPS)
def test_no_day_month_year_or_lifetime_goes_beyond_the_table(steps: list[tuple[str, int, int]]) -> None:
    usage, today = UsageRow(START, 0, 0, START, 0, 0, 0, None), START
    done: list[tuple[str, date, int]] = []
    for kind, amount_fen, days in steps:
        today += timedelta(days=days)
        if kind == "pay":
            refusal, after = spend(usage, ACCOUNT, amount_fen, today, POLICY, CAPS)
        else:
            refusal, after = count_transfer(usage, amount_fen, today, CAPS)
        if refusal is not None:
            assert refusal in CODES
            assert after is usage
            continue
        usage = after
        done.append((kind, today, amount_fen))
        paid = [(day, fen) for what, day, fen in done if what == "pay"]
        assert sum(fen for day, fen in paid if day == today) == usage.spent_fen <= CAPS.day_fen
        assert sum(day == today for day, _ in paid) == usage.spent_count <= CAPS.day_count
        in_month = sum(fen for day, fen in paid if (day.year, day.month) == (today.year, today.month))
        assert in_month == usage.month_fen <= CAPS.month_fen
        assert sum(fen for _, day, fen in done if day.year == today.year) == usage.year_fen <= CAPS.year_fen
        assert sum(fen for _, _, fen in done) == usage.life_fen <= CAPS.life_fen


@clause("CM 9.4")
@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 9)), max_size=20), st.data())
def test_what_is_given_back_is_as_if_it_had_never_been(steps: list[tuple[int, int]], data: st.DataObject) -> None:
    today, days = START, []
    for amount_fen, later in steps:
        today += timedelta(days=later)
        days.append((today, amount_fen))
    undone = data.draw(st.sets(st.sampled_from(range(len(days)))) if days else st.just(set()))
    counts, kept = None, None
    usage = rest = UsageRow(START, 0, 0, START, 0, 0, 0, None)
    year = CustomerUsageRow(START, 0)
    for place, (day, fen) in enumerate(days):
        counts = counted(counts, fen, day)
        _, usage = spend(usage, ACCOUNT, fen, day, POLICY)
        _, after = count_customer(year, fen, day, NO_CAPS)
        assert after is not None
        year = after
        if place not in undone:
            kept = counted(kept, fen, day)
            _, rest = spend(rest, ACCOUNT, fen, day, POLICY)
    for place in undone:
        day, fen = days[place]
        assert counts is not None
        counts = uncounted(counts, fen, day)
        usage, year = give_back(usage, fen, day), uncount_customer(year, fen, day)
    assert usage.life_fen == rest.life_fen
    if counts is not None and kept is not None and kept.day == counts.day:
        assert counts == kept
        assert usage == rest
        assert year.year_fen == rest.year_fen


def test_the_table_in_force_is_the_latest_that_has_begun() -> None:
    early = make_table([("class_1", "*", Measure.SINGLE, 5), ("class_1", "sms", Measure.SINGLE, 2)])
    late = make_table([("class_1", "*", Measure.SINGLE, 7)])
    tables = ((NOON, late), (NOON - timedelta(days=1), early))
    assert caps_of(tables, "class_1", "sms", NOON - timedelta(hours=1)) == Caps(single_fen=5, channel_fen=2)
    assert caps_of(tables, "class_1", "sms", NOON) == Caps(single_fen=7)
    assert (
        caps_of(tables, "weak", "http", NOON) == caps_of(tables, "class_1", "http", NOON - timedelta(days=2)) == NO_CAPS
    )


def test_what_phone_bill_or_bank_pays_is_not_of_the_balance() -> None:
    used = UsageRow(START, 0, 0, START, 0, 0, 0, None, 0, 1_600, 2_500)
    refusal, usage = spend(used, ACCOUNT, 300, START, POLICY, CAPS, from_balance=False)
    assert refusal is None
    assert (usage.spent_fen, usage.year_fen, usage.life_fen) == (300, 1_600, 2_500)


def test_each_measure_has_its_own_refusal() -> None:
    assert check_counts(CAPS, 401, counted(None, 401, START)) is ErrorCode.SINGLE_LIMIT_EXCEEDED
    code, _ = count_customer(CustomerUsageRow(START, 1_600), 1, START, CAPS)
    assert code is ErrorCode.YEARLY_LIMIT_EXCEEDED
    assert count_customer(CustomerUsageRow(START, 1_600), 1, date(2027, 1, 1), CAPS)[0] is None


CHECKS = (
    ErrorCode.DAILY_LIMIT_EXCEEDED,
    ErrorCode.YEARLY_LIMIT_EXCEEDED,
    ErrorCode.SINGLE_LIMIT_EXCEEDED,
    ErrorCode.CHANNEL_LIMIT_EXCEEDED,
    ErrorCode.MERCHANT_LIMIT_EXCEEDED,
)
"""Of the account, of all accounts of the customer, of the channel at once and in a day, of the merchant, in order."""


@clause("CM 9.5")
@given(st.sets(st.sampled_from(CHECKS)), st.booleans())
def test_the_first_limit_that_is_exceeded_is_the_answer(exceeded: set[ErrorCode], in_a_day: bool) -> None:
    account_over, year_over, channel_over, channel_day_over, merchant_over = (code in exceeded for code in CHECKS)
    seller = KIOSK
    if merchant_over:
        seller = KIOSK._replace(daily_limit_fen=2_499) if in_a_day else KIOSK._replace(single_limit_fen=2_499)
    customer_id = KIOSK.id
    payer = PAYER._replace(customer_id=customer_id, daily_limit_fen=2_499 if account_over else 2_500)
    snapshot = World(account=payer, merchant=seller).snapshot()
    rules = [(payer.account_class.value, "*", Measure.YEARLY_AMOUNT, 2_499 if year_over else 2_500)]
    rules.append((payer.account_class.value, "http", Measure.SINGLE, 2_499 if channel_over else 2_500))
    rules.append((payer.account_class.value, "http", Measure.DAILY_AMOUNT, 2_499 if channel_day_over else 2_500))
    snapshot[CHANNEL_USAGE][payer.id, "payment", "http"] = Counts(snapshot.business_date)
    snapshot[LIMITS]["payment"] = ((NOON - timedelta(days=1), make_table(rules)),)
    snapshot[CUSTOMER_USAGE][customer_id] = CustomerUsageRow(snapshot.business_date, 0)
    snapshot[MERCHANT_USAGE][seller.id] = MerchantUsageRow(snapshot.business_date, 0, 2_499, exhausted=True)
    decision = purchase_of(TEA_FOR_PAYER).decide(snapshot)
    assert decision.transaction.refusal == next((code for code in CHECKS if code in exceeded), None)


MOVES = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(("pay", "pay", "pay", "back", "limit", "day")), st.integers(1, 400)),
    max_size=60,
)


@clause("CM 9.5")
@given(st.integers(0, 2_000), MOVES)
def test_the_portions_of_all_desks_never_let_more_through_than_the_merchants_limit(
    limit_fen: int, moves: list[tuple[int, str, int]]
) -> None:
    portions: dict[int, MerchantUsageRow] = {}
    today, paid = START, list[int]()
    for slot, move, fen in moves:
        if move == "day":
            today, paid = today + timedelta(days=1), []
        elif move == "limit":
            limit_fen = fen * 5
            portions = {place: row._replace(left_fen=0) for place, row in portions.items()}
        elif move == "back" and paid:
            portions[slot] = given_back(portions.get(slot), paid.pop(), today)
        elif move == "pay":
            row = on_day(portions.get(slot), today)
            if row.left_fen < fen:
                portions = gathered(limit_fen, fen, today, slot, portions)
                row, gone = portions[slot], portions[slot].exhausted
                portions[slot] = row._replace(exhausted=False)
                assert gone == (sum(paid) + fen > limit_fen)
            if row.left_fen >= fen:
                portions[slot] = paid_out(portions[slot], fen)
                paid.append(fen)
                assert sum(paid) <= limit_fen
        now = [on_day(each, today) for each in portions.values()]
        assert sum(each.paid_fen for each in now) == sum(paid)
        assert sum(each.left_fen for each in now) <= max(limit_fen - sum(paid), 0)
