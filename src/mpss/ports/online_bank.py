"""Online banking (网银转账) as we need it: the customer's browser is sent to the gateway and comes back (CM 6.4.5).

    we ──signed order, carried by the browser──► gateway ──signed callback──► we          (may be lost, late, doubled)
    we ──inquiry──► gateway                                                               (whenever nothing came)

An order carries our own number, written down before the browser gets it. An inquiry that closes makes an order that is
not paid, or that the gateway never saw, unpayable for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from mpss.kernel.outcome import Approved, Declined, Outcome


@dataclass(frozen=True, slots=True)
class OnlineBankOrder:
    """`amount_fen` is above zero, CNY; after `valid_seconds` the gateway takes it no more."""

    order_no: str
    amount_fen: int
    description: str
    valid_seconds: int


@dataclass(frozen=True, slots=True)
class OnlineBankNotice:
    """What a callback says, its signature checked. `outcome` is never in doubt."""

    order_no: str
    amount_fen: int
    outcome: Approved | Declined


class OnlineBankPort(Protocol):
    def address_of(self, order: OnlineBankOrder) -> str:
        """The address to send the browser to within minutes: the gateway's, with the signed order. Calls nobody.

        An order may be signed again; the gateway knows it by its number.
        """
        ...

    def read_callback(self, headers: Mapping[str, str], body: bytes) -> OnlineBankNotice:
        """What a callback says.

        Raises:
            SignatureInvalid: it is not the gateway's, or too old.
            MalformedField: it is the gateway's, and says nothing that can be understood.
        """
        ...

    async def inquire(self, order_no: str, *, amount_fen: int, close: bool, timeout_seconds: float) -> Outcome:
        """What became of an order.

        Approved(reference: the gateway's own, content: the paid amount in fen, as digits) · Declined(reason:
        "refused", "expired", "closed") · InDoubt: the customer has not decided, another amount was paid, or no answer
        that can be trusted. With `close` an undecided order is closed, so that only silence stays in doubt.
        """
        ...

    async def close(self) -> None: ...
