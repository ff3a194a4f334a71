"""The charging system and the banks as processes of their own: killed, stopped for a while, started on the same data
and ports; and the faults of each, set by its control.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from mpss.simulators.bank_faults import FaultKind
from mpss.simulators.merchant_shop import Fault
from mpss.simulators.ocs_faults import OcsFaultKind
from tests.simulation.processes import ROOT

LONGEST_SECONDS = 1.8
"""The longest that a fault delays anything."""
_START_TRIES = 40
_MOST_IN_FORCE = 5
_REFUSALS = ("05", "51", "54", "61", "96")
CLOSED = ("14", "42")
"""No such card, no account: what a bank says of a card that exists no more."""
BANK_SERVICES = ("debit", "freeze", "collect", "unfreeze", "credit", "reverse", "inquire")
OUTGOING_FAULTS = (
    FaultKind.LOSE_REQUEST, FaultKind.DELAY_REQUEST, FaultKind.BAD_MAC, FaultKind.TWICE, FaultKind.CLOSE,
    FaultKind.LOSE_REPLY,
)  # fmt: skip
DELIVERY_FAULTS = [fault for fault in Fault if fault is not Fault.REFUSE]


class Simulator:
    """One simulator as a process. `arguments` are its program's; `ports` the options that keep its addresses."""

    def __init__(self, name: str, arguments: list[str]) -> None:
        self.name = name
        self.addresses: dict[str, Any] = {}
        self.kills = 0
        self.met: Counter[str] = Counter()
        self._arguments = arguments
        self._ports: list[str] = []
        self._process: asyncio.subprocess.Process | None = None
        self._http = httpx.AsyncClient(trust_env=False, timeout=10)

    async def start(self) -> None:
        """Start it; again, on the ports it had, which the kernel may not give back at once."""
        for _ in range(_START_TRIES):
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *self._arguments, *self._ports,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, cwd=ROOT,
            )  # fmt: skip
            assert self._process.stdout is not None
            if line := await self._process.stdout.readline():
                self.addresses = json.loads(line)
                self._ports = _port_options(self.addresses)
                return
            await self._process.wait()
            await asyncio.sleep(0.1)
        raise AssertionError(f"{self.name} does not start")

    async def kill_and_restart(self, *, away_seconds: float = 0.0) -> None:
        self.kills += 1
        with contextlib.suppress(httpx.TransportError):
            await self._forget_unmet()
        await self._end()
        await asyncio.sleep(away_seconds)
        await self.start()

    async def freeze(self, seconds: float) -> None:
        """It hears nothing for a while, and its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        await self._end()
        await self._http.aclose()

    async def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = await self._http.request(method, f"{self.addresses['control_url']}{path}", json=body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def fault(self, fault: dict[str, Any]) -> None:
        """Set one; where many wait for requests that do not come, those are lifted."""
        with contextlib.suppress(httpx.TransportError):  # it is away just now
            if len((await self.control("GET", "/faults"))["faults"]) >= _MOST_IN_FORCE:
                await self.clear()
            await self.control("POST", "/faults", fault)
            self.met[fault["kind"]] += fault["count"]

    async def clear(self) -> None:
        await self._forget_unmet()
        await self.control("DELETE", "/faults")

    async def _forget_unmet(self) -> None:
        for fault in (await self.control("GET", "/faults"))["faults"]:
            self.met[fault["kind"]] -= fault["count"]

    async def _end(self) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


def ocs(folder: Path) -> Simulator:
    return Simulator("ocs", ["mpss.simulators.ocs", "--data", str(folder / "ocs")])


def bank(folder: Path, code: str, profile: str, transport_key: bytes) -> Simulator:
    key_file = folder / f"{code}.key"
    key_file.write_text(transport_key.hex(), encoding="ascii")
    arguments = ["--data", str(folder / "banks"), "--code", code, "--profile", profile, "--key-file", str(key_file)]
    arguments += ["--answer-seconds", "1"]
    return Simulator(code, ["mpss.simulators.bank", *arguments])


def ocs_fault(chance: random.Random) -> dict[str, Any]:
    """Any of its faults, for some requests of any kind or of one."""
    return {
        "kind": chance.choice(list(OcsFaultKind)).value,
        "count": chance.randint(1, 3),
        "seconds": chance.uniform(0.1, LONGEST_SECONDS),
        "request": chance.choice((None, None, "initial", "termination", "event")),
    }


def _counter_fault(chance: random.Random) -> dict[str, Any]:
    """What a bank itself asks is lost, late, doubled or mangled, or its answer is."""
    return {
        "kind": chance.choice(OUTGOING_FAULTS).value,
        "count": chance.randint(1, 3),
        "seconds": chance.uniform(0.1, LONGEST_SECONDS),
        "service": chance.choice((None, "top_up", "reverse")),
        "outgoing": True,
    }


def bank_fault(chance: random.Random) -> dict[str, Any]:
    """Any of its faults; what it refuses it refuses for good, so what has one reference for good is not refused."""
    if chance.random() < 0.25:
        return _counter_fault(chance)
    kind = chance.choice(list(FaultKind))
    services: tuple[str | None, ...] = (None, None, None, *BANK_SERVICES)
    codes: tuple[str, ...] = _REFUSALS
    if kind is FaultKind.DECLINE:
        services = ("debit", "freeze", "credit")
    elif kind is FaultKind.REFUSE_SIGN_ON:
        services = (None,)
    service = chance.choice(services)
    if service == "credit":
        codes = ("05", "61", *CLOSED)
    return {
        "kind": kind.value,
        "count": chance.randint(1, 3),
        "seconds": chance.uniform(0.1, LONGEST_SECONDS),
        "code": chance.choice(codes),
        "service": service,
    }


def _port_options(addresses: dict[str, Any]) -> list[str]:
    doors = [peer.rpartition(":")[2] for peer in addresses.get("peers", "").split(",") if peer]
    ports = doors or [str(addresses["port"])]
    options = [option for port in ports for option in ("--port", port)]
    return [*options, "--control-port", addresses["control_url"].rpartition(":")[2]]
