"""The mark that says which clauses of the specification a test shows."""

from __future__ import annotations

import pytest


def clause(*ids: str) -> pytest.MarkDecorator:
    """Mark a test, or a class of tests, with clauses of docs/spec/clauses.toml: `@clause("CT 5.3", "CM 6.11.1")`."""
    return pytest.mark.clause(*ids)
