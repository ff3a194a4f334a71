"""The numbers of SMPP 3.4 that both ends need by name; the PDUs themselves come from libraries."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from struct import Struct

HEADER = Struct("!IIII")
"""Length of the whole, command, status, sequence number."""


class Command(IntEnum):
    GENERIC_NACK = 0x80000000
    BIND_RECEIVER = 0x00000001
    BIND_TRANSMITTER = 0x00000002
    SUBMIT_SM = 0x00000004
    SUBMIT_SM_RESP = 0x80000004
    DELIVER_SM = 0x00000005
    BIND_TRANSCEIVER = 0x00000009
    BIND_TRANSCEIVER_RESP = 0x80000009


RESPONSE = 0x80000000
"""The bit that makes a command its response."""


class Status(IntEnum):
    """`command_status`, those with a meaning of ours (SMPP 3.4, 5.1.3)."""

    ESME_ROK = 0x00
    ESME_RINVMSGLEN = 0x01
    ESME_RINVBNDSTS = 0x04
    ESME_RALYBND = 0x05
    ESME_RSYSERR = 0x08
    ESME_RINVSRCADR = 0x0A
    ESME_RINVDSTADR = 0x0B
    ESME_RBINDFAIL = 0x0D
    ESME_RINVPASWD = 0x0E
    ESME_RINVSYSID = 0x0F
    ESME_RMSGQFUL = 0x14
    ESME_RSUBMITFAIL = 0x45
    ESME_RTHROTTLED = 0x58
    ESME_RX_T_APPN = 0x64
    """The receiver cannot now: send it again later."""
    ESME_RX_P_APPN = 0x65
    """The receiver never can: do not send it again."""


TRANSIENT = frozenset({Status.ESME_RSYSERR, Status.ESME_RMSGQFUL, Status.ESME_RTHROTTLED, Status.ESME_RX_T_APPN})
"""Refusals of the moment: the sender keeps the message and tries again."""


class EsmClass(IntFlag):
    """Bits of `esm_class`."""

    RECEIPT = 0x04
    TYPE_MASK = 0x3C
    HAS_HEADER = 0x40
    """The text begins with a user data header (UDHI)."""


class Tag(IntEnum):
    """Tags of optional parameters."""

    RECEIPTED_MESSAGE_ID = 0x001E
    USER_MESSAGE_REFERENCE = 0x0204
    SAR_MSG_REF_NUM = 0x020C
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    MESSAGE_PAYLOAD = 0x0424
    MESSAGE_STATE = 0x0427


class TypeOfNumber(IntEnum):
    UNKNOWN = 0
    INTERNATIONAL = 1
    NATIONAL = 2


ISDN = 1
"""The numbering plan of telephone numbers, E.164."""


def status_name(status: int) -> str:
    """ "ESME_RTHROTTLED", or "0x00000407" for one without a name here."""
    try:
        return Status(status).name
    except ValueError:
        return f"0x{status:08x}"
