"""The side of a town's bank that works through files of payment orders: pain.001 in, pain.002 out.

    <folder>/orders ──► each order credited once, by its end-to-end id ──► <folder>/answers    orders-read: done

An order is carried out and remembered before it is answered; a file that comes twice is answered twice and paid once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from mpss.simulators.bank_store import BankStore
from mpss.simulators.faults import Faults
from mpss.wire.iso8583.messages import BankMessage, Service
from mpss.wire.pain import (
    PAID,
    PARTLY,
    REJECTED,
    BadFile,
    Orders,
    OrderStatus,
    PaymentOrder,
    Statuses,
    read_orders,
    write_statuses,
)

_PAUSE_SECONDS = 0.2
_REASONS = {"14": "AC01 no such account", "63": "BE01 the name is another", "22": "FOCR returned"}
_OTHER_REASON = "MS03 refused"


class FileFaultKind(StrEnum):
    """Each meets the next `count` files (REJECT_ORDER and WRONG_NAME: orders), or all until lifted."""

    REJECT_ORDER = "reject_order"
    """Refuse an order."""
    WRONG_NAME = "wrong_name"
    """Refuse an order because the card's holder has another name."""
    REJECT_FILE = "reject_file"
    """Refuse every order of the file, saying so of the group."""
    ACCEPT_FIRST = "accept_first"
    """Say first that every order is accepted (ACCP), then what became of it."""
    PARTLY = "partly"
    """Answer for the first half of the orders, then, in a second file, for the rest."""
    LOSE_ANSWER = "lose_answer"
    """Carry out and write no answer."""
    ANSWER_TWICE = "answer_twice"
    """Write the same answer under two names."""
    RETURN_LATER = "return_later"
    """Say that all is paid; then give it back, in a second file."""
    MALFORMED = "malformed"
    """Carry out and write an answer that is cut off, then the right one."""
    FOREIGN = "foreign"
    """Carry out and write an answer with an order that is not in the file, then the right one."""


@dataclass(slots=True)
class FileFault:
    kind: FileFaultKind
    count: int | None = None


_OF_ORDERS = {FileFaultKind.REJECT_ORDER: "62", FileFaultKind.WRONG_NAME: "63"}


class BankFiles:
    """Works through `folder`, which the bank's file transfer shares with the platform."""

    def __init__(self, code: str, store: BankStore, folder: Path) -> None:
        self._code = code
        self._store = store
        self._folder = folder
        self._last = datetime.now(UTC)
        self.faults: Faults[FileFault] = Faults()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            with suppress(OSError):  # What could not be read or written now is there at the next turn.
                self.work()
            await asyncio.sleep(_PAUSE_SECONDS)

    def work(self) -> int:
        """Carry out and answer every file of orders that is there; how many there were."""
        found = sorted(self._in("orders").glob("[!.]*.xml"))
        for path in found:
            try:
                file = read_orders(path.read_bytes())
            except BadFile:
                path.rename(self._in("orders-refused") / path.name)
                continue
            if file.bank != self._code or self.faults.meet(lambda fault: fault.kind is FileFaultKind.REJECT_FILE):
                self._reject(file)
            else:
                self._answer(file, self._carry_out(file))
            path.rename(self._in("orders-read") / path.name)
        return len(found)

    def answer_again(self, message_id: str) -> bool:
        """Write the answer to a file once more, from the books; whether the bank has the file."""
        path = self._in("orders-read") / f"{message_id}.xml"
        if not path.exists():
            return False
        file = read_orders(path.read_bytes())
        self._write(file, [self._status(file, order, "") for order in file.orders])
        return True

    def _reject(self, file: Orders) -> None:
        for order in file.orders:
            self._status(file, order, "05")
        answer = self._statuses(file, [])._replace(group_status=REJECTED, group_reason=_OTHER_REASON)
        self._place("answer", write_statuses(answer))

    def _carry_out(self, file: Orders) -> list[OrderStatus]:
        statuses = []
        for order in file.orders:
            fault = self.faults.meet(lambda fault: fault.kind in _OF_ORDERS)
            statuses.append(self._status(file, order, "" if fault is None else _OF_ORDERS[fault.kind]))
        return statuses

    def _status(self, file: Orders, order: PaymentOrder, declined_with: str) -> OrderStatus:
        asked = BankMessage(
            Service.CREDIT, "000000", f"{file.created_at:%m%d%H%M%S}", order.end_to_end_id, order.card_number,
            order.amount_fen, holder_name=order.holder_name,
        )  # fmt: skip
        verdict = self._store.serve(asked, declined_with=declined_with)
        if verdict.response == "00":
            return OrderStatus(order.end_to_end_id, PAID)
        return OrderStatus(order.end_to_end_id, REJECTED, _REASONS.get(verdict.response, _OTHER_REASON))

    def _answer(self, file: Orders, statuses: list[OrderStatus]) -> None:
        fault = self.faults.meet(lambda fault: fault.kind not in (*_OF_ORDERS, FileFaultKind.REJECT_FILE))
        match None if fault is None else fault.kind:
            case FileFaultKind.LOSE_ANSWER:
                return
            case FileFaultKind.ACCEPT_FIRST:
                self._write(file, [OrderStatus(said.end_to_end_id, "ACCP") for said in statuses])
            case FileFaultKind.PARTLY:
                self._write(file, statuses[: len(statuses) // 2])
                statuses = statuses[len(statuses) // 2 :]
            case FileFaultKind.ANSWER_TWICE:
                self._place("again", self._write(file, statuses))
                return
            case FileFaultKind.MALFORMED:
                self._place("cut", write_statuses(self._statuses(file, statuses))[:-20])
            case FileFaultKind.FOREIGN:
                self._write(file, [*statuses, OrderStatus("f" * 32, PAID)])
            case FileFaultKind.RETURN_LATER:
                self._write(file, statuses)
                returned = [said for said in statuses if self._store.return_credit(said.end_to_end_id)]
                statuses = [OrderStatus(said.end_to_end_id, REJECTED, _REASONS["22"]) for said in returned]
        if statuses:
            self._write(file, statuses)

    def _write(self, file: Orders, statuses: Sequence[OrderStatus]) -> bytes:
        content = write_statuses(self._statuses(file, statuses))
        self._place("answer", content)
        return content

    def _statuses(self, file: Orders, statuses: Sequence[OrderStatus]) -> Statuses:
        # Two answers of one instant could not be told apart by it.
        self._last = max(datetime.now(UTC), self._last + timedelta(milliseconds=1))
        name = f"{self._code}-{self._last:%Y%m%d%H%M%S%f}"
        return Statuses(name, self._last, file.message_id, PARTLY if statuses else "RCVD", "", tuple(statuses))

    def _place(self, what: str, content: bytes) -> None:
        self._last = max(datetime.now(UTC), self._last + timedelta(milliseconds=1))
        path = self._in("answers") / f"{self._last:%Y%m%d%H%M%S%f}-{what}.xml"
        beside = path.with_name(f".{path.name}.part")
        beside.write_bytes(content)
        beside.rename(path)

    def _in(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder
