"""A merchant that is closed by two members of staff, and whose notice period is over."""

from __future__ import annotations

import itertools
from datetime import timedelta
from uuid import UUID

from mpss.kernel.clock import FixedClock
from mpss.kernel.ids import MerchantId
from mpss.merchants.close import approve_closing, finish_merchant_closings, propose_closing
from mpss.runtime import Runtime
from mpss.staff.permissions import Permission
from tests.support.house import employee

_numbers = itertools.count(1)


async def begin_closing(runtime: Runtime, merchant_id: UUID) -> None:
    """Two members of staff, who are new, have the merchant close."""
    number = next(_numbers)
    first = await employee(runtime, f"closing-asker-{number}", Permission.MERCHANT_CLOSE)
    second = await employee(runtime, f"closing-decider-{number}", Permission.MERCHANT_CLOSE)
    approval_id = await propose_closing(runtime, staff=first, merchant_id=merchant_id, reason="given up")
    await approve_closing(runtime, staff=second, approval_id=approval_id)


async def webhooks_taken(runtime: Runtime, merchant_id: UUID) -> None:
    """As if the merchant's server had taken everything."""
    async with runtime.database.transaction() as uow:
        await uow.execute(
            "UPDATE outbox SET state = 'done' WHERE kind = 'webhook' AND recipient = %(to)s",
            {"to": MerchantId.outside(merchant_id)},
        )


async def close_merchant(runtime: Runtime, clock: FixedClock, merchant_id: UUID) -> None:
    """From asking to gone, of a merchant that is owed nothing."""
    await begin_closing(runtime, merchant_id)
    clock.advance(timedelta(days=runtime.policy.merchant_closing_days))
    await webhooks_taken(runtime, merchant_id)
    assert await finish_merchant_closings(runtime) == 1
