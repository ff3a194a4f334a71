"""Problem documents and the language they are told in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpss.channels.http.problems import FieldProblem, encode, preferred_language, problem_document
from mpss.kernel.errors import ErrorCode


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_makes_a_document(code: ErrorCode) -> None:
    document = problem_document(code, language="en", request_id="r" * 32)
    assert document["type"] == f"urn:mpss:problem:{code}"
    assert 400 <= document["status"] <= 599
    assert document["title"]
    assert set(document) == {"type", "title", "status", "code", "instance", "request_id"}


def test_a_document_has_what_it_is_given() -> None:
    document = problem_document(
        ErrorCode.INSUFFICIENT_FUNDS,
        language="zh-CN",
        request_id="r",
        detail="why",
        errors=[FieldProblem("amount_fen", "too much")],
        transaction={"transaction_id": "txn_1"},
    )
    assert document["title"] == "余额不足"
    assert document["errors"] == [{"field": "amount_fen", "problem": "too much"}]
    assert (document["detail"], document["transaction"]) == ("why", {"transaction_id": "txn_1"})


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_field_name_can_be_told(name: str) -> None:
    document = problem_document(
        ErrorCode.MALFORMED_REQUEST, language="en", request_id="r", errors=[FieldProblem(name, "x")]
    )
    assert json.loads(encode(document))["code"] == "malformed_request"


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
