"""The faults in force at a simulator, whatever its faults are, and how many requests each still meets; and one as asked
for over its control API."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from mpss.kernel.errors import MalformedField
from mpss.kernel.phone import parse_phone


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


K = TypeVar("K", bound=StrEnum)


def asked_fault(asked: dict[str, Any], kinds: type[K]) -> tuple[K, int | None, float, str | None]:
    """A fault's kind, count, seconds and phone (None: everybody's).

    Raises:
        MalformedField: one of these.
    """
    if asked.get("kind") not in list(kinds):
        raise MalformedField(field="kind", problem=f"must be one of {', '.join(kinds)}")
    count, seconds, phone = asked.get("count"), asked.get("seconds", 0), asked.get("phone")
    if count is not None and (type(count) is not int or count < 1):
        raise MalformedField(field="count", problem="must be a whole number from 1 up, or null")
    if type(seconds) not in (int, float) or not 0 <= seconds <= 3600:
        raise MalformedField(field="seconds", problem="must be a number from 0 to 3600")
    return kinds(asked["kind"]), count, float(seconds), None if phone is None else parse_phone(str(phone))
