"""Internet addresses and counters on the black and the grey list, known to this process for a second.

They are no party of a command, so the desk does not load them with its batch: one small question a second, for every
request of that second. What was decided in this process counts at once. Black is refused here; that a place is grey is
told to the desk with the command. Spec: CM 9.6, 9.8. Decision: ADR-0022.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import NamedTuple

from mpss.kernel.errors import ErrorCode, Refused
from mpss.risk.lists import listed_values
from mpss.risk.model import Colour, Scope
from mpss.runtime import Runtime
from mpss.security.networks import one_callers
from mpss.staff.model import StaffMember

_FRESH_SECONDS = 1.0
_ADDRESS, _TERMINAL = Scope.ADDRESS, Scope.TERMINAL


class _Places(NamedTuple):
    """What is on one list: addresses, of IPv6 their networks of 64 bits, and counters, of a hall or a clerk's."""

    addresses: frozenset[str] = frozenset()
    counters: frozenset[str] = frozenset()

    def has(self, source: str, caller: object) -> bool:
        """Whether the request comes from a listed address, or from a clerk at a listed counter."""
        if self.addresses and source in self.addresses:
            return True
        if not self.counters or not isinstance(caller, StaffMember) or caller.hall is None:
            return False
        return not self.counters.isdisjoint((caller.hall, f"{caller.hall}/{caller.clerk}"))


class ListedSources:
    """The listed addresses and counters, read anew when they are a second old."""

    def __init__(self) -> None:
        self._black = _Places()
        self._grey = _Places()
        self._fresh_until = 0.0
        self._forgotten = 0
        self._reading = asyncio.Lock()

    async def screen(self, runtime: Runtime, source: str, caller: object) -> bool:
        """Whether the request comes from a place on the grey list.

        Raises:
            Refused: BLACKLISTED, it comes from one on the black list.
        """
        if time.monotonic() >= self._fresh_until:
            await self._read(runtime)
        if self._black.has(source, caller):
            raise Refused(ErrorCode.BLACKLISTED)
        return self._grey.has(source, caller)

    def forget(self) -> None:
        """An entry changed: the next request reads them anew."""
        self._forgotten += 1
        self._fresh_until = 0.0

    async def _read(self, runtime: Runtime) -> None:
        async with self._reading:
            if time.monotonic() < self._fresh_until:
                return  # Somebody read them while this one waited.
            forgotten = self._forgotten
            found = await listed_values(runtime, _ADDRESS, _TERMINAL)
            self._black, self._grey = (_places(found, colour) for colour in (Colour.BLACK, Colour.GREY))
            if forgotten == self._forgotten:
                self._fresh_until = time.monotonic() + _FRESH_SECONDS


def _places(found: Iterable[tuple[str, str, str]], colour: Colour) -> _Places:
    named = [(scope, value) for listed, scope, value in found if listed == colour]
    return _Places(
        frozenset(one_callers(value) for scope, value in named if scope == _ADDRESS),
        frozenset(value for scope, value in named if scope == _TERMINAL),
    )
