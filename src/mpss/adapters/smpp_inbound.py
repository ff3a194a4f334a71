"""Reads a deliver_sm: a message from a phone, a delivery receipt, or something we cannot use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

import smpp34

from mpss.kernel.errors import MalformedField
from mpss.kernel.masking import mask_tail
from mpss.kernel.phone import parse_phone
from mpss.observability import log
from mpss.wire.smpp import EsmClass, Tag, TypeOfNumber
from mpss.wire.sms_text import MalformedUserData, Part, decode, parse_part

_RECEIPT_FIELD = re.compile(r"(id|stat|err):(\S*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message, or a segment of one, from `phone` (E.164). `reference` is the SMSC's number of it, or ''."""

    phone: str
    part: Part
    reference: str


class Verdict(Enum):
    RECEIPT = auto()
    """A delivery receipt, logged."""
    NOT_FOR_US = auto()
    """From a number that is no subscriber's; acknowledged and dropped."""
    UNREADABLE = auto()
    """Not a deliver_sm that can be read; refused for good, so that the SMSC does not send it for ever."""


def read_inbound(pdu: bytes) -> Inbound | Verdict:
    """What a deliver_sm PDU holds."""
    try:
        message = smpp34.decode(pdu)
        if not isinstance(message, smpp34.DeliverSm):
            return Verdict.UNREADABLE
        tlvs = {tlv.tag: tlv.value for tlv in message.tlvs}
        data = tlvs.get(Tag.MESSAGE_PAYLOAD, message.short_message)
        part = _part(data, message, tlvs)
    except (smpp34.SmppError, MalformedUserData) as problem:
        log.warning("sms.unreadable", problem=str(problem))
        return Verdict.UNREADABLE
    if message.esm_class & EsmClass.TYPE_MASK == EsmClass.RECEIPT:
        _log_receipt(decode(part.body, part.data_coding), tlvs)
        return Verdict.RECEIPT
    try:
        source = message.source_addr
        if message.source_addr_ton == TypeOfNumber.INTERNATIONAL:
            source = f"+{source.removeprefix('+')}"
        phone = parse_phone(source)
    except MalformedField:
        log.warning("sms.unknown_sender", sender=mask_tail(message.source_addr))
        return Verdict.NOT_FOR_US
    reference = tlvs.get(Tag.USER_MESSAGE_REFERENCE)
    return Inbound(phone, part, "" if reference is None else str(int.from_bytes(reference, "big")))


def _part(data: bytes, message: smpp34.DeliverSm, tlvs: dict[int, bytes]) -> Part:
    if message.esm_class & EsmClass.HAS_HEADER:
        return parse_part(data, message.data_coding, has_header=True)
    place = [tlvs.get(tag) for tag in (Tag.SAR_MSG_REF_NUM, Tag.SAR_SEGMENT_SEQNUM, Tag.SAR_TOTAL_SEGMENTS)]
    if None in place:
        return Part(data, message.data_coding)
    reference, number, total = (int.from_bytes(value or b"", "big") for value in place)
    if not 1 <= number <= total:
        raise MalformedUserData(f"segment {number} of {total}")
    return Part(data, message.data_coding, reference, number, total)


def _log_receipt(text: str, tlvs: dict[int, bytes]) -> None:
    fields = dict(_RECEIPT_FIELD.findall(text))
    message_id = tlvs.get(Tag.RECEIPTED_MESSAGE_ID, b"").rstrip(b"\0").decode("ascii", "replace")
    log.info("sms.receipt", message_id=message_id or fields.get("id", ""), state=fields.get("stat", ""))
