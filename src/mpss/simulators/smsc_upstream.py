"""Carries what handsets send, and receipts, to the bound ESME: in order for each number, until acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import smpp34

from mpss.simulators.smsc_store import HandsetStore, Upstream
from mpss.wire.smpp import ISDN, TRANSIENT, EsmClass, Tag, TypeOfNumber
from mpss.wire.sms_text import split

_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_AT_ONCE = 32
_DELIVERED = b"\x02"


class Carrier:
    """`spawn` runs a coroutine for as long as the SMSC runs."""

    def __init__(self, store: HandsetStore, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self.sessions: dict[str, smpp34.Esme] = {}
        self._store = store
        self._spawn = spawn
        self._changed = asyncio.Condition()
        self._lanes: set[str] = set()
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    def start(self) -> None:
        """Go on with what was waiting when the SMSC stopped."""
        for phone in self._store.waiting_phones():
            self.carry(phone)

    async def bound(self, esme: smpp34.Esme) -> None:
        self.sessions[esme.session_id] = esme
        async with self._changed:
            self._changed.notify_all()

    def unbound(self, session_id: str) -> None:
        self.sessions.pop(session_id, None)

    def carry(self, phone: str) -> None:
        """See that somebody carries this number's messages, one after the other."""
        if phone not in self._lanes:
            self._lanes.add(phone)
            self._spawn(self._carry(phone))

    async def _carry(self, phone: str) -> None:
        tries = 0
        while (waiting := self._store.next_upstream(phone)) is not None:
            async with self._changed:
                await self._changed.wait_for(lambda: self._receiver() is not None)
            async with self._at_once:
                done = await self._deliver(waiting)
            if done:
                self._store.finish_upstream(waiting.id)
                tries = 0
            else:
                await asyncio.sleep(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)])
                tries += 1
        self._lanes.discard(phone)

    def _receiver(self) -> smpp34.Esme | None:
        return next((esme for esme in self.sessions.values() if esme.can_receive), None)

    async def _deliver(self, waiting: Upstream) -> bool:
        """Send one message or receipt; whether it was acknowledged, or refused for good."""
        esme = self._receiver()
        if esme is None:
            return False
        tlvs = [smpp34.Tlv(Tag.USER_MESSAGE_REFERENCE, (waiting.id & 0xFFFF).to_bytes(2, "big"))]
        esm_class = EsmClass(0)
        if waiting.receipt_of is not None:
            esm_class = EsmClass.RECEIPT
            tlvs = [
                smpp34.Tlv(Tag.RECEIPTED_MESSAGE_ID, waiting.receipt_of.encode() + b"\0"),
                smpp34.Tlv(Tag.MESSAGE_STATE, _DELIVERED),
            ]
        try:
            for segment in split(waiting.text, reference=waiting.id):
                answer = await esme.deliver_sm(
                    waiting.ours,
                    segment.data,
                    source_addr=waiting.phone.removeprefix("+"),
                    source_addr_ton=TypeOfNumber.INTERNATIONAL,
                    source_addr_npi=ISDN,
                    esm_class=esm_class | (EsmClass.HAS_HEADER if segment.has_header else 0),
                    data_coding=segment.coding,
                    tlvs=tlvs,
                )
                if answer.command_status in TRANSIENT:
                    return False
        except smpp34.SmppError:
            return False  # No answer: the connection went, or half a minute did.
        return True
