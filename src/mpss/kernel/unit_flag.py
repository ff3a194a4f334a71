"""The flag that is up while a unit of work is open in this task.

Kept here so that ports can see it and db can raise it.
"""

from __future__ import annotations

from contextvars import ContextVar

unit_of_work_open: ContextVar[bool] = ContextVar("unit_of_work_open", default=False)


def refuse_inside_unit_of_work() -> None:
    """Called by every port before it goes out: no call to another system inside a unit of work."""
    assert not unit_of_work_open.get(), "a port was called inside a unit of work"
