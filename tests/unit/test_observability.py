"""What a log line may hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
import structlog

from mpss.observability import mask_event


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
