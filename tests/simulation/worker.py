"""A process of the platform for the simulation: a runtime with a desk, steps in on stdin, answers out on stdout.

Lines are JSON. In: {"number", "step"} to carry out, {"arm": step of the desk, "fault": "die" | "pause", "after": n} to
make the n-th batch from now fail there, {"go"} to leave a pause. Out: {"ready"}, {"paused"}, {"number", and "found",
"error" or "done"}. An answer is on its way to the parent only once the desk has given it, so the parent's copy is an
acknowledgement.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from mpss.accounts.password_rules import candidate_digests, fingerprint
from mpss.adapters.key_store_file import FileKeyStore
from mpss.config import Settings
from mpss.db.database import Connection, Database
from mpss.desk.desk import Desk
from mpss.desk.model import Answer, Transaction
from mpss.kernel.clock import SandboxClock, business_date
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import MerchantId, StaffId, TransactionId
from mpss.ledger.day_close import close_day
from mpss.observability import configure_logging
from mpss.ports.bundle import Ports
from mpss.runtime import Runtime
from mpss.staff.model import StaffMember
from mpss.staff.permissions import Permission
from mpss.transactions.confirm import cancel, confirm, lapse_waiting
from mpss.transactions.model import Proof
from mpss.transactions.purchases.purchase import purchase, request_purchase
from mpss.transactions.purchases.reversal import caller_of_merchant, reverse
from mpss.transactions.purchases.sale import Sale
from mpss.transactions.topups.cash import top_up_cash, undo_cash_topup
from mpss.transactions.topups.voucher import redeem_voucher
from tests.simulation.steps import Found, Step
from tests.support.house import PASSWORD, NoMerchants, NoSms
from tests.support.world import Goods, Person

WRONG_PASSWORD = "135790"
CLERK = StaffMember(StaffId(int=1), "clerk", frozenset({Permission.CASH_TOPUP}), "H01", "C01", True)


class Faults:
    """The desk's hook: the process dies, or waits for the parent, at a step."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._step, self._fault, self._after = "", "", 0
        self._go = asyncio.Event()

    def arm(self, step: str, fault: str, after: int) -> None:
        self._step, self._fault, self._after = step, fault, after

    def go(self) -> None:
        self._go.set()

    async def __call__(self, step: str, _: Connection) -> None:
        if step != self._step:
            return
        self._after -= 1
        if self._after > 0:
            return
        self._step = ""
        if self._fault == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        self._go.clear()
        self._out.write({"paused": step})
        await self._go.wait()


class Out:
    """The way back to the parent; whatever else prints goes to standard error."""

    def __init__(self) -> None:
        self._descriptor = os.dup(1)
        os.dup2(2, 1)

    def write(self, message: dict[str, Any]) -> None:
        os.write(self._descriptor, json.dumps(message).encode() + b"\n")


class Platform:
    def __init__(self, runtime: Runtime, world: dict[str, Any]) -> None:
        self._runtime = runtime
        self._people = [Person(UUID(row[0]), *row[1:]) for row in world["people"]]
        self._goods = [Goods(UUID(row[0]), UUID(row[1]), *row[2:]) for row in world["goods"]]
        self._merchants = [UUID(text) for text in world["merchants"]]
        self._cards = world["cards"]

    async def carry_out(self, step: Step) -> dict[str, Any]:
        """The flow's answer, as a message."""
        match step.kind:
            case "lapse":
                return {"done": await lapse_waiting(self._runtime)}
            case "close":
                now = self._runtime.clock.now()
                await close_day(self._runtime.database, today=business_date(now), now=now)
                return {"done": 1}
            case "reply":
                return await self._reply(step)
            case "cash":
                person = self._people[step.person]
                answer = await top_up_cash(
                    self._runtime, staff=CLERK, key=step.key, phone=person.phone, amount_fen=step.amount_fen
                )
            case "undo":
                assert step.original is not None
                answer = await undo_cash_topup(
                    self._runtime, staff=CLERK, key=step.key, original_id=UUID(step.original)
                )
            case "redeem":
                answer = await redeem_voucher(
                    self._runtime, account_id=self._people[step.person].id, key=step.key,
                    password=self._cards[step.card], channel="http",
                )  # fmt: skip
            case "reverse":
                answer = await self._reverse(step)
            case _:
                answer = await self._sell(step)
        return {"found": asdict(found_of(answer.transaction, answer))}

    async def _sell(self, step: Step) -> Answer:
        person = self._people[step.person]
        goods = None if step.goods is None else self._goods[step.goods]
        sale = Sale(
            person.id,
            self._merchants[step.merchant] if goods is None else goods.merchant_id,
            None if goods is None else goods.id,
            step.quantity,
            step.amount_fen or None,
            None,
            step.order_no,
        )
        if step.kind == "ask":
            caller = caller_of_merchant(sale.merchant_id)
            return await request_purchase(
                self._runtime, caller=caller, key=step.key, channel="http", sale=sale, phone=person.phone
            )
        key_store, password = self._runtime.ports.key_store, PASSWORD if step.right else WRONG_PASSWORD
        digests = candidate_digests(key_store, person.id, password)
        proof = Proof(digests, False, fingerprint(key_store, password), "simulation")
        return await purchase(self._runtime, caller=person.caller, key=step.key, channel="http", sale=sale, proof=proof)

    async def _reply(self, step: Step) -> dict[str, Any]:
        assert step.original is not None
        async with self._runtime.database.read() as uow:
            rows = await uow.dicts(
                "SELECT phone, code FROM confirmation WHERE transaction_id = %(id)s", {"id": UUID(step.original)}
            )
        try:
            reply = confirm if step.yes else cancel
            return {"found": asdict(found_of(await reply(self._runtime, **rows[0])))}
        except Refused as refused:
            if refused.code is not ErrorCode.UNKNOWN_TRANSACTION:
                raise
            return {"done": 0}

    async def _reverse(self, step: Step) -> Answer:
        merchant_id = self._merchants[step.merchant]
        return await reverse(
            self._runtime,
            caller=caller_of_merchant(merchant_id),
            key=step.key,
            channel="http",
            merchant_id=MerchantId.from_uuid(merchant_id),
            original_id=None if step.original is None else TransactionId.from_uuid(UUID(step.original)),
            order_no=step.order_no,
            reason="asked by the merchant",
        )


def found_of(transaction: Transaction, answer: Answer | None = None) -> Found:
    return Found(
        str(UUID(int=transaction.id.int)),
        transaction.kind,
        transaction.state,
        transaction.refusal,
        None if transaction.account_id is None else str(UUID(int=transaction.account_id.int)),
        transaction.amount_fen,
        transaction.fee_fen,
        transaction.restricted_fen,
        None if transaction.original_id is None else str(UUID(int=transaction.original_id.int)),
        False if answer is None else answer.repeated,
        True if answer is None else answer.recorded,
    )


async def serve(config: dict[str, Any], out: Out) -> None:
    folder = Path(config["folder"])
    faults = Faults(out)
    database = Database(config["url"], pool_size=6, timeout_seconds=15)
    await database.open()
    desk = Desk(database, batch_size=config["batch_size"], patience_seconds=40, hook=faults)
    while True:
        try:
            await desk.start()
            break
        except psycopg.OperationalError:  # killed while this process started
            await asyncio.sleep(0.1)
    ports = Ports(FileKeyStore.open_or_make(folder / "keys.json"), NoSms(), NoMerchants())
    clock = SandboxClock(folder / "clock")
    platform = Platform(Runtime(database, desk, clock, ports, Settings(data_dir=folder)), config["world"])

    async def answer(number: int, step: Step) -> None:
        try:
            message = await platform.carry_out(step)
        except Exception as problem:  # whatever stopped it, the parent asks again
            message = {"error": f"{type(problem).__name__}: {problem}"}
        out.write({"number": number, **message})

    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    out.write({"ready": os.getpid()})
    async with asyncio.TaskGroup() as group:
        while line := await reader.readline():
            message = json.loads(line)
            if "step" in message:
                group.create_task(answer(message["number"], Step(**message["step"])))
            elif "arm" in message:
                faults.arm(message["arm"], message["fault"], message["after"])
            else:
                faults.go()
    await desk.stop()
    await database.close()


if __name__ == "__main__":
    configure_logging("ERROR")
    asyncio.run(serve(json.loads(sys.argv[1]), Out()))
