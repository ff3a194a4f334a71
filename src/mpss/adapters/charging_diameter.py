"""The charging system over Diameter credit control: the phone bill, asked through one of several peers.

    charge ──► first peer that is up ──► answer: Approved, Declined, InDoubt
                   └── lost before the answer: the same request with the T bit to the next one, while there is time

Invariants: (1) the Session-Id and CC-Request-Number are the caller's, so that the OCS recognizes a repeat whichever
way it comes; (2) Declined is answered only for a result code that says no, or for a request that was never written;
(3) a result code we do not know, an answer of another request's or one that cannot be read is InDoubt; (4) a
reservation that lapses sooner than `reservation_seconds` is told in the log, since the house counts on that time.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from mpss.adapters.diameter_peer import ConnectionLost, DiameterPeer
from mpss.kernel.masking import mask_phone
from mpss.kernel.outcome import Approved, Declined, InDoubt, Outcome
from mpss.kernel.unit_flag import refuse_inside_unit_of_work
from mpss.observability import OUTSIDE_CALLS, OUTSIDE_SECONDS, log
from mpss.ports.charging import ChargingOperation, ChargingRequest
from mpss.wire.diameter import (
    Action,
    CreditAnswer,
    CreditRequest,
    MalformedMessage,
    Node,
    RequestType,
    Result,
    credit_request,
    read_credit_answer,
)

COUNTERPART = "ocs"
_CHECK_BALANCE = "check_balance"
_NO: dict[int, str] = {
    Result.SERVICE_DENIED: "service denied",
    Result.NOT_APPLICABLE: "credit control not applicable",
    Result.CREDIT_LIMIT_REACHED: "credit limit reached",
    Result.UNKNOWN_SESSION: "unknown session",
    Result.AUTHORIZATION_REJECTED: "authorization rejected",
    Result.INVALID_VALUE: "invalid value",
    Result.MISSING_AVP: "missing AVP",
    Result.UNABLE_TO_COMPLY: "unable to comply",
    Result.USER_UNKNOWN: "user unknown",
    Result.RATING_FAILED: "rating failed",
}
"""Result codes that surely mean that nothing was done. No 3xxx: a relay says it of what it lost on the way."""
_KINDS: dict[ChargingOperation, tuple[RequestType, Action | None]] = {
    ChargingOperation.RESERVE: (RequestType.INITIAL, None),
    ChargingOperation.COMMIT: (RequestType.TERMINATION, None),
    ChargingOperation.RELEASE: (RequestType.TERMINATION, None),
    ChargingOperation.DEBIT: (RequestType.EVENT, Action.DEBIT),
    ChargingOperation.REFUND: (RequestType.EVENT, Action.REFUND),
}


class DiameterCharging:
    """The `ChargingPort` over the peers given, the first of them that is up. `realm` is the charging system's."""

    def __init__(
        self,
        peers: Sequence[tuple[str, int]],
        *,
        origin_host: str,
        origin_realm: str,
        realm: str,
        watchdog_seconds: float = 10.0,
        reservation_seconds: int = 0,
    ) -> None:
        self._node = Node(origin_host, origin_realm)
        self._realm = realm
        self._addresses = tuple(peers)
        self._watchdog_seconds = watchdog_seconds
        self._reservation_seconds = reservation_seconds
        self._peers: list[DiameterPeer] = []

    @property
    def ready_peers(self) -> list[str]:
        """The peers that are connected, as host:port."""
        return [peer.name for peer in self._peers if peer.ready.is_set()]

    @property
    def in_flight(self) -> int:
        """Calls that wait for an answer."""
        return sum(peer.in_flight for peer in self._peers)

    async def start(self) -> None:
        """Begin to connect to every peer; returns at once, since a charging system that is down must not stop us."""
        self._peers = [
            DiameterPeer(host, port, node=self._node, watchdog_seconds=self._watchdog_seconds)
            for host, port in self._addresses
        ]
        for peer in self._peers:
            peer.start()

    async def stop(self) -> None:
        """Say goodbye to every peer; calls under way are in doubt."""
        await asyncio.gather(*(peer.stop() for peer in self._peers))
        self._peers = []

    async def charge(self, request: ChargingRequest, *, timeout_seconds: float) -> Outcome:
        """Carry out one request; see the port."""
        kind, action = _KINDS[request.operation]
        released = request.operation is ChargingOperation.RELEASE
        asked = CreditRequest(
            session_id=request.session_id,
            kind=kind,
            number=request.number,
            phone=request.phone,
            amount_fen=0 if released else request.amount_fen,
            at=request.at,
            action=action,
            original_session_id=request.original_session_id,
        )
        return await self._measured(
            asked, request.operation.value, again=request.again, timeout_seconds=timeout_seconds
        )

    async def balance_enough(self, *, phone: str, amount_fen: int, timeout_seconds: float) -> Outcome:
        """Whether the phone bill could bear this amount now; Declined("4012 …") where it could not."""
        session_id = f"{self._node.host};{time.time_ns() // 10**9};{secrets.randbits(32)};check"
        asked = CreditRequest(
            session_id, RequestType.EVENT, 0, phone, amount_fen, datetime.now(UTC), Action.CHECK_BALANCE
        )
        return await self._measured(asked, _CHECK_BALANCE, again=False, timeout_seconds=timeout_seconds)

    async def _measured(self, asked: CreditRequest, operation: str, *, again: bool, timeout_seconds: float) -> Outcome:
        refuse_inside_unit_of_work()
        started = time.perf_counter()
        outcome = await self._ask(asked, again=again, timeout_seconds=timeout_seconds)
        OUTSIDE_SECONDS.labels(COUNTERPART, operation).observe(time.perf_counter() - started)
        OUTSIDE_CALLS.labels(COUNTERPART, operation, _word(outcome)).inc()
        if isinstance(outcome, InDoubt):
            log.warning(
                "charging.in_doubt",
                operation=operation,
                session=asked.session_id,
                phone=mask_phone(asked.phone),
                problem=outcome.problem,
            )
        return outcome

    async def _ask(self, asked: CreditRequest, *, again: bool, timeout_seconds: float) -> Outcome:
        """Ask one peer after the other until one answers or the time is over."""
        end_to_end = secrets.randbits(32)
        written = again
        try:
            async with asyncio.timeout(timeout_seconds):
                while True:
                    peer = await self._ready_peer()
                    frame = credit_request(
                        asked, sender=self._node, realm=self._realm, end_to_end=end_to_end, again=written
                    )
                    repeated, written = written, True
                    try:
                        answer = await peer.call(frame)
                    except ConnectionLost:
                        continue
                    outcome = _outcome(asked, answer, reservation_seconds=self._reservation_seconds)
                    if repeated and not again and isinstance(outcome, Declined):
                        # Said of the repeat; what was carried out on the lost connection may stand.
                        return InDoubt(f"after a lost connection: {outcome.reason}")
                    return outcome
        except TimeoutError:
            return InDoubt(f"no answer in {timeout_seconds:g} s") if written else Declined("not connected")

    async def _ready_peer(self) -> DiameterPeer:
        """The first peer that is up; waits for one where none is."""
        for peer in self._peers:
            if peer.ready.is_set():
                return peer
        waits = [asyncio.create_task(peer.ready.wait()) for peer in self._peers]
        if not waits:
            raise TimeoutError
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return next((peer for peer in self._peers if peer.ready.is_set()), self._peers[0])


def _outcome(asked: CreditRequest, frame: bytes, *, reservation_seconds: int = 0) -> Outcome:
    """What an answer says about what was asked."""
    try:
        answer = read_credit_answer(frame)
    except MalformedMessage as problem:
        return InDoubt(f"an answer that cannot be read: {problem}")
    if answer.session_id != asked.session_id or _is_of_another(asked, answer):
        return InDoubt("an answer to another request")
    code = answer.result_code
    if code == Result.SUCCESS:
        validity = answer.validity_seconds
        if asked.kind is RequestType.INITIAL and validity is not None and validity < reservation_seconds:
            log.warning("charging.reservation_short", session=asked.session_id, seconds=validity)
        return _approved(asked, answer)
    releasing = asked.kind is RequestType.TERMINATION and asked.amount_fen == 0
    if releasing and code == Result.UNKNOWN_SESSION:
        # Nothing is reserved in a session that the OCS does not know, which is what a release is for.
        return Approved(asked.session_id)
    if code in _NO:
        return Declined(f"{code} {_NO[code]}")
    return InDoubt(f"result code {code}")


def _approved(asked: CreditRequest, answer: CreditAnswer) -> Outcome:
    if asked.action is Action.CHECK_BALANCE:
        if answer.enough is None:
            return InDoubt("a balance check without its result")
        return Approved(asked.session_id) if answer.enough else Declined("4012 credit limit reached")
    grants = asked.kind is RequestType.INITIAL or asked.action is Action.DEBIT
    if grants and answer.granted_fen not in (None, asked.amount_fen):
        return InDoubt(f"granted {answer.granted_fen} fen of {asked.amount_fen}")
    return Approved(asked.session_id)


def _is_of_another(asked: CreditRequest, answer: CreditAnswer) -> bool:
    """An error of a relay may lack type and number; what is there must be what was asked."""
    return answer.kind not in (None, asked.kind) or answer.number not in (None, asked.number)


def _word(outcome: Outcome) -> str:
    match outcome:
        case Approved():
            return "approved"
        case Declined():
            return "declined"
        case InDoubt():
            return "in_doubt"
