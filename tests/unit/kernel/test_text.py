"""One line of what people write."""

from __future__ import annotations

import pytest

from mpss.kernel.errors import MalformedField
from mpss.kernel.text import LONGEST_LINE, check_line


class TestALine:
    @pytest.mark.parametrize("text", ["x", "(2026) 粤01执12号", " resident ID, seen ", "字" * LONGEST_LINE])
    def test_is_anything_printable(self, text: str) -> None:
        check_line(text, field="document")

    @pytest.mark.parametrize(
        "text", ["", "   ", "　", "two\nlines", "a\ttab", "a\u202ebidi", "字" * (LONGEST_LINE + 1)]
    )
    def test_is_no_blank_no_two_lines_and_not_too_long(self, text: str) -> None:
        with pytest.raises(MalformedField, match="must be one line of 1 to 200 characters") as refused:
            check_line(text, field="document")
        assert refused.value.field == "document"

    def test_may_be_shorter_by_its_field(self) -> None:
        check_line("x" * 40, field="note", longest=40)
        with pytest.raises(MalformedField, match="note must be one line of 1 to 40 characters"):
            check_line("x" * 41, field="note", longest=40)
