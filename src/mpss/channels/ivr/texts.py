"""A text in each language, to be spoken."""

from __future__ import annotations

Text = dict[str, str]
"""The same text by language, "zh-CN" and "en"."""


def text(chinese: str, english: str) -> Text:
    return {"zh-CN": chinese, "en": english}
