"""State, payment password and limits, decided on values."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpss.accounts.checks import (
    became_locked,
    check_password,
    check_state,
    check_voucher_tries,
    give_back,
    is_locked,
    must_reset,
    next_midnight,
    spend,
    spent_on,
)
from mpss.accounts.model import AccountKind, AccountRow, Life, UsageRow
from mpss.accounts.state import Operation
from mpss.config import Policy
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import AccountId
from tests.support.clauses import clause
from tests.support.instants import NOON, TODAY

POLICY = Policy()
RIGHT = {1: b"right"}
WRONG = {1: b"wrong"}
ACCOUNT = AccountRow(
    id=AccountId.new(NOON),
    phone="+8618912340001",
    home_province="GD",
    kind=AccountKind.WALLET,
    life=Life.ACTIVE,
    ledger_account_id=100_000,
    password_digest=b"right",
    password_key=1,
    daily_limit_fen=500_000,
    language="zh-CN",
)
FRESH = UsageRow(TODAY, 0, 0, TODAY, 0, 0, 0, None)


def attempt(
    usage: UsageRow,
    digests: dict[int, bytes],
    *,
    now: datetime = NOON,
    today: date = TODAY,
    account: AccountRow = ACCOUNT,
    challenged: bool = False,
) -> tuple[ErrorCode | None, UsageRow]:
    return check_password(
        account, usage, candidate_digests=digests, challenged=challenged, today=today, now=now, policy=POLICY
    )


class TestState:
    def test_must_be_known_and_active(self) -> None:
        assert check_state(None, Operation.PAY, at=NOON) is ErrorCode.UNKNOWN_ACCOUNT
        assert check_state(ACCOUNT, Operation.PAY, at=NOON) is None
        pending, closed = ACCOUNT._replace(life=Life.PENDING), ACCOUNT._replace(life=Life.CLOSED)
        assert check_state(pending, Operation.PAY, at=NOON) is ErrorCode.ACCOUNT_NOT_ACTIVE
        assert check_state(closed, Operation.PAY, at=NOON) is ErrorCode.ACCOUNT_CLOSED


@clause("CT 5.2", "CT 12.1")
class TestPassword:
    def test_right_one_counts_nothing_and_leaves_the_row_as_it_is(self) -> None:
        refusal, usage = attempt(FRESH, RIGHT)
        assert refusal is None
        assert usage is FRESH

    def test_is_compared_under_the_version_it_was_made_under(self) -> None:
        moved = ACCOUNT._replace(password_key=2)
        assert attempt(FRESH, {1: b"other", 2: b"right"}, account=moved)[0] is None
        assert attempt(FRESH, {1: b"right", 2: b"other"}, account=moved)[0] is ErrorCode.WRONG_PASSWORD
        assert attempt(FRESH, {1: b"right"}, account=moved)[0] is ErrorCode.WRONG_PASSWORD

    def test_locks_at_the_third_wrong_try_until_midnight_in_shanghai(self) -> None:
        usage = FRESH
        for wrong in (1, 2, 3):
            before = usage
            refusal, usage = attempt(usage, WRONG)
            assert refusal is ErrorCode.WRONG_PASSWORD
            assert (usage.wrong_today, usage.wrong_in_a_row) == (wrong, wrong)
            assert became_locked(before, usage, NOON, POLICY) == (wrong == 3)
        assert usage.locked_until == datetime(2026, 3, 1, 16, 0, tzinfo=UTC)
        assert attempt(usage, RIGHT) == (ErrorCode.PASSWORD_LOCKED, usage)
        assert attempt(usage, WRONG) == (ErrorCode.PASSWORD_LOCKED, usage)

    def test_opens_again_at_midnight_with_the_tries_in_a_row_remembered(self) -> None:
        usage = FRESH
        for _ in range(3):
            _, usage = attempt(usage, WRONG)
        midnight = next_midnight(NOON)
        assert is_locked(usage, midnight - timedelta(microseconds=1), POLICY)
        assert not is_locked(usage, midnight, POLICY)
        refusal, usage = attempt(usage, WRONG, now=midnight, today=TODAY + timedelta(days=1))
        assert refusal is ErrorCode.WRONG_PASSWORD
        assert (usage.wrong_today, usage.wrong_in_a_row, usage.locked_until) == (1, 4, None)

    def test_starts_the_days_count_again_after_a_lock_also_where_the_day_cut_is_before_midnight(self) -> None:
        late = datetime(2026, 3, 1, 15, 30, tzinfo=UTC)
        tomorrow = TODAY + timedelta(days=1)
        usage = FRESH
        for _ in range(3):
            _, usage = attempt(usage, WRONG, now=late, today=tomorrow)
        after = late + timedelta(hours=1)
        _, usage = attempt(usage, WRONG, now=after, today=tomorrow)
        assert (usage.wrong_today, usage.locked_until) == (1, None)

    def test_a_new_day_starts_the_count_again(self) -> None:
        usage = FRESH
        for _ in range(2):
            _, usage = attempt(usage, WRONG)
        _, usage = attempt(usage, WRONG, today=TODAY + timedelta(days=1))
        assert (usage.wrong_today, usage.wrong_in_a_row, usage.locked_until) == (1, 3, None)

    def test_right_one_clears_the_counters(self) -> None:
        _, usage = attempt(FRESH, WRONG)
        refusal, usage = attempt(usage, RIGHT)
        assert refusal is None
        assert usage == FRESH

    def test_ten_wrong_in_a_row_wait_for_a_reset(self) -> None:
        usage, day = FRESH, 0
        while not must_reset(usage, POLICY):
            now = NOON + timedelta(days=day)
            _, usage = attempt(usage, WRONG, now=now, today=TODAY + timedelta(days=day))
            day += int(is_locked(usage, now, POLICY))
        assert usage.wrong_in_a_row == 10
        years_later = NOON + timedelta(days=1000)
        assert attempt(usage, RIGHT, now=years_later, today=years_later.date())[0] is ErrorCode.PASSWORD_LOCKED

    def test_a_challenge_tells_nothing_about_the_password(self) -> None:
        for digests in (RIGHT, WRONG):
            assert attempt(FRESH, digests, challenged=True) == (ErrorCode.CHALLENGE_REQUIRED, FRESH)

    def test_must_have_been_set(self) -> None:
        unset = ACCOUNT._replace(password_digest=None, password_key=None)
        assert attempt(FRESH, RIGHT, account=unset) == (ErrorCode.PASSWORD_NOT_SET, FRESH)

    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=60))
    def test_never_more_than_three_wrong_tries_are_looked_at_in_a_day(self, tries: list[tuple[bool, int]]) -> None:
        usage, now, looked_at = FRESH, NOON, dict[date, int]()
        for right, hours in tries:
            now += timedelta(hours=hours)
            today = (now + timedelta(hours=8)).date()
            refusal, usage = attempt(usage, RIGHT if right else WRONG, now=now, today=today)
            if refusal is ErrorCode.WRONG_PASSWORD:
                looked_at[today] = looked_at.get(today, 0) + 1
            elif refusal is None:
                looked_at[today] = 0
            assert looked_at.get(today, 0) <= POLICY.password_tries_per_day
            assert usage.wrong_in_a_row <= POLICY.password_tries_in_a_row


@clause("CT 5.2")
class TestLimits:
    def test_single_limit_comes_before_the_daily_one(self) -> None:
        assert spend(FRESH, ACCOUNT, POLICY.single_limit_fen + 1, TODAY, POLICY) == (
            ErrorCode.SINGLE_LIMIT_EXCEEDED,
            FRESH,
        )

    def test_daily_limit_is_the_accounts_own_and_may_be_used_up_to_the_fen(self) -> None:
        account = ACCOUNT._replace(daily_limit_fen=1_000)
        refusal, usage = spend(FRESH, account, 1_000, TODAY, POLICY)
        assert refusal is None
        assert (usage.spent_fen, usage.spent_count) == (1_000, 1)
        assert spend(usage, account, 1, TODAY, POLICY) == (ErrorCode.DAILY_LIMIT_EXCEEDED, usage)

    def test_a_new_day_starts_at_nothing(self) -> None:
        _, usage = spend(FRESH, ACCOUNT, 400_000, TODAY, POLICY)
        tomorrow = TODAY + timedelta(days=1)
        assert spent_on(usage, tomorrow) == 0
        refusal, usage = spend(usage, ACCOUNT, 400_000, tomorrow, POLICY)
        assert refusal is None
        assert (usage.day, usage.spent_fen, usage.spent_count) == (tomorrow, 400_000, 1)

    def test_what_is_given_back_belongs_to_its_day(self) -> None:
        _, usage = spend(FRESH, ACCOUNT, 300, TODAY, POLICY)
        assert give_back(usage, 300, TODAY) == FRESH
        late = give_back(usage, 300, TODAY - timedelta(days=1))
        assert (late.spent_fen, late.spent_count, late.month_fen) == (300, 1, 300)
        assert give_back(FRESH, 300, TODAY) == FRESH

    @given(st.lists(st.integers(1, 200_000), max_size=20))
    def test_spending_all_and_giving_all_back_leaves_nothing(self, amounts: list[int]) -> None:
        usage, spent = FRESH, []
        for amount_fen in amounts:
            refusal, usage = spend(usage, ACCOUNT, amount_fen, TODAY, POLICY)
            if refusal is None:
                spent.append(amount_fen)
        assert usage.spent_fen == sum(spent) <= ACCOUNT.daily_limit_fen
        for amount_fen in spent:
            usage = give_back(usage, amount_fen, TODAY)
        assert usage == FRESH


@pytest.mark.parametrize(("wrong", "refusal"), [(9, None), (10, ErrorCode.VOUCHER_BARRED)])
def test_ten_wrong_voucher_passwords_bar_the_number(wrong: int, refusal: ErrorCode | None) -> None:
    assert check_voucher_tries(FRESH._replace(voucher_wrong=wrong), POLICY) is refusal
