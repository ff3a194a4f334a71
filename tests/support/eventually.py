"""Waiting for something that another task or process brings about."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


async def eventually(check: Callable[[], Awaitable[bool]], *, seconds: float = 30.0) -> None:
    """Return as soon as `check` is true; fail when it is not within `seconds`."""
    end = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < end, "it did not come about in time"
        await asyncio.sleep(0.02)
