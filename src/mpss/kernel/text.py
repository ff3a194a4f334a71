"""What people write into the record: reasons, evidence, what a customer showed."""

from __future__ import annotations

from mpss.kernel.errors import MalformedField

LONGEST_LINE = 200
"""Characters of one line, unless a field says otherwise."""


def check_line(text: str, *, field: str, longest: int = LONGEST_LINE) -> None:
    """
    Raises:
        MalformedField: not one line of 1 to `longest` printable characters, or nothing but blanks; names `field`.
    """
    if not text.strip() or len(text) > longest or not text.isprintable():
        raise MalformedField(field=field, problem=f"must be one line of 1 to {longest} characters")
