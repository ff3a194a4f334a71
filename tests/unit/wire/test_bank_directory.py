"""The banks as one setting names them."""

from __future__ import annotations

import pytest

from mpss.wire.iso8583.directory import BankEntry, parse_banks
from mpss.wire.iso8583.fields import ProfileName

TEXT = "NANCHENG:南城银行:127.0.0.1:9001:ascii:real-time:freeze,BEIHU:北湖银行:bank.example:9002:bcd:batch:debit"


class TestBanks:
    def test_are_read_and_written_alike(self) -> None:
        entries = parse_banks(TEXT)
        assert entries[1] == BankEntry("BEIHU", "北湖银行", "bank.example", 9002, ProfileName.BCD, False, False)
        assert ",".join(map(str, entries)) == TEXT

    def test_freeze_for_sales_unless_they_say_otherwise(self) -> None:
        assert parse_banks("AB:Bank:host:1:bcd:batch")[0].freezes

    def test_may_be_none(self) -> None:
        assert parse_banks("") == ()

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("A", "CODE:name"),
            ("abc:Bank:host:1:ascii:batch", "capital letters"),
            ("AB:Bank:host:70000:ascii:batch", "a port"),
            ("AB:Bank:host:1:xml:batch", "profile is ascii or bcd"),
            ("AB:Bank:host:1:bcd:weekly", "real-time or batch"),
            ("AB:Bank:host:1:bcd:batch:never", "freeze or debit"),
            ("AB:B:h:1:bcd:batch,AB:C:h:2:bcd:batch", "one code"),
        ],
    )
    def test_are_refused_with_what_is_wrong(self, text: str, problem: str) -> None:
        with pytest.raises(ValueError, match=problem):
            parse_banks(text)
