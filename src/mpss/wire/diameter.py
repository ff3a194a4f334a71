"""Diameter credit control as bytes (RFC 6733, RFC 8506): frames, what we ask an OCS, and what it answers.

`python-diameter` packs the AVPs; this module fixes which ones we use, and turns whatever else comes into
`MalformedMessage`. Money is CC-Money in CNY: Value-Digits are fen, the exponent is -2.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from diameter.message._base import Message
from diameter.message.avp.grouped import CcMoney, GrantedServiceUnit, SubscriptionId, UnitValue, UsedServiceUnit
from diameter.message.commands import (
    CapabilitiesExchangeAnswer,
    CapabilitiesExchangeRequest,
    CreditControlAnswer,
    CreditControlRequest,
    DeviceWatchdogAnswer,
    DeviceWatchdogRequest,
    DisconnectPeerAnswer,
    DisconnectPeerRequest,
)

CREDIT_CONTROL_APPLICATION = 4
SERVICE_CONTEXT = "phone-bill@mpss"
HEADER_BYTES = 20
LARGEST_MESSAGE = 65_536
_CNY = 156
_END_USER_E164 = 0
_REBOOTING = 0
_LOGOUT = 1


class MalformedMessage(ValueError):
    """Bytes that are no Diameter message, or one without what it must have."""


class Command(IntEnum):
    CAPABILITIES = 257
    CREDIT_CONTROL = 272
    WATCHDOG = 280
    DISCONNECT = 282


class RequestType(IntEnum):
    INITIAL = 1
    UPDATE = 2
    TERMINATION = 3
    EVENT = 4


class Action(IntEnum):
    DEBIT = 0
    REFUND = 1
    CHECK_BALANCE = 2


class Result(IntEnum):
    """The result codes that say yes or no; every other one leaves us in doubt."""

    SUCCESS = 2001
    UNSUPPORTED = 3001
    SERVICE_DENIED = 4010
    NOT_APPLICABLE = 4011
    CREDIT_LIMIT_REACHED = 4012
    UNKNOWN_SESSION = 5002
    AUTHORIZATION_REJECTED = 5003
    INVALID_VALUE = 5004
    MISSING_AVP = 5005
    UNABLE_TO_COMPLY = 5012
    USER_UNKNOWN = 5030
    RATING_FAILED = 5031


@dataclass(frozen=True, slots=True)
class Node:
    """Who speaks: Diameter identity and realm."""

    host: str
    realm: str


@dataclass(frozen=True, slots=True)
class Header:
    """The part of a message that can be read when the rest cannot."""

    command: int
    is_request: bool
    is_again: bool
    hop_by_hop: int
    end_to_end: int


@dataclass(frozen=True, slots=True)
class CreditRequest:
    """A CCR. `phone` is E.164 with its plus; `action` goes with EVENT alone, `amount_fen` of a TERMINATION was used."""

    session_id: str
    kind: RequestType
    number: int
    phone: str
    amount_fen: int
    at: datetime
    action: Action | None = None
    original_session_id: str | None = None


@dataclass(frozen=True, slots=True)
class CreditAnswer:
    """A CCA. An error answer (E bit) may lack `kind` and `number`; `enough` answers a Check-Balance.

    `validity_seconds` is how long what is granted stays reserved (Validity-Time, RFC 8506 §8.33).
    """

    session_id: str
    result_code: int
    kind: int | None = None
    number: int | None = None
    granted_fen: int | None = None
    enough: bool | None = None
    validity_seconds: int | None = None


def take_frame(buffer: bytearray) -> bytes | None:
    """Take the first whole message off the buffer, or None where it is not all there yet.

    Raises:
        MalformedMessage: what stands there is no Diameter message; the stream cannot be read on.
    """
    if len(buffer) < 4:
        return None
    length = int.from_bytes(buffer[1:4], "big")
    if buffer[0] != 1 or not HEADER_BYTES <= length <= LARGEST_MESSAGE or length % 4:
        raise MalformedMessage(f"version {buffer[0]}, length {length}")
    if len(buffer) < length:
        return None
    frame = bytes(buffer[:length])
    del buffer[:length]
    return frame


def read_header(frame: bytes) -> Header:
    """The header of a frame that `take_frame` gave."""
    flags = frame[4]
    return Header(
        command=int.from_bytes(frame[5:8], "big"),
        is_request=bool(flags & 0x80),
        is_again=bool(flags & 0x10),
        hop_by_hop=int.from_bytes(frame[12:16], "big"),
        end_to_end=int.from_bytes(frame[16:20], "big"),
    )


def result_code_of(frame: bytes) -> int:
    """The Result-Code of any answer.

    Raises:
        MalformedMessage: it has none.
    """
    return _number(_parse(frame), "result_code")


# ── credit control


def credit_request(request: CreditRequest, *, sender: Node, realm: str, end_to_end: int, again: bool) -> bytes:
    """A CCR as bytes; its hop-by-hop identifier is 0 until `stamp`."""
    message: Any = CreditControlRequest()
    _sign(message, sender, end_to_end)
    message.header.is_retransmit = again
    message.header.application_id = CREDIT_CONTROL_APPLICATION
    message.session_id = request.session_id
    message.destination_realm = realm.encode()
    message.auth_application_id = CREDIT_CONTROL_APPLICATION
    message.service_context_id = SERVICE_CONTEXT
    message.cc_request_type = int(request.kind)
    message.cc_request_number = request.number
    message.event_timestamp = request.at.astimezone(UTC).replace(microsecond=0)
    message.subscription_id = [SubscriptionId(_END_USER_E164, request.phone.removeprefix("+"))]
    if request.kind is RequestType.TERMINATION:
        message.termination_cause = _LOGOUT
        message.used_service_unit = [UsedServiceUnit(cc_money=_money(request.amount_fen))]
    else:
        message.requested_service_unit = GrantedServiceUnit(cc_money=_money(request.amount_fen))
    if request.action is not None:
        message.requested_action = int(request.action)
    if request.original_session_id is not None:
        message.cc_correlation_id = request.original_session_id.encode()
    return bytes(message.as_bytes())


def stamp(frame: bytes, hop_by_hop: int) -> bytes:
    """The same message with the hop-by-hop identifier of the connection that it goes out on."""
    return frame[:12] + hop_by_hop.to_bytes(4, "big") + frame[16:]


def read_credit_request(frame: bytes) -> CreditRequest:
    """A CCR from bytes.

    Raises:
        MalformedMessage: it cannot be read, or lacks what we need.
    """
    message = _parse(frame)
    try:
        kind = RequestType(_number(message, "cc_request_type"))
        action = None if message.requested_action is None else Action(message.requested_action)
        units = message.used_service_unit if kind is RequestType.TERMINATION else [message.requested_service_unit]
        correlation = message.cc_correlation_id
        at = message.event_timestamp or datetime.now(UTC)
        return CreditRequest(
            session_id=_text(message, "session_id"),
            kind=kind,
            number=_number(message, "cc_request_number"),
            phone="+" + next(s.subscription_id_data for s in message.subscription_id),
            amount_fen=_fen(units[0].cc_money),
            at=at if at.tzinfo else at.replace(tzinfo=UTC),
            action=action,
            original_session_id=None if correlation is None else correlation.decode(),
        )
    except MalformedMessage:
        raise
    except Exception as problem:
        # The library leaves what it could not place as None or of another type.
        raise MalformedMessage(f"not a credit-control request: {problem!r}") from problem


def credit_answer(request: bytes, answer: CreditAnswer, *, sender: Node) -> bytes:
    """The CCA to the request frame `request`."""
    header = read_header(request)
    message: Any = CreditControlAnswer()
    _sign(message, sender, header.end_to_end)
    message.header.hop_by_hop_identifier = header.hop_by_hop
    message.header.application_id = CREDIT_CONTROL_APPLICATION
    message.header.is_proxyable = True
    message.header.is_error = 3000 <= answer.result_code < 4000
    message.session_id = answer.session_id
    message.result_code = answer.result_code
    message.auth_application_id = CREDIT_CONTROL_APPLICATION
    message.cc_request_type = answer.kind
    message.cc_request_number = answer.number
    if answer.granted_fen is not None:
        message.granted_service_unit = GrantedServiceUnit(cc_money=_money(answer.granted_fen))
    if answer.enough is not None:
        message.check_balance_result = 0 if answer.enough else 1
    if answer.validity_seconds is not None:
        message.validity_time = answer.validity_seconds
    return bytes(message.as_bytes())


def read_credit_answer(frame: bytes) -> CreditAnswer:
    """A CCA from bytes.

    Raises:
        MalformedMessage: it cannot be read, or has neither session nor result.
    """
    message = _parse(frame)
    try:
        unit = message.granted_service_unit
        checked = message.check_balance_result
        return CreditAnswer(
            session_id=_text(message, "session_id"),
            result_code=_number(message, "result_code"),
            kind=message.cc_request_type,
            number=message.cc_request_number,
            granted_fen=None if unit is None or unit.cc_money is None else _fen(unit.cc_money),
            enough=None if checked is None else checked == 0,
            validity_seconds=message.validity_time,
        )
    except MalformedMessage:
        raise
    except Exception as problem:
        raise MalformedMessage(f"not a credit-control answer: {problem!r}") from problem


# ── the connection itself


def capabilities_request(sender: Node, address: str, *, hop_by_hop: int, end_to_end: int) -> bytes:
    """A CER: credit control is all we speak."""
    return _capabilities(CapabilitiesExchangeRequest(), sender, address, hop_by_hop, end_to_end)


def capabilities_answer(request: bytes, sender: Node, address: str) -> bytes:
    """The CEA that takes the peer in."""
    header = read_header(request)
    message: Any = CapabilitiesExchangeAnswer()
    message.result_code = int(Result.SUCCESS)
    return _capabilities(message, sender, address, header.hop_by_hop, header.end_to_end)


def watchdog_request(sender: Node, *, hop_by_hop: int, end_to_end: int) -> bytes:
    """A DWR."""
    message: Any = DeviceWatchdogRequest()
    _sign(message, sender, end_to_end, hop_by_hop)
    return bytes(message.as_bytes())


def watchdog_answer(request: bytes, sender: Node) -> bytes:
    """The DWA."""
    return _plain_answer(DeviceWatchdogAnswer(), request, sender)


def disconnect_request(sender: Node, *, hop_by_hop: int, end_to_end: int) -> bytes:
    """A DPR: we go, and will be back."""
    message: Any = DisconnectPeerRequest()
    message.disconnect_cause = _REBOOTING
    _sign(message, sender, end_to_end, hop_by_hop)
    return bytes(message.as_bytes())


def disconnect_answer(request: bytes, sender: Node) -> bytes:
    """The DPA."""
    return _plain_answer(DisconnectPeerAnswer(), request, sender)


def _capabilities(message: Any, sender: Node, address: str, hop_by_hop: int, end_to_end: int) -> bytes:
    _sign(message, sender, end_to_end, hop_by_hop)
    message.host_ip_address = [address]
    message.vendor_id = 0
    message.product_name = "MPSS"
    message.auth_application_id = [CREDIT_CONTROL_APPLICATION]
    return bytes(message.as_bytes())


def _plain_answer(message: Any, request: bytes, sender: Node) -> bytes:
    header = read_header(request)
    _sign(message, sender, header.end_to_end, header.hop_by_hop)
    message.result_code = int(Result.SUCCESS)
    return bytes(message.as_bytes())


def _sign(message: Any, sender: Node, end_to_end: int, hop_by_hop: int = 0) -> None:
    message.header.hop_by_hop_identifier = hop_by_hop
    message.header.end_to_end_identifier = end_to_end
    message.origin_host = sender.host.encode()
    message.origin_realm = sender.realm.encode()


def _parse(frame: bytes) -> Any:
    try:
        return Message.from_bytes(frame)
    except Exception as problem:  # Of many kinds, none of them documented.
        raise MalformedMessage(f"cannot be unpacked: {problem!r}") from problem


def _money(fen: int) -> CcMoney:
    return CcMoney(UnitValue(fen, -2), _CNY)


def _fen(money: CcMoney) -> int:
    value = money.unit_value
    exponent = value.exponent or 0
    if money.currency_code not in (None, _CNY) or not -2 <= exponent <= 12:
        raise MalformedMessage("not an amount in fen of CNY")
    fen: int = int(value.value_digits) * 10 ** (exponent + 2)
    if fen < 0:
        raise MalformedMessage("an amount below zero")
    return fen


def _number(message: Any, name: str) -> int:
    value = getattr(message, name, None)
    if not isinstance(value, int):
        raise MalformedMessage(f"no {name}")
    return value


def _text(message: Any, name: str) -> str:
    value = getattr(message, name, None)
    if not isinstance(value, str):
        raise MalformedMessage(f"no {name}")
    return value
