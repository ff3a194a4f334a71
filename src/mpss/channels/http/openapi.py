"""The OpenAPI document, drawn from the declarations of the operations: nothing is said twice, nothing is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from mpss import __version__
from mpss.channels.http.authentication import Access
from mpss.channels.http.operation import FORM, JSON, Operation, Said
from mpss.channels.http.outgoing import shapes, webhooks
from mpss.channels.http.problems import MEDIA_TYPE, REPLIES, problem_document, title_of
from mpss.kernel.errors import ErrorCode

DESCRIPTION = """
A phone number pays. Amounts are whole fen (分) of CNY, times are UTC, ids are text that says what it names.

* **Money calls** carry an `Idempotency-Key`, 1 to 64 printable ASCII characters. The same key with the same body is
  answered as the first time, with `Idempotent-Replayed: true`; with another body it is `key_reused`. A wrong payment
  password does not use the key up. Keys are kept for good, by caller.
* **Errors** are problem documents (RFC 9457) with a `code`, and `errors` naming the fields at fault. A declined
  transaction is one of them, and carries the `transaction` as it was recorded.
* **Pages** are asked for with `limit` and the `next_cursor` of the page before.
* **Merchants** sign: `X-API-Key`, and HTTP Message Signatures (RFC 9421) with Ed25519 over `@method`, `@authority`,
  `@path`, `@query`, `content-digest`, `x-api-key` and, where it is sent, `idempotency-key`; parameters `created`,
  `keyid` (the merchant's id), `nonce` (16 to 64 letters, digits, `-`, `_`; used once). Every request has a
  `Content-Digest` (RFC 9530), that of the empty body where there is none.
* **Webhooks and delivery orders** go to the merchant's server, signed by the Standard Webhooks scheme.
* `X-Request-ID` is taken over from the request where it is 8 to 64 letters, digits, `.`, `_`, `:` or `-`, and is in
  every answer. `Accept-Language: en` or `zh-CN` chooses the language of titles.
"""

TAGS = {
    "Sign-in": "SMS codes and sessions (CT 12.1)",
    "Account": "open, look at, limit a wallet (CT 5.1, 5.2, 6.1.1)",
    "Password": "the payment password (CT 5.2)",
    "Transfer": "between wallets, and the directed relations they go by (CM 5.3.2)",
    "Bank cards": "bind, list, ask for the balance, unbind (CT 5.1)",
    "Withdrawal": "to a bound card (CM 5.3.3)",
    "Top-up": "by voucher card and by cash (CT 5.1, 5.2)",
    "Purchase": "quote, buy, confirm, reverse (CT 5.3, 6.3.2, 6.5.1)",
    "Goods": "what is sold (CT 5.5)",
    "Merchant": "a CP/SP's transactions, goods, deliveries, credentials (CT 6.2, 7.1)",
    "Staff": "merchants, review, vouchers, books, members (CT 9.1.1)",
    "Platform": "health, metrics, this document",
    "Sandbox": "a clock that can be set; in sandbox mode alone",
}

SECURITY_SCHEMES: dict[str, Any] = {
    "session": {"type": "http", "scheme": "bearer", "description": "The token of a session, `ses_…`"},
    "merchant_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "`mk_…`"},
    "merchant_signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Signature",
        "description": "HTTP Message Signatures (RFC 9421), Ed25519, with `Signature-Input` and `Content-Digest`",
    },
    "staff_key": {"type": "apiKey", "in": "header", "name": "X-Staff-Key", "description": "`sk_…`"},
    "staff_bearer": {"type": "http", "scheme": "bearer", "description": "A staff API key, `sk_…`"},
}
_SESSION: dict[str, list[str]] = {"session": []}
_SIGNED: dict[str, list[str]] = {"merchant_key": [], "merchant_signature": []}
_SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.PROBE: [],
    Access.OPEN: [],
    Access.SUBSCRIBER: [_SESSION],
    Access.MERCHANT: [_SIGNED],
    Access.SUBSCRIBER_OR_MERCHANT: [_SESSION, _SIGNED],
    Access.STAFF: [{"staff_key": []}, {"staff_bearer": []}],
}

_C = ErrorCode
_PROVEN = {_C.UNAUTHENTICATED}
_PROVEN_BY_SIGNATURE = {_C.UNAUTHENTICATED, _C.SIGNATURE_INVALID, _C.SIGNATURE_REPLAYED, _C.PAYLOAD_TOO_LARGE}
_ACCESS_ERRORS: dict[Access, set[ErrorCode]] = {
    Access.PROBE: set(),
    Access.OPEN: set(),
    Access.SUBSCRIBER: _PROVEN,
    Access.MERCHANT: _PROVEN_BY_SIGNATURE,
    Access.SUBSCRIBER_OR_MERCHANT: _PROVEN_BY_SIGNATURE,
    Access.STAFF: _PROVEN,
}

_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Chosen by the caller, one for each command; kept for good.",
    "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,64}$", "minLength": 1, "maxLength": 64},
    "example": "order-20260301-0042",
}
_HEADERS: dict[str, Any] = {
    "X-Request-ID": {"description": "the request's id", "schema": {"type": "string"}},
    "Idempotent-Replayed": {"description": "`true` where this is the first answer again", "schema": {"type": "string"}},
    "Location": {"description": "where it can be read", "schema": {"type": "string"}},
    "Batch-Id": {"description": "the batch's id", "schema": {"type": "string"}},
    "Retry-After": {"description": "seconds to wait", "schema": {"type": "string"}},
}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "code", "instance", "request_id"],
    "additionalProperties": False,
    "properties": {
        "type": {"type": "string", "description": "`urn:mpss:problem:` and the code"},
        "title": {"type": "string", "description": "in the caller's language"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": [code.value for code in ErrorCode]},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "problem"],
                "additionalProperties": False,
                "properties": {"field": {"type": "string"}, "problem": {"type": "string"}},
            },
        },
        "transaction": {"$ref": "#/components/schemas/TransactionView"},
    },
}


def errors_of(operation: Operation, *, takes_body: bool, takes_parameters: bool, body: Mapping[str, Any]) -> list[_C]:
    """Every code the operation can answer with, in the order of `ErrorCode`; `body` is the schema of what it takes."""
    found = {*operation.errors, *_ACCESS_ERRORS[operation.access], _C.INTERNAL}
    if operation.access is not Access.PROBE:
        found |= {_C.BUSY, _C.RATE_LIMITED}
    if takes_parameters or takes_body:
        found.add(_C.MALFORMED_REQUEST)
    if takes_body:
        found |= {_C.PAYLOAD_TOO_LARGE, _C.UNSUPPORTED_MEDIA_TYPE}
        names = body.get("properties", {})
        if "currency" in names:
            found.add(_C.UNSUPPORTED_CURRENCY)
        if any(name.endswith("_fen") for name in names):
            found.add(_C.AMOUNT_OUT_OF_RANGE)
    if operation.permission is not None:
        found.add(_C.FORBIDDEN)
    if operation.money:
        found |= {_C.IDEMPOTENCY_KEY_REQUIRED, _C.KEY_REUSED}
    return [code for code in ErrorCode if code in found]


def draw(app: FastAPI, operations: Iterable[Operation]) -> dict[str, Any]:
    """The whole document."""
    document = get_openapi(
        title="MPSS",
        version=__version__,
        openapi_version="3.1.0",
        summary="Mobile payment service system: the HTTP API",
        description=DESCRIPTION.strip(),
        routes=app.routes,
        servers=[{"url": "/"}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    operations = list(operations)
    used = {operation.tag for operation in operations}
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items() if name in used]
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for generated in ("HTTPValidationError", "ValidationError"):
        schemas.pop(generated, None)
    schemas["Problem"] = _PROBLEM
    components["securitySchemes"] = SECURITY_SCHEMES
    for operation in operations:
        drawn = document["paths"][operation.path][operation.method.lower()]
        _finish(drawn, operation, schemas)
    schemas.update(shapes())
    document["webhooks"] = webhooks(partial(example_of, schemas=schemas))
    return document


def _finish(drawn: dict[str, Any], operation: Operation, schemas: dict[str, Any]) -> None:
    drawn["security"] = _SECURITY[operation.access]
    if operation.form is not None:
        schemas[operation.form.__name__] = operation.form.model_json_schema()
        content = {"schema": {"$ref": f"#/components/schemas/{operation.form.__name__}"}}
        drawn["requestBody"] = {"required": True, "content": {FORM: content}}
    request_body = drawn.get("requestBody")
    body_schema: dict[str, Any] = {}
    if request_body is not None:
        (content,) = request_body["content"].values()
        body_schema = _resolve(content["schema"], schemas)
        given = body_schema.get("examples", ())
        if len(given) > 1:
            content["examples"] = {str(place): {"value": value} for place, value in enumerate(given, start=1)}
        else:
            content["example"] = example_of(content["schema"], schemas)
    takes_parameters = bool(drawn.get("parameters"))
    if operation.money:
        drawn.setdefault("parameters", []).append(_KEY_PARAMETER)
    codes = errors_of(
        operation, takes_body=request_body is not None, takes_parameters=takes_parameters, body=body_schema
    )
    responses: dict[str, Any] = {}
    for status, said in operation.says.items():
        responses[str(status)] = _said(status, said, schemas, money=operation.money)
    for status in sorted({REPLIES[code].status for code in codes}):
        told = [code for code in codes if REPLIES[code].status == status]
        if str(status) in responses:  # A page that tells the problem itself.
            continue
        responses[str(status)] = _problems(status, told)
    drawn["responses"] = responses


def _said(status: int, said: Said, schemas: dict[str, Any], *, money: bool) -> dict[str, Any]:
    names = ["X-Request-ID", *said.headers]
    if money:
        names += ["Idempotent-Replayed", "Location"]
    response: dict[str, Any] = {"description": said.meaning, "headers": {name: _HEADERS[name] for name in names}}
    if said.view is not None:
        schema = {"$ref": f"#/components/schemas/{said.view.__name__}"}
        response["content"] = {said.media_type: {"schema": schema, "example": example_of(schema, schemas)}}
    elif said.media_type != JSON:
        response["content"] = {said.media_type: {"schema": {"type": "string"}}}
    return response


def _problems(status: int, codes: list[ErrorCode]) -> dict[str, Any]:
    names = ["X-Request-ID"]
    if {_C.RATE_LIMITED, _C.BUSY} & set(codes):
        names.append("Retry-After")
    examples = {
        code.value: {
            "summary": title_of(code, "en"),
            "value": problem_document(code, language="en", request_id="019e6b3c5f7a4d0c9b1e2a3f4c5d6e7f"),
        }
        for code in codes
    }
    return {
        "description": ", ".join(f"`{code.value}`" for code in codes),
        "headers": {name: _HEADERS[name] for name in names},
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
    }


def _resolve(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return dict(schema)


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """An example put together from the examples of the fields."""
    if "examples" in schema:
        return schema["examples"][0]
    schema = _resolve(schema, schemas)
    if "examples" in schema:
        return schema["examples"][0]
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], schemas)
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas)]
    if "properties" in schema:
        return {
            name: example_of(part, schemas)
            for name, part in schema["properties"].items()
            if name in schema.get("required", ()) or "examples" in part
        }
    raise LookupError(f"no example in {schema}")
