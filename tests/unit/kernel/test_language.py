"""The language a browser prefers, of those we have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpss.kernel.language import preferred_language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "zh-CN"),
        ("*", "zh-CN"),
        ("en", "en"),
        ("EN-us", "en"),
        ("zh", "zh-CN"),
        ("zh-Hant-HK", "zh-CN"),
        ("fr, en;q=0.1", "en"),
        ("en;q=0", "zh-CN"),
        ("en;q=0.5, zh;q=0.4", "en"),
        ("en;q=0.4, zh;q=0.5", "zh-CN"),
        ("en;q=nonsense", "zh-CN"),
        ("en;q=nan", "zh-CN"),
        ("en ; q=0.9", "en"),
    ],
)
def test_the_language_is_the_one_preferred(header: str, language: str) -> None:
    assert preferred_language(header) == language


@given(st.text())
def test_any_header_prefers_a_language_we_have(header: str) -> None:
    assert preferred_language(header) in ("zh-CN", "en")
