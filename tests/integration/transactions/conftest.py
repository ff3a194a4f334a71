"""The clerk who takes cash for wallets, and the invariants after a test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mpss.runtime import Runtime
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission
from tests.support.house import employee
from tests.support.world import breaches


@pytest.fixture
async def clerk(runtime: Runtime) -> StaffMember:
    return await employee(runtime, "clerk", Permission.CASH_TOPUP, hall="H01", clerk="C01")


@pytest.fixture
async def sound(runtime: Runtime) -> AsyncIterator[None]:
    """Every invariant holds, and every counter equals its transactions, after the test."""
    yield
    assert await breaches(runtime.database) == []
