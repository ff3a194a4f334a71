"""The OpenAPI document as a page to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def reference_values(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows: the operations by tag, in the document's order."""
    tags = [{**tag, "operations": []} for tag in document["tags"]]
    by_name = {tag["name"]: tag["operations"] for tag in tags}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_name[operation["tags"][0]].append(_operation(method.upper(), path, operation))
    return {"info": document["info"], "tags": tags}


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    parameters = [
        {
            "name": parameter["name"],
            "place": parameter["in"],
            "required": "yes" if parameter.get("required") else "",
            "meaning": parameter.get("description", ""),
        }
        for parameter in operation.get("parameters", ())
    ]
    answers = [(status, response["description"]) for status, response in operation["responses"].items()]
    examples = [
        (status, _json(content["example"]))
        for status, response in operation["responses"].items()
        for content in response.get("content", {}).values()
        if "example" in content
    ]
    body: dict[str, Any] = next(iter(operation.get("requestBody", {}).get("content", {}).values()), {})
    access = " or ".join(" and ".join(choice) for choice in operation["security"])
    return {
        "id": operation["operationId"],
        "method": method,
        "path": path,
        "summary": operation["summary"],
        "description": operation["description"],
        "access": f"Needs {access}." if access else "Open to anyone.",
        "parameters": parameters,
        "body": _json(body["example"]) if "example" in body else "",
        "responses": answers,
        "examples": examples,
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
