"""What may be shown of a phone, a name, a number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import text

from mpss.kernel.masking import mask_name, mask_phone, mask_tail


@pytest.mark.parametrize(
    ("phone", "shown"),
    [("+8618912340001", "+86189****0001"), ("18912340001", "189****0001"), ("10086", "*****"), ("", "")],
)
def test_phone_hides_the_middle_four(phone: str, shown: str) -> None:
    assert mask_phone(phone) == shown


@pytest.mark.parametrize(("name", "shown"), [("李小明", "李**"), ("李", "李"), ("", "")])
def test_name_shows_its_first_character(name: str, shown: str) -> None:
    assert mask_name(name) == shown


@pytest.mark.parametrize(("number", "shown"), [("1234567812345678", "************5678"), ("1234", "****"), ("", "")])
def test_tail_shows_the_last_four_of_a_longer_text(number: str, shown: str) -> None:
    assert mask_tail(number) == shown


@given(secret=text(max_size=30))
def test_masks_keep_the_length(secret: str) -> None:
    assert len(mask_phone(secret)) == len(mask_name(secret)) == len(mask_tail(secret)) == len(secret)
