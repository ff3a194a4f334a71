"""Problem documents and the language they are told in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpss.channels.http.problems import FieldProblem, encode, problem_document
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
