"""The OpenAPI document as a page to read: what an integrator needs, without a program to show it.

A template gets plain values: texts are lists of runs, (kind, text), where the kind is "text", "code" or "bold".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

Runs = list[tuple[str, str]]

_RUN = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")
_REFERENCE = re.compile(r"#/components/schemas/(\w+)")
_REF = "#/components/schemas/"
_JSON = "application/json"
_PROBLEM = "application/problem+json"
_FORMATS = {"date-time": "an instant", "date": "a date"}


def reference_values(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows: the operations by tag, in the document's order; the shapes of answers; the errors."""
    schemas = document["components"]["schemas"]
    # What a request holds stands with its operation; what answers and parts of requests hold is listed once.
    referred = set(_REFERENCE.findall(json.dumps([schemas, list(_responses(document["paths"])), document["webhooks"]])))
    tags = [{**tag, "operations": []} for tag in document["tags"]]
    by_name = {tag["name"]: tag["operations"] for tag in tags}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_name[operation["tags"][0]].append(_operation(method.upper(), path, operation, schemas))
    return {
        "info": document["info"],
        "intro": prose(document["info"]["description"]),
        "tags": tags,
        "sent": [_sent(name, methods["post"], schemas) for name, methods in document["webhooks"].items()],
        "shapes": [
            {"name": name, "text": prose(schema.get("description", "")), "fields": _fields(schema, schemas)}
            for name, schema in sorted(schemas.items())
            if "properties" in schema and name in referred
        ],
        "errors": _errors(document["paths"]),
    }


def prose(text: str) -> list[tuple[str, Runs]]:
    """Paragraphs and the points of lists, ("text" or "point", runs), of the little Markdown that we write."""
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("* "):
            blocks.append([])
        if line.strip():
            blocks = blocks or [[]]
            blocks[-1].append(line.strip())
    joined = (" ".join(block) for block in blocks if block)
    return [
        ("point", runs(block.removeprefix("* "))) if block.startswith("* ") else ("text", runs(block))
        for block in joined
    ]


def runs(text: str) -> Runs:
    """The text with what stands between backquotes as code and between double stars as bold."""
    found: Runs = []
    end = 0
    for match in _RUN.finditer(text):
        if match.start() > end:
            found.append(("text", text[end : match.start()]))
        found.append(("code", match[1]) if match[1] is not None else ("bold", match[2]))
        end = match.end()
    if end < len(text):
        found.append(("text", text[end:]))
    return found


def _operation(method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = next(iter(operation.get("requestBody", {}).get("content", {}).values()), {})
    access = " or ".join(" and ".join(f"`{scheme}`" for scheme in choice) for choice in operation["security"])
    return {
        "id": operation["operationId"],
        "method": method,
        "path": path,
        "summary": operation["summary"],
        "description": prose(operation["description"]),
        "access": runs(f"Needs {access}." if access else "Open to anyone."),
        "parameters": [_parameter(parameter, schemas) for parameter in operation.get("parameters", ())],
        "fields": _fields(_resolved(body["schema"], schemas), schemas) if body else [],
        "bodies": [_json(example) for example in _examples(body)],
        "answers": [_answer(status, response) for status, response in operation["responses"].items()],
    }


def _sent(name: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """What we send to a merchant's server, as an operation of its."""
    described = _operation("POST", name, {**operation, "operationId": name, "security": []}, schemas)
    return {**described, "access": runs("Signed by us, by the Standard Webhooks scheme.")}


def _parameter(parameter: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": parameter["name"],
        "place": parameter["in"],
        "required": parameter.get("required", False),
        "kind": _kind(parameter.get("schema", {}), schemas),
        "meaning": runs(parameter.get("description", "")),
    }


def _answer(status: str, response: Mapping[str, Any]) -> dict[str, Any]:
    content = response.get("content", {})
    shown = content.get(_JSON, {})
    return {
        "status": status,
        "meaning": [] if _PROBLEM in content else runs(response["description"]),
        "codes": list(content.get(_PROBLEM, {}).get("examples", {})),
        "shape": shown.get("schema", {}).get("$ref", "").removeprefix(_REF),
        "example": next((_json(example) for example in _examples(shown)), ""),
    }


def _examples(content: Mapping[str, Any]) -> list[Any]:
    if "example" in content:
        return [content["example"]]
    return [example["value"] for example in content.get("examples", {}).values()]


def _fields(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", ())
    return [
        {
            "name": name,
            "required": name in required,
            "kind": _kind(field, schemas),
            "shape": _shape(field, schemas),
            "meaning": runs(field.get("description", "")),
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _kind(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """What a value may be, in a few words; "" for one that is of a shape."""
    if "$ref" in schema:
        named = _resolved(schema, schemas)
        return "" if "properties" in named else _kind(named, schemas)
    if "anyOf" in schema:
        return " or ".join(_kind(choice, schemas) for choice in schema["anyOf"])
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    match schema.get("type"):
        case "integer" | "number":
            return _bounded("a whole number", schema.get("minimum"), schema.get("maximum"))
        case "string" if "pattern" in schema:
            return f"text of the form {schema['pattern']}"
        case "string":
            known = _FORMATS.get(schema.get("format", ""))
            return known or _bounded("text", schema.get("minLength"), schema.get("maxLength"), unit=" characters")
        case "array":
            return f"a list of {_kind(schema['items'], schemas) or 'these:'}"
        case "boolean":
            return "true or false"
        case "object" if "properties" in schema:
            return f"an object of {', '.join(schema['properties'])}"
        case "object":
            return "an object"
        case "null":
            return "null"
        case _:
            return ""


def _bounded(kind: str, lowest: float | None, highest: float | None, *, unit: str = "") -> str:
    if lowest is None and highest is None:
        return kind
    if lowest is None:
        return f"{kind}, at most {highest:.0f}{unit}"
    return f"{kind}, at least {lowest:.0f}{unit}" if highest is None else f"{kind}, {lowest:.0f} to {highest:.0f}{unit}"


def _shape(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """The name of the shape that a value, or each of a list of them, has; "" for none."""
    for choice in (schema, schema.get("items", {}), *schema.get("anyOf", ())):
        if "$ref" in choice and "properties" in _resolved(choice, schemas):
            return str(choice["$ref"]).removeprefix(_REF)
    return ""


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].removeprefix(_REF)]
    return schema


def _errors(paths: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every error that some operation can answer with, by status."""
    found: dict[str, dict[str, Any]] = {}
    for response in _responses(paths):
        for code, example in response.get("content", {}).get(_PROBLEM, {}).get("examples", {}).items():
            found[code] = {"code": code, "status": example["value"]["status"], "title": example["summary"]}
    return sorted(found.values(), key=lambda error: (error["status"], error["code"]))


def _responses(paths: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    for methods in paths.values():
        for operation in methods.values():
            yield from operation["responses"].values()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
