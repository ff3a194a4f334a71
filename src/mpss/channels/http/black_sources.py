"""Internet addresses and counters on the black list, known to this process for a second.

They are no party of a command, so the desk does not load them with its batch: one small question a second, for every
request of that second. What was decided in this process counts at once. Spec: CM 9.8. Decision: ADR-0022.
"""

from __future__ import annotations

import asyncio
import time

from mpss.kernel.errors import ErrorCode, Refused
from mpss.risk.lists import black_values
from mpss.risk.model import Scope
from mpss.runtime import Runtime
from mpss.security.networks import one_callers
from mpss.staff.model import StaffMember

_FRESH_SECONDS = 1.0
_ADDRESS, _TERMINAL = Scope.ADDRESS, Scope.TERMINAL


class BlackSources:
    """The black addresses, of IPv6 their networks of 64 bits, and the black counters: a hall, or a clerk's place."""

    def __init__(self) -> None:
        self._addresses: frozenset[str] = frozenset()
        self._counters: frozenset[str] = frozenset()
        self._fresh_until = 0.0
        self._forgotten = 0
        self._reading = asyncio.Lock()

    async def refuse(self, runtime: Runtime, source: str, caller: object) -> None:
        """
        Raises:
            Refused: BLACKLISTED, the request comes from a black address, or from a clerk at a black counter.
        """
        if time.monotonic() >= self._fresh_until:
            await self._read(runtime)
        if self._addresses and source in self._addresses:
            raise Refused(ErrorCode.BLACKLISTED)
        if self._counters and isinstance(caller, StaffMember) and caller.hall is not None:
            places = (caller.hall, f"{caller.hall}/{caller.clerk}")
            if not self._counters.isdisjoint(places):
                raise Refused(ErrorCode.BLACKLISTED)

    def forget(self) -> None:
        """An entry changed: the next request reads them anew."""
        self._forgotten += 1
        self._fresh_until = 0.0

    async def _read(self, runtime: Runtime) -> None:
        async with self._reading:
            if time.monotonic() < self._fresh_until:
                return  # Somebody read them while this one waited.
            forgotten = self._forgotten
            found = await black_values(runtime, _ADDRESS, _TERMINAL)
            self._addresses = frozenset(one_callers(value) for scope, value in found if scope == _ADDRESS)
            self._counters = frozenset(value for scope, value in found if scope == _TERMINAL)
            if forgotten == self._forgotten:
                self._fresh_until = time.monotonic() + _FRESH_SECONDS
