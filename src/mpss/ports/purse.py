"""A subscriber's card purse (手机钱包) as we need it: money leaves the card for the wallet (CM 6.4.4).

An unload is of two steps, since the card takes the money off and the platform puts it into the wallet: reserved, the
amount waits at the purse's issuer and cannot be spent from the card; completed, it is ours; cancelled, the card may
load it again. Every unload has a `reference` of ours that is written down before it is sent: the same one asked again
is answered as the first time. Amounts are fen of CNY, above zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mpss.kernel.outcome import Outcome


@dataclass(frozen=True, slots=True)
class PurseUnload:
    """`purse_number` is the card's; `proof` what the card made over amount and counter (TAC), or b'' on completion."""

    reference: str
    purse_number: str
    amount_fen: int
    at: datetime
    proof: bytes = b""


class PursePort(Protocol):
    async def reserve(self, unload: PurseUnload, *, timeout_seconds: float) -> Outcome:
        """Take the amount off the card's balance, for us alone.

        Approved(reference: the issuer's own) · Declined(reason: too little, wrong proof, card blocked …) · InDoubt: no
        answer, so ask `inquire` or cancel.
        """
        ...

    async def complete(self, unload: PurseUnload, *, timeout_seconds: float) -> Outcome:
        """What was reserved is ours. Insisted upon: it is asked for again until it is approved."""
        ...

    async def cancel(self, unload: PurseUnload, *, timeout_seconds: float) -> Outcome:
        """What was reserved goes back to the card. Approved also where it never was, and then never will be."""
        ...

    async def inquire(self, unload: PurseUnload, *, timeout_seconds: float) -> Outcome:
        """What became of an unload: Approved(content: "reserved" or "completed") · Declined · InDoubt."""
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...
