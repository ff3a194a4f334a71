"""Reading deliver_sm, also from SMSCs other than the town's."""

from __future__ import annotations

import smpp34
from hypothesis import given
from hypothesis import strategies as st

from mpss.adapters.smpp_inbound import Inbound, Verdict, read_inbound
from mpss.wire.smpp import EsmClass, Tag
from mpss.wire.sms_text import Part


def deliver(
    text: bytes = b"YE",
    *,
    source: str = "8618912340001",
    ton: int = 1,
    coding: int = 0,
    esm_class: int = 0,
    tlvs: list[smpp34.Tlv] | None = None,
) -> bytes:
    return smpp34.DeliverSm(
        source, "10001888", text, source_addr_ton=ton, data_coding=coding, esm_class=esm_class, tlvs=tlvs or [],
        sequence_number=9,
    ).encode()  # fmt: skip


class TestReadInbound:
    def test_takes_national_and_international_numbers(self) -> None:
        expected = Inbound("+8618912340001", Part(b"YE", 0), "")
        assert read_inbound(deliver()) == expected
        assert read_inbound(deliver(source="18912340001", ton=2)) == expected
        assert read_inbound(deliver(source="+8618912340001", ton=0)) == expected

    def test_takes_the_reference_and_the_payload(self) -> None:
        tlvs = [
            smpp34.Tlv(Tag.USER_MESSAGE_REFERENCE, b"\x01\x00"),
            smpp34.Tlv(Tag.MESSAGE_PAYLOAD, "余额".encode("utf-16-be")),
        ]
        found = read_inbound(deliver(b"", coding=8, tlvs=tlvs))
        assert found == Inbound("+8618912340001", Part("余额".encode("utf-16-be"), 8), "256")

    def test_takes_segments_numbered_by_parameters(self) -> None:
        tlvs = [
            smpp34.Tlv(Tag.SAR_MSG_REF_NUM, b"\x00\x07"),
            smpp34.Tlv(Tag.SAR_TOTAL_SEGMENTS, b"\x02"),
            smpp34.Tlv(Tag.SAR_SEGMENT_SEQNUM, b"\x01"),
        ]
        found = read_inbound(deliver(tlvs=tlvs))
        assert found == Inbound("+8618912340001", Part(b"YE", 0, reference=7, number=1, total=2), "")

    def test_knows_a_receipt_with_and_without_text(self) -> None:
        receipt = deliver(b"id:1f stat:DELIVRD err:000", esm_class=EsmClass.RECEIPT)
        bare = deliver(b"", esm_class=EsmClass.RECEIPT, tlvs=[smpp34.Tlv(Tag.RECEIPTED_MESSAGE_ID, b"1f\0")])
        assert read_inbound(receipt) is read_inbound(bare) is Verdict.RECEIPT

    def test_drops_what_no_subscriber_sent(self) -> None:
        assert read_inbound(deliver(source="10086", ton=0)) is Verdict.NOT_FOR_US
        assert read_inbound(deliver(source="BANK", ton=5)) is Verdict.NOT_FOR_US

    def test_refuses_what_cannot_be_read(self) -> None:
        assert read_inbound(deliver(b"\x09\x00", esm_class=EsmClass.HAS_HEADER)) is Verdict.UNREADABLE
        assert read_inbound(deliver()[:-2]) is Verdict.UNREADABLE


@given(st.binary(max_size=120))
def test_any_octets_are_read_or_refused(body: bytes) -> None:
    pdu = (16 + len(body)).to_bytes(4, "big") + b"\0\0\0\5" + b"\0\0\0\0" + b"\0\0\0\1" + body
    assert isinstance(read_inbound(pdu), Inbound | Verdict)
