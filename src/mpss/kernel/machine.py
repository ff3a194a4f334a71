"""State machines as tables of moves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from mpss.kernel.errors import ErrorCode, MpssError

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class IllegalMove(MpssError):
    """The machine has no such move from this state."""

    code = ErrorCode.ILLEGAL_STATE

    def __init__(self, machine: str, state: str, event: str) -> None:
        super().__init__(f"{machine}: no move {event} from {state}")
        self.state = state
        self.event = event


class Machine(Generic[S, E]):
    """A named table of moves, (state, event) → state. A state with no way out is final."""

    def __init__(self, name: str, *, start: S, moves: Mapping[tuple[S, E], S]) -> None:
        self.name = name
        self.start = start
        self.moves = dict(moves)

    def move(self, state: S, event: E) -> S:
        """The next state.

        Raises:
            IllegalMove: there is none.
        """
        try:
            return self.moves[state, event]
        except KeyError:
            raise IllegalMove(self.name, state, event) from None

    def is_final(self, state: S) -> bool:
        return all(source != state for source, _ in self.moves)

    def states(self) -> list[S]:
        """Every state, the start first, in the order the table names them."""
        found: dict[S, None] = {self.start: None}
        for (source, _), target in self.moves.items():
            found[source] = None
            found[target] = None
        return list(found)

    def mermaid(self) -> str:
        """The machine as a Mermaid state diagram."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.start}"]
        lines += [f"    {source} --> {target}: {event}" for (source, event), target in self.moves.items()]
        lines += [f"    {state} --> [*]" for state in self.states() if self.is_final(state)]
        return "\n".join(lines)
