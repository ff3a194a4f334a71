"""Every risk rule as a table: just not hit, just hit (CM 9.2 to 9.5)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, integers, lists, sampled_from, tuples

from mpss.desk.model import TransactionKind
from mpss.risk.rule_store import Recent
from mpss.risk.rules import RULES, Action, Facts, Move, RuleBook, RuleVersion, findings, in_force, milliseconds, move_of
from tests.support.clauses import clause
from tests.support.instants import NOON

K = TransactionKind
SHOP = UUID(int=7)
LONG_AGO = NOON - timedelta(days=900)


def move(
    minutes_ago: int,
    kind: K = K.PURCHASE,
    fen: int = 100,
    *,
    declined: bool = False,
    at: str | None = None,
    card: str | None = None,
) -> Move:
    merchant = SHOP if kind is K.PURCHASE else None
    memo = None if card is None else json.dumps({"card" if kind is K.BANK_TOPUP else "card_id": card})
    then = NOON - timedelta(minutes=minutes_ago)
    return move_of(then, kind, fen, merchant, declined=declined, province=at, metadata=memo)


def facts(now: Move, *before: Move, opened_at: datetime = LONG_AGO, woken_at: datetime | None = None) -> Facts:
    return Facts(now, milliseconds(opened_at), None if woken_at is None else milliseconds(woken_at), before)


FIVE = tuple(move(minutes) for minutes in range(1, 6))
REFUSED = tuple(move(minutes, declined=True) for minutes in range(1, 6))
CARDS = (move(5, K.BANK_CARD_TOPUP, card="a"), move(6, K.BANK_TOPUP, card="b"), move(7, K.VOUCHER_TOPUP))
CAME = move(60, K.BANK_CARD_TOPUP, 100_000)
MOST = {"hours": 24, "amount_fen": 100_000, "percent": 90}
MORE = {**MOST, "amount_fen": 100_001}
TABLE = [
    ("velocity", {"count": 6, "minutes": 10}, facts(move(0), *FIVE), True),
    ("velocity", {"count": 7, "minutes": 10}, facts(move(0), *FIVE), False),
    ("velocity", {"count": 6, "minutes": 5}, facts(move(0), *FIVE), False),
    ("velocity", {"count": 6, "minutes": 10}, facts(move(0, K.CASH_TOPUP), *FIVE), False),
    ("velocity", {"count": 2, "minutes": 10}, facts(move(0), *REFUSED), False),
    ("same_merchant", {"count": 6, "minutes": 10}, facts(move(0), *FIVE), True),
    ("same_merchant", {"count": 6, "minutes": 10}, facts(move(0)._replace(other=UUID(int=8).hex), *FIVE), False),
    ("first_day_large", {"hours": 24, "amount_fen": 100}, facts(move(0), opened_at=NOON), True),
    ("first_day_large", {"hours": 24, "amount_fen": 101}, facts(move(0), opened_at=NOON), False),
    ("first_day_large", {"hours": 24, "amount_fen": 1}, facts(move(0), opened_at=NOON - timedelta(days=1)), False),
    ("in_and_out", MOST, facts(move(0, K.WITHDRAWAL, 90_000), CAME), True),
    ("in_and_out", MOST, facts(move(0, K.WITHDRAWAL, 89_999), CAME), False),
    ("in_and_out", MORE, facts(move(0, K.WITHDRAWAL, 99_999), CAME), False),
    ("in_and_out", MOST, facts(move(0, K.PURCHASE, 99_999), CAME), False),
    ("in_and_out", {"hours": 1, "amount_fen": 1, "percent": 1}, facts(move(0, K.TRANSFER, 99_999), CAME), False),
    ("many_refusals", {"count": 5, "minutes": 10}, facts(move(0), *REFUSED), True),
    ("many_refusals", {"count": 6, "minutes": 10}, facts(move(0), *REFUSED), False),
    ("dormant_woken", {"hours": 72, "amount_fen": 100}, facts(move(0), woken_at=NOON - timedelta(hours=71)), True),
    ("dormant_woken", {"hours": 72, "amount_fen": 100}, facts(move(0), woken_at=NOON - timedelta(hours=72)), False),
    ("dormant_woken", {"hours": 72, "amount_fen": 100}, facts(move(0)), False),
    ("far_provinces", {"minutes": 60}, facts(move(0, at="BJ"), move(5), move(59, at="GD")), True),
    ("far_provinces", {"minutes": 60}, facts(move(0, at="BJ"), move(60, at="GD")), False),
    ("far_provinces", {"minutes": 60}, facts(move(0, at="BJ"), move(5, at="BJ"), move(6)), False),
    ("far_provinces", {"minutes": 60}, facts(move(0), move(5, at="GD"), move(6, at="BJ")), False),
    ("far_provinces", {"minutes": 60}, facts(move(0, at="BJ"), move(5, at="GD", declined=True)), False),
    ("topup_velocity", {"count": 4, "minutes": 10}, facts(move(0, K.CASH_TOPUP), *CARDS), True),
    ("topup_velocity", {"count": 5, "minutes": 10}, facts(move(0, K.CASH_TOPUP), *CARDS), False),
    ("topup_velocity", {"count": 4, "minutes": 7}, facts(move(0, K.CASH_TOPUP), *CARDS), False),
    ("topup_velocity", {"count": 1, "minutes": 10}, facts(move(0), *CARDS), False),
    ("topup_velocity", {"count": 2, "minutes": 10},
     facts(move(0, K.CASH_TOPUP), move(1, K.CASH_TOPUP, declined=True)), False),
    ("topup_sources", {"count": 4, "hours": 1}, facts(move(0, K.RECHARGE_TOPUP), *CARDS), True),
    ("topup_sources", {"count": 4, "hours": 1}, facts(move(0, K.BANK_CARD_TOPUP, card="c"), *CARDS), True),
    ("topup_sources", {"count": 4, "hours": 1}, facts(move(0, K.BANK_CARD_TOPUP, card="a"), *CARDS), False),
    ("topup_sources", {"count": 3, "hours": 1}, facts(move(0, K.CASH_TOPUP), *CARDS), False),
    ("topup_sources", {"count": 2, "hours": 1},
     facts(move(0, K.VOUCHER_TOPUP), move(60, K.VOUCHER_TOPUP), move(3, K.VOUCHER_TOPUP, declined=True)), False),
    ("first_day_topup", {"hours": 24, "amount_fen": 100}, facts(move(0, K.CASH_TOPUP), opened_at=NOON), True),
    ("first_day_topup", {"hours": 24, "amount_fen": 101}, facts(move(0, K.CASH_TOPUP), opened_at=NOON), False),
    ("first_day_topup", {"hours": 24, "amount_fen": 1},
     facts(move(0, K.CASH_TOPUP), opened_at=NOON - timedelta(days=1)), False),
    ("first_day_topup", {"hours": 24, "amount_fen": 1}, facts(move(0), opened_at=NOON), False),
]  # fmt: skip


@clause("CM 9.2", "CM 9.3", "CM 9.4", "CM 9.5")
@pytest.mark.parametrize(("rule", "figures", "told", "hit"), TABLE)
def test_a_rule_is_hit_where_the_table_says(rule: str, figures: dict[str, int], told: Facts, hit: bool) -> None:
    assert bool(findings(told, [RuleVersion(rule, Action.REFUSE, True, figures, NOON)])) is hit


def test_what_no_rule_looks_back_at_is_not_kept() -> None:
    book = RuleBook([version("velocity", Action.HOLD), version("in_and_out", Action.HOLD)])
    kept = Recent(0, None, (move(60), move(24 * 60 - 1), move(24 * 60))).with_move(move(0), reach=book.reach)
    assert kept.moves == (move(0), move(60), move(24 * 60 - 1))


def test_every_rule_is_in_the_table() -> None:
    assert {rule for rule, _, _, hit in TABLE if hit} == set(RULES)


def version(rule: str, action: Action, *, enabled: bool = True, days: int = 0, count: int = 1) -> RuleVersion:
    figures = {**RULES[rule].figures, "count": count}
    return RuleVersion(rule, action, enabled, figures, NOON + timedelta(days=days))


@given(actions=lists(sampled_from(Action), min_size=1, max_size=4))
def test_the_gravest_finding_comes_first(actions: list[Action]) -> None:
    found = findings(facts(move(0)), [version("velocity", action) for action in actions])
    assert len(found) == len(actions)
    gravest = (Action.REFUSE, Action.HOLD, Action.CHALLENGE, Action.REPORT)
    assert found[0].action is next(action for action in gravest if action in actions)


@given(entries=lists(tuples(sampled_from(sorted(RULES)), booleans(), integers(-5, 5)), max_size=12))
def test_of_each_rule_the_version_that_began_last_counts(entries: list[tuple[str, bool, int]]) -> None:
    versions = [version(rule, Action.REFUSE, enabled=enabled, days=days) for rule, enabled, days in entries]
    standing = in_force(versions, NOON)
    assert RuleBook(versions).in_force(NOON) == standing
    expected = set()
    for rule in RULES:
        begun = [each for each in versions if each.rule == rule and each.effective_from <= NOON]
        if begun:
            last = max(each.effective_from for each in begun)
            newest = [each for each in begun if each.effective_from == last][-1]
            expected |= {rule} if newest.enabled else set()
    assert {each.rule for each in standing} == expected
