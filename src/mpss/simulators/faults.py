"""The faults in force at a simulator, whatever its faults are, and how many requests each still meets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Counted(Protocol):
    """A fault: `count` is how many requests it still meets, None until it is lifted."""

    count: int | None


F = TypeVar("F", bound=Counted)


class Faults(Generic[F]):
    """Each request meets the first fault that fits it."""

    def __init__(self) -> None:
        self._faults: list[F] = []

    def add(self, fault: F) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def all(self) -> list[F]:
        return list(self._faults)

    def meet(self, fits: Callable[[F], bool]) -> F | None:
        """The fault that a request meets, counted down."""
        for fault in self._faults:
            if not fits(fault):
                continue
            if fault.count is not None:
                fault.count -= 1
                if fault.count <= 0:
                    self._faults.remove(fault)
            return fault
        return None
