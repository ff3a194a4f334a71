"""JSON as a payment interface reads it."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpss.channels.http.strict_json import MalformedJson, loads

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_reads_what_json_writes(value: object) -> None:
    assert loads(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_reads_or_refuses_any_bytes(body: bytes) -> None:
    with contextlib.suppress(MalformedJson):
        loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 1}',
        b'{"b": {"a": 1, "a": 2}}',
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5000,
        b"\xef\xbb\xbf{}",
        b"\xff",
        b"",
        b"'a'",
        b"01",
        b"1 2",
    ],
)
def test_refuses(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        loads(body)


def test_says_where_and_repeats_nothing() -> None:
    with pytest.raises(MalformedJson) as caught:
        loads(b'{"payment_password": "864209"\n864209}')
    assert "864209" not in str(caught.value)
    assert "line 2" in str(caught.value)
