"""Every path of the HTTP API that a paper shows is one of its operations."""

from __future__ import annotations

import re

import pytest

from mpss.channels.http.app import operations_of
from mpss.cli.clauses import REPOSITORY

PAPERS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
PATH = re.compile(r"(?:(GET|POST|PUT|PATCH|DELETE) )?(?:http://[\w.:]+)?(/v1/[\w/{}.-]+[\w}])(/?)")
TEMPLATES = [
    (operation.method, re.compile(re.sub(r"\{\w+\}", r"[\\w{}]+", operation.path)))
    for operation in operations_of(sandbox_too=True)
]


def is_there(method: str, path: str, *, root: bool) -> bool:
    """Whether an operation has this path; with `root` whether some begin with it."""
    return any(
        (template.fullmatch(path) or (root and template.pattern.startswith(f"{path}/"))) and method in ("", known)
        for known, template in TEMPLATES
    )


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_shown_path_is_there(paper: object) -> None:
    text = (REPOSITORY / str(paper)).read_text(encoding="utf-8")
    found = {(match[1] or "", match[2], bool(match[3])) for match in PATH.finditer(text)}
    assert [item for item in sorted(found) if not is_there(item[0], item[1], root=item[2])] == []


def test_finds_what_is_wrong() -> None:
    assert is_there("POST", "/v1/purchases", root=False)
    assert is_there("", "/v1/staff/products/prd_1/publish", root=False)
    assert is_there("", "/v1/staff", root=True)
    assert not is_there("PUT", "/v1/purchases", root=False)
    assert not is_there("", "/v1/purchase", root=False)
