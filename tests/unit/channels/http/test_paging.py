"""Cursors: opaque, exact, and nothing but ours."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpss.channels.http.paging import Place, cut, decode_id, decode_place, encode_id, encode_place
from mpss.kernel.errors import MalformedField

instants = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31, 23), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.uuids())
def test_an_id_comes_back(identity: UUID) -> None:
    assert decode_id(encode_id(identity)) == identity


@given(instants, st.uuids())
def test_a_place_comes_back_to_the_microsecond(at: datetime, identity: UUID) -> None:
    assert decode_place(encode_place(Place(at, identity))) == Place(at, identity)


@given(st.text(max_size=64))
def test_any_text_is_a_cursor_or_malformed(text: str) -> None:
    for decode in (decode_id, decode_place):
        with contextlib.suppress(MalformedField):
            decode(text)


@pytest.mark.parametrize("cursor", ["_" * 32, encode_id(UUID(int=1))])
def test_a_place_out_of_time_or_form_is_malformed(cursor: str) -> None:
    with pytest.raises(MalformedField):
        decode_place(cursor)


def test_no_cursor_is_the_first_page() -> None:
    assert decode_id(None) is None
    assert decode_place(None) is None


@given(st.lists(st.integers(), max_size=10), st.integers(1, 9))
def test_pages_put_together_are_the_list(items: list[int], limit: int) -> None:
    start, seen = 0, list[int]()
    while True:
        page, cursor = cut(items[start : start + limit + 1], limit, str)
        seen += page
        assert len(page) <= limit
        if cursor is None:
            break
        assert cursor == str(page[-1])
        start += limit
    assert seen == items
