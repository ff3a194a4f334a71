"""The flag at which ports refuse to go out while a unit of work is open."""

from __future__ import annotations

import asyncio

import pytest

from mpss.kernel.unit_flag import refuse_inside_unit_of_work, unit_of_work_open


def test_ports_go_out_while_it_is_down() -> None:
    refuse_inside_unit_of_work()


async def test_ports_refuse_while_it_is_up_in_their_task_alone() -> None:
    token = unit_of_work_open.set(True)
    try:
        with pytest.raises(AssertionError, match="inside a unit of work"):
            refuse_inside_unit_of_work()
        with pytest.raises(AssertionError, match="inside a unit of work"):
            await asyncio.create_task(ask())
    finally:
        unit_of_work_open.reset(token)
    await asyncio.create_task(ask())


async def ask() -> None:
    refuse_inside_unit_of_work()
