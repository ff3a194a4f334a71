"""What this subscriber may see here, by home and visited province; the hot list behind it. Spec: CT 4.2, 5.5."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from mpss.catalog import queries, store
from mpss.catalog.model import Product
from mpss.kernel.ids import TransactionId
from mpss.runtime import Runtime

HEAT_WINDOW = timedelta(days=1)
"""How long a sale keeps a product warm."""


async def browse(
    runtime: Runtime,
    *,
    home_province: str,
    visited_province: str | None,
    category: str | None = None,
    name: str | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[Product]:
    """A page of what the subscriber may buy, latest first; see `queries.browse`."""
    async with runtime.database.read() as uow:
        return await queries.browse(
            uow,
            home_province=home_province,
            visited_province=visited_province,
            category=category,
            name=name,
            before=before,
            limit=limit,
        )


async def hot_list(
    runtime: Runtime, *, home_province: str, visited_province: str | None, limit: int = 10
) -> list[Product]:
    """What sold most in the last day of what the subscriber may buy, most first."""
    async with runtime.database.read() as uow:
        return await queries.hot_list(
            uow, home_province=home_province, visited_province=visited_province, limit=limit
        )  # fmt: skip


async def refresh_heat(runtime: Runtime) -> int:
    """Count anew what sold in the last day, for the hot list; how many products did. Run now and then by a job."""
    now = runtime.clock.now()
    # Transaction ids grow with time, so the first of the window is a bound on the primary key.
    first = TransactionId.of(int((now - HEAT_WINDOW).timestamp() * 1000) << 80)
    async with runtime.database.transaction() as uow:
        return await store.refresh_heat(uow, first=first, now=now)
