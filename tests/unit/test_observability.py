"""What a log line may hold."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import structlog

from mpss.observability import library_formatter, mask_event


def logged(**fields: Any) -> dict[str, Any]:
    """The line as the process writes it, through every processor."""
    event: Any = {"event": "test", **fields}
    for processor in structlog.get_config()["processors"]:
        event = processor(None, "error", event)
    line: dict[str, Any] = json.loads(event)
    return line


class TestALogLine:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("+8618912340001", "+86189****0001"),
            ("phone:+8618912340001", "phone:+86189****0001"),
            ("8618912340001 and 18912340001,", "86189****0001 and 189****0001,"),
            ("Key (phone, kind)=(+8618912340001, wallet)", "Key (phone, kind)=(+86189****0001, wallet)"),
            ("01a2189123400017c79", "01a2189123400017c79"),
            ("1732400000000 12345678901", "1732400000000 12345678901"),
        ],
    )
    def test_masks_numbers_in_any_text(self, text: str, shown: str) -> None:
        assert logged(detail=text)["detail"] == shown
        assert logged(detail={"list": [text, {"more": text}]})["detail"] == {"list": [shown, {"more": shown}]}

    def test_drops_what_is_named_a_secret_at_any_depth(self) -> None:
        line = mask_event(None, "info", {"payment_password": "495173", "inner": {"api_key": "mk_1", "code": 7}})
        assert line == {"payment_password": "***", "inner": {"api_key": "***", "code": 7}}

    def test_of_a_failure_has_no_values_of_variables(self) -> None:
        def fail(card_text: str) -> None:
            local_copy = card_text
            raise LookupError("no card for +8618912340001") if local_copy else ValueError

        try:
            fail("CZ 7301946285013742")
        except LookupError as problem:
            line = logged(exc_info=problem)
        text = json.dumps(line)
        assert "fail" in text
        assert "no card for +86189****0001" in text
        assert "7301946285013742" not in text


class TestALineOfALibrary:
    @staticmethod
    def line(message: str, *arguments: object, exc_info: Any = None) -> dict[str, Any]:
        record = logging.LogRecord("psycopg.pool", logging.WARNING, "pool.py", 1, message, arguments, exc_info)
        said: dict[str, Any] = json.loads(library_formatter().format(record))
        return said

    def test_is_one_of_ours_and_masked(self) -> None:
        said = self.line("no answer to %s", "+8618912340001")
        del said["timestamp"]
        assert said == {"event": "no answer to +86189****0001", "level": "warning", "source": "psycopg.pool"}

    def test_of_a_failure_says_where(self) -> None:
        try:
            raise LookupError("for +8618912340001")
        except LookupError as problem:
            said = self.line("failed", exc_info=(LookupError, problem, problem.__traceback__))
        assert said["exception"][0]["exc_value"] == "for +86189****0001"
        assert "LookupError" not in said["event"]
