"""What the form of a page sends, and the token in the address of a page behind a one-time link."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from mpss.kernel.errors import ErrorCode, MalformedField, Refused

_LONGEST_FORM = 1024
_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,100}", re.ASCII)


def sane_token(token: str) -> str:
    """
    Raises:
        Refused: CODE_EXPIRED, it is no token of ours.
    """
    if _TOKEN.fullmatch(token) is None:
        raise Refused(ErrorCode.CODE_EXPIRED)
    return token


def form_fields(body: bytes) -> dict[str, str]:
    """The fields of a form, each once.

    Raises:
        MalformedField: it is no form of ours.
    """
    try:
        pairs = parse_qs(
            body[: _LONGEST_FORM + 1].decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=8
        )
    except ValueError:
        pairs = {}
    if len(body) > _LONGEST_FORM or not pairs or any(len(values) != 1 for values in pairs.values()):
        raise MalformedField(field="", problem="must be the form's fields, each once")
    return {name: values[0] for name, values in pairs.items()}
