"""The OpenAPI document: whole, valid, true to its examples, with every error of every operation."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any

import jsonschema_rs
import pytest
from fastapi import FastAPI

from mpss.adapters.merchant_http import read_delivery_answer
from mpss.channels.http.app import create_app, operations_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.operation import Operation
from mpss.channels.http.outgoing import EVENTS, DeliveryOrderBody
from mpss.channels.http.problems import REPLIES
from mpss.config import Settings
from mpss.db.database import Database
from mpss.desk.desk import Desk
from mpss.kernel.clock import SystemClock
from mpss.kernel.errors import ErrorCode
from mpss.kernel.outcome import Approved
from mpss.ports.merchant import DeliveryOrder
from mpss.runtime import Runtime

OPERATIONS = operations_of(sandbox_too=False)
EVERYWHERE = {ErrorCode.NOT_FOUND, ErrorCode.METHOD_NOT_ALLOWED}
"""What a path or method that is not there is answered."""


@pytest.fixture(scope="module")
def app() -> FastAPI:
    database = Database("postgresql://nowhere")
    ports: Any = None
    return create_app(Runtime(database, Desk(database), SystemClock(), ports, Settings()))


@pytest.fixture(scope="module")
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def drawn(document: dict[str, Any], operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][operation.path][operation.method.lower()]
    return found


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    return jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})


def bodies(response_or_request: dict[str, Any]) -> list[tuple[dict[str, Any], Any]]:
    """(schema, example) of every body that has one."""
    found = []
    for content in response_or_request.get("content", {}).values():
        if "example" in content:
            found.append((content["schema"], content["example"]))
        found += [(content["schema"], example["value"]) for example in content.get("examples", {}).values()]
    return found


class TestTheDocument:
    def test_is_valid_openapi(self, document: dict[str, Any]) -> None:
        assert document["openapi"] == "3.1.0"
        for schema in document["components"]["schemas"].values():
            jsonschema_rs.meta.validate({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})

    def test_refers_to_nothing_that_is_not_there(self, document: dict[str, Any]) -> None:
        for reference in set(re.findall(r"#/components/schemas/(\w+)", str(document))):
            assert reference in document["components"]["schemas"]

    def test_has_every_operation_once(self, document: dict[str, Any]) -> None:
        there = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
        assert there == {(operation.method, operation.path) for operation in OPERATIONS}
        identities = [operation.endpoint.__name__ for operation in OPERATIONS]
        assert len(set(identities)) == len(identities)

    def test_names_every_tag(self, document: dict[str, Any]) -> None:
        assert {tag["name"] for tag in document["tags"]} == {operation.tag for operation in OPERATIONS}

    def test_knows_no_error_that_no_operation_has(self, document: dict[str, Any]) -> None:
        told: set[str] = set()
        for operation in OPERATIONS:
            for response in drawn(document, operation)["responses"].values():
                for content in response.get("content", {}).values():
                    told |= content.get("examples", {}).keys()
        silent = {ErrorCode(code) for code in ErrorCode} - {ErrorCode(code) for code in told} - EVERYWHERE
        # The payer's reply by SMS meets it; here it is a purchase's state.
        assert silent == {ErrorCode.CONFIRMATION_EXPIRED}


class TestTheWebhooks:
    def test_have_the_shape_of_what_is_sent(self) -> None:
        order = {field.name for field in fields(DeliveryOrder)}
        assert DeliveryOrderBody.model_fields.keys() == order

    @pytest.mark.parametrize("name", ["delivery", *EVENTS])
    def test_have_true_examples(self, document: dict[str, Any], name: str) -> None:
        told = document["webhooks"][name]["post"]
        found = [bodies(part) for part in (told["requestBody"], *told["responses"].values())]
        assert found[0]
        for schema, example in [pair for part in found for pair in part]:
            validator(document, schema).validate(example)

    def test_answer_an_order_as_it_is_read(self, document: dict[str, Any]) -> None:
        (_, example), *_ = bodies(document["webhooks"]["delivery"]["post"]["responses"]["200"])
        assert isinstance(read_delivery_answer("txn_1", json.dumps(example).encode()), Approved)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
class TestEachOperation:
    def test_says_what_it_does(self, document: dict[str, Any], operation: Operation) -> None:
        told = drawn(document, operation)
        assert told["summary"]
        assert told["description"]
        assert told["tags"] == [operation.tag]
        assert all(clause in told["description"] for clause in operation.clauses)

    def test_has_an_example_of_its_body_and_of_every_answer(
        self, document: dict[str, Any], operation: Operation
    ) -> None:
        told = drawn(document, operation)
        if "requestBody" in told:
            assert bodies(told["requestBody"])
        for status, response in told["responses"].items():
            assert response["description"], status
            jsons = [name for name in response.get("content", {}) if name.endswith("json")]
            is_document = operation.path == "/v1/openapi.json"
            assert len(bodies(response)) >= len(jsons) or is_document, status

    def test_has_true_examples(self, document: dict[str, Any], operation: Operation) -> None:
        told = drawn(document, operation)
        for part in (told.get("requestBody", {}), *told["responses"].values()):
            for schema, example in bodies(part):
                validator(document, schema).validate(example)

    def test_documents_every_error_as_a_problem(self, document: dict[str, Any], operation: Operation) -> None:
        responses = drawn(document, operation)["responses"]
        for code in operation.errors:
            status = str(REPLIES[code].status)
            if int(status) not in operation.says:
                assert code.value in responses[status]["content"]["application/problem+json"]["examples"]
        assert "422" not in responses or "HTTPValidationError" not in str(responses["422"])
        assert "500" in responses

    def test_names_its_security(self, document: dict[str, Any], operation: Operation) -> None:
        told = drawn(document, operation)
        schemes = {name for choice in told["security"] for name in choice}
        assert schemes <= document["components"]["securitySchemes"].keys()
        assert bool(schemes) == (operation.access not in (Access.OPEN, Access.PROBE))
        # The online bank calls without a scheme of ours: it signs the body.
        signs = ErrorCode.SIGNATURE_INVALID in operation.errors
        assert ("401" in told["responses"]) == (bool(schemes) or signs)
        if operation.permission is not None:
            assert f"`{operation.permission}`" in told["description"]

    def test_that_moves_money_asks_for_a_key(self, document: dict[str, Any], operation: Operation) -> None:
        told = drawn(document, operation)
        names = {parameter["name"] for parameter in told.get("parameters", ()) if parameter.get("required")}
        assert ("Idempotency-Key" in names) == operation.money
