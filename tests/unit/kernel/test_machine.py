"""State machines as tables of moves."""

from __future__ import annotations

from enum import StrEnum

import pytest

from mpss.kernel.errors import ErrorCode
from mpss.kernel.machine import IllegalMove, Machine


class Lamp(StrEnum):
    OFF = "OFF"
    ON = "ON"
    BROKEN = "BROKEN"


class Touch(StrEnum):
    PRESS = "PRESS"
    DROP = "DROP"


LAMP: Machine[Lamp, Touch] = Machine(
    "lamp",
    start=Lamp.OFF,
    moves={
        (Lamp.OFF, Touch.PRESS): Lamp.ON,
        (Lamp.ON, Touch.PRESS): Lamp.OFF,
        (Lamp.ON, Touch.DROP): Lamp.BROKEN,
    },
)


class TestMachine:
    def test_moves_as_its_table_says(self) -> None:
        assert LAMP.move(Lamp.OFF, Touch.PRESS) is Lamp.ON
        assert LAMP.move(Lamp.ON, Touch.DROP) is Lamp.BROKEN

    def test_refuses_a_move_it_does_not_have(self) -> None:
        with pytest.raises(IllegalMove, match="lamp: no move DROP from OFF") as refused:
            LAMP.move(Lamp.OFF, Touch.DROP)
        assert (refused.value.state, refused.value.event) == ("OFF", "DROP")
        assert refused.value.code is ErrorCode.ILLEGAL_STATE

    def test_is_final_where_no_move_leads_out(self) -> None:
        assert [state for state in Lamp if LAMP.is_final(state)] == [Lamp.BROKEN]

    def test_names_its_states_from_the_start(self) -> None:
        assert LAMP.states() == [Lamp.OFF, Lamp.ON, Lamp.BROKEN]

    def test_draws_itself(self) -> None:
        assert LAMP.mermaid().splitlines() == [
            "stateDiagram-v2",
            "    [*] --> OFF",
            "    OFF --> ON: PRESS",
            "    ON --> OFF: PRESS",
            "    ON --> BROKEN: DROP",
            "    BROKEN --> [*]",
        ]

    def test_is_not_changed_by_its_makers_table(self) -> None:
        moves = {(Lamp.OFF, Touch.PRESS): Lamp.ON}
        machine: Machine[Lamp, Touch] = Machine("lamp", start=Lamp.OFF, moves=moves)
        moves.clear()
        assert machine.move(Lamp.OFF, Touch.PRESS) is Lamp.ON
