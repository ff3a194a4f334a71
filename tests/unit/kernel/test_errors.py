"""The error tree: every error carries a code and the facts a channel needs."""

from __future__ import annotations

import re

from mpss.kernel.errors import ErrorCode, MalformedField, MpssError, Refused


class TestErrorCode:
    def test_is_written_as_its_name_in_lower_case(self) -> None:
        assert [code.name for code in ErrorCode if code.value != code.name.lower()] == []
        assert all(re.fullmatch(r"[a-z_]+", code) for code in ErrorCode)


class TestErrors:
    def test_malformed_field_names_the_field(self) -> None:
        error = MalformedField(field="amount_fen", problem="must be above zero")
        assert isinstance(error, MpssError)
        assert (error.code, error.field, str(error)) == (
            ErrorCode.MALFORMED_REQUEST,
            "amount_fen",
            "amount_fen must be above zero",
        )

    def test_refused_carries_its_code_and_detail(self) -> None:
        error = Refused(ErrorCode.WEAK_PASSWORD, detail="six equal digits", field="password")
        assert (error.code, error.field, str(error)) == (ErrorCode.WEAK_PASSWORD, "password", "six equal digits")
        assert str(Refused(ErrorCode.BUSY)) == "busy"

    def test_unnamed_error_is_ours(self) -> None:
        assert MpssError().code is ErrorCode.INTERNAL
