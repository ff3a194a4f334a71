"""The two tables of an account's state: which fact wins, and what each state allows."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpss.accounts.model import FreezeKind, Life, Loss
from mpss.accounts.state import (
    ALLOWED,
    MEANINGS,
    REFUSALS,
    EffectiveState,
    Operation,
    StateFacts,
    effective_state,
    refusal_in,
)
from mpss.kernel.errors import ErrorCode
from tests.support.clauses import clause
from tests.support.instants import NOON

LATER, BEFORE = NOON + timedelta(days=1), NOON - timedelta(days=1)
PEACE = StateFacts(Life.ACTIVE, Loss.NONE, None, False, None, (), None)

SPOILED: dict[EffectiveState, dict[str, object]] = {
    EffectiveState.CLOSED: {"life": Life.CLOSED},
    EffectiveState.PRE_CLOSED: {"life": Life.PRE_CLOSED},
    EffectiveState.FROZEN_BY_LAW: {"freezes": (FreezeKind.USER, FreezeKind.LAW)},
    EffectiveState.LOSS_WRITTEN: {"loss": Loss.WRITTEN},
    EffectiveState.LOSS_ORAL: {"loss": Loss.ORAL, "loss_until": LATER},
    EffectiveState.FROZEN_FOR_RISK: {"freezes": (FreezeKind.RISK,)},
    EffectiveState.FROZEN_BY_USER: {"freezes": (FreezeKind.USER,), "user_freeze_until": LATER},
    EffectiveState.STOPPED: {"boss_stopped": True},
    EffectiveState.PENDING: {"life": Life.PENDING},
    EffectiveState.DOCUMENT_EXPIRED: {"document_expired_since": BEFORE},
    EffectiveState.DORMANT: {"dormant_since": BEFORE},
    EffectiveState.ACTIVE: {},
}

facts = st.builds(
    StateFacts,
    st.sampled_from(Life),
    st.sampled_from(Loss),
    st.sampled_from([BEFORE, NOON, LATER]),
    st.booleans(),
    st.sampled_from([None, BEFORE]),
    st.lists(st.sampled_from(FreezeKind), unique=True).map(tuple),
    st.sampled_from([None, BEFORE, NOON, LATER]),
    st.sampled_from([None, BEFORE]),
)


def _standing(found: StateFacts, at: datetime, locked: bool) -> set[EffectiveState]:
    """Every state that one of the facts alone would make, written down once more, fact by fact."""
    loss_over = found.loss_until is not None and found.loss_until <= at
    freeze_over = found.user_freeze_until is not None and found.user_freeze_until <= at
    told = {
        EffectiveState.CLOSED: found.life is Life.CLOSED,
        EffectiveState.PRE_CLOSED: found.life is Life.PRE_CLOSED,
        EffectiveState.PENDING: found.life is Life.PENDING,
        EffectiveState.FROZEN_BY_LAW: FreezeKind.LAW in found.freezes,
        EffectiveState.LOSS_WRITTEN: found.loss is Loss.WRITTEN,
        EffectiveState.LOSS_ORAL: found.loss is Loss.ORAL and not loss_over,
        EffectiveState.FROZEN_FOR_RISK: FreezeKind.RISK in found.freezes,
        EffectiveState.FROZEN_BY_USER: FreezeKind.USER in found.freezes and not freeze_over,
        EffectiveState.STOPPED: found.boss_stopped,
        EffectiveState.PASSWORD_LOCKED: locked,
        EffectiveState.DOCUMENT_EXPIRED: found.document_expired_since is not None,
        EffectiveState.DORMANT: found.dormant_since is not None,
    }
    return {state for state, stands in told.items() if stands}


class TestTheEffectiveState:
    @pytest.mark.parametrize(("state", "change"), SPOILED.items())
    def test_of_one_fact_is_that_facts(self, state: EffectiveState, change: dict[str, object]) -> None:
        assert effective_state(PEACE._replace(**change), at=NOON) is state  # type: ignore[arg-type]

    @clause("CM 7.6")
    @given(facts, st.booleans())
    def test_of_many_facts_is_the_gravest(self, found: StateFacts, locked: bool) -> None:
        standing = _standing(found, NOON, locked)
        gravest = next((state for state in EffectiveState if state in standing), EffectiveState.ACTIVE)
        assert effective_state(found, at=NOON, locked=locked) is gravest

    def test_ends_by_the_clock(self) -> None:
        oral = PEACE._replace(loss=Loss.ORAL, loss_until=LATER)
        frozen = PEACE._replace(freezes=(FreezeKind.USER,), user_freeze_until=LATER)
        for spoiled in (oral, frozen):
            assert effective_state(spoiled, at=LATER - timedelta(microseconds=1)) is not EffectiveState.ACTIVE
            assert effective_state(spoiled, at=LATER) is EffectiveState.ACTIVE


@clause("GD 3.6")
class TestTheTableOfOperations:
    def test_names_every_state_and_operation(self) -> None:
        assert set(ALLOWED) == set(REFUSALS) == set(EffectiveState)
        assert set(MEANINGS) == set(Operation)

    def test_gives_each_state_a_code_of_its_own(self) -> None:
        assert len(set(REFUSALS.values())) == len(EffectiveState)

    @pytest.mark.parametrize("operation", [Operation.PAY, Operation.TRANSFER, Operation.WITHDRAW])
    def test_lets_money_out_of_an_active_account_alone(self, operation: Operation) -> None:
        assert [state for state in EffectiveState if refusal_in(state, operation) is None] == [EffectiveState.ACTIVE]

    @clause("CT 5.2")
    def test_keeps_what_its_user_froze_out_of_all_trading(self) -> None:
        trading = (Operation.PAY, Operation.TRANSFER, Operation.WITHDRAW, Operation.TOP_UP, Operation.RECEIVE)
        assert {refusal_in(EffectiveState.FROZEN_BY_USER, operation) for operation in trading} == {
            ErrorCode.FROZEN_BY_USER
        }

    def test_lets_loss_be_reported_and_accounts_be_frozen_whatever_else_stands(self) -> None:
        gone = (EffectiveState.CLOSED, EffectiveState.PRE_CLOSED)
        for state in set(EffectiveState) - set(gone):
            assert {Operation.REPORT_LOSS, Operation.FREEZE} <= ALLOWED[state]
