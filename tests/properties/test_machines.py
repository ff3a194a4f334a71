"""Every state machine: each legal walk stays in its table and each illegal move is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import DataObject, data, integers, sampled_from

from mpss.cli.reference import MACHINES
from mpss.kernel.machine import IllegalMove, Machine

ANY_MACHINE = pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)


def events_of(machine: Machine[Any, Any]) -> list[Any]:
    return sorted({event for _, event in machine.moves})


@ANY_MACHINE
def test_reaches_every_state_from_the_start(machine: Machine[Any, Any]) -> None:
    reached, grown = {machine.start}, True
    while grown:
        more = {target for (source, _), target in machine.moves.items() if source in reached} - reached
        reached |= more
        grown = bool(more)
    assert reached == set(machine.states())


@ANY_MACHINE
def test_ends_somewhere(machine: Machine[Any, Any]) -> None:
    assert [state for state in machine.states() if machine.is_final(state)]


@ANY_MACHINE
@given(steps=integers(0, 12), drawn=data())
def test_walks_only_by_its_table(machine: Machine[Any, Any], steps: int, drawn: DataObject) -> None:
    state = machine.start
    for _ in range(steps):
        event = drawn.draw(sampled_from(events_of(machine)))
        if (state, event) in machine.moves:
            assert not machine.is_final(state)
            state = machine.move(state, event)
            assert state in machine.states()
        else:
            with pytest.raises(IllegalMove):
                machine.move(state, event)
